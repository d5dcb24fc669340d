"""The rows of a run, as files: one of all rows, but for plain inserts that have a file of their own already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tailrace.diff.changefiles import BITS, PLAIN, Bulk, bulk_rows, write_bits
from tailrace.errors import SnapshotError
from tailrace.rowset import Rows
from tailrace.snapshot.files import told
from tailrace.snapshot.storage import checked_name

if TYPE_CHECKING:
    from tailrace.snapshot.storage import Place
    from tailrace.values import LogicalType

CHANGES, WRITTEN = "changes.parquet", "written.parquet"
"""The rows as they were planned; and without what their fields held."""
FIRST = 1
"""The format of runs that have all their rows in one file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of a run's rows."""

    flat: int | None
    """Rows in the one file; None where it has yet to be asked."""
    bulk: Bulk | None = None
    action: str = ""
    """Of the plain inserts."""
    initial: tuple[str, ...] = ()
    """Fields of theirs that are written only if that makes the record."""
    file: str = CHANGES
    """The name of the one file."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files."""
        return (self.file, PLAIN, BITS) if self.bulk else (self.file,)

    def to_json(self) -> dict[str, Any]:
        """As kept with the files."""
        bulk = self.bulk.to_json() if self.bulk else None
        initial = list(self.initial)
        return {"file": self.file, "flat": self.flat, "bulk": bulk, "action": self.action, "initial": initial}

    @classmethod
    def from_json(cls, meta: Mapping[str, Any]) -> Kept:
        """Back from a run's meta; KeyError, TypeError or ValueError when it is none."""
        if meta["format"] == FIRST:
            return cls(None)
        data = meta["rows"]
        bulk = Bulk.from_json(data["bulk"]) if data["bulk"] else None
        initial = tuple(map(str, data["initial"]))
        return cls(int(data["flat"]), bulk, str(data["action"]), initial, checked_name(str(data["file"])))


def keep(place: Place, rows: Rows, work: Path, files: Path | None) -> Kept:
    """Write a run's rows to its place, durably; `files` is the folder of the plain inserts' own file."""
    plain = rows.part(bulk=True)
    flat = _keep_flat(place, rows.part(bulk=False) if plain.sources else rows, work)
    if not plain.sources or files is None:
        return Kept(flat)
    first = plain.head(1)
    if first.is_empty():
        return Kept(flat)
    bulk = plain.sources[0].origin
    assert isinstance(bulk, Bulk)  # noqa: S101 - plain inserts come from such a file alone
    chosen = np.zeros(bulk.rows, np.bool_)
    for batch in plain.batches(columns=["row"]):
        chosen[batch["row"].to_numpy()] = True
    path = work / f"{place.name.replace('/', '-')}.{BITS}"
    write_bits(path, chosen)
    place.publish(BITS, path)
    path.unlink()
    place.publish(PLAIN, files / PLAIN)
    kept = Bulk(bulk.rows, int(chosen.sum()), bulk.first_seq, bulk.nullable)
    return Kept(flat, kept, first["action"][0], tuple(name[2:] for name in first.columns if name.startswith("w:")))


def read_rows(place: Place, kept: Kept, types: Mapping[str, LogicalType]) -> Rows:
    """The rows in a run's files; SnapshotError when one is missing."""
    path = _local(place, kept.file)
    with told(path, "read"):
        height = kept.flat if kept.flat is not None else pl.scan_parquet(path).select(pl.len()).collect().item()
        flat = Rows.of_file(path, height)
    if kept.bulk is None:
        return flat
    marks = [pl.lit(value=True).alias(f"w:{name}") for name in kept.initial]
    plain = bulk_rows(_local(place, PLAIN), _local(place, BITS), kept.bulk, types).then(
        lambda lazy: lazy.with_columns(pl.lit(kept.action).alias("action"), *marks)
    )
    order = list(flat.schema)
    return Rows((*flat.sources, *plain.then(lambda lazy: lazy.select(order)).sources))


def without_values(place: Place, rows: Rows, work: Path) -> Kept:
    """Write the rows anew without what their fields held."""
    gone = [pl.lit(None, kind).alias(name) for name, kind in rows.schema.items() if name[:2] in {"n:", "o:"}]
    bare = rows.then(lambda lazy: lazy.with_columns(gone))
    return Kept(_keep_flat(place, bare, work, WRITTEN), file=WRITTEN)


def _keep_flat(place: Place, rows: Rows, work: Path, name: str = CHANGES) -> int:
    path = work / f"{place.name.replace('/', '-')}.{name}"
    with told(path, "write"):
        rows.lazy().sink_parquet(path, compression="zstd", row_group_size=65_536)
        height = pl.scan_parquet(path).select(pl.len()).collect().item()
    place.publish(name, path)
    path.unlink()
    return int(height)


def _local(place: Place, name: str) -> Path:
    path = place.local(name)
    if path is None:
        raise SnapshotError(
            f"cannot read {place.path(name)}: it is missing",
            hint="Restore it from a backup, or remove this run's folder.",
        )
    return path
