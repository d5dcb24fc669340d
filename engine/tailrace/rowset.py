"""Rows of a plan or change set, on disk or in memory, read in batches: never whole where they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import polars as pl

Step: TypeAlias = Callable[[pl.LazyFrame], pl.LazyFrame]

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one file or frame before anything is made of them."""

    lazy: pl.LazyFrame
    rows: int
    steps: tuple[Step, ...] = ()
    bulk: bool = False
    """Whether these are plain inserts, still in the file that the model was streamed to."""

    def piped(self, start: int = 0, rows: int | None = None) -> pl.LazyFrame:
        """Some of the rows, or all, after all steps. Slicing comes first, so that only what is wanted is read."""
        lazy = self.lazy if rows is None else self.lazy.slice(start, rows)
        for step in self.steps:
            lazy = step(lazy)
        return lazy


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with the columns that `tailrace.changes` promises. Cheap to filter, as nothing is read before it must be."""

    sources: tuple[Source, ...]

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> Rows:
        """Rows that are in memory."""
        return cls((Source(frame.lazy(), frame.height),))

    @classmethod
    def of_file(cls, path: Path, rows: int) -> Rows:
        """Rows of a parquet file."""
        return cls((Source(pl.scan_parquet(path), rows),))

    def then(self, *steps: Step) -> Rows:
        """The rows after more steps; each must make of a slice what it would make of it within the whole."""
        return replace(self, sources=tuple(replace(source, steps=(*source.steps, *steps)) for source in self.sources))

    def where(self, condition: pl.Expr) -> Rows:
        """The rows for which a condition holds."""
        return self.then(lambda lazy: lazy.filter(condition))

    def part(self, *, bulk: bool) -> Rows:
        """The plain inserts that are still in their own file, or all other rows."""
        return replace(self, sources=tuple(source for source in self.sources if source.bulk == bulk))

    def lazy(self, columns: Sequence[str | pl.Expr] | None = None) -> pl.LazyFrame:
        """All rows as one query: for a few narrow columns, or a few rows."""
        parts = [source.piped() for source in self.sources] or [pl.LazyFrame()]
        whole = pl.concat(parts, how="vertical_relaxed") if len(parts) > 1 else parts[0]
        return whole if columns is None else whole.select(columns)

    def collect(self, columns: Sequence[str | pl.Expr] | None = None) -> pl.DataFrame:
        """All rows in memory: for what is known to be small."""
        return self.lazy(columns).collect(engine="streaming")

    def batches(
        self, size: int = BATCH_ROWS, columns: Sequence[str | pl.Expr] | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows in order, in frames made from `size` rows at most; none of them is empty."""
        for source in self.sources:
            for start in range(0, source.rows, size):
                lazy = source.piped(start, size)
                frame = (lazy if columns is None else lazy.select(columns)).collect()
                if frame.height:
                    yield frame

    def count(self, condition: pl.Expr | None = None) -> int:
        """How many rows there are, or for how many a condition holds."""
        chosen = self if condition is None else self.where(condition)
        return int(chosen.lazy([pl.len()]).collect(engine="streaming").item())

    def take(self, seqs: Iterable[int]) -> pl.DataFrame:
        """The rows with these numbers, in the order of the rows."""
        wanted = pl.Series("seq", list(seqs), dtype=pl.Int64)
        return self.where(pl.col("seq").is_in(wanted.implode())).collect()
