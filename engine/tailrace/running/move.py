"""Takes a sync's snapshots from files to its warehouse, or back, as they are: nothing is sent again.

The copy is made first, whole and under its generation's number, and what was copied is removed after it. So a crash
leaves both, or a copy that has a lesser number, and the command can be given again: the greater number counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import polars as pl

from tailrace.canonical import dtype
from tailrace.changes import DiffSpec
from tailrace.diff.changefiles import FrameFile
from tailrace.errors import UsageError
from tailrace.pushdown import tables
from tailrace.pushdown.manifest import Manifest
from tailrace.running.lease import leased
from tailrace.running.planner import known_identity
from tailrace.running.record import verdict
from tailrace.snapshot.store import Delivered
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.pushdown.store import WarehouseSnapshot, WarehouseStore
    from tailrace.running.session import Session
    from tailrace.snapshot.identity import Identity
    from tailrace.snapshot.reading import Snapshot

Target: TypeAlias = Literal["warehouse", "local"]
BATCH = 125_000


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved."""

    sync: str
    to: Target
    rows: int
    moved: bool
    """False when there was nothing to move."""

    def to_json(self) -> dict[str, Any]:
        """The form of `snapshot move --json`."""
        return {"sync": self.sync, "to": self.to, "rows": self.rows, "moved": self.moved}


def move(session: Session, sync: Sync, to: Target) -> Moved:
    """Move all snapshots of a sync as it is defined now."""
    rows, moved = 0, False
    with leased(session, sync) as lease:
        store = session.warehouse_store(sync)
        identity = known_identity(session, sync)
        for each in (identity, identity.twin):
            lease.renew()
            found = _to_warehouse(session, store, each) if to == "warehouse" else _to_files(session, store, each)
            rows, moved = rows + (found or 0), moved or found is not None
    return Moved(sync.name, to, rows, moved)


def _to_warehouse(session: Session, store: WarehouseStore, identity: Identity) -> int | None:
    """How many rows went there; None where the files have no snapshot."""
    if not session.store.holds(identity):
        return None
    source, there = session.store.open(identity), store.look(identity)
    if there.manifest is not None and not there.manifest.moved and there.generation > source.generation:
        session.store.leave(identity, "warehouse")  # what is here is what a broken move left
        return there.rows
    if source.values != "clear":
        raise UsageError(
            f"{identity.sync}: its snapshot holds digests of values, which cannot be compared in the warehouse",
            hint=f"start over: tailrace reset {identity.sync}, then tailrace adopt {identity.sync}",
        )
    store.fill(there, _manifest(source), _stored(source))
    session.store.leave(identity, "warehouse")
    return source.rows


def _manifest(source: Snapshot) -> Manifest:
    assert source.manifest is not None  # noqa: S101 - the caller has looked
    held = source.manifest
    empty = Manifest(source.identity, source.generation, held.run_id, held.saved_at, {}, 0)
    return replace(empty.typed(source.types), shared=source.shared, folds=source.folds, mark=source.mark)


def _stored(source: Snapshot) -> Iterator[pl.DataFrame]:
    places = source.live_places()
    for start in range(0, places.size, BATCH):
        yield source.fetch(places[start : start + BATCH]).drop("loc").collect(engine="streaming")


def _to_files(session: Session, store: WarehouseStore, identity: Identity) -> int | None:
    """How many rows went there; None where the warehouse has no snapshot."""
    source = store.look(identity)
    if source.manifest is None or source.manifest.moved:
        return None
    if not session.store.holds(identity) or session.store.open(identity).generation < source.generation:
        session.store.forget(identity)  # the word that it was moved, or what a broken move left
        if source.manifest.columns:
            with session.work.scratch() as folder:
                _write(session, source, source.manifest, folder)
        else:  # there never was a row, but maybe all of the model was read
            session.store.set_mark(session.store.open(identity), source.mark, source.manifest.run_id)
    store.leave(source, "local")
    return source.rows


def _write(session: Session, source: WarehouseSnapshot, manifest: Manifest, folder: Path) -> None:
    """All rows, as a run that inserted them would have left them."""
    identity = source.identity
    text = LogicalType("string")
    types = {name: manifest.types.get(name, text) for name in (*manifest.types, *manifest.fields)}
    spec = DiffSpec(identity.key, identity.match, tuple(name[2:] for name in types if name[:2] == "f:"))
    with source.warehouse.desk(write=False) as desk:
        frames = _numbered(tables.read(desk, source.table, manifest), types)
        first = next(frames)  # an empty table gives an empty one
        with FrameFile(folder / "rows.parquet", first.schema) as file:
            for frame in chain([first], frames):
                file.add(frame)
    ids = file.rows.collect(["seq", "record_id"])
    outcomes = verdict(ids, "acknowledged").with_columns(ids["record_id"])
    empty = session.store.open(identity)
    delivered = Delivered(file.rows, types, outcomes, spec)
    saved = session.store.commit(empty, delivered, manifest.run_id, mark=manifest.mark)
    session.store.renumber(saved, manifest.generation, manifest.run_id, manifest.saved_at)


def _numbered(stored: Iterable[pl.DataFrame], types: dict[str, LogicalType]) -> Iterator[pl.DataFrame]:
    seq = 0
    for rows in stored:
        yield _as_inserts(rows, types, seq)
        seq += rows.height


def _as_inserts(rows: pl.DataFrame, types: dict[str, LogicalType], first: int) -> pl.DataFrame:
    fields = [name[2:] for name in types if name[:2] == "f:"]
    return rows.select(
        pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True).alias("seq"),
        pl.lit("insert").alias("op"),
        pl.lit("upsert").alias("action"),
        "record_id",
        *(name for name in types if name[:2] == "k:"),
        *(name for name in types if name[:2] == "m:"),
        *(pl.lit(None, dtype(types[name])).alias(f"o{name}") for name in types if name[:2] == "m:"),
        *(pl.col(f"f:{name}").cast(dtype(types[f"f:{name}"])).alias(f"n:{name}") for name in fields),
        *(pl.lit(None, dtype(types[f"f:{name}"])).alias(f"o:{name}") for name in fields),
        *((~pl.col("unknown").list.contains(name)).alias(f"c:{name}") for name in fields),
    )
