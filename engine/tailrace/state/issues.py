"""Rejected and unknown rows: kept with their error until they succeed, leave, or are dismissed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from tailrace.state.records import IssueKind, IssueState, NewIssue, RowIssue
from tailrace.state.schema import row_issues, runs
from tailrace.state.tally import Tally

_CHUNK = 500
"""Rows of one statement: SQLite and PostgreSQL both limit bound values."""
_PORTION = 50_000
"""Rows filed in the order of their hashes: each index then grows from page to page, which takes half the time."""
_MINUTE, _HOUR = 60.0, 3_600.0
GAPS_S: tuple[float, ...] = (0.0, 15 * _MINUTE, _HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR)
"""From an attempt that was refused to the next one, by the number of attempts; the last gap comes again and again.

A refusal is either of the moment (a parent that arrives a little later, a record that someone has locked), and the very
next run cures it; or somebody must correct a value, a picklist or a permission first, which takes hours or days, while
each attempt costs a call and a line of errors. With the usual ten attempts the last one comes 4 days and 11 hours after
the first at the earliest: what breaks on a Friday evening is still tried on Tuesday, when someone has mended it.
"""
EARLY = 0.05
"""The share of a gap by which an attempt may come early: a run that starts a second sooner than yesterday's is the one
that was meant. Gaps count from the start of a run for the same reason."""


class Issues(Tally):
    """The part of the state database that keeps rows which did not get through.

    A row is named by its key's text, as `tailrace.jsonform.key_json` writes it.
    """

    def record_issues(
        self, sync: str, identity: str, run_id: str, issues: Iterable[NewIssue], *, max_attempts: int
    ) -> None:
        """File rows that were refused or got no answer; recording a run's rows twice counts one attempt.

        A row that was refused `max_attempts` times with the same payload is dead: it waits for a new
        payload, or for `retry`. Until then it is to be sent again after the gaps of `GAPS_S`. An unknown
        one is due at once unless sending it again may make a second record.
        """
        with self.transaction() as connection:
            now = self.now(connection)
            began = connection.scalar(sa.select(runs.c.started_at).where(runs.c.run_id == run_id))
            start = now if began is None else float(began)
            statement = self._upsert(max_attempts, start)
            common = {"sync": sync, "identity": identity, "run_id": run_id}
            left = iter(issues)
            while portion := [_values(issue, max_attempts, now, start) for issue in islice(left, _PORTION)]:
                portion.sort(key=itemgetter("key_hash"))
                self.execute_many(connection, statement, (common | values for values in portion))
            self.mark_issues(connection, sync)

    def _upsert(self, max_attempts: int, start: float) -> Any:
        old, insert = row_issues.c, self.insert(row_issues)
        new = insert.excluded
        again = sa.case((old.run_id == new.run_id, old.attempts), else_=old.attempts + _constant(1))
        attempts = sa.case((old.payload_hash == new.payload_hash, again), else_=_constant(1))
        names = ("op", "action", "kind", "code", "message", "payload_hash", "last_seen", "due", "run_id")
        values: dict[str, Any] = {name: new[name] for name in names}
        values["attempts"] = attempts
        refused, last = new.kind == _constant("rejected"), attempts >= _constant(max_attempts)
        values["state"] = sa.case((last & refused, _constant("dead")), else_=_constant("open"))
        times = [_constant(retry_at(start, number + 1)) for number in range(len(GAPS_S))]
        moments = [(attempts <= _constant(number), time) for number, time in enumerate(times[:-1], 1)]
        values["retry_at"] = sa.case((~refused | last, sa.null()), *moments, else_=times[-1])
        return insert.on_conflict_do_update(index_elements=["sync", "identity", "key_hash"], set_=values)

    def resolve(self, sync: str, identity: str, keys: Iterable[str]) -> int:
        """Drop the issues of rows that are acknowledged or gone; gives how many there were."""
        gone = 0
        for chunk in _chunks(sorted(map(key_hash, keys))):
            gone += self._delete(sync, row_issues.c.identity == identity, row_issues.c.key_hash.in_(chunk))
        return gone

    def issue_keys(self, sync: str, identity: str) -> frozenset[str]:
        """The keys, as text, of all rows that are filed."""
        query = sa.select(row_issues.c.key_text).where(row_issues.c.sync == sync, row_issues.c.identity == identity)
        with self.reading() as connection:
            return frozenset(connection.scalars(query))

    def drop_issues(self, sync: str, *, but: str | None = None) -> int:
        """Forget the sync's issues, except those of one identity; gives how many there were."""
        return self._delete(sync, sa.true() if but is None else row_issues.c.identity != but)

    def issues(
        self,
        sync: str,
        identity: str | None = None,
        *,
        kind: IssueKind | None = None,
        states: Collection[IssueState] | None = None,
    ) -> tuple[RowIssue, ...]:
        """The sync's issues, the latest first."""
        query = sa.select(*(row_issues.c[name] for name in RowIssue.__slots__)).where(row_issues.c.sync == sync)
        if identity is not None:
            query = query.where(row_issues.c.identity == identity)
        if kind is not None:
            query = query.where(row_issues.c.kind == kind)
        if states is not None:
            query = query.where(row_issues.c.state.in_(states))
        query = query.order_by(row_issues.c.last_seen.desc(), row_issues.c.key_text)
        with self.reading() as connection:
            return tuple(RowIssue(*row) for row in connection.execute(query))

    def rejected(self, sync: str) -> tuple[RowIssue, ...]:
        """Rows the destination refused, dead ones included, dismissed ones not."""
        return self.issues(sync, kind="rejected", states=("open", "dead"))

    def held(self, sync: str) -> tuple[RowIssue, ...]:
        """Rows that were sent without an answer, for `tailrace resolve`.

        Those that are due are sent again by themselves, as long as they differ from what was acknowledged.
        """
        return tuple(issue for issue in self.issues(sync, kind="unknown") if issue.state == "open")

    def retry(self, sync: str, key: str | None = None, *, kind: IssueKind = "rejected") -> int:
        """Make rows due for the next run with a fresh count of attempts; gives how many."""
        return self._change(sync, key, row_issues.c.kind == kind, state="open", due=True, attempts=0, retry_at=None)

    def dismiss(self, sync: str, key: str | None = None, *, kind: IssueKind = "rejected") -> int:
        """Set rows aside until their payload changes; gives how many."""
        shown = (row_issues.c.kind == kind) & (row_issues.c.state != "dismissed")
        return self._change(sync, key, shown, state="dismissed", due=False, retry_at=None)

    def set_aside(self, sync: str, identity: str, keys: Iterable[str]) -> None:
        """Have rows wait until their payload changes, or `retry` is asked for."""
        values = {"state": "dismissed", "due": False, "retry_at": None}
        for chunk in _chunks(sorted(map(key_hash, keys))):
            where = (row_issues.c.sync == sync, row_issues.c.identity == identity, row_issues.c.key_hash.in_(chunk))
            with self.transaction() as connection:
                connection.execute(sa.update(row_issues).where(*where).values(**values))
                self.mark_issues(connection, sync)

    def _change(self, sync: str, key: str | None, which: sa.ColumnElement[bool], **values: object) -> int:
        where = [row_issues.c.sync == sync, which]
        if key is not None:
            where.append(row_issues.c.key_hash == key_hash(key))
        return self.change_issues(sync, where, values)

    def change_issues(self, sync: str, where: Sequence[sa.ColumnElement[bool]], values: Mapping[str, object]) -> int:
        """Change rows of the sync; gives how many."""
        with self.transaction() as connection:
            changed = connection.execute(sa.update(row_issues).where(*where).values(**values)).rowcount
            self.mark_issues(connection, sync)
            return changed

    def _delete(self, sync: str, *which: sa.ColumnElement[bool]) -> int:
        with self.transaction() as connection:
            self.mark_issues(connection, sync)
            return connection.execute(sa.delete(row_issues).where(row_issues.c.sync == sync, *which)).rowcount


def retry_at(start: float, attempts: int) -> float:
    """When a row is to be sent again that was refused so many times, the last time in a run that began at `start`."""
    return start + GAPS_S[min(attempts, len(GAPS_S)) - 1] * (1 - EARLY)


def _constant(value: float | str) -> sa.ColumnClause[Any]:
    """A value of ours as part of the statement, which then has fewer to bind for each of very many rows."""
    return sa.literal_column(f"'{value}'" if isinstance(value, str) else repr(value))


def key_hash(key_text: str) -> str:
    """What a key is filed under: 32 hex digits, so that long keys fit an index."""
    return hashlib.blake2b(key_text.encode(), digest_size=16).hexdigest()


def _values(issue: NewIssue, max_attempts: int, now: float, start: float) -> dict[str, object]:
    """As a first refusal."""
    refused = issue.kind == "rejected"
    return {
        "key_text": issue.key_text,
        "op": issue.op,
        "action": issue.action,
        "kind": issue.kind,
        "code": issue.code,
        "message": issue.message,
        "payload_hash": issue.payload_hash,
        "key_hash": key_hash(issue.key_text),
        "attempts": 1,
        "first_seen": now,
        "last_seen": now,
        "state": "dead" if refused and max_attempts <= 1 else "open",
        "due": not refused and issue.action != "create",
        "retry_at": retry_at(start, 1) if refused and max_attempts > 1 else None,
    }


def _chunks(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
