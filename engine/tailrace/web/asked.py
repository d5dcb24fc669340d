"""What the API takes: bodies, and what stands after the question mark."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from tailrace.project.config import GuardName
from tailrace.web.models import Count, Status

Text: TypeAlias = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=500)]


class Given(BaseModel):
    """Base of what is sent to us: no key that is not known, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """Base of what stands after the question mark."""

    model_config = ConfigDict(extra="forbid")


class RunsQuery(Query):
    """Which runs."""

    sync: Text | None = None
    status: Status | None = None
    before: Text | None = None
    limit: Limit = 50


class BatchesQuery(Query):
    """Which batches."""

    after: Count = 0
    limit: Limit = 100


class RejectedQuery(Query):
    """Which rejected rows."""

    code: Text | None = None
    """Only rows of this code; empty for those without one."""
    state: Literal["rejected", "dismissed"] = "rejected"
    after: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = ""
    limit: Limit = 50


class Choice(Given):
    """Which rejected rows: one by its key, those of a code, or all."""

    key: dict[str, str | int | float | bool | None] | None = None
    code: Text | None = None
    """Empty for rows without one."""
    all: bool = False


class UnknownQuery(Query):
    """Which rows of unknown outcome."""

    after: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = ""
    limit: Limit = 50


class WayChosen(Given):
    """How rows of unknown outcome are settled."""

    way: Literal["resend", "skip", "look_up"]


class RowQuery(Query):
    """Which row."""

    key: Annotated[list[Text], Field(min_length=1, max_length=16)]
    """The row's key: VALUE, or COLUMN=VALUE for each column."""


class PlanAsked(Given):
    """How a plan is made."""

    check: bool = False
    """Ask the destination for its account and fields too."""
    full: bool = False
    wait_s: Annotated[float, Field(ge=0, le=60)] = 0
    """How long to wait for it."""


class PlansQuery(Query):
    """Which plans."""

    sync: Text | None = None
    before: Text | None = None
    """`next` of the page before."""
    limit: Limit = 50


class ChangesQuery(Query):
    """Which changes of a plan."""

    search: Text = ""
    op: Literal["insert", "update", "delete"] | None = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Limit = 50


class ApplyAsked(Given):
    """Which plan is carried out, and how."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the plan that was looked at."""
    overrides: Annotated[list[GuardName], Field(max_length=5)] = []
    """Guards that may pass, for this plan alone; an admin's to give."""


class RunAsked(Given):
    """How a run is made."""

    full: bool = False
    dry_run: bool = False


class RequestsQuery(Query):
    """Which requests."""

    sync: Text | None = None
    before: Text | None = None
    """`next` of the page before."""
    limit: Limit = 50


class Nothing(Given):
    """Nothing more to say."""


class ResetAsked(Given):
    """That a reset is meant."""

    confirm: Text
    """The sync's name."""


class AuditQuery(Query):
    """Which lines of the audit log."""

    before: Annotated[int, Field(ge=0, le=2**53)] | None = None
    subject: Text | None = None
    limit: Limit = 50
