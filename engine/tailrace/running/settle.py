"""After delivery: fold what was acknowledged into the snapshot, and keep the rows that need attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from tailrace.planning import keys, payload_hashes
from tailrace.planning.modes import shown_op
from tailrace.redact import redact
from tailrace.running.session import Session
from tailrace.snapshot.fold import fold
from tailrace.state import NewIssue

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.snapshot.store import Snapshot
    from tailrace.values import LogicalType

SETTLED = pl.col("status").is_in(["acknowledged", "skipped"])
"""Outcomes after which nothing is owed to a row until it changes, or is looked up again."""


def save_snapshot(
    session: Session,
    snapshot: Snapshot,
    frame: pl.DataFrame,
    types: Mapping[str, LogicalType],
    outcomes: pl.DataFrame,
    run_id: str,
) -> Snapshot:
    """The next generation: the old snapshot and the acknowledged rows. Nothing acknowledged, nothing written."""
    if outcomes.filter(SETTLED).is_empty() or snapshot.run_id == run_id:
        return snapshot
    twin = session.store.open(snapshot.identity.twin)
    if twin.generation:
        # First, as it may be repeated: a crash in between must not leave two snapshots that contradict each other.
        _drop(session, twin, keys(frame.join(outcomes.filter(SETTLED), on="seq", how="semi"), types), run_id)
    before = snapshot.frame() if snapshot.generation else None
    after = fold(before, frame, outcomes, types=types, old_types=snapshot.types)
    return session.store.commit(snapshot, after, {**snapshot.types, **types}, run_id)


def _drop(session: Session, twin: Snapshot, gone: Iterable[str], run_id: str) -> None:
    """Take keys out of the other snapshot of the same records: a deleted record no longer has its values."""
    frame, leaving = twin.frame(), frozenset(gone)
    stay = pl.Series([key not in leaving for key in keys(frame, twin.types)], dtype=pl.Boolean)
    if not stay.all():
        session.store.commit(twin, frame.filter(stay), twin.types, run_id)


def save_issues(
    session: Session,
    sync: Sync,
    digest: str,
    frame: pl.DataFrame,
    types: Mapping[str, LogicalType],
    outcomes: pl.DataFrame,
    run_id: str,
) -> None:
    """Keep rejected and unknown rows with their reasons; forget those that went through."""
    troubled = outcomes.filter(pl.col("status").is_in(["rejected", "unknown"]))
    if not troubled.is_empty():
        session.state.record_issues(
            sync.name, digest, run_id, _issues(frame, types, troubled), max_attempts=sync.config.rejects.max_attempts
        )
    if session.state.issues(sync.name, digest):
        fine = frame.join(outcomes.filter(SETTLED).select("seq"), on="seq", how="semi", maintain_order="left")
        forget_issues(session, sync, digest, keys(fine, types))


def forget_issues(session: Session, sync: Sync, digest: str, gone: Iterable[str]) -> None:
    """Forget rows that no longer need attention, by key text."""
    session.state.resolve(sync.name, digest, gone)


def _issues(frame: pl.DataFrame, types: Mapping[str, LogicalType], troubled: pl.DataFrame) -> Iterator[NewIssue]:
    rows = frame.join(troubled.select("seq", "status", "code", "message"), on="seq", how="inner", maintain_order="left")
    named = zip(
        keys(rows, types),
        rows.select(shown_op()).to_series().to_list(),
        rows["action"].to_list(),
        rows["status"].to_list(),
        rows["code"].to_list(),
        rows["message"].to_list(),
        payload_hashes(rows, types),
        strict=True,
    )
    for key, op, action, status, code, message, payload in named:
        yield NewIssue(key, op, action, status, code, redact(message or ""), payload)
