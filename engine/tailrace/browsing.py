"""Looking at what is on record, page by page: the part of `Project` that the console and the API use."""

# ruff: noqa: PLC0415 - as in `tailrace.api`
from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tailrace.clock import now
from tailrace.jsonform import key_json

if TYPE_CHECKING:
    from tailrace.limits import Standing
    from tailrace.project import Sync
    from tailrace.project.config import ProjectConfig
    from tailrace.running.ledger import RunSummary, SyncStatus, TroubledRow
    from tailrace.running.session import Session
    from tailrace.snapshot.history import RowEvent
    from tailrace.state import BatchRecord, RowIssue
    from tailrace.state.access import Role, Token
    from tailrace.state.browse import IssueGroup, Sums
    from tailrace.state.records import IssueKind, IssueState, RunStatus

DAY_S = 86_400.0
_ROWS_S = 15.0
"""How long the number of a snapshot's rows is taken for known: to ask, its manifest is read, be it from a bucket."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """One destination's account: its quota, what was used of it lately, and whether requests may go."""

    destination: str
    type: str
    account: str | None
    """The vendor's id; None when nobody ever signed in."""
    name: str | None
    seen_at: float | None
    standing: Standing
    at: float
    """The time, on the clock of the standing: seconds since the epoch."""
    reserved: int
    """Calls of the quota that are left to other programs."""
    calls_of_day: int
    """Requests to it within 24 hours, by all that share the state database."""
    rates: tuple[tuple[int, float, str], ...]
    """Windows: calls, seconds, and the bucket they count."""
    syncs: tuple[str, ...]


class Browsing:
    """What costs as much as it shows, however much there is."""

    _session: Session

    @property
    def config(self) -> ProjectConfig:
        """`tailrace.yml`, in a form without secrets."""
        return self._session.project.config

    def overview(self) -> list[SyncStatus]:
        """As `status`, at a price that does not grow with the rows in trouble."""
        from tailrace.running.ledger import sync_status

        counts = self._session.state.issue_counts()
        syncs = self._session.project.syncs.values()
        return [
            sync_status(self._session, sync, counts, now(), snapshot_rows=partial(self._rows, sync)) for sync in syncs
        ]

    def sync_overview(self, name: str) -> SyncStatus:
        """The same of one sync."""
        from tailrace.running.ledger import sync_status

        sync = self._sync(name)
        counts = self._session.state.issue_counts()
        return sync_status(self._session, sync, counts, now(), snapshot_rows=partial(self._rows, sync))

    def run_page(
        self,
        *,
        sync: str | None = None,
        statuses: Collection[RunStatus] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunSummary]:
        """Runs, newest first; for the next page give the last one's id as `before`."""
        from tailrace.running.ledger import so_far

        page = self._session.state.run_page(sync=sync, statuses=statuses, before=before, limit=limit)
        return so_far(self._session.state, page)

    def recent_runs(self, names: Sequence[str], limit: int) -> Mapping[str, list[tuple[str, str, float]]]:
        """The latest runs of each sync, the oldest first: id, status, and when it began."""
        return self._session.state.recent_runs(names, limit)

    def known_run(self, run_id: str) -> RunSummary | None:
        """The run of exactly that id; None where there is none."""
        from tailrace.running.ledger import so_far

        found = self._session.state.known_run(run_id)
        return None if found is None else so_far(self._session.state, [found])[0]

    def runs_like(self, run_id: str, *, limit: int) -> list[RunSummary]:
        """Runs of which this is the beginning of the id, or of its last part."""
        from tailrace.running.ledger import so_far

        return so_far(self._session.state, self._session.state.runs_like(run_id, limit=limit))

    def batch_page(self, run_id: str, *, after: int = 0, limit: int = 100) -> list[BatchRecord]:
        """A run's batches; for the next page give the last one's number as `after`."""
        return self._session.state.batch_page(run_id, after=after, limit=limit)

    def batch_sums(self, run_id: str) -> Sums:
        """A run's batches, added up: how far it is."""
        return self._session.state.batch_sums(run_id)

    def waits_until(self, sync: str) -> float | None:
        """Until when the account of a sync's destination may not be asked, in seconds since the epoch; None if not."""
        target = self._session.target(self._sync(sync))
        at, standing = self._session.state.limits(target.account).look()
        latest = max(standing.paused_until, standing.open_until or 0.0)
        return latest if latest > at else None

    def trouble_groups(self, name: str, kind: IssueKind = "rejected") -> list[IssueGroup]:
        """Rows in trouble by code, the largest group first."""
        return self._session.state.issue_groups(name, self._identity(name), kind)

    def trouble_page(
        self,
        name: str,
        kind: IssueKind = "rejected",
        *,
        codes: Sequence[str | None] | None = None,
        states: Collection[IssueState] = ("open", "dead"),
        after: str = "",
        limit: int = 50,
    ) -> list[TroubledRow]:
        """Rows in trouble in a fixed order; for the next page give the last one's `issue.key_hash` as `after`."""
        from tailrace.running.ledger import TroubledRow, next_attempt

        sync = self._sync(name)
        page = self._session.state.issue_page(
            name, self._identity(name), kind, codes=codes, states=states, after=after, limit=limit
        )
        return [TroubledRow(issue, next_attempt(sync, issue)) for issue in page]

    def troubled(self, name: str, issue: RowIssue) -> TroubledRow:
        """A row in trouble, with when it is sent again."""
        from tailrace.running.ledger import TroubledRow, next_attempt

        return TroubledRow(issue, next_attempt(self._sync(name), issue))

    def trouble_of(self, name: str, key: Mapping[str, Any]) -> TroubledRow | None:
        """The row of that key, as JSON has it; None where it is in no trouble."""
        issue = self._session.state.issue(name, self._identity(name), key_json(key))
        return None if issue is None else self.troubled(name, issue)

    def retry_rows(
        self, name: str, *, codes: Sequence[str | None] | None = None, key: Mapping[str, Any] | None = None
    ) -> int:
        """Make rejected rows due for the next run: one, by its key as in `rejected --json`, those of codes, or all."""
        state, identity = self._session.state, self._identity(name)
        return state.retry(name, key_json(key)) if key is not None else state.retry_all(name, identity, codes)

    def dismiss_rows(
        self, name: str, *, codes: Sequence[str | None] | None = None, key: Mapping[str, Any] | None = None
    ) -> int:
        """Set rejected rows aside until they change, chosen in the same ways; gives how many."""
        state, identity = self._session.state, self._identity(name)
        return state.dismiss(name, key_json(key)) if key is not None else state.dismiss_all(name, identity, codes)

    def payload(self, name: str, run_id: str, key: Mapping[str, Any]) -> RowEvent | None:
        """What one run sent for a row, and what came back; None where its files are gone."""
        return self._session.files.row_of(self._sync(name).name, run_id, key)

    def accounts(self) -> list[AccountState]:
        """The accounts of all destinations that a sync writes to, by the destination's name."""
        writers: dict[str, list[str]] = {}
        for sync in self._session.project.syncs.values():
            writers.setdefault(sync.config.destination, []).append(sync.name)
        return [self._account(name, tuple(syncs)) for name, syncs in sorted(writers.items())]

    def _account(self, name: str, syncs: tuple[str, ...]) -> AccountState:
        from tailrace.running.planner import last_word

        state = self._session.state
        target = self._session.target(self._sync(syncs[0]))
        record = state.account(name, target.hint)
        limits = state.limits(target.account)
        at, standing = limits.look()
        standing.quota_left, standing.quota_max, standing.quota_seen_at = last_word(record, standing)
        return AccountState(
            destination=name,
            type=target.plugin.name,
            account=record.account_id if record else None,
            name=record.name if record else None,
            seen_at=record.seen_at if record else None,
            standing=standing,
            at=at,
            reserved=int((standing.quota_max or 0) * target.config.reserve),
            calls_of_day=limits.calls_since(DAY_S),
            rates=tuple((rate.calls, rate.per, rate.bucket) for rate in target.rates),
            syncs=syncs,
        )

    def snapshot_mark(self, name: str) -> tuple[int, str | None] | None:
        """The snapshot's generation, and the run that made it; None where it cannot be read."""
        from tailrace.errors import SnapshotError, WarehouseError
        from tailrace.running.planner import known_identity

        sync = self._sync(name)
        try:
            held = self._session.snapshot(sync, known_identity(self._session, sync))
        except (SnapshotError, WarehouseError):
            return None
        return held.generation, held.run_id

    def make_token(self, name: str, role: Role) -> str:
        """A new token for the console and the API, whole, for the one time it is shown."""
        return self._session.state.make_token(name, role)

    def tokens(self) -> list[Token]:
        """All tokens, without what proves them."""
        return self._session.state.tokens()

    def revoke_token(self, name: str) -> None:
        """End a token, and all sessions it began."""
        self._session.state.revoke_token(name)

    def token(self, token_id: str) -> Token | None:
        """One token; None once it is revoked."""
        return self._session.state.token(token_id)

    def proven_token(self, text: str) -> Token | None:
        """The token of which this is the whole; None when there is none. Notes when it was used."""
        state = self._session.state
        found = state.proven(text)
        if found is not None and (found.used_at is None or time.time() - found.used_at > _ROWS_S):
            state.note_use(found.token_id)
        return found

    def web_key(self) -> bytes:
        """What signs the console's cookies: one key for all who share the state database."""
        return self._session.state.key("console")

    def _identity(self, name: str) -> str:
        from tailrace.running.planner import known_identity

        return known_identity(self._session, self._sync(name)).digest

    def _rows(self, sync: Sync) -> int | None:
        """Rows of the snapshot, as of a few seconds ago; None when it cannot be read."""
        from tailrace.errors import SnapshotError, WarehouseError
        from tailrace.running.planner import known_identity

        known = self._session.counted_rows
        at, rows = known.get(sync.name, (None, None))
        if at is not None and time.monotonic() - at < _ROWS_S:
            return rows
        try:
            rows = self._session.snapshot(sync, known_identity(self._session, sync)).rows
        except (SnapshotError, WarehouseError):
            rows = None
        known[sync.name] = (time.monotonic(), rows)
        return rows

    def _sync(self, name: str) -> Sync:
        raise NotImplementedError
