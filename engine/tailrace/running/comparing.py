"""Reads a model and compares it with its snapshot, here or in the warehouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace import memory
from tailrace.canonical.source import ModelRows
from tailrace.diff.engine import Options, diff, refuse_too_many
from tailrace.errors import WarehouseError
from tailrace.snapshot.reading import Snapshot
from tailrace.stopping import heed

if TYPE_CHECKING:
    import pyarrow as pa

    from tailrace.changes import ChangeSet, DiffSpec
    from tailrace.project import Sync
    from tailrace.pushdown.partial import Partial
    from tailrace.pushdown.store import WarehouseSnapshot
    from tailrace.running.places import AnySnapshot
    from tailrace.running.session import Session

MIN_BATCH, MAX_BATCH = 1_024, 65_536


class Clock:
    """How long the warehouse was waited for, of all the time since."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._queried = 0.0

    def timed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, with the time that each took to come."""
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self._queried += time.perf_counter() - asked
            heed()
            if batch is None:
                return
            yield batch

    def opened(self) -> None:
        """Count all the time so far as the warehouse's."""
        self._queried = time.perf_counter() - self._started

    def seconds(self) -> dict[str, float]:
        """By stage. Both go on at once: what is left for comparing is what it took beyond reading."""
        return {"query": self._queried, "diff": max(0.0, time.perf_counter() - self._started - self._queried)}


def compared(
    session: Session,
    sync: Sync,
    snapshot: AnySnapshot,
    spec: DiffSpec,
    folder: Path,
    *,
    full: bool = False,
    clock: Clock | None = None,
) -> tuple[ChangeSet, Snapshot | Partial]:
    """The change set, and what tells more of the stored rows that it was made from. The folder must be empty."""
    clock = clock or Clock()
    if not isinstance(snapshot, Snapshot):
        return _in_warehouse(session, sync, snapshot, spec, folder, clock, full=full)
    options = _how(session, sync, snapshot, full=full)
    with _opened(session, sync, clock) as rows:
        return diff(rows, snapshot, spec, folder, options), snapshot


def _in_warehouse(
    session: Session,
    sync: Sync,
    snapshot: WarehouseSnapshot,
    spec: DiffSpec,
    folder: Path,
    clock: Clock,
    *,
    full: bool,
) -> tuple[ChangeSet, Partial]:
    from tailrace.pushdown.compare import Reading, compare  # noqa: PLC0415 - only where snapshots are in the warehouse

    options = Options(memory=session.project.config.memory, full=full)
    place = (snapshot.table, snapshot.manifest, snapshot.revision)
    with _about(sync, lambda: _faults(session, sync)), session.warehouse(sync.warehouse).desk(write=False) as desk:
        rows, projection = _batch_rows(session, sync), sync.projection()
        whole = partial(session.warehouse(sync.warehouse).read, projection, batch_rows=rows)
        return compare(desk, place, projection, spec, folder, options, Reading(whole, rows, clock.timed))


def _faults(session: Session, sync: Sync) -> None:
    """WarehouseError when the model by itself fails, which is then told better than of a comparison with it."""
    projection = sync.projection()
    empty = replace(projection, model_sql=f"SELECT * FROM (\n{projection.model_sql}\n) AS no_rows WHERE 1 = 0")  # noqa: S608
    with session.warehouse(sync.warehouse).read(empty) as batches:
        next(iter(batches), None)


@contextmanager
def _opened(session: Session, sync: Sync, clock: Clock) -> Iterator[ModelRows]:
    """The model's rows as the warehouse has them now, a stream to be read once within the block."""
    rows = _batch_rows(session, sync)
    with _about(sync), session.warehouse(sync.warehouse).read(sync.projection(), batch_rows=rows) as batches:
        clock.opened()
        yield ModelRows.from_batches(clock.timed(batches))


@contextmanager
def _about(sync: Sync, faults: Callable[[], None] = lambda: None) -> Iterator[None]:
    try:
        yield
    except WarehouseError as error:
        told = error
        try:
            faults()
        except WarehouseError as fault:
            told = fault
        raise told.about(f"{sync.name} ({sync.place})") from error


def _batch_rows(session: Session, sync: Sync) -> int:
    values = memory.batch_values(session.project.config.memory)
    return max(MIN_BATCH, min(MAX_BATCH, values // len(sync.projection().names)))


def _how(session: Session, sync: Sync, snapshot: Snapshot, *, full: bool = False) -> Options:
    """How the sync's settings ask to compare with a snapshot; SnapshotError where that cannot be done."""
    keeping = session.keeping(sync)
    snapshot.check_key(keeping.secret)
    options = Options(
        memory=session.project.config.memory,
        full=full,
        wide=keeping.wide,
        secret=keeping.secret,
        hashed=snapshot.values == "hashed",
    )
    if not full:
        refuse_too_many(snapshot.rows, options)
    return options
