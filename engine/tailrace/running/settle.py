"""After delivery: fold what was acknowledged into the snapshot, and keep the rows that need attention."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tailrace.changes import DiffSpec
from tailrace.destination import DELETED
from tailrace.discretion import allowed
from tailrace.planning import keys, payload_hashes
from tailrace.planning.modes import shown_op
from tailrace.planning.payload import numbers
from tailrace.redact import redact
from tailrace.running.places import AnySnapshot, Store
from tailrace.running.session import Session
from tailrace.snapshot.mark import KEEP
from tailrace.snapshot.store import Delivered
from tailrace.state import NewIssue

if TYPE_CHECKING:
    from tailrace.diff.known import Origin
    from tailrace.project import Sync
    from tailrace.rowset import Rows
    from tailrace.snapshot.mark import Keep, Mark
    from tailrace.state.records import IssueKind
    from tailrace.values import LogicalType

log = logging.getLogger(__name__)

SETTLED = pl.col("status").is_in(["acknowledged", "skipped"])
"""Outcomes after which nothing is owed to a row until it changes, or is looked up again."""

LEFT_GONE = ((pl.col("status") == "skipped") & (pl.col("code") == DELETED)).fill_null(value=False)
"""Rows whose record is gone, and which the sync leaves so: kept on record, and set aside until they change."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows of a run, and what became of them."""

    run_id: str
    rows: Rows
    types: Mapping[str, LogicalType]
    outcomes: pl.DataFrame
    origin: Origin | None = None
    """What the rows were made from, where that was just now."""
    mark: Mark | Keep | None = KEEP
    """How far the model was read, once these rows are in the snapshot."""


def save_snapshot(session: Session, sync: Sync, snapshot: AnySnapshot, done: Settled) -> AnySnapshot:
    """The next generation: the old snapshot, the acknowledged rows, and what must be sent again as nobody knows.

    Where there is none of these, nothing is written. Without an origin it may be repeated, with the same outcome: what
    is there already is found by its keys.
    """
    settled = done.outcomes.filter(SETTLED)
    doubted = done.outcomes.filter(pl.col("status") == "unknown")
    if settled.is_empty() and doubted.is_empty():
        return save_mark(session, sync, snapshot, done.mark, done.run_id)
    store = session.snapshots(sync)
    twin = store.open(snapshot.identity.twin)
    if twin.rows and settled.height:
        # First, as it may be repeated: a crash in between must not leave two snapshots that contradict each other.
        _drop(store, twin, done, settled)
    spec = done.origin.spec if done.origin is not None else _spec(session, sync, snapshot, done)
    delivered = Delivered(done.rows, done.types, done.outcomes, spec, done.origin)
    digests = session.keeping(sync).digests
    return store.commit(snapshot, delivered, done.run_id, digests=digests, mark=done.mark)


def save_mark(
    session: Session, sync: Sync, snapshot: AnySnapshot, mark: Mark | Keep | None, run_id: str
) -> AnySnapshot:
    """The same snapshot with another mark."""
    return snapshot if mark == KEEP else session.snapshots(sync).set_mark(snapshot, mark, run_id)


def _spec(session: Session, sync: Sync, snapshot: AnySnapshot, done: Settled) -> DiffSpec:
    """How rows of an earlier run are told apart: the sync may have been edited since."""
    identity = snapshot.identity
    fields = tuple(name[2:] for name in done.rows.schema if name.startswith("n:"))
    folded = session.target(sync).capabilities.case_insensitive_match & frozenset(identity.match)
    return DiffSpec(identity.key, identity.match, fields, fold_match=folded)


def _drop(store: Store, twin: AnySnapshot, done: Settled, settled: pl.DataFrame) -> None:
    """Take keys out of the other snapshot of the same records: a deleted record no longer has its values."""
    names = [f"k:{name}" for name in twin.identity.key]
    gone = done.rows.lazy(["seq", *names]).join(settled.select("seq").lazy(), on="seq", how="semi").select(names)
    store.without(twin, gone.collect(engine="streaming"), done.types, done.run_id)


def save_issues(session: Session, sync: Sync, digest: str, done: Settled) -> None:
    """Keep rejected and unknown rows with their reasons; forget those that went through."""
    gone = done.outcomes.filter(LEFT_GONE)
    troubled = done.outcomes.filter(pl.col("status").is_in(["rejected", "unknown"]) | LEFT_GONE)
    if not troubled.is_empty():
        session.state.record_issues(
            sync.name,
            digest,
            done.run_id,
            _issues(sync, done, troubled, session.keeping(sync).secret),
            max_attempts=sync.config.rejects.max_attempts,
        )
    if not gone.is_empty():
        left = done.rows.numbered(gone["seq"]).batches()
        session.state.set_aside(sync.name, digest, (key for batch in left for key in keys(batch, done.types)))
    fine = done.outcomes.filter(SETTLED & ~LEFT_GONE)["seq"]
    known = session.state.issue_keys(sync.name, digest) if len(fine) else frozenset()
    if known:
        settled = frozenset(fine)
        here = numbers(done.rows, done.types, known)
        forget_issues(session, sync, digest, [text for text, seq in here.items() if seq in settled])


def forget_issues(session: Session, sync: Sync, digest: str, gone: Iterable[str]) -> None:
    """Forget rows that no longer need attention, by key text."""
    session.state.resolve(sync.name, digest, gone)


def _issues(sync: Sync, done: Settled, troubled: pl.DataFrame, secret: bytes) -> Iterator[NewIssue]:
    said = troubled.select("seq", "status", "code", "message")
    for batch in done.rows.numbered(troubled["seq"]).batches():
        rows = batch.join(said, on="seq", how="inner", maintain_order="left")
        named = zip(
            keys(rows, done.types),
            rows.select(shown_op()).to_series().to_list(),
            rows["action"].to_list(),
            rows["status"].to_list(),
            rows["code"].to_list(),
            rows["message"].to_list(),
            payload_hashes(rows, done.types, secret),
            strict=True,
        )
        for key, op, action, status, code, message, payload in named:
            kind: IssueKind = "unknown" if status == "unknown" else "rejected"
            yield NewIssue(key, op, action, kind, code, redact(message or ""), payload)
        if log.isEnabledFor(logging.DEBUG):
            _tell(sync, rows, done.types)


def _tell(sync: Sync, rows: pl.DataFrame, types: Mapping[str, LogicalType]) -> None:
    """A line of the debug log for each row in trouble: its key, and the fields that were sent; values where allowed."""
    sent = [name[2:] for name in rows.columns if name.startswith("c:")]
    for key, row in zip(keys(rows, types), rows.iter_rows(named=True), strict=True):
        fields = [name for name in sent if row[f"c:{name}"]]
        told = f"{row['code']}: {row['message']}" if allowed() else row["code"]
        values = {name: row[f"n:{name}"] for name in fields} if allowed() else ", ".join(fields)
        log.debug("%s: row %s: %s %s, %s; fields: %s", sync.name, key, row["action"], row["status"], told, values)
