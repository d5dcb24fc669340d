"""What the record says: the state of each sync, rows in trouble, the story of one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tailrace.errors import SnapshotError
from tailrace.jsonform import iso, to_json
from tailrace.running.planner import known_identity
from tailrace.schedule import LastRun, next_fire
from tailrace.state import IssueCounts

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.snapshot.history import RowEvent
    from tailrace.snapshot.store import Identity
    from tailrace.state import BatchRecord, RowIssue, RunRecord
    from tailrace.state.records import RunStatus

FRESH: tuple[RunStatus, ...] = ("succeeded", "partial", "nothing_to_do")


def _at(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return None if seconds is None else iso(_moment(seconds))


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
            "started_at": _at(run.started_at),
            "finished_at": _at(run.finished_at),
            "plan_hash": run.plan_hash,
            **asdict(run.counts),
            **asdict(run.tallies),
            "seconds": dict(run.seconds),
            "errors": [dict(error) for error in run.errors],
            "message": run.message,
        }


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run with its batches."""

    summary: RunSummary
    batches: tuple[BatchRecord, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `runs RUN --json`."""
        batches = [
            {**asdict(batch), "intended_at": _at(batch.intended_at), "settled_at": _at(batch.settled_at)}
            for batch in self.batches
        ]
        return {**self.summary.to_json(), "batches": batches}


@dataclass(frozen=True, slots=True)
class TroubledRow:
    """A row the destination refused, or whose outcome is unknown."""

    issue: RowIssue

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
            "first_seen": _at(issue.first_seen),
            "last_seen": _at(issue.last_seen),
            "state": issue.state,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """Everything ever done to one row, oldest first, and how it stands."""

    sync: str
    key: Mapping[str, Any]
    """As JSON has it."""
    events: tuple[RowEvent, ...]
    standing: str

    def to_json(self) -> dict[str, Any]:
        """The form of `explain --json`."""
        return {
            "sync": self.sync,
            "key": dict(self.key),
            "standing": self.standing,
            "events": [_event_json(event) for event in self.events],
        }


def _event_json(event: RowEvent) -> dict[str, Any]:
    return {
        "run_id": event.run_id,
        "at": iso(event.at),
        "op": event.op,
        "action": event.action,
        "status": event.status,
        "code": event.code,
        "message": event.message,
        "record_id": event.record_id,
        "values_kept": event.values_kept,
        "fields": {
            name: {"old": to_json(change["old"]), "new": to_json(change["new"])}
            for name, change in event.fields.items()
        },
    }


def last_runs(session: Session) -> dict[str, LastRun]:
    """The latest run of each sync that ever ran."""
    found = {name: session.state.last_run(name) for name in session.project.syncs}
    return {
        name: LastRun(
            _moment(run.started_at), None if run.finished_at is None else _moment(run.finished_at), run.status
        )
        for name, run in found.items()
        if run is not None
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def sync_status(
    session: Session, sync: Sync, counts: Mapping[tuple[str, str], IssueCounts], at: datetime
) -> SyncStatus:
    """How one sync stands at a moment; `counts` of rows in trouble by sync and identity."""
    identity = known_identity(session, sync)
    troubled = counts.get((sync.name, identity.digest), IssueCounts())
    last = session.state.last_run(sync.name)
    reached = session.state.last_run(sync.name, FRESH)
    schedule = sync.config.schedule
    due = next_fire(schedule, _moment(last.started_at) if last else None, at) if schedule else None
    return SyncStatus(
        sync=sync.name,
        last_run=last.run_id if last else None,
        status=last.status if last else None,
        rejected=troubled.rejected,
        unknown=troubled.unknown,
        snapshot_rows=_snapshot_rows(session, identity),
        freshness_s=round(at.timestamp() - reached.started_at, 1) if reached else None,
        next_run=iso(due.replace(microsecond=0)) if due else None,
    )


def _snapshot_rows(session: Session, identity: Identity) -> int | None:
    try:
        return session.store.open(identity).rows
    except SnapshotError:
        return None


def standing(issues: Sequence[RowIssue], key: Mapping[str, Any], events: Sequence[RowEvent]) -> str:
    """One sentence on what holds for the row now; `key` in the form that rows are filed under."""
    for issue in issues:
        if issue.key == key:
            return _issue_standing(issue)
    if not events:
        return "this sync has never sent anything for this key"
    last = events[-1]
    if last.status in {"acknowledged", "skipped"}:
        return f"settled by run {last.run_id}: {last.status} ({last.op})"
    return f"run {last.run_id} left it {last.status or 'unsent'}; the next run takes it up again if it still differs"


def _issue_standing(issue: RowIssue) -> str:
    why = f"{issue.code or 'no code'}: {issue.message or 'no message'}"
    if issue.kind == "unknown":
        return f"held: it was sent and no answer came ({why}); tailrace resolve {issue.sync} settles it"
    if issue.state == "dismissed":
        return f"dismissed: not sent until it changes in the model ({why})"
    if issue.state == "dead":
        return f"given up after {issue.attempts} attempts until it changes or is retried ({why})"
    if not issue.attempts:
        return f"due for the next run, as someone asked to retry it (last refused with {why})"
    return f"rejected {issue.attempts} times ({why}); the next run tries again"
