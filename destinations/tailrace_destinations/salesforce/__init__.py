"""Salesforce: any standard or custom object, by sObject Collections and by jobs of Bulk API 2.0."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tailrace.destination import Bulk, Capabilities, Context, Destination, Operation, Plugin
from tailrace.errors import UsageError
from tailrace_destinations.salesforce.config import (
    ClientCredentials,
    RefreshToken,
    SalesforceConfig,
    SalesforceOptions,
    SessionToken,
)

if TYPE_CHECKING:
    from typing import Final

__all__ = ["plugin"]

_REQUIRES: Final = ("simple_salesforce",)
_OPERATIONS: Final = frozenset({Operation.UPSERT, Operation.CREATE, Operation.UPDATE, Operation.DELETE})
BATCH_SIZE: Final = 200
"""Most records of one Collections request."""
BULK_ROWS: Final = 2_000
"""From so many rows on Salesforce itself advises jobs."""
JOB_CALLS: Final = 6
"""Open, upload, start, and three results."""


def bulk_jobs(config: SalesforceConfig, options: SalesforceOptions | None) -> Bulk:
    """When jobs are used: of no operation when the sync forbids them, or sets what a job cannot carry.

    Jobs of an earlier run, which did not forbid them, can still be asked what became of them.
    """
    chosen = options or SalesforceOptions()
    # Nothing but a job deletes for good, and what a job cannot carry says nothing of deleting.
    only = frozenset() if chosen.bulk == "never" else frozenset({Operation.HARD_DELETE})
    if chosen.bulk == "never" or chosen.jobs_cannot:
        why_not = "bulk: never" if chosen.bulk == "never" else f"{chosen.jobs_cannot}, which no job can carry"
        return Bulk(only, BULK_ROWS, config.job_rows, JOB_CALLS, why_not=why_not)
    if chosen.bulk == "always":
        return Bulk(_OPERATIONS | only, 1, config.job_rows, JOB_CALLS, "bulk: always", "they need a look-up first")
    why = f"Bulk API 2.0 from {BULK_ROWS:,} rows of one action on"
    why_not = f"jobs begin at {BULK_ROWS:,} rows of one action that need no look-up"
    return Bulk(_OPERATIONS | only, BULK_ROWS, config.job_rows, JOB_CALLS, why, why_not)


def capabilities(config: SalesforceConfig, options: SalesforceOptions | None = None) -> Capabilities:
    """What Salesforce can do. There is no inactive state common to all objects, hence no archive."""
    return Capabilities(
        operations=_OPERATIONS,
        idempotent=frozenset({Operation.UPSERT, Operation.UPDATE, Operation.DELETE}),
        batch_size=min(config.batch_size or BATCH_SIZE, BATCH_SIZE),
        rates=config.rate or (),
        # Other programs' rows, and triggers, lock more than the parents that are known here.
        concurrency=config.concurrency or 1,
        lookups=True,
        bulk=bulk_jobs(config, options),
    )


def open_destination(config: SalesforceConfig, context: Context) -> Destination:
    """Open the org; UsageError when the vendor's library is not installed."""
    if any(find_spec(module) is None for module in _REQUIRES):
        raise UsageError(
            f"Destination {context.name!r} needs a library that is not installed.",
            hint="Run: pip install 'tailrace[salesforce]'",
        )
    from tailrace_destinations.salesforce.adapter import SalesforceDestination  # noqa: PLC0415  slow to import

    options = context.options if isinstance(context.options, SalesforceOptions) else None
    return SalesforceDestination(config, context, capabilities(config, options))


def account_hint(config: SalesforceConfig) -> str:
    """The host signed in at, and the user where one is named; a My Domain host tells the org by itself."""
    match config.auth:
        case SessionToken() as auth:
            return auth.instance_url
        case ClientCredentials() as auth:
            return auth.login_url
        case RefreshToken() as auth:
            # Neither names the org; by its reference a token is told from others without being one.
            return f"{auth.login_url} {auth.client_id} {auth.refresh_token.masked}"
        case auth:
            return f"{auth.login_url} {auth.username}"


plugin = Plugin(
    name="salesforce",
    summary="Salesforce objects, by upsert on an external id",
    config=SalesforceConfig,
    open=open_destination,
    capabilities=capabilities,
    account_hint=account_hint,
    options=SalesforceOptions,
    bulk=bulk_jobs,
    requires=_REQUIRES,
)
