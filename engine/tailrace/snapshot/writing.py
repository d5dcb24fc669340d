"""Writes new segments: values and names to a work folder first, then under their final names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tailrace.diff.changefiles import write_bits
from tailrace.failpoints import reach
from tailrace.snapshot.files import told
from tailrace.snapshot.manifest import FileEntry, Segment
from tailrace.snapshot.naming import write_names
from tailrace.snapshot.segments import UNKNOWN, entry_of

if TYPE_CHECKING:
    from tailrace.diff.hashset import Hashes, Mask
    from tailrace.snapshot.storage import Place

SEGMENT_ROWS = 4_000_000
"""Most rows of a segment made from rows in memory."""
GROUP_ROWS = 65_536
NAMES = ("name", "name2")
PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "statistics": False}


@dataclass(frozen=True, slots=True)
class Draft:
    """A segment whose files are still in a work folder, by kind."""

    id: str
    rows: int
    live_rows: int
    files: dict[str, Path]
    null_is_unknown: tuple[str, ...] = ()

    def publish(self, place: Place) -> Segment:
        """Keep its files durably; nothing refers to them before a manifest does."""
        entries = {kind: publish_segment_file(place, self.id, kind, path) for kind, path in self.files.items()}
        return Segment(
            id=self.id,
            rows=self.rows,
            live_rows=self.live_rows,
            null_is_unknown=self.null_is_unknown,
            **entries,
        )


_ENDINGS = {"values": "parquet", "names": "names", "live": "live", "ids": "ids.parquet"}


def publish(place: Place, name: str, path: Path) -> FileEntry:
    """Keep one finished file under a name of the snapshot's folder."""
    entry = entry_of(name, path)
    place.publish(name, path)
    reach("segment.published")
    return entry


def publish_segment_file(place: Place, identity: str, kind: str, path: Path) -> FileEntry:
    """Keep one file of a segment, under a name that was never used before.

    So a writer that was overtaken without knowing it never writes over what another one's manifest names.
    """
    return publish(place, f"{identity}.{secrets.token_hex(4)}.{_ENDINGS[kind]}", path)


@dataclass
class DeltaWriter:
    """Takes rows in memory, batch by batch: `k:`, `m:`, `f:`, `record_id`, `unknown`, and their names."""

    work: Path
    prefix: str
    """What the segments' ids begin with."""
    drafts: list[Draft] = field(default_factory=list)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _rows: int = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take some rows."""
        if rows.height:
            self._held.append(rows)
            self._rows += rows.height
            if self._rows >= SEGMENT_ROWS // 16:
                self._spill()

    def close(self) -> list[Draft]:
        """The segments."""
        self._spill()
        return self.drafts

    def _spill(self) -> None:
        if not self._held:
            return
        frame = pl.concat(_aligned(self._held), how="diagonal_relaxed")
        self._held, self._rows = [], 0
        self.drafts.append(draft_of(frame, self.work, f"{self.prefix}-{len(self.drafts)}"))


def _aligned(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Of rows without a field that others have nothing is known there: the null they get is no value."""
    fields = dict.fromkeys(name for frame in frames for name in frame.columns if name[:2] == "f:")
    made = []
    for frame in frames:
        if absent := [name[2:] for name in fields if name not in frame.columns]:
            known = pl.col("unknown").list.set_union(pl.lit(absent, dtype=UNKNOWN))
            made.append(frame.with_columns(known))
        else:
            made.append(frame)
    return made


def draft_of(frame: pl.DataFrame, work: Path, identity: str) -> Draft:
    """A segment made of rows in memory."""
    names = [name for name in NAMES if name in frame.columns]
    files = {"values": work / f"{identity}.values"}
    kept = frame.drop(names)
    if not kept["unknown"].list.len().sum():
        kept = kept.drop("unknown")
    with told(files["values"], "write"):
        kept.write_parquet(files["values"], row_group_size=GROUP_ROWS, **PARQUET)
    if names:
        files["names"] = work / f"{identity}.names"
        write_names(files["names"], [frame[name].to_numpy() for name in names])
    return Draft(identity, frame.height, frame.height, files)


def write_ids(path: Path, ids: Iterator[pl.Series]) -> None:
    """A segment's record ids, in the order of its rows, piece by piece."""
    import pyarrow as pa  # noqa: PLC0415 - large, and only first runs write so many ids
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([("record_id", pa.large_string())])
    with told(path, "write"), pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for piece in ids:
            writer.write_table(pa.table({"record_id": piece.to_arrow().cast(pa.large_string())}))


def write_live(path: Path, live: Mask) -> Path:
    """One bit a row; gives the path."""
    with told(path, "write"):
        write_bits(path, live)
    return path


def joined(parts: Sequence[Hashes]) -> Hashes:
    """Arrays end to end."""
    return np.concatenate(list(parts)) if parts else np.empty(0, np.uint64)
