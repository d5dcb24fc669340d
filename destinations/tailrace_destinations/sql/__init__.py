"""Tables of any SQL database, through SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailrace.destination import Capabilities, Context, Destination, Plugin
from tailrace_destinations.sql.config import SqlConfig, SqlOptions

if TYPE_CHECKING:
    from tailrace_destinations.sql.adapter import SqlDestination


def _open(config: SqlConfig, context: Context) -> Destination:
    from tailrace_destinations.sql.adapter import SqlDestination  # noqa: PLC0415  # SQLAlchemy only when used

    destination: SqlDestination = SqlDestination(config, context)
    return destination


def _capabilities(config: SqlConfig) -> Capabilities:
    from tailrace_destinations.sql.address import capabilities  # noqa: PLC0415

    return capabilities(config)


def _account_hint(config: SqlConfig) -> str:
    from tailrace_destinations.sql.address import account_id  # noqa: PLC0415

    return account_id(config)


plugin = Plugin(
    name="sql",
    summary="tables of a SQL database, by SQLAlchemy URL",
    config=SqlConfig,
    open=_open,
    capabilities=_capabilities,
    account_hint=_account_hint,
    options=SqlOptions,
    requires=("sqlalchemy",),
)

__all__ = ["SqlConfig", "SqlOptions", "plugin"]
