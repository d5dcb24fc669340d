"""How many requests went to each account of late, by the hour, and to each sync's destination since ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tailrace.state.schema import calls
from tailrace.state.totals import add

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tailrace.limits import Spent
    from tailrace.state.database import Database

HOUR_S: Final = 3_600
_KEPT: Final = 25
"""Hours on record: a day begins within one of them."""


def add_calls(database: Database, connection: Connection, account: str, sync: str, spent: Spent, at: float) -> None:
    """Count what a sync spent at that time, in the transaction that permits it."""
    new = database.insert(calls)
    more = new.on_conflict_do_update(
        index_elements=["account", "hour", "sync"], set_={"calls": calls.c.calls + new.excluded.calls}
    )
    values = {"account": account, "hour": _hour(at), "sync": sync, "calls": spent.calls}
    connection.execute(more, values)
    add(database, connection, sync, {"calls": spent.calls, "retries": spent.retries, "throttled_s": spent.throttled_s})


def calls_since(connection: Connection, account: str, at: float, seconds: float) -> int:
    """Requests within the last so many seconds; of the hour in which that begins, the part that lies in it."""
    since = at - seconds
    query = sa.select(calls.c.hour, sa.func.sum(calls.c.calls)).group_by(calls.c.hour)
    found = connection.execute(query.where(calls.c.account == account, calls.c.hour >= _hour(since)))
    parts: list[float] = [float(many) * min(1.0, (hour + 1) - since / HOUR_S) for hour, many in found]
    return round(sum(parts))


def forget_calls(connection: Connection, account: str, at: float, done: int | None) -> int:
    """Remove what is older than a day, unless it was `done` in this hour; gives the hour."""
    hour = _hour(at)
    if hour != done:
        connection.execute(sa.delete(calls).where(calls.c.account == account, calls.c.hour < hour - _KEPT))
    return hour


def _hour(at: float) -> int:
    return int(at // HOUR_S)
