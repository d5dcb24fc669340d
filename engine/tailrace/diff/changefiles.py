"""A change set's files: what it says of itself can be kept, and its rows read again from the folder.

Compared rows are in files of the columns that `tailrace.changes` promises. Rows that are plainly inserts,
and many, stay in the file they were streamed to, with one bit a row to say which; the rest of their
columns follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tailrace.canonical.types import dtype
from tailrace.diff.hashset import Mask
from tailrace.rowset import Rows, Source
from tailrace.values import LogicalType

PLAIN, BITS = "new.parquet", "inserts.bits"
NAMES = ("new.names", "new.names2")
"""Names of the rows of `PLAIN`, as a snapshot would have them."""


@dataclass(frozen=True, slots=True)
class Flat:
    """One file of compared rows."""

    file: str
    rows: int


@dataclass(frozen=True, slots=True)
class Bulk:
    """Plain inserts among the rows of `PLAIN`: those whose bit is set in `BITS`."""

    rows: int
    """Rows in the file, inserts or not."""
    inserts: int
    first_seq: int
    """The number that the file's first row has as a change."""
    nullable: tuple[str, ...]
    """Fields that are not written where the model has NULL."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which files make the rows, and under which types."""

    flat: tuple[Flat, ...]
    bulk: Bulk | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files, in the order they are read."""
        return (*(item.file for item in self.flat), *((PLAIN, BITS) if self.bulk else ()))

    def to_json(self) -> dict[str, Any]:
        """As kept with the files."""
        bulk = self.bulk
        return {
            "flat": [[item.file, item.rows] for item in self.flat],
            "bulk": [bulk.rows, bulk.inserts, bulk.first_seq, list(bulk.nullable)] if bulk else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layout:
        """Back from that; KeyError, TypeError or ValueError when it is none."""
        bulk = data["bulk"]
        return cls(
            tuple(Flat(str(file), int(rows)) for file, rows in data["flat"]),
            Bulk(int(bulk[0]), int(bulk[1]), int(bulk[2]), tuple(map(str, bulk[3]))) if bulk else None,
        )

    def read(self, folder: Path, types: Mapping[str, LogicalType]) -> Rows:
        """The rows in the files of a folder."""
        sources = [Source(pl.scan_parquet(folder / item.file), item.rows) for item in self.flat]
        if self.bulk is not None:
            sources.append(_bulk_source(folder, self.bulk, types))
        return Rows(tuple(sources)) if sources else Rows.of_frame(pl.DataFrame())


def write_flat(folder: Path, number: int, frame: pl.DataFrame) -> Flat:
    """Write compared rows; their `seq` must be their final one."""
    name = f"changes-{number}.parquet"
    frame.write_parquet(folder / name, compression="zstd", compression_level=1, row_group_size=65_536)
    return Flat(name, frame.height)


def write_bits(path: Path, mask: Mask) -> None:
    """Write one bit a row."""
    np.packbits(mask, bitorder="little").tofile(path)


def read_bits(path: Path, rows: int) -> Mask:
    """Read them back."""
    return np.unpackbits(np.fromfile(path, np.uint8), count=rows, bitorder="little").view(np.bool_)


def _bulk_source(folder: Path, bulk: Bulk, types: Mapping[str, LogicalType]) -> Source:
    scan = pl.scan_parquet(folder / PLAIN, row_index_name="row")
    chosen = read_bits(folder / BITS, bulk.rows)
    names = [name for name in scan.collect_schema().names() if name != "row"]
    first = next(name for name in names if name.startswith("k:"))

    def inserts(columns: Sequence[pl.Series]) -> pl.Series:
        return pl.Series(chosen[columns[0].to_numpy()])

    def step(lazy: pl.LazyFrame) -> pl.LazyFrame:
        # With a column of the file beside the row's number, only the chosen rows' other columns are decoded.
        picked = lazy.filter(pl.map_batches(["row", first], inserts, return_dtype=pl.Boolean, is_elementwise=True))
        return picked.select(_as_inserts(names, bulk, types))

    return Source(scan, bulk.rows, (step,), bulk=True)


def _as_inserts(names: Sequence[str], bulk: Bulk, types: Mapping[str, LogicalType]) -> list[pl.Expr]:
    """A row of the model as the insert that it makes."""
    fields = [name[2:] for name in names if name.startswith("f:")]
    keys = [pl.col(name) for name in names if name.startswith("k:")]
    matches = [name for name in names if name.startswith("m:")]
    return [
        (pl.col("row").cast(pl.Int64) + bulk.first_seq).alias("seq"),
        pl.lit("insert").alias("op"),
        pl.lit(None, pl.String).alias("record_id"),
        *keys,
        *(item for name in matches for item in (pl.col(name), _null(name, types).alias(f"o{name}"))),
        *(item for name in fields for item in _field(name, bulk, types)),
        pl.col("row").cast(pl.Int64),
        pl.lit(None, pl.UInt64).alias("loc"),
    ]


def _field(name: str, bulk: Bulk, types: Mapping[str, LogicalType]) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    value = pl.col(f"f:{name}")
    written = value.is_not_null() if name in bulk.nullable else pl.lit(value=True)
    return value.alias(f"n:{name}"), _null(f"f:{name}", types).alias(f"o:{name}"), written.alias(f"c:{name}")


def _null(name: str, types: Mapping[str, LogicalType]) -> pl.Expr:
    return pl.lit(None, dtype(types[name]))
