"""Pages of runs and of rows in trouble, however many there are: each costs what it shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa

from tailrace.state.issues import Issues, key_hash
from tailrace.state.records import (
    PRESENT,
    BatchRecord,
    IssueKind,
    IssueState,
    RowIssue,
    RunRecord,
    RunStatus,
    Upkeep,
)
from tailrace.state.runs import record_of
from tailrace.state.schema import batches, row_issues, runs
from tailrace.state.tally import Sum

_STATES: tuple[IssueState, ...] = get_args(IssueState)


@dataclass(frozen=True, slots=True)
class IssueGroup:
    """Rows of one code, with one of them as an example."""

    code: str | None
    open: int
    dead: int
    dismissed: int
    example: RowIssue

    @property
    def shown(self) -> int:
        """Those that nobody has set aside."""
        return self.open + self.dead


@dataclass(frozen=True, slots=True)
class Sums:
    """A run's batches, added up; all but `batches` and `open` are rows of those that have outcomes."""

    batches: int
    open: int
    """Batches sent, or about to be, without outcomes yet."""
    rows: int
    acknowledged: int
    rejected: int
    unknown: int
    skipped: int


class Browse(Issues):
    """The part of the state database that is looked at page by page."""

    def run_page(
        self,
        *,
        sync: str | None = None,
        statuses: Collection[RunStatus] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Runs, newest first: at most `limit` that began before the run with the id `before`."""
        query = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
        query = query if sync is None else query.where(runs.c.sync == sync)
        query = query.where(runs.c.status.in_(statuses)) if statuses else query
        with self.reading() as connection:
            if before is not None:
                began = connection.scalar(sa.select(runs.c.started_at).where(runs.c.run_id == before))
                if began is None:
                    return []
                query = query.where(sa.tuple_(runs.c.started_at, runs.c.run_id) < sa.tuple_(began, before))
            return [record_of(row) for row in connection.execute(query).mappings()]

    def recent_runs(self, syncs: Sequence[str], limit: int) -> dict[str, list[tuple[str, str, float]]]:
        """The latest runs of each sync, the oldest first: id, status, and when it began; upkeep is no run here."""
        columns = (runs.c.run_id, runs.c.status, runs.c.started_at)
        found: dict[str, list[tuple[str, str, float]]] = {}
        with self.reading() as connection:
            for sync in syncs:
                query = sa.select(*columns).where(runs.c.sync == sync, runs.c.mode.not_in(get_args(Upkeep)))
                query = query.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
                found[sync] = [(row[0], row[1], row[2]) for row in reversed(connection.execute(query).all())]
        return found

    def batch_page(self, run_id: str, *, after: int = 0, limit: int = 100) -> list[BatchRecord]:
        """A run's batches in the order of their numbers: at most `limit` with a number above `after`."""
        wanted = sa.select(*(batches.c[name] for name in BatchRecord.__slots__))
        query = wanted.where(batches.c.run_id == run_id, batches.c.number > after)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(batches.c.number).limit(limit)).mappings()
            return [BatchRecord(**row) for row in rows]

    def batch_sums(self, run_id: str) -> Sums:
        """A run's batches, added up."""
        settled = batches.c.settled_at.is_not(None)
        added = [
            sa.func.coalesce(sa.func.sum(sa.case((settled, batches.c[name]), else_=0)), 0)
            for name in ("rows", "acknowledged", "rejected", "unknown", "skipped")
        ]
        waiting = sa.func.coalesce(sa.func.sum(sa.case((settled, 0), else_=1)), 0)
        query = sa.select(sa.func.count(), waiting, *added).where(batches.c.run_id == run_id)
        with self.reading() as connection:
            return Sums(*(int(value) for value in connection.execute(query).one()))

    def issue_groups(self, sync: str, identity: str, kind: IssueKind = "rejected") -> list[IssueGroup]:
        """The rows by code, the largest group first; dismissed ones are counted apart."""
        by_code: dict[str | None, dict[IssueState, Sum]] = {}
        for each in self.issue_sums(sync):
            if (each.identity, each.kind) == (identity, kind):
                by_code.setdefault(each.code, {})[each.state] = each
        groups = []
        for code, sums in by_code.items():
            example = self._example(sync, identity, sums)
            if example is not None:  # else they went away just now
                numbers = {state: sums[state].rows if state in sums else 0 for state in _STATES}
                groups.append(IssueGroup(code, numbers["open"], numbers["dead"], numbers["dismissed"], example))
        return sorted(groups, key=lambda group: (-group.shown, group.code or ""))

    def _example(self, sync: str, identity: str, sums: Mapping[IssueState, Sum]) -> RowIssue | None:
        first = next(sums[state] for state in _STATES if state in sums)
        where = (row_issues.c.sync == sync, row_issues.c.identity == identity, row_issues.c.key_hash == first.first)
        with self.reading() as connection:
            row = connection.execute(_ISSUES.where(*where)).one_or_none()
        return None if row is None else RowIssue(*row)

    def issue_page(
        self,
        sync: str,
        identity: str,
        kind: IssueKind,
        *,
        codes: Sequence[str | None] | None = None,
        states: Collection[IssueState] = PRESENT,
        after: str = "",
        limit: int = 50,
    ) -> list[RowIssue]:
        """Rows in a fixed order: at most `limit` after the one filed under the hash `after`."""
        kinds = {
            (each.code, each.state)
            for each in self.issue_sums(sync)
            if (each.identity, each.kind) == (identity, kind)
            and each.state in states
            and (codes is None or each.code in codes)
        }
        which = [*_which(sync, identity, kind), row_issues.c.key_hash > after]
        page: list[RowIssue] = []
        with self.reading() as connection:
            # One look into the index for each code and state, where rows are in this order: never a walk past others.
            for code, state in kinds:
                query = _ISSUES.where(*which, *_of_codes([code]), row_issues.c.state == state)
                rows = connection.execute(query.order_by(row_issues.c.key_hash).limit(limit))
                page = sorted([*page, *(RowIssue(*row) for row in rows)], key=lambda issue: issue.key_hash)[:limit]
        return page

    def issue(self, sync: str, identity: str, key: str) -> RowIssue | None:
        """The row of that key, as text; None where it is in no trouble."""
        where = (row_issues.c.sync == sync, row_issues.c.identity == identity, row_issues.c.key_hash == key_hash(key))
        with self.reading() as connection:
            row = connection.execute(_ISSUES.where(*where)).one_or_none()
        return None if row is None else RowIssue(*row)

    def retry_all(self, sync: str, identity: str, codes: Sequence[str | None] | None = None) -> int:
        """Make rejected rows, of these codes or all, dismissed ones too, due for the next run; gives how many."""
        return self._change_all(sync, identity, codes, state="open", due=True, attempts=0, retry_at=None)

    def dismiss_all(self, sync: str, identity: str, codes: Sequence[str | None] | None = None) -> int:
        """Set rejected rows, of these codes or all, aside until they change; gives how many."""
        fresh = row_issues.c.state != "dismissed"
        return self._change_all(sync, identity, codes, fresh, state="dismissed", due=False, retry_at=None)

    def _change_all(
        self,
        sync: str,
        identity: str,
        codes: Sequence[str | None] | None,
        *which: sa.ColumnElement[bool],
        **values: Any,
    ) -> int:
        where = [*_which(sync, identity, "rejected"), *_of_codes(codes), *which]
        return self.change_issues(sync, where, values)


_ISSUES = sa.select(*(row_issues.c[name] for name in RowIssue.__slots__))


def _which(sync: str, identity: str, kind: IssueKind) -> list[sa.ColumnElement[bool]]:
    return [row_issues.c.sync == sync, row_issues.c.identity == identity, row_issues.c.kind == kind]


def _of_codes(codes: Sequence[str | None] | None) -> list[sa.ColumnElement[bool]]:
    if codes is None:
        return []
    return [sa.or_(*(row_issues.c.code.is_(None) if code is None else row_issues.c.code == code for code in codes))]
