"""The `hubspot` entry in `tailrace.yml`, and the limits that come with a plan."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from tailrace.destination import Rate
from tailrace.project.config import DestinationConfig, SyncOptions
from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.types import Filled, Secret
from tailrace_destinations.plain import BaseUrl, ZoneName

ApiVersion: TypeAlias = Literal["v3", "2026-09"]
Plan: TypeAlias = Literal["free", "starter", "professional", "enterprise"]
DAY: Final = 86_400.0
BURST_SECONDS: Final = 10.0
# Calls per ten seconds and per day of a private app, by plan (developers.hubspot.com, usage guidelines).
_LIMITS: Final[dict[Plan, tuple[int, int]]] = {
    "free": (100, 250_000),
    "starter": (100, 250_000),
    "professional": (190, 625_000),
    "enterprise": (190, 1_000_000),
}
_OAUTH_BURST: Final = 110
"""Of each OAuth app in each account; its answers tell nothing of the day's limit."""
_ADD_ON_BURST: Final = 250
_ADD_ON_DAILY: Final = 1_000_000


class RefreshToken(Model):
    """An OAuth app that the account has installed."""

    flow: Literal["refresh_token"]
    client_id: Filled
    client_secret: Secret
    refresh_token: Secret


class HubSpotConfig(DestinationConfig):
    """A HubSpot account, reached by a private app's token or as an OAuth app."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("access_token"), given("auth")]})

    type: Literal["hubspot"]
    access_token: Secret | None = None
    """A private app's token."""
    auth: RefreshToken | None = None
    """An OAuth app's sign-in, in place of `access_token`."""
    plan: Plan = "free"
    """Sets the rate limit; the lowest one unless told."""
    limit_increases: Annotated[int, Field(ge=0, le=2)] = 0
    """API limit increases (add-ons) that the account has bought."""
    api_version: ApiVersion = "v3"
    """`2026-09` enforces the account's rules of required properties on what is written."""
    base_url: BaseUrl = "https://api.hubapi.com"
    timezone: ZoneName | None = None
    """Zone of timestamps that have none; without it they do not fit datetime properties."""
    ca_file: str | None = None
    """PEM bundle that verifies the server, for a gateway with a certificate of its own."""

    @model_validator(mode="after")
    def _one_sign_in(self) -> HubSpotConfig:
        if (self.access_token is None) == (self.auth is None):
            raise ValueError("give either access_token, of a private app, or auth, of an OAuth app")
        return self


class HubSpotOptions(SyncOptions):
    """Keys a sync to HubSpot may have besides the common ones."""

    create_fields: bool = False
    """Whether properties that the mapping names and the account lacks are made by a run."""
    lifecycle_backwards: bool = False
    """Whether a lifecycle stage before the one that a record has is written, by clearing that one first."""


def rates(config: HubSpotConfig) -> tuple[Rate, ...]:
    """The vendor's limits for that plan and its add-ons; those of an OAuth app are the same under all plans."""
    if config.auth is not None:
        return (Rate(_OAUTH_BURST, BURST_SECONDS),)
    burst, daily = _LIMITS[config.plan]
    if config.limit_increases:
        burst, daily = _ADD_ON_BURST, daily + _ADD_ON_DAILY * config.limit_increases
    return (Rate(burst, BURST_SECONDS), Rate(daily, DAY))
