"""Sums over all runs that ever ended, also of those that are forgotten: what counters of a monitoring system need."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tailrace.state.database import Database
from tailrace.state.schema import totals

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tailrace.state.records import Tallies

BUCKETS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0)
"""Upper bounds, in seconds, of how long runs took; there is one more without end."""
SPENT: Final = frozenset({"calls", "retries", "throttled_s"})
"""Counted where they are spent, so that a run that is killed loses none; see `tailrace.state.calls`."""


class Totals(Database):
    """The part of the state database that sums up."""

    def totals(self) -> dict[str, dict[str, float]]:
        """By sync, then by name: `runs ENDING`, `took BUCKET` (a number), `seconds`, and the names of tallies."""
        found: dict[str, dict[str, float]] = {}
        with self.reading() as connection:
            for row in connection.execute(sa.select(totals)):
                found.setdefault(row.sync, {})[row.name] = row.value
        return found


def add_run(database: Database, connection: Connection, sync: str, status: str, tallies: Tallies, took: float) -> None:
    """Count a run that ends now, after `took` seconds, in the transaction that says so."""
    rows = {name: float(value) for name, value in asdict(tallies).items() if name not in SPENT}
    own = {f"runs {status}": 1.0, f"took {bisect_left(BUCKETS, took)}": 1.0, "seconds": max(0.0, took)}
    add(database, connection, sync, {**rows, **own})


def add(database: Database, connection: Connection, sync: str, values: Mapping[str, float]) -> None:
    """Add to the sums of a sync; nothing is written for what is 0."""
    new = database.insert(totals)
    summed = {"value": totals.c.value + new.excluded.value}
    statement = new.on_conflict_do_update(index_elements=["sync", "name"], set_=summed)
    # In one order, whoever counts: two transactions that lock the same rows must not wait for each other.
    for name in sorted(name for name, value in values.items() if value):
        connection.execute(statement, {"sync": sync, "name": name, "value": values[name]})
