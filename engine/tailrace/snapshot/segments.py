"""Reads segments: names, liveness and values of the rows in them, each file against its checksum."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from tailrace.canonical import dtype
from tailrace.diff.hashset import Mask, as_series
from tailrace.snapshot.files import told
from tailrace.snapshot.manifest import Damaged, FileEntry, Segment, damaged
from tailrace.snapshot.storage import Place
from tailrace.values import LogicalType

log = logging.getLogger(__name__)

ROW_BITS = 40
"""Of a row's place, the lower bits are its number in the segment, the upper ones the segment's position."""
UNKNOWN = pl.List(pl.String)
_SLICE = 8 * 1024 * 1024

Places = NDArray[np.uint64]
"""Places of rows, see ROW_BITS."""
Rows = NDArray[np.int64]
"""Numbers of rows within a segment."""


def digest_of(path: Path, kind: str = "xxh3") -> str:
    """A file's checksum, as a manifest has it."""
    if kind == "sha256":
        with path.open("rb") as file:
            return f"{kind}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    total = xxhash.xxh3_128()
    with path.open("rb") as file:
        while data := file.read(_SLICE):
            total.update(data)
    return f"xxh3:{total.hexdigest()}"


def entry_of(name: str, path: Path) -> FileEntry:
    """What a manifest says of a finished file."""
    with told(path, "read"):
        return FileEntry(name, digest_of(path), path.stat().st_size)


class Folder:
    """The files of one snapshot. Each is checked once, when it is first read."""

    def __init__(self, place: Place, sync: str) -> None:
        self._place = place
        self._sync = sync
        self._sound: dict[str, Path] = {}

    def file(self, entry: FileEntry) -> Path:
        """A local path; SnapshotError when it is not what was written."""
        if entry.name not in self._sound:
            self._sound[entry.name] = self._checked(entry)
        return self._sound[entry.name]

    def _checked(self, entry: FileEntry) -> Path:
        where = self._place.path(entry.name)
        path = self._place.local(entry.name)
        if path is None:
            raise damaged(where, "is missing", self._sync)
        with told(path, "read"):
            size = path.stat().st_size
            if size != entry.size:
                raise damaged(where, f"has {size} bytes, {entry.size} were written", self._sync)
            if digest_of(path, entry.digest.partition(":")[0]) != entry.digest:
                raise damaged(where, "does not match its checksum", self._sync)
        return path


@dataclass(frozen=True)
class SegmentReader:
    """One segment, as its position in the manifest has it."""

    position: int
    segment: Segment
    folder: Folder
    types: Mapping[str, LogicalType]

    @cached_property
    def names(self) -> Path | None:
        """The file of its rows' names; None where it has none, or one that is damaged: values make up for it."""
        if self.segment.names is None:
            return None
        try:
            return self.folder.file(self.segment.names)
        except Damaged as error:
            log.warning("%s: its fingerprints are made anew from the values, which are whole", error.message)
            return None

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns in its file of values."""
        return frozenset(pl.read_parquet_schema(self.folder.file(self.segment.values)))

    def may_lack(self, columns: Sequence[str]) -> bool:
        """Whether a row of it may have unknown fields, among those columns."""
        absent = any(name.startswith("f:") and name not in self.columns for name in columns)
        return absent or "unknown" in self.columns or bool(self.segment.null_is_unknown)

    def live(self) -> Mask | None:
        """Which rows are live, in the order of the rows; None when all are."""
        if self.segment.live is None:
            return None
        bits = np.fromfile(self.folder.file(self.segment.live), np.uint8)
        return np.unpackbits(bits, count=self.segment.rows, bitorder="little").view(np.bool_)

    def places(self, rows: Rows) -> Places:
        """The places of some of its rows."""
        return rows.astype(np.uint64) | np.uint64(self.position << ROW_BITS)

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Some columns of all rows, live or not, with their number as `row`; what the file lacks is null."""
        return self._scan(columns)

    def holds_ids(self, wanted: pl.Series) -> Mask:
        """Per row, live or not, whether its record id is one of the wanted (a list in a series of one)."""
        path = self.folder.file(self.segment.ids or self.segment.values)
        if "record_id" not in pl.read_parquet_schema(path):
            return np.zeros(self.segment.rows, np.bool_)
        found = pl.scan_parquet(path).select(pl.col("record_id").is_in(wanted).fill_null(value=False))
        return found.collect(engine="streaming").to_series().to_numpy()

    def rows(self, wanted: Mask, columns: Sequence[str]) -> pl.LazyFrame:
        """Those columns of the wanted rows, with `row`, `record_id` and `unknown`, in order."""
        first = next(name for name in sorted(self.columns) if name[:2] == "k:")
        # Beside the row's number the predicate names a column of the file: then polars decodes the others for the
        # chosen rows only.
        chosen = pl.map_batches(["row", first], _chooser(wanted), return_dtype=pl.Boolean, is_elementwise=True)
        values = self._scan([*columns, "record_id", "unknown"]).filter(chosen)
        if self.segment.ids is None:
            return values
        ids = _numbered(self.folder.file(self.segment.ids)).filter(
            pl.map_batches(["row", "record_id"], _chooser(wanted), return_dtype=pl.Boolean, is_elementwise=True)
        )
        return values.drop("record_id").join(ids, on="row", how="left", maintain_order="left")

    def _scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        scan = _numbered(self.folder.file(self.segment.values))
        absent = [name[2:] for name in columns if name.startswith("f:") and name not in self.columns]
        return scan.select("row", *(self._column(name, absent) for name in columns))

    def _column(self, name: str, absent: Sequence[str]) -> pl.Expr:
        if name == "unknown":
            return self._unknown(absent)
        kind = pl.String() if name == "record_id" else dtype(self.types[name]) if name in self.types else None
        if name not in self.columns:
            return pl.lit(None, dtype=kind).alias(name)
        # Only a column without a value may have another type than the pinned one.
        return pl.col(name) if kind is None else pl.col(name).cast(kind, strict=False)

    def _unknown(self, absent: Sequence[str]) -> pl.Expr:
        """Fields without an acknowledged value: listed, not sent as they were NULL, or younger than the row."""
        listed = pl.col("unknown") if "unknown" in self.columns else pl.lit([], dtype=UNKNOWN)
        unsent = [name for name in self.segment.null_is_unknown if f"f:{name}" in self.columns]
        if not unsent and not absent:
            return listed.alias("unknown")
        named = [pl.when(pl.col(f"f:{name}").is_null()).then(pl.lit(name)) for name in unsent]
        more = pl.concat_list(*named, *(pl.lit(name) for name in absent)).list.drop_nulls()
        return listed.list.set_union(more).alias("unknown")


def _numbered(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, row_index_name="row").with_columns(pl.col("row").cast(pl.Int64))


def _chooser(wanted: Mask) -> Callable[[Sequence[pl.Series]], pl.Series]:
    def choose(columns: Sequence[pl.Series]) -> pl.Series:
        rows = columns[0].to_numpy()
        first, end = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        # All rows in between are there, as nothing was left out before.
        return as_series(wanted[first:end] if end - first == rows.size else wanted[rows])

    return choose
