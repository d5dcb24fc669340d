"""What is wrong with syncs, and what of it was told to whom it concerns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from tailrace.jsonform import iso_at
from tailrace.state.database import Database
from tailrace.state.schema import alerts


@dataclass(frozen=True, slots=True)
class Alert:
    """One kind of trouble of one sync. Times are seconds since the epoch."""

    sync: str
    kind: str
    since: float
    mark: str
    """What of it was seen last; it is told again when that changes for the worse."""
    message: str
    """Without values of rows."""
    told_at: float | None
    """None while nobody was told."""
    ended_at: float | None
    """Since when it is no more, as long as that was not told."""

    def to_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "sync": self.sync,
            "kind": self.kind,
            "since": iso_at(self.since),
            "message": self.message,
            "told_at": iso_at(self.told_at),
            "ended_at": iso_at(self.ended_at),
        }


class Alerts(Database):
    """The part of the state database that knows who was told what."""

    def alerts(self) -> list[Alert]:
        """All there are, by sync and kind."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(alerts).order_by(alerts.c.sync, alerts.c.kind)).mappings()
            return [Alert(**row) for row in rows]

    def put_alert(self, alert: Alert) -> None:
        """Keep an alert, in place of an earlier one of its sync and kind."""
        with self.transaction() as connection:
            values = asdict(alert)
            keyed = {"index_elements": ["sync", "kind"], "set_": values}
            connection.execute(self.insert(alerts).values(**values).on_conflict_do_update(**keyed))

    def drop_alert(self, sync: str, kind: str) -> None:
        """Forget an alert."""
        with self.transaction() as connection:
            connection.execute(sa.delete(alerts).where(alerts.c.sync == sync, alerts.c.kind == kind))
