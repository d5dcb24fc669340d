"""Reads a model and compares it with its snapshot, here or in the warehouse."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace import memory
from tailrace.canonical.source import ModelRows
from tailrace.diff.engine import Diff, Options, diff, refuse_too_many
from tailrace.diff.window import WindowDiff, retyped
from tailrace.errors import WarehouseError
from tailrace.running.cursor import Unfit, reading
from tailrace.snapshot.reading import Snapshot
from tailrace.stopping import heed
from tailrace.tagging import working

if TYPE_CHECKING:
    import pyarrow as pa

    from tailrace.changes import ChangeSet, DiffSpec
    from tailrace.project import Sync
    from tailrace.pushdown.partial import Partial
    from tailrace.pushdown.store import WarehouseSnapshot
    from tailrace.running.cursor import Reading
    from tailrace.running.places import AnySnapshot
    from tailrace.running.session import Session
    from tailrace.warehouses.base import Projection

log = logging.getLogger(__name__)

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
    with working(sync.name):
        return _compared(session, sync, snapshot, spec, folder, clock, full=full)


def _compared(
    session: Session,
    sync: Sync,
    snapshot: AnySnapshot,
    spec: DiffSpec,
    folder: Path,
    clock: Clock,
    *,
    full: bool,
) -> tuple[ChangeSet, Snapshot | Partial]:
    if not isinstance(snapshot, Snapshot):
        return _in_warehouse(session, sync, snapshot, spec, folder, clock, full=full)
    options = _how(session, sync, snapshot, full=full)
    with _opened(session, sync, clock) as rows:
        return diff(rows, snapshot, spec, folder, options), snapshot


def compared_by_cursor(
    session: Session, sync: Sync, snapshot: AnySnapshot, spec: DiffSpec, folder: Path, *, full: bool, clock: Clock
) -> tuple[ChangeSet, Snapshot | Partial, Reading]:
    """The same of what is new by the sync's cursor, and how it was read. The folder must be empty.

    All is read where there is no mark to begin at, where the warehouse refuses to compare with it, and where a column
    has changed its type since: rows that were not read are of the old one.
    """
    read = reading(sync, snapshot.mark, full=full)
    compare = partial(_read_by, session, sync, snapshot, spec, clock=clock, full=full)
    if read.mark is None:
        return *compare(folder, read), read
    try:
        changes, known = compare(folder / "new", read)
        if not changes.origin.pinning.retyped:
            return changes, known, read
        why = retyped(changes.origin.pinning)
    except Unfit as error:
        why = str(error)
    read = replace(read, mark=None, why=why, top=None)
    return *compare(folder / "all", read), read


def _read_by(
    session: Session,
    sync: Sync,
    snapshot: AnySnapshot,
    spec: DiffSpec,
    folder: Path,
    read: Reading,
    *,
    clock: Clock,
    full: bool,
) -> tuple[ChangeSet, Snapshot | Partial]:
    folder.mkdir(exist_ok=True)
    if not isinstance(snapshot, Snapshot):
        if read.mark is None:
            _find_highest(session, sync, read)
            return _in_warehouse(session, sync, snapshot, spec, folder, clock, full=full)
        return _looked_up(session, sync, snapshot, spec, folder, read, clock)
    options = _how(session, sync, snapshot, full=full)
    engine = Diff if read.mark is None else WindowDiff
    with _opened(session, sync, clock, read) as rows:
        return engine(rows, snapshot, spec, folder, options).run(), snapshot


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


def _looked_up(
    session: Session,
    sync: Sync,
    snapshot: WarehouseSnapshot,
    spec: DiffSpec,
    folder: Path,
    read: Reading,
    clock: Clock,
) -> tuple[ChangeSet, Partial]:
    """What is new comes out, and is compared with what the warehouse has stored of it."""
    from tailrace.pushdown.compare import Unsuited, compare_window  # noqa: PLC0415 - as above

    options = Options(memory=session.project.config.memory)
    place = (snapshot.table, snapshot.manifest, snapshot.revision)
    with _about(sync), session.warehouse(sync.warehouse).desk(write=False) as desk:
        try:
            with _opened(session, sync, clock, read) as rows:
                return compare_window(desk, place, rows, spec, folder, options)
        except Unsuited as error:
            raise Unfit(str(error)) from error


def _find_highest(session: Session, sync: Sync, read: Reading) -> None:
    """Have the reading know the cursor's highest value, before the rows are looked at: what comes later is new then."""
    projection = sync.projection().highest(read.config.column)
    with _about(sync), session.warehouse(sync.warehouse).read(projection) as batches:
        for _ in read.watched(batches):
            pass


def _faults(session: Session, sync: Sync) -> None:
    """WarehouseError when the model by itself fails, which is then told better than of a comparison with it."""
    with session.warehouse(sync.warehouse).read(sync.projection().emptied()) as batches:
        next(iter(batches), None)


@contextmanager
def _opened(session: Session, sync: Sync, clock: Clock, read: Reading | None = None) -> Iterator[ModelRows]:
    """The model's rows as the warehouse has them now, a stream to be read once within the block."""
    rows = _batch_rows(session, sync)
    projection = sync.projection(None if read is None else read.window)
    with _about(sync), _begun(session, sync, read, projection, rows) as batches:
        clock.opened()
        timed = clock.timed(batches)
        yield ModelRows.from_batches(timed if read is None else read.watched(timed))


@contextmanager
def _begun(
    session: Session, sync: Sync, read: Reading | None, projection: Projection, batch_rows: int
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The projected model's batches; Unfit where the warehouse does not even begin to read what is new since a mark."""
    with ExitStack() as stack:
        try:
            batches = stack.enter_context(session.warehouse(sync.warehouse).read(projection, batch_rows=batch_rows))
        except WarehouseError as error:
            if read is None or read.mark is None:
                raise
            log.warning("%s: what is new could not be read alone: %s", sync.name, error.discreet)
            raise Unfit("the warehouse refused to read only what is new") from error
        yield batches


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
