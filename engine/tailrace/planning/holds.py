"""Rows that are not sent now, though they differ: why, and until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["waiting", "dead", "manual", "dismissed", "deleted", "unknown"]
"""waiting: refused, and its next attempt is yet to come; dead: refused too often; manual: refused, and the sync wants
to be told to retry; dismissed: set aside by someone; deleted: its record is gone, and the sync
leaves it so; unknown: sent without an answer, and not to be sent twice."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a row is held back."""

    reason: Reason
    payload: str | None
    """The hash of the payload that is held back; another one goes. None holds whatever the payload."""
    since: str
    """The run that refused the row, or got no answer."""
    until: float | None = None
    """Seconds since the epoch; None where nothing but a person, or another payload, ends it."""

    @property
    def moment(self) -> datetime | None:
        """`until`, in UTC."""
        return None if self.until is None else datetime.fromtimestamp(self.until, UTC)


def first_attempt(holds: Iterable[Hold]) -> datetime | None:
    """When the first of the rows that wait is sent again; None when none waits."""
    return min((moment for hold in holds if (moment := hold.moment) is not None), default=None)


def told(holds: Iterable[Hold], sync: str) -> tuple[str, ...]:
    """For people: how many rows are held back, until when or why, and what to do about it."""
    known = tuple(holds)
    waiting = [moment for hold in known if (moment := hold.moment) is not None]
    asking = Counter(_WORDS[hold.reason] for hold in known if hold.until is None)
    lines = []
    if waiting:
        rows = "1 rejected row waits" if len(waiting) == 1 else f"{len(waiting):,} rejected rows wait"
        lines.append(f"{rows} {_until(min(waiting), max(waiting))}; tailrace retry {sync} --now sends them now")
    if asking:
        rows = "1 row is held back" if asking.total() == 1 else f"{asking.total():,} rows are held back"
        why = ", ".join(f"{number:,} {words}" for words, number in sorted(asking.items()))
        commands = {_SHOWN_BY[hold.reason].format(sync=sync) for hold in known if hold.until is None}
        lines.append(f"{rows} ({why}): see {' and '.join(sorted(commands))}")
    return tuple(lines)


_WORDS: dict[Reason, str] = {
    "waiting": "waiting",
    "dead": "given up",
    "manual": "waiting for tailrace retry",
    "dismissed": "dismissed",
    "deleted": "with a record that was deleted in the destination",
    "unknown": "of unknown outcome",
}

_SHOWN_BY: dict[Reason, str] = {
    "waiting": "tailrace rejected {sync}",
    "dead": "tailrace rejected {sync}",
    "manual": "tailrace rejected {sync}",
    "dismissed": "tailrace rejected {sync} --dismissed",
    "deleted": "tailrace rejected {sync} --dismissed",
    "unknown": "tailrace resolve {sync}",
}


def _until(first: datetime, last: datetime) -> str:
    if clock(first) == clock(last):
        return f"until {clock(first)}"
    return f"for the next attempt, the first until {clock(first)}, the last until {clock(last)}"


def clock(moment: datetime) -> str:
    """A moment as people read it, to the minute: rounded up, as nothing is sent before it."""
    minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return f"{minute if minute == moment else minute + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
