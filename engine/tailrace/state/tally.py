"""How many rows are in trouble: counted when they changed, not each time somebody looks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.state.database import Database
from tailrace.state.records import IssueCounts, IssueState
from tailrace.state.schema import issue_marks, row_issues


@dataclass(frozen=True, slots=True)
class Sum:
    """Rows of one sync and identity that share kind, code and state."""

    identity: str
    kind: str
    code: str | None
    state: IssueState
    rows: int
    first: str
    """The hash of a key that one of them has."""


@dataclass(frozen=True, slots=True)
class _Counted:
    mark: int
    sums: tuple[Sum, ...]


class Tally(Database):
    """The part of the state database that counts rows in trouble.

    Every transaction that changes some of a sync moves the sync's mark, so that a count holds as long as the mark does:
    to count a million rows takes a quarter of a second, to look at a mark next to nothing.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._counted: dict[str, _Counted] = {}
        self._counting = threading.Lock()

    def issue_counts(self) -> dict[tuple[str, str], IssueCounts]:
        """Per sync and identity how many rows need attention."""
        with self.reading() as connection:
            syncs = connection.scalars(sa.select(issue_marks.c.sync)).all()
        counts: dict[tuple[str, str], IssueCounts] = {}
        for sync in syncs:
            for each in self.issue_sums(sync):
                held = counts.get((sync, each.identity), IssueCounts())
                more = {name: getattr(held, name) + each.rows for name in _counted(each.kind, each.state)}
                counts[sync, each.identity] = replace(held, **more)
        return counts

    def issue_sums(self, sync: str) -> tuple[Sum, ...]:
        """The sync's rows by identity, kind, code and state."""
        with self._counting, self.reading() as connection:
            mark = connection.scalar(sa.select(issue_marks.c.mark).where(issue_marks.c.sync == sync))
            known = self._counted.get(sync)
            if mark is None:
                return ()
            if known is None or known.mark != mark:
                rows: Any = connection.execute(_SUMS.where(row_issues.c.sync == sync))
                known = self._counted[sync] = _Counted(mark, tuple(Sum(*row) for row in rows))
            return known.sums

    def mark_issues(self, connection: Connection, sync: str) -> None:
        """To be called by every transaction that changes rows in trouble."""
        insert = self.insert(issue_marks).values(sync=sync, mark=1)
        moved = insert.on_conflict_do_update(index_elements=["sync"], set_={"mark": issue_marks.c.mark + 1})
        connection.execute(moved)


_BY = tuple(row_issues.c[name] for name in ("identity", "kind", "code", "state"))
# In the order of the index, so that nothing needs to be sorted.
_SUMS = sa.select(*_BY, sa.func.count(), sa.func.min(row_issues.c.key_hash)).group_by(*_BY)


def _counted(kind: str, state: str) -> tuple[str, ...]:
    if state == "dismissed":
        return ("dismissed",)
    if kind == "unknown":
        return ("unknown",)
    return ("rejected", "dead") if state == "dead" else ("rejected",)
