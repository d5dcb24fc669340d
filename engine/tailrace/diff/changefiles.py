"""A change set's files: what it says of itself can be kept, and its rows read again from the folder.

Compared rows are in files of the columns that `tailrace.changes` promises. Rows that are plainly inserts,
and many, stay in the file they were streamed to, with one bit a row to say which; the rest of their
columns follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from tailrace.canonical.types import dtype
from tailrace.diff.hashset import Mask, as_series
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

    def to_json(self) -> list[Any]:
        """As kept with the file."""
        return [self.rows, self.inserts, self.first_seq, list(self.nullable)]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Bulk:
        """Back from that; TypeError, IndexError or ValueError when it is none."""
        return cls(int(data[0]), int(data[1]), int(data[2]), tuple(map(str, data[3])))


@dataclass(frozen=True, slots=True)
class Layout:
    """Which files make the rows, and under which types."""

    flat: tuple[Flat, ...]
    bulk: Bulk | None = None

    def read(self, folder: Path, types: Mapping[str, LogicalType]) -> Rows:
        """The rows in the files of a folder."""
        sources = [Source(pl.scan_parquet(folder / item.file), item.rows) for item in self.flat]
        if self.bulk is not None:
            sources += bulk_rows(folder / PLAIN, folder / BITS, self.bulk, types).sources
        return Rows(tuple(sources)) if sources else Rows.of_frame(pl.DataFrame())


def write_flat(folder: Path, number: int, frame: pl.DataFrame) -> Flat:
    """Write compared rows; their `seq` must be their final one."""
    name = f"changes-{number}.parquet"
    frame.write_parquet(folder / name, compression="lz4", row_group_size=65_536)
    return Flat(name, frame.height)


def write_bits(path: Path, mask: Mask) -> None:
    """Write one bit a row."""
    np.packbits(mask, bitorder="little").tofile(path)


def read_bits(path: Path, rows: int) -> Mask:
    """Read them back."""
    return np.unpackbits(np.fromfile(path, np.uint8), count=rows, bitorder="little").view(np.bool_)


def bulk_rows(plain: Path, bits: Path, bulk: Bulk, types: Mapping[str, LogicalType]) -> Rows:
    """The plain inserts of a file, chosen by the bits in another."""
    scan = pl.scan_parquet(plain, row_index_name="row")
    chosen = read_bits(bits, bulk.rows)
    names = [name for name in scan.collect_schema().names() if name != "row"]
    first = next(name for name in names if name.startswith("k:"))

    def inserts(columns: Sequence[pl.Series]) -> pl.Series:
        return as_series(chosen[columns[0].to_numpy()])

    def step(lazy: pl.LazyFrame) -> pl.LazyFrame:
        # With a column of the file beside the row's number, only the chosen rows' other columns are decoded.
        picked = lazy.filter(pl.map_batches(["row", first], inserts, return_dtype=pl.Boolean, is_elementwise=True))
        return picked.select(_as_inserts(names, bulk, types))

    return Rows((Source(scan, bulk.rows, (step,), bulk=True, origin=bulk),))


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


def write_rows(path: Path, rows: Rows, columns: Sequence[str]) -> int:
    """Write some columns of rows to a parquet file, batch by batch; gives how many rows there were.

    Polars' own sink would hold a gigabyte of ten million rows.
    """
    with FrameFile(path, pl.Schema((name, kind) for name, kind in rows.schema.items() if name in columns)) as file:
        for batch in rows.batches(columns=columns):
            file.add(batch)
    return file.height


class FrameFile:
    """A parquet file that takes frames one after the other. A context manager; `rows` reads it when it has ended."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        self._path = path
        self.height = 0
        """Rows written."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - large, and a comparison does without

        self._schema = pl.DataFrame(schema=schema).to_arrow().schema
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, frame: pl.DataFrame) -> None:
        """Write a frame; its columns may be in any order."""
        self._writer.write_table(frame.select(self._schema.names).to_arrow().cast(self._schema))
        self.height += frame.height

    @property
    def rows(self) -> Rows:
        """What was written."""
        return Rows.of_file(self._path, self.height)
