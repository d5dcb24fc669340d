"""The `triggers:` of tailrace.yml: which programs may ask for runs, and how they prove who they are."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tailrace.project.model import Model
from tailrace.project.types import Filled, Interval, NameText, Secret

_Header: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)]


class _Trigger(Model):
    """What all have."""

    secret: Secret
    """Signs the messages."""
    syncs: Annotated[tuple[NameText, ...], Field(min_length=1)]
    """To be run."""
    window: Interval = 300.0
    """How old a message may be."""


class HmacTrigger(_Trigger):
    """Any program: HMAC-SHA256, in hex, over the time, a dot and the raw body; an id and a dot come first, if any."""

    type: Literal["hmac"]
    signature_header: _Header = "X-Tailrace-Signature"
    timestamp_header: _Header = "X-Tailrace-Timestamp"
    """Seconds since the epoch."""
    id_header: _Header | None = None
    """Names a delivery, so that one that comes again with another time is known; without it, time and body do."""


class DbtCloudTrigger(_Trigger):
    """A webhook of dbt Cloud for `job.run.completed`; runs that did not succeed ask for nothing."""

    type: Literal["dbt_cloud"]
    jobs: tuple[int | Filled, ...] = ()
    """Ids of jobs; without any, all."""


TriggerConfig: TypeAlias = Annotated[HmacTrigger | DbtCloudTrigger, Field(discriminator="type")]
