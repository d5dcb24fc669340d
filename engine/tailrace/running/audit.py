"""Copies the record of a run to the warehouse, where `audit: true` asks for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from tailrace.clock import moment
from tailrace.errors import TailraceError
from tailrace.planning import keys
from tailrace.planning.modes import shown_op
from tailrace.redact import redact

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.state import RunRecord

log = logging.getLogger(__name__)


def audit(session: Session, sync: Sync, run_id: str) -> None:
    """Write a finished run, and what became of its rows; a failure is told, and costs only the copy."""
    if not session.project.config.audit:
        return
    from tailrace.pushdown.audit import RUNS, write  # noqa: PLC0415 - only where it is asked for

    try:
        record = session.state.run(run_id)
        run = pl.DataFrame([pl.Series(n, [v]) for n, v in _run(record).items()]).select(list(RUNS))
        with session.warehouse(sync.warehouse).desk(write=True) as desk:
            write(desk, session.schema, run, _rows(session, sync, run_id))
    except TailraceError as error:
        log.warning("%s: run %s was not copied to the warehouse: %s", sync.name, run_id, redact(str(error)))


def _run(record: RunRecord) -> dict[str, object]:
    counts, tallies = record.counts, record.tallies
    return {
        "run_id": record.run_id,
        "sync": record.sync,
        "mode": record.mode,
        "destination": record.destination,
        "object": record.object,
        "status": record.status,
        "started_at": moment(record.started_at),
        "finished_at": None if record.finished_at is None else moment(record.finished_at),
        "inserts": counts.inserts,
        "updates": counts.updates,
        "deletes": counts.deletes,
        "acknowledged": tallies.acknowledged,
        "rejected": tallies.rejected,
        "unknown": tallies.unknown,
        "skipped": tallies.skipped,
        "message": redact(record.message or ""),
    }


def _rows(session: Session, sync: Sync, run_id: str) -> Iterator[pl.DataFrame]:
    saved = session.files.load(sync.name, run_id)
    if saved is None:
        return
    outcomes = session.files.outcomes(sync.name, run_id)
    said = outcomes.filter(pl.col("status").is_not_null()).rename({"record_id": "answered"})
    for batch in saved.rows.batches():
        rows = batch.join(said, on="seq", how="inner", maintain_order="left")
        if rows.is_empty():
            continue
        texts = [None if text is None else redact(text) for text in rows["message"].to_list()]
        yield rows.select(
            pl.lit(run_id).alias("run_id"),
            pl.lit(sync.name).alias("sync"),
            pl.Series("key", keys(rows, saved.types), dtype=pl.String),
            shown_op().alias("operation"),
            pl.col("status").alias("outcome"),
            pl.coalesce("answered", "record_id").alias("record_id"),
            "code",
            pl.Series("error", texts, dtype=pl.String),
        )
