"""Rows parted into files small enough to be held in memory, one bucket after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl
import pyarrow as pa

from tailrace.diff.hashset import as_series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_FEW = 16
"""So many buckets are read again while the system still has their files in memory: to compress them costs more than
their room. More of them go to the disk, where it saves a good third."""


class Buckets:
    """Files of rows by bucket, in the order they were added. A context manager; read them when it has ended.

    `count` is about how many there will be.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._folder = folder
        self._name = name
        self._options = pa.ipc.IpcWriteOptions(compression="lz4" if count > _FEW else None)
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, frame: pl.DataFrame, bucket: NDArray[np.int16]) -> None:
        """Put each row into its bucket; negative ones are dropped."""
        parted = frame.with_columns(as_series(bucket, "bucket")).filter(pl.col("bucket") >= 0)
        for (number,), rows in parted.partition_by("bucket", as_dict=True, include_key=False).items():
            self._write(int(number), rows)

    def read(self, bucket: int) -> pl.DataFrame | None:
        """The rows of a bucket; None when it has none."""
        path = self._path(bucket)
        return pl.read_ipc_stream(path) if path.exists() else None

    def batches(self, bucket: int) -> Iterator[pl.DataFrame]:
        """The rows of a bucket in the pieces they were added in."""
        path = self._path(bucket)
        if path.exists():
            with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
                for batch in reader:
                    yield pl.DataFrame(pl.from_arrow(batch))

    def drop(self, bucket: int) -> None:
        """Remove a bucket's file."""
        self._path(bucket).unlink(missing_ok=True)

    def _write(self, bucket: int, rows: pl.DataFrame) -> None:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = self._writers.get(bucket)
        if writer is None:
            file = self._stack.enter_context(pa.OSFile(str(self._path(bucket)), "wb"))
            writer = self._stack.enter_context(pa.ipc.new_stream(file, table.schema, options=self._options))
            self._writers[bucket] = writer
        writer.write_table(table)

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{self._name}-{bucket}.arrows"
