"""Which rows each run planned and held back: one record for all runs that did so for one reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from tailrace.state.database import Database
from tailrace.state.issues import key_hash
from tailrace.state.leases import check_token
from tailrace.state.records import HoldRecord, NewHold
from tailrace.state.schema import holds


class Holds(Database):
    """The part of the state database that tells why a row was not sent."""

    def record_holds(self, sync: str, identity: str, run_id: str, held: Iterable[NewHold], *, token: int) -> None:
        """Note what a run held back; LeaseLost when the token's lease is no longer the latest."""
        with self.transaction() as connection:
            check_token(connection, sync, token)
            statement, now = self._noting(), self.now(connection)
            common = {"sync": sync, "identity": identity, "first_run": run_id, "last_run": run_id, "runs": 1}
            self.execute_many(connection, statement, (common | _values(hold, now) for hold in held))

    def _noting(self) -> Any:
        old, insert = holds.c, self.insert(holds)
        new = insert.excluded
        again = sa.case((old.last_run == new.last_run, old.runs), else_=old.runs + 1)
        values = {"until": new.until, "last_run": new.last_run, "last_at": new.last_at, "runs": again}
        key = ["sync", "identity", "key_hash", "since", "reason"]
        return insert.on_conflict_do_update(index_elements=key, set_=values)

    def holds(self, sync: str, key_text: str) -> tuple[HoldRecord, ...]:
        """What held one row back, oldest first."""
        wanted = [holds.c[name] for name in HoldRecord.__slots__]
        query = sa.select(*wanted).where(holds.c.sync == sync, holds.c.key_hash == key_hash(key_text))
        with self.reading() as connection:
            rows = connection.execute(query.order_by(holds.c.first_at, holds.c.since)).mappings()
            return tuple(HoldRecord(**row) for row in rows)


def _values(hold: NewHold, now: float) -> dict[str, object]:
    return {
        "key_hash": key_hash(hold.key_text),
        "since": hold.since,
        "reason": hold.reason,
        "until": hold.until,
        "first_at": now,
        "last_at": now,
    }
