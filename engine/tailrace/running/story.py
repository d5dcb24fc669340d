"""The story of one row: each time it was planned, sent, answered or held back, by which run, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tailrace.clock import moment
from tailrace.delivery.trace import IN_FLIGHT
from tailrace.jsonform import iso, key_json, to_json
from tailrace.planning.holds import clock
from tailrace.running.ledger import next_attempt, outlook
from tailrace.running.planner import known_identity
from tailrace.running.trouble import typed
from tailrace.state import Journal

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.snapshot.history import RowEvent
    from tailrace.state import HoldRecord, RowIssue

HELD = "held"
"""The status of an event in which runs planned the row and held it back."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one run did to the row; or what several runs in a row did not, where they held it back."""

    run_id: str
    at: datetime
    """When the run planned it, in UTC."""
    op: str | None
    action: str | None
    status: str | None
    """An outcome; `held`; or None while there is none: not sent, or in flight."""
    code: str | None
    message: str | None
    record_id: str | None = None
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per field written: `old` and `new`."""
    values_kept: bool = True
    """Else `fields` only names those written: their values may not be kept."""
    batch: int | None = None
    """The number of the batch that brought the outcome; several may have taken the row, one after another."""
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    run_status: str | None = None
    """None where the state database does not know the run."""
    run_message: str | None = None
    runs: int = 1
    """How many runs held it back."""
    last_run: str | None = None
    """The last of them."""

    def to_json(self) -> dict[str, Any]:
        """The form of `explain --json`."""
        return {
            "run_id": self.run_id,
            "at": iso(self.at),
            "op": self.op,
            "action": self.action,
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "record_id": self.record_id,
            "values_kept": self.values_kept,
            "fields": {
                name: {"old": to_json(change["old"]), "new": to_json(change["new"])}
                for name, change in self.fields.items()
            },
            "batch": self.batch,
            "sent_at": iso(self.sent_at) if self.sent_at else None,
            "answered_at": iso(self.answered_at) if self.answered_at else None,
            "run_status": self.run_status,
            "run_message": self.run_message,
            "runs": self.runs,
            "last_run": self.last_run or self.run_id,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """Everything ever done to one row, oldest first, and how it stands."""

    sync: str
    key: Mapping[str, Any]
    """As JSON has it."""
    events: tuple[Event, ...]
    standing: str

    def to_json(self) -> dict[str, Any]:
        """The form of `explain --json`."""
        return {
            "sync": self.sync,
            "key": dict(self.key),
            "standing": self.standing,
            "events": [event.to_json() for event in self.events],
        }


def tell(session: Session, sync: Sync, key: Mapping[str, str], at: datetime) -> Story:
    """The story of the row of that key, whose values are given as people type them."""
    filed = typed(session, sync, key)
    sent = [_sent(session, event) for event in session.files.row_history(sync.name, key)]
    held = [_held(hold) for hold in session.state.holds(sync.name, key_json(filed))]
    events = tuple(sorted([*sent, *held], key=lambda event: event.at))
    return Story(sync.name, filed, events, standing(sync, _trouble(session, sync, filed), filed, sent, at))


def _trouble(session: Session, sync: Sync, key: Mapping[str, Any]) -> Sequence[RowIssue]:
    """The row's own trouble, if it is in any."""
    found = session.state.issue(sync.name, known_identity(session, sync).digest, key_json(key))
    return [] if found is None else [found]


def _sent(session: Session, kept: RowEvent) -> Event:
    run = session.state.known_run(kept.run_id)
    event = Event(
        run_id=kept.run_id,
        at=kept.at,
        op=kept.op,
        action=kept.action,
        status=kept.status,
        code=kept.code,
        message=kept.message,
        record_id=kept.record_id,
        fields=kept.fields,
        values_kept=kept.values_kept,
        batch=kept.batch,
        run_status=run.status if run else None,
        run_message=run.message if run else None,
    )
    if run is None:
        return event
    journal = Journal(session.state, run.run_id, run.token)
    return _timed(_under_way(event, journal, kept.seq) if run.status == "running" else event, journal)


def _under_way(event: Event, journal: Journal, seq: int) -> Event:
    """What the journal of a run without an end says of the row."""
    entry = journal.of_row(seq)
    if entry is None:
        return event
    if entry.outcome is None:
        message = "refused for now" if entry.settled else "sent or about to be, and no answer is recorded"
        return replace(event, batch=entry.batch, code=None if entry.settled else IN_FLIGHT, message=message)
    said = entry.outcome
    answered = replace(event, status=said.status, code=said.code, message=said.message)
    return replace(answered, batch=entry.batch, record_id=said.record_id or event.record_id)


def _timed(event: Event, journal: Journal) -> Event:
    batch = None if event.batch is None else journal.batch(event.batch)
    if batch is None:
        return event
    answered = None if batch.settled_at is None else moment(batch.settled_at)
    return replace(event, sent_at=moment(batch.intended_at), answered_at=answered)


def _held(hold: HoldRecord) -> Event:
    return Event(
        run_id=hold.first_run,
        at=moment(hold.first_at),
        op=None,
        action=None,
        status=HELD,
        code=hold.reason,
        message=_why(hold),
        runs=hold.runs,
        last_run=hold.last_run,
    )


def _why(hold: HoldRecord) -> str:
    match hold.reason:
        case "waiting" if hold.until is not None:
            return f"refused in run {hold.since}: waits until {clock(moment(hold.until))}"
        case "dead":
            return f"refused too often, the last time in run {hold.since}: given up until it changes or is retried"
        case "manual":
            return f"refused in run {hold.since}: waits for tailrace retry"
        case "deleted":
            return f"its record was gone in run {hold.since}: left so until it changes or is retried"
        case "dismissed":
            return f"refused in run {hold.since}: dismissed until it changes"
        case _:
            return f"sent in run {hold.since}, and no answer came: waits for tailrace resolve"


def standing(
    sync: Sync, issues: Sequence[RowIssue], key: Mapping[str, Any], events: Sequence[Event], at: datetime
) -> str:
    """One sentence on what holds for the row at a moment; `key` in the form that rows are filed under."""
    for issue in issues:
        if issue.key == key:
            return _issue_standing(issue, next_attempt(sync, issue), at)
    if not events:
        return "no run on record has sent anything for this key"
    last = events[-1]
    if last.run_status == "running":
        return f"run {last.run_id} has it: {last.status or last.message or 'not sent yet'}"
    if last.status in {"acknowledged", "skipped"}:
        return f"settled by run {last.run_id}: {last.status} ({last.op})"
    return f"run {last.run_id} left it {last.status or 'unsent'}; the next run takes it up again if it still differs"


def _issue_standing(issue: RowIssue, following: datetime | None, at: datetime) -> str:
    why = f"{issue.code or 'no code'}: {issue.message or 'no message'}"
    if issue.kind == "unknown" and issue.due:
        return f"sent, and no answer came ({why}); sent again by the next run if it still differs"
    if issue.kind == "unknown":
        return f"held: it was sent and no answer came ({why}); tailrace resolve {issue.sync} settles it"
    if issue.due and not issue.attempts:
        return f"due for the next run, as someone asked to retry it (last refused with {why})"
    times = "once" if issue.attempts == 1 else f"{issue.attempts} times"
    return f"rejected {times} ({why}); {outlook(issue, following, at)}"
