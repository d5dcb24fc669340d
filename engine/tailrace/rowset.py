"""Rows of a plan or change set, on disk or in memory, read in batches: never whole where they are many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

Step: TypeAlias = Callable[[pl.LazyFrame], pl.LazyFrame]
Columns: TypeAlias = Sequence[str | pl.Expr]

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one file or frame before anything is made of them."""

    lazy: pl.LazyFrame
    rows: int
    steps: tuple[Step, ...] = ()
    bulk: bool = False
    """Whether these are plain inserts, still in the file that the model was streamed to."""
    origin: object = None
    """What is known of that file."""

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

    @property
    def schema(self) -> pl.Schema:
        """Columns and their physical types."""
        return self.sources[0].piped().collect_schema() if self.sources else pl.Schema()

    def then(self, *steps: Step) -> Rows:
        """The rows after more steps; each must make of a slice what it would make of it within the whole."""
        return replace(self, sources=tuple(replace(source, steps=(*source.steps, *steps)) for source in self.sources))

    def where(self, condition: pl.Expr) -> Rows:
        """The rows for which a condition holds."""
        return self.then(lambda lazy: lazy.filter(condition))

    def numbered(self, seqs: Iterable[int]) -> Rows:
        """The rows with these numbers (`seq`)."""
        return self.where(pl.col("seq").is_in(_numbers(seqs)))

    def without(self, seqs: Iterable[int]) -> Rows:
        """The rows but for those with these numbers (`seq`)."""
        gone = list(seqs)
        return self.where(~pl.col("seq").is_in(_numbers(gone))) if gone else self

    def part(self, *, bulk: bool) -> Rows:
        """The plain inserts that are still in their own file, or all other rows."""
        return replace(self, sources=tuple(source for source in self.sources if source.bulk == bulk))

    def lazy(self, columns: Columns | None = None) -> pl.LazyFrame:
        """All rows as one query: for a few narrow columns, or a few rows."""
        parts = [source.piped() for source in self.sources] or [pl.LazyFrame()]
        parts = parts if columns is None else [part.select(columns) for part in parts]
        return pl.concat(parts, how="vertical_relaxed") if len(parts) > 1 else parts[0]

    def collect(self, columns: Columns | None = None) -> pl.DataFrame:
        """All rows in memory: for what is known to be small."""
        return self.lazy(columns).collect(engine="streaming")

    def batches(self, size: int = BATCH_ROWS, columns: Columns | None = None) -> Iterator[pl.DataFrame]:
        """The rows in order, in frames of exactly `size` rows but for the last one, which has fewer."""
        left: pl.DataFrame | None = None
        for piece in self._pieces(max(size, BATCH_ROWS), columns):
            frame = piece if left is None else pl.concat([left, piece], how="vertical_relaxed")
            whole = frame.height - frame.height % size
            for start in range(0, whole, size):
                yield frame.slice(start, size)
            left = frame.slice(whole) if whole < frame.height else None
        if left is not None:
            yield left

    def head(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        for frame in self.batches(rows) if rows else ():
            return frame
        return self.lazy().head(0).collect()

    def take(self, seqs: Iterable[int]) -> pl.DataFrame:
        """The rows with these numbers, in the order of the rows."""
        return self.numbered(seqs).collect()

    def tally(self, value: pl.Expr) -> Counter[Any]:
        """How many rows there are by what an expression over their columns is for them.

        Batch by batch: one query over all of ten million rows would hold a gigabyte of them, and take twice as long.
        """
        counted: Counter[Any] = Counter()
        for batch in self.batches(columns=[value.alias("value")]):
            counted.update(dict(batch.group_by("value").len().iter_rows()))
        return counted

    def count(self, condition: pl.Expr | None = None) -> int:
        """How many rows there are, or for how many a condition holds."""
        chosen = self if condition is None else self.where(condition)
        known = sum(source.rows for source in chosen.sources if not source.steps)
        asked = replace(chosen, sources=tuple(source for source in chosen.sources if source.steps))
        return known + sum(batch.height for batch in asked.batches(columns=["seq"]))

    def _pieces(self, size: int, columns: Columns | None) -> Iterator[pl.DataFrame]:
        for source in self.sources:
            for start in range(0, source.rows, size):
                lazy = source.piped(start, size)
                frame = (lazy if columns is None else lazy.select(columns)).collect()
                if frame.height:
                    yield frame


def _numbers(seqs: Iterable[int]) -> pl.Series:
    """Numbers as a list in a series of one, which is what membership is asked of."""
    return pl.Series("seq", list(seqs), dtype=pl.Int64).implode()
