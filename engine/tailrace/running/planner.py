"""Makes a plan: reads the model, compares it with the snapshot, asks the state for rows that are held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tailrace.clock import new_id, now
from tailrace.destination import DELETED, Linking
from tailrace.errors import UsageError
from tailrace.judging import Judge, Judgement, Mapped, Wish
from tailrace.making import Make, Making
from tailrace.planning import Basis, Hold, Plan, Surroundings, build, faults, missing_required
from tailrace.planning.cost import Quota
from tailrace.planning.holds import Reason
from tailrace.planning.modes import needed_operations
from tailrace.running.comparing import Clock, compared, compared_by_cursor
from tailrace.running.places import AnySnapshot
from tailrace.running.session import Session, Target
from tailrace.running.unsure import unsure
from tailrace.snapshot.store import Identity, Snapshot

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet, DiffSpec
    from tailrace.destination import Account, Destination, Field, ObjectSchema
    from tailrace.limits import Standing
    from tailrace.project import Sync
    from tailrace.pushdown.partial import Partial
    from tailrace.running.cursor import Reading
    from tailrace.state import AccountRecord, RowIssue
    from tailrace.values import LogicalType

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is wanted of a plan."""

    full: bool = False
    only: Collection[str] | None = None
    """Key texts to confine the plan to."""
    limit: int | None = None
    """Most changes to take; guards judge all of them."""
    at: datetime | None = None
    """The time by which rejected rows wait, or no longer; a saved plan is made again as of its own."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what it stands on."""

    plan: Plan
    snapshot: AnySnapshot
    issues: tuple[RowIssue, ...]
    """Rows of earlier runs that were rejected or are of unknown outcome."""
    seconds: Mapping[str, float]
    changes: ChangeSet
    """All that differs, whatever the plan makes of it."""
    makes: Mapping[str, LogicalType] = field(default_factory=dict)
    """Fields to be made before the first row is sent, with the types of their columns."""
    read: Reading | None = None
    """How the model was read, where the sync has a cursor."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the destination said when it was asked."""

    who: Account
    schema: ObjectSchema
    judged: Judgement = field(default_factory=Judgement)
    links: Mapping[str, Field | str] = field(default_factory=dict)
    """References that are no fields of the object."""
    makes: Mapping[str, Make] = field(default_factory=dict)
    """Fields that the object lacks and a run would make."""
    announce: Callable[[Mapping[str, Field]], str] = lambda _fields: ""
    """What to tell of them."""

    @property
    def account(self) -> str:
        """The account's id."""
        return self.who.id

    def faults(self, sync: Sync, types: Mapping[str, LogicalType] | None) -> dict[str, str]:
        """What is wrong with the mapping, by field; `types` are those of the model's columns where they are known."""
        made, refused = self._made(types)
        schema = replace(self.schema, fields={**self.schema.fields, **made}) if made else self.schema
        open_ = self.makes.keys() - made.keys()
        found = faults(sync.config, schema, types, self.links)
        found = {name: fault for name, fault in found.items() if name not in open_}
        return found | refused | dict(self.judged.faults)

    def made(self, types: Mapping[str, LogicalType] | None) -> dict[str, LogicalType]:
        """The fields that a run makes, with the types of their columns; those whose types are known."""
        return {name: types[f"f:{name}"] for name in self._made(types)[0]} if types else {}

    def made_note(self, types: Mapping[str, LogicalType] | None) -> tuple[str, ...]:
        """What to tell of the fields that a run makes."""
        made = self._made(types)[0]
        return (self.announce(made),) if made else ()

    def _made(self, types: Mapping[str, LogicalType] | None) -> tuple[dict[str, Field], dict[str, str]]:
        """By name the fields that are made, and why others cannot be."""
        known = types or {}
        found = {name: make(known[f"f:{name}"]) for name, make in self.makes.items() if f"f:{name}" in known}
        made = {name: each for name, each in found.items() if not isinstance(each, str)}
        return made, {name: each for name, each in found.items() if isinstance(each, str)}


def ask(
    session: Session,
    sync: Sync,
    target: Target,
    destination: Destination,
    *,
    read_only: bool = False,
    stop: threading.Event | None = None,
) -> Asked:
    """Sign in, remember whose account it is, and read the object's fields.

    `read_only` and `stop` are those that the destination was opened with. What is refused with a time to wait is
    repeated until it is answered; a vendor that cannot be reached is told after a few tries.
    """
    from tailrace.delivery.retry import Retries  # noqa: PLC0415 - a plan needs none

    retries = Retries(session.limiter(target, read_only=read_only, stop=stop), stop=stop)

    def answered(question: Callable[[], Answer]) -> Answer:
        return retries.call(question, idempotent=True, briefly=True)

    name, lookups = sync.config.object, sync.lookups()
    account = answered(destination.check)
    session.state.remember_account(target.name, target.hint, account)
    asked = Asked(account, answered(partial(destination.describe, name)))
    if isinstance(destination, Judge):
        asked = replace(asked, judged=answered(partial(destination.judge, wish(sync))))
    if lookups and isinstance(destination, Linking):
        asked = replace(asked, links=answered(partial(destination.describe_lookups, name, lookups)))
    if isinstance(destination, Making):
        plain = [each for each in sync.config.fields if each not in lookups]
        makes = answered(partial(destination.missing, name, plain))
        asked = replace(asked, makes=makes, announce=partial(destination.announce, name))
    return asked


def wish(sync: Sync) -> Wish:
    """What a sync asks of its object, as adapters judge it."""
    lookups = sync.lookups()
    fields = [
        Mapped(name, lookups.get(name), "value" in spec.model_fields_set, spec.value, spec.nulls == "skip")
        for name, spec in sync.config.fields.items()
    ]
    return Wish(sync.config.object, needed_operations(sync.config), tuple(sync.config.match), fields)


def identity(sync: Sync, account: str | None) -> Identity:
    """Which snapshot belongs to a sync, as defined now, in that account."""
    config = sync.config
    return Identity(
        sync.name,
        config.destination,
        account or "",
        config.object,
        config.key,
        tuple(config.match),
        "deletions" if config.mode == "delete" else "payloads",
    )


def known_account(session: Session, target: Target) -> tuple[str | None, tuple[str, ...]]:
    """Without asking the destination: the account last seen, and notes on what is not sure of it."""
    seen = session.state.account(target.name, target.hint)
    notes: tuple[str, ...] = ()
    if seen is None:
        seen = session.state.account(target.name)
        if seen is not None:
            notes = (
                f"the settings of {target.name} changed since account {seen.account_id} was seen; --check asks it",
            )
    return seen.account_id if seen else None, notes


def known_identity(session: Session, sync: Sync) -> Identity:
    """Which snapshot belongs to a sync, without asking the destination."""
    return identity(sync, known_account(session, session.target(sync))[0])


def make_plan(
    session: Session, sync: Sync, target: Target, asked: Asked | None, request: PlanRequest, folder: Path
) -> Planned:
    """Plan a sync. Without `asked` the destination is left alone, and the contract is not judged.

    The plan's rows are read from the folder, which must be empty, for as long as the plan is used.
    """
    if request.full and sync.config.mode == "append":
        raise UsageError(f"{sync.name}: --full would create every record a second time, as its mode is append")
    account, notes = (asked.account, ()) if asked else known_account(session, target)
    snapshot = session.snapshot(sync, identity(sync, account))
    clock = Clock()
    folded = target.capabilities.case_insensitive_match & frozenset(sync.config.match)
    spec = sync.diff_spec(folded)
    changes, known, read = _compared(session, sync, snapshot, spec, folder, clock, full=request.full)
    issues = session.state.issues(sync.name, snapshot.identity.digest)
    told = asked.made_note(changes.types) if asked else ()
    around = replace(
        _surroundings(session, sync, target, issues, request),
        contract=asked.faults(sync, changes.types) if asked else None,
        old_known=snapshot.values == "clear",
        unsure=unsure(changes, known),
        extent=read.extent if read else None,
        notes=(*notes, *_notes(session, sync, target, snapshot, asked), *told, *_read_notes(sync, read)),
    )
    basis = _basis(session, sync, snapshot, account, full=request.full)
    basis = replace(basis, mark=read.mark.token) if read and read.mark else basis
    plan = build(sync.name, sync.config, changes, basis, around, at=now(), plan_id=new_id())
    seconds = clock.seconds()
    return Planned(plan, snapshot, issues, seconds, changes, asked.made(changes.types) if asked else {}, read)


def _compared(
    session: Session, sync: Sync, snapshot: AnySnapshot, spec: DiffSpec, folder: Path, clock: Clock, *, full: bool
) -> tuple[ChangeSet, Snapshot | Partial, Reading | None]:
    """What differs, what tells more of the stored rows, and how the model was read by the sync's cursor."""
    if sync.config.cursor is None:
        return *compared(session, sync, snapshot, spec, folder, full=full, clock=clock), None
    return compared_by_cursor(session, sync, snapshot, spec, folder, full=full, clock=clock)


def _read_notes(sync: Sync, read: Reading | None) -> tuple[str, ...]:
    return () if read is None else (read.extent.note(sync.name),)


def _surroundings(
    session: Session, sync: Sync, target: Target, issues: Collection[RowIssue], request: PlanRequest
) -> Surroundings:
    """What the state and the settings say, before anything is compared."""
    return Surroundings(
        capabilities=target.capabilities,
        batch_size=target.batch_size,
        rates=target.rates,
        quota=known_quota(session, target),
        held=held(issues, sync, request.at or now(), full=request.full) if request.only is None else {},
        tracked=frozenset(issue.key_text for issue in issues),
        only=request.only,
        limit=request.limit,
        secret=session.keeping(sync).secret,
    )


def known_quota(session: Session, target: Target) -> Quota:
    """The account's calls of the day, as the vendor last told of them: at a sign-in, or in the course of a run."""
    record = session.state.account(target.name, target.hint)
    _, standing = session.state.limits(target.account).look()
    left, most, _ = last_word(record, standing)
    return Quota(left, most, target.config.reserve)


def last_word(record: AccountRecord | None, standing: Standing) -> tuple[int | None, int | None, float | None]:
    """Calls left, calls in all, and when the vendor told so: at a sign-in or in the course of a run, what is newer."""
    seen_at = standing.quota_seen_at
    if record is not None and (seen_at is None or seen_at <= record.seen_at):
        return record.quota_left, record.quota_max, record.seen_at
    return standing.quota_left, standing.quota_max, seen_at


def held(issues: Collection[RowIssue], sync: Sync, at: datetime, *, full: bool = False) -> dict[str, Hold]:
    """Rows not to be sent at that time, by key text.

    A `full` plan takes rejected rows in, whatever they wait for, but neither those that someone dismissed nor those
    that may be there already.
    """
    manual = sync.config.rejects.retry == "manual"
    holds: dict[str, Hold] = {}
    for issue in issues:
        reason = _reason(issue, at.timestamp(), manual=manual)
        if reason == "deleted" and sync.config.deleted_in_destination == "recreate":
            continue  # the sync was edited since
        if reason is None or (full and reason in {"waiting", "dead", "manual"}):
            continue
        # All fields are sent by a full plan: the payload that was dismissed is told by no hash of theirs.
        payload = None if full or reason == "unknown" else issue.payload_hash
        until = issue.retry_at if reason == "waiting" else None
        holds[issue.key_text] = Hold(reason, payload, issue.run_id, until)
    return holds


def _reason(issue: RowIssue, at: float, *, manual: bool) -> Reason | None:
    """Why a row is held back; None when it is not."""
    if issue.kind == "unknown":
        return None if issue.due else "unknown"
    if issue.state == "dismissed":
        return "deleted" if issue.code == DELETED else "dismissed"
    if issue.state == "dead":
        return "dead"
    if issue.due:
        return None
    if manual:
        return "manual"
    return "waiting" if issue.retry_at is not None and issue.retry_at > at else None


def _basis(session: Session, sync: Sync, snapshot: AnySnapshot, account: str | None, *, full: bool) -> Basis:
    return Basis(
        definition=sync.definition_hash,
        destination=sync.config.destination,
        object=sync.config.object,
        key=sync.config.key,
        match=tuple(sync.config.match),
        generation=snapshot.generation,
        account=account,
        full=full,
        salt=session.keeping(sync).salt,
        snapshot_run=snapshot.run_id,
        snapshot_saved_at=snapshot.saved_at,
    )


def _notes(session: Session, sync: Sync, target: Target, snapshot: AnySnapshot, asked: Asked | None) -> tuple[str, ...]:
    known = asked.schema.note if asked else ""
    notes = [note for note in (target.capabilities.about, known) if note]
    if not snapshot.generation:
        notes += [
            _new_identity(snapshot.identity, other) for other in session.snapshots(sync).others(snapshot.identity)
        ]
    if asked is not None:
        notes += asked.judged.notes
        missing = missing_required(sync.config, asked.schema)
        if missing:
            notes.append(f"new records need {', '.join(missing)}, which the mapping lacks; such rows will be rejected")
    return tuple(notes)


def _new_identity(current: Identity, other: Identity) -> str:
    named = ("destination", "account", "object", "key", "match", "holds")
    parts = [
        f"{name} {getattr(other, name)!r} → {getattr(current, name)!r}"
        for name in named
        if getattr(other, name) != getattr(current, name)
    ]
    return f"this is a new identity ({', '.join(parts)}): the old snapshot is not used, every row counts as new"
