"""Streams the model past the names of the rows that need nothing; what has no such name is written to a file."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import numpy as np
import polars as pl

from tailrace.canonical.convert import caster
from tailrace.canonical.types import dtype
from tailrace.diff.hashset import as_series

if TYPE_CHECKING:
    from tailrace.canonical.source import ModelRows
    from tailrace.diff.fingerprint import Recipe
    from tailrace.diff.hashset import Hashes, Mask, Positions
    from tailrace.diff.packed import Members
    from tailrace.values import LogicalType


class Journal:
    """Names of the misses as they come, in files that are in the order of the rows when the block ends."""

    def __init__(self, lanes: Sequence[Path]) -> None:
        self.paths = tuple(lanes)
        self._files: list[IO[bytes]] = [path.open("w+b") for path in lanes]
        self._pieces: list[tuple[int, int]] = []
        """First row, and how many names, of each piece."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for file in self._files:
            file.close()
        if kind is None and sorted(self._pieces) != self._pieces:
            for path in self.paths:
                self._order(path)

    def add(self, first: int, lanes: Sequence[pl.Series]) -> None:
        """Take the names of some rows."""
        self._pieces.append((first, len(lanes[0])))
        for file, lane in zip(self._files, lanes, strict=True):
            lane.to_numpy().tofile(file)

    def _order(self, path: Path) -> None:
        starts = np.cumsum([0, *(size for _, size in self._pieces)])
        names = np.fromfile(path, np.uint64)
        with path.open("wb") as file:
            for piece in sorted(range(len(self._pieces)), key=lambda piece: self._pieces[piece]):
                names[starts[piece] : starts[piece + 1]].tofile(file)


class Probe:
    """Tells which rows have a known name, and remembers which names were seen. Used from several threads.

    A row whose name was seen before is no hit: two rows of the model cannot both be the one that is known.
    Names that two known rows share are never hit, as they do not tell which of the two it is.
    """

    def __init__(self, names: Members, second: Hashes | None, journal: Journal) -> None:
        self._names = names
        self.journal = journal
        self._second = second
        self._shared = names.repeated()
        self._lock = threading.Lock()
        self.hits = 0
        self.rows = 0
        """All rows that came by."""

    def __call__(self, columns: Sequence[pl.Series]) -> pl.Series:
        """Which rows are no hits, by number, `name`, `name2` if names are wide, and whether they fit their types."""
        numbers, name, *halves, fits = columns
        hashes = name.to_numpy()
        at, hit = self._names.find(hashes)
        if self._second is not None and hit.any():
            hit &= self._second.take(at, mode="clip") == halves[0].to_numpy()
        if self._shared.size:
            hit &= ~np.isin(hashes, self._shared)
        if not fits.all():
            hit &= fits.to_numpy()
        misses = self._mark(at, hit)
        mask = as_series(misses)
        if misses.any():
            kept = [lane.filter(mask) for lane in (name, *halves)]
            with self._lock:
                self.journal.add(int(numbers[0]), kept)
        return mask

    def unseen(self) -> Hashes:
        """The names that no row of the model had."""
        return self._names.left()

    def _mark(self, at: Positions, hit: Mask) -> Mask:
        found = at if hit.all() else at[hit]
        again = _repeats(found)
        with self._lock:
            again |= self._names.take(found)
            self.hits += int(found.size - again.sum())
            self.rows += int(hit.size)
        misses = ~hit
        if again.any():
            misses[np.flatnonzero(hit)[again]] = True
        return misses


def _repeats(found: Positions) -> Mask:
    """Which positions came before in the same array."""
    again = np.zeros(found.size, np.bool_)
    ordered = np.sort(found)
    if (ordered[1:] == ordered[:-1]).any():
        again[:] = True
        again[np.unique(found, return_index=True)[1]] = False
    return again


@dataclass(frozen=True, slots=True)
class Misses:
    """The rows of the model that have no known name, in a parquet file: canonical, in the model's types."""

    path: Path
    names: tuple[Path, ...]
    """Files of their names, in their order; two where names are wide."""
    rows: int


def stream(
    rows: ModelRows, recipe: Recipe, pins: Mapping[str, LogicalType], probe: Probe, path: Path, *, group_rows: int
) -> Misses:
    """Read the model once, to its end; WarehouseError when it has none."""
    carried, fits = {}, [pl.lit(value=True)]
    for name, column in rows.columns.items():
        pinned = pins.get(name, column.type)
        if pinned == column.type:
            carried[name] = column.carried
        else:
            carried[name] = column.value.map_batches(
                caster(column.type, pinned), return_dtype=dtype(pinned), is_elementwise=True
            )
            fits.append(carried[name].is_not_null() | column.value.is_null())
    names = recipe.names(carried)
    halves = ["name", "name2"][: len(names)]
    (
        rows.lazy.with_row_index("number")
        .with_columns(*names, fits=pl.all_horizontal(fits))
        .filter(pl.map_batches(["number", *halves, "fits"], probe, return_dtype=pl.Boolean, is_elementwise=True))
        .select(column.value.alias(name) for name, column in rows.columns.items())
        .sink_parquet(
            path,
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=group_rows,
            optimizations=rows.options,
        )
    )
    rows.finish()
    return Misses(path, probe.journal.paths, probe.rows - probe.hits)
