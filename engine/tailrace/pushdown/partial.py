"""The rows of a snapshot that were fetched from the warehouse, as a comparison asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.canonical.convert import convert_rows
from tailrace.canonical.types import dtype
from tailrace.diff.changefiles import FrameFile
from tailrace.pushdown.tables import UNKNOWN

if TYPE_CHECKING:
    from tailrace.diff.hashset import Hashes
    from tailrace.pushdown.manifest import Manifest
    from tailrace.rowset import Step
    from tailrace.values import LogicalType

_ORDER = "kmf"


class Partial:
    """What a comparison must know of a snapshot: all it says of itself, and those of its rows that came out.

    Rows that are here from the start differ from the model's, or are gone from it; those brought later are in the
    model as they are, and concern others. A row's place is its number here.
    """

    def __init__(self, manifest: Manifest | None, revision: int, path: Path) -> None:
        self.manifest, self.revision = manifest, revision
        self._path = path
        self._rows = 0
        self._brought: list[pl.DataFrame] = []

    @property
    def rows(self) -> int:
        """Rows in the snapshot, here or not."""
        return self.manifest.rows if self.manifest else 0

    @property
    def types(self) -> Mapping[str, LogicalType]:
        """Pinned types by column."""
        return self.manifest.types if self.manifest else {}

    stored_types = types

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that some row has, keys first."""
        if self.manifest is None:
            return ()
        names = {*self.manifest.types, *self.manifest.fields}
        return tuple(sorted(names, key=lambda name: (_ORDER.index(name[0]), name)))

    @property
    def shared(self) -> bool:
        """Whether two rows may have one match value."""
        return self.manifest.shared if self.manifest else False

    @property
    def folds(self) -> frozenset[str]:
        """Match fields that compared without regard to case when rows were last told apart."""
        return self.manifest.folds if self.manifest else frozenset()

    def file(self) -> FrameFile:
        """Where the rows that are here from the start are written to; `begin` follows."""
        return FrameFile(self._path, pl.Schema(self._shape()))

    def add(self, file: FrameFile, rows: pl.DataFrame) -> None:
        """Write some of them."""
        numbers = pl.int_range(file.height, file.height + rows.height, dtype=pl.UInt64, eager=True)
        file.add(rows.with_columns(numbers.alias("loc")))
        self._rows = file.height

    def once(self, keys: Sequence[str]) -> None:
        """See that each of them is here once: rows that several of the model's have been paired with came as often."""
        frame = pl.read_parquet(self._path).unique(list(keys), keep="first", maintain_order=True)
        self._rows = 0
        with self.file() as file:
            self.add(file, frame.drop("loc"))

    def bring(self, rows: pl.DataFrame, keys: Sequence[str]) -> Hashes:
        """Take rows in that are not here yet; gives the places of all of these."""
        names = list(keys)
        if rows.is_empty():
            return np.empty(0, np.uint64)
        here = self._scan().select("loc", *names).join(rows.select(names).lazy(), on=names, how="semi").collect()
        new = rows.join(here, on=names, how="anti").select(list(self._shape(with_place=False)))
        start = self._rows + sum(frame.height for frame in self._brought)
        numbers = pl.int_range(start, start + new.height, dtype=pl.UInt64, eager=True).alias("loc")
        self._brought.append(new.with_columns(numbers))
        found: Hashes = np.sort(pl.concat([here["loc"], numbers]).to_numpy())
        return found

    def live_places(self) -> Hashes:
        """The places of the rows that are here from the start."""
        return np.arange(self._rows, dtype=np.uint64)

    def fetch(self, places: Hashes, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """Rows in the order of their places: those columns (None: all), `record_id`, `unknown`, `loc`."""
        wanted = self.columns if columns is None else tuple(columns)
        rows = self._scan()
        if places.size != self._rows + sum(frame.height for frame in self._brought):
            rows = rows.filter(pl.col("loc").is_in(pl.Series(places, dtype=pl.UInt64).implode()))
        nothing = [pl.lit(None).alias(name) for name in wanted if name not in self.types]
        new = [name[2:] for name in wanted if name[:2] == "f:" and name not in self.columns]
        if new:
            rows = rows.with_columns(pl.col("unknown").list.set_union(pl.lit(new, dtype=UNKNOWN)))
        return rows.with_columns(nothing).select(*wanted, "record_id", "unknown", "loc")

    def repeated(self, columns: Sequence[str], digest: Step) -> Hashes:
        """The places of the rows that are here whose `digest` another one of them has as well."""
        rows = self.fetch(self.live_places(), columns)
        places = rows.select("loc").collect().to_series()
        digests = digest(rows.select(*columns)).collect().to_series()
        found: Hashes = np.sort(places.filter(digests.is_duplicated() & digests.is_not_null()).to_numpy())
        return found

    def converts(self, column: str, target: LogicalType) -> bool:
        """Whether every value that is here can be had under another type."""
        values = self._scan().select(column).collect().to_series()
        return convert_rows(values, self.types[column], target).null_count() == values.null_count()

    def may_lack(self, columns: Sequence[str]) -> bool:
        """Whether a row may have unknown fields, among those columns."""
        if self.manifest is None or not (self._rows or self._brought):
            return False
        fields = {name for name in columns if name[:2] == "f:"}
        return any(not fields <= set(layout) for layout in self.manifest.layouts)

    def _scan(self) -> pl.LazyFrame:
        base = pl.scan_parquet(self._path) if self._path.exists() else pl.LazyFrame(schema=self._shape())
        return pl.concat([base, *(frame.lazy() for frame in self._brought)], how="vertical_relaxed")

    def _shape(self, *, with_place: bool = True) -> dict[str, pl.DataType]:
        shape = {name: dtype(kind) for name, kind in self.types.items()}
        fixed: dict[str, pl.DataType] = {"record_id": pl.String(), "unknown": UNKNOWN}
        return {**shape, **fixed, **({"loc": pl.UInt64()} if with_place else {})}
