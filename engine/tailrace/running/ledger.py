"""What the record says: the state of each sync, its runs, its rows in trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tailrace.clock import moment, now
from tailrace.destination import DELETED
from tailrace.errors import SnapshotError, WarehouseError
from tailrace.jsonform import iso, iso_at
from tailrace.planning.holds import clock
from tailrace.running.planner import known_identity
from tailrace.schedule import LastRun, next_fire
from tailrace.state import IssueCounts

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.snapshot.store import Identity
    from tailrace.state import BatchRecord, RowIssue, RunRecord, StateDB
    from tailrace.state.records import RunStatus

FRESH: tuple[RunStatus, ...] = ("succeeded", "partial", "nothing_to_do")


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """One line of `status`. `freshness_s` is seconds since the last run that reached the destination."""

    sync: str
    last_run: str | None
    status: str | None
    rejected: int
    unknown: int
    snapshot_rows: int | None
    """None when the snapshot cannot be read: damaged, or where it is kept cannot be reached."""
    freshness_s: float | None
    next_run: str | None
    ending: str | None = None
    """The status, or `outdated` where it is `blocked` by a saved plan that was out of date."""
    paused: bool = False
    """By its file or by somebody; then there is no next run."""
    after: tuple[str, ...] = ()
    """The syncs that it runs after, where that is its schedule: then it has no next run of its own."""

    def is_due(self, at: datetime) -> bool:
        """Whether a moment has come, or gone by, at which a run is owed."""
        return self.next_run is not None and datetime.fromisoformat(self.next_run) <= at

    def to_json(self) -> dict[str, Any]:
        """The form of `status --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of `runs`."""

    record: RunRecord

    def to_json(self) -> dict[str, Any]:
        """The form of `runs --json`."""
        run = self.record
        return {
            "run_id": run.run_id,
            "sync": run.sync,
            "mode": run.mode,
            "destination": run.destination,
            "object": run.object,
            "status": run.status,
            "ending": run.ending,
            "started_at": iso_at(run.started_at),
            "finished_at": iso_at(run.finished_at),
            "plan_hash": run.plan_hash,
            **asdict(run.counts),
            **asdict(run.tallies),
            "seconds": dict(run.seconds),
            "errors": [dict(error) for error in run.errors],
            "message": run.message,
        }


def so_far(state: StateDB, records: Iterable[RunRecord]) -> list[RunSummary]:
    """Runs as they are told: of those without an end, the rows that their journal has outcomes of."""
    return [RunSummary(_counted(state, each) if each.status == "running" else each) for each in records]


def _counted(state: StateDB, record: RunRecord) -> RunRecord:
    sums = state.batch_sums(record.run_id)
    rows = {name: getattr(sums, name) for name in ("acknowledged", "rejected", "unknown", "skipped")}
    return replace(record, tallies=replace(record.tallies, **rows))


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run with its batches."""

    summary: RunSummary
    batches: tuple[BatchRecord, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `runs RUN --json`."""
        batches = [
            {**asdict(batch), "intended_at": iso_at(batch.intended_at), "settled_at": iso_at(batch.settled_at)}
            for batch in self.batches
        ]
        return {**self.summary.to_json(), "batches": batches}


@dataclass(frozen=True, slots=True)
class TroubledRow:
    """A row the destination refused, or whose outcome is unknown."""

    issue: RowIssue
    next_attempt: datetime | None
    """Not to be sent before that moment, in UTC; None where only a person, or another payload, has it sent."""

    def outlook(self) -> str:
        """What comes next for it, in a few words."""
        return outlook(self.issue, self.next_attempt, now())

    def to_json(self) -> dict[str, Any]:
        """The form of `rejected --json`."""
        issue = self.issue
        return {
            "sync": issue.sync,
            "key": dict(issue.key),
            "op": issue.op,
            "code": issue.code,
            "message": issue.message,
            "attempts": issue.attempts,
            "first_seen": iso_at(issue.first_seen),
            "last_seen": iso_at(issue.last_seen),
            "state": issue.state,
            "next_attempt": None if self.next_attempt is None else iso(self.next_attempt),
        }


def last_runs(session: Session) -> dict[str, LastRun]:
    """The latest run of each sync that ever ran."""
    found = {name: session.state.last_run(name) for name in session.project.syncs}
    return {
        name: LastRun(moment(run.started_at), None if run.finished_at is None else moment(run.finished_at), run.status)
        for name, run in found.items()
        if run is not None
    }


def sync_status(
    session: Session,
    sync: Sync,
    counts: Mapping[tuple[str, str], IssueCounts],
    at: datetime,
    *,
    snapshot_rows: Callable[[], int | None] | None = None,
) -> SyncStatus:
    """How one sync stands at a moment; `counts` of rows in trouble by sync and identity.

    `snapshot_rows` stands in for reading the snapshot's manifest.
    """
    identity = known_identity(session, sync)
    troubled = counts.get((sync.name, identity.digest), IssueCounts())
    last = session.state.last_run(sync.name)
    reached = session.state.last_run(sync.name, FRESH)
    schedule = sync.config.schedule
    paused = sync.config.paused or sync.name in session.state.paused()
    due = next_fire(schedule, moment(last.started_at) if last else None, at, name=sync.name) if schedule else None
    return SyncStatus(
        sync=sync.name,
        last_run=last.run_id if last else None,
        status=last.status if last else None,
        ending=last.ending if last else None,
        rejected=troubled.rejected,
        unknown=troubled.unknown,
        snapshot_rows=_snapshot_rows(session, sync, identity) if snapshot_rows is None else snapshot_rows(),
        freshness_s=round(at.timestamp() - reached.started_at, 1) if reached else None,
        next_run=iso(due.replace(microsecond=0)) if due and not paused else None,
        paused=paused,
        after=(schedule.after or ()) if schedule else (),
    )


def _snapshot_rows(session: Session, sync: Sync, identity: Identity) -> int | None:
    try:
        return session.snapshot(sync, identity).rows
    except (SnapshotError, WarehouseError):
        return None


def next_attempt(sync: Sync, issue: RowIssue) -> datetime | None:
    """The moment from which the next run sends the row by itself, in UTC; None when none will.

    It is in the past for a row that is due already.
    """
    if issue.due:
        return moment(issue.last_seen)
    if issue.kind == "unknown" or issue.state != "open" or sync.config.rejects.retry == "manual":
        return None
    return moment(issue.last_seen if issue.retry_at is None else issue.retry_at)


def outlook(issue: RowIssue, following: datetime | None, at: datetime) -> str:
    """What comes next for a rejected row, in a few words; `following` is its next attempt."""
    if issue.state == "dismissed":
        return "left deleted until it changes or is retried" if issue.code == DELETED else "dismissed until it changes"
    if issue.state == "dead":
        return "given up until it changes or is retried"
    if following is None:
        return "sent again when it changes or is retried"
    return f"waits until {clock(following)}" if following > at else "due for the next run"
