"""HubSpot: contacts, companies, deals, tickets and custom objects, by their batch endpoints."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tailrace.destination import Capabilities, Context, Destination, Operation, Plugin
from tailrace.errors import UsageError
from tailrace_destinations.hubspot.config import HubSpotConfig, HubSpotOptions, rates
from tailrace_destinations.hubspot.kinds import EVENT, LIST, able

if TYPE_CHECKING:
    from typing import Final

__all__ = ["plugin"]

_REQUIRES: Final = ("hubspot",)
_OPERATIONS: Final = frozenset(Operation) - {Operation.HARD_DELETE}
BATCH_SIZE: Final = 100
"""Most inputs of one batch request."""
CONCURRENCY: Final = 16
"""Most batches in flight: enough to use up 19 requests a second that take 0.6 s each."""


def capabilities(config: HubSpotConfig) -> Capabilities:
    """What HubSpot can do under that plan."""
    return Capabilities(
        operations=_OPERATIONS,
        idempotent=_OPERATIONS - {Operation.CREATE},
        batch_size=min(config.batch_size or BATCH_SIZE, BATCH_SIZE),
        rates=config.rate if config.rate is not None else rates(config),
        concurrency=config.concurrency or CONCURRENCY,
        lookups=True,
        labels=True,
        lookup_calls=2,
        unlinks=True,
        case_insensitive_match=frozenset({"email"}),
    )


def kinds(config: HubSpotConfig, object: str) -> Capabilities:
    """What can be done with an object: a CRM object, `list:NAME` or `event:NAME`."""
    return able(capabilities(config), object, config.batch_size)


def open_destination(config: HubSpotConfig, context: Context) -> Destination:
    """Open the account; UsageError when the vendor's library is not installed."""
    if any(find_spec(module) is None for module in _REQUIRES):
        raise UsageError(
            f"Destination {context.name!r} needs a library that is not installed.",
            hint="Run: pip install 'tailrace[hubspot]'",
        )
    options = context.options
    if ":" in context.object and isinstance(options, HubSpotOptions) and options != HubSpotOptions():
        given = ", ".join(sorted(options.model_fields_set))
        raise UsageError(f"{given} means nothing for {context.object}, which has no properties of records to write.")
    # The library is slow to import.
    from tailrace_destinations.hubspot.adapter import HubSpotDestination  # noqa: PLC0415
    from tailrace_destinations.hubspot.events import EventDestination  # noqa: PLC0415
    from tailrace_destinations.hubspot.lists import ListDestination  # noqa: PLC0415

    can = kinds(config, context.object)
    special = context.object.startswith((LIST, EVENT))
    records = HubSpotDestination(config, context, capabilities(config) if special else can)
    if context.object.startswith(LIST):
        return ListDestination(records, context, can)
    if context.object.startswith(EVENT):
        return EventDestination(records, context, can, records.zone)
    return records


def account_hint(config: HubSpotConfig) -> str:
    """Where the account is reached, and the reference to its token: the limits are those of the token's app."""
    if config.auth is not None:
        return f"{config.base_url} {config.auth.client_id} {config.auth.refresh_token.masked}"
    assert config.access_token is not None  # noqa: S101  the configuration has exactly one
    return f"{config.base_url} {config.access_token.masked}"


plugin = Plugin(
    name="hubspot",
    summary="HubSpot CRM objects, by batch upsert on a unique property",
    config=HubSpotConfig,
    open=open_destination,
    capabilities=capabilities,
    account_hint=account_hint,
    options=HubSpotOptions,
    requires=_REQUIRES,
    kinds=kinds,
)
