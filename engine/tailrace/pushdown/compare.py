"""Compares a model with a snapshot in its warehouse: what comes out of there, as any comparison does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from tailrace.canonical.source import ModelRows
from tailrace.diff.changefiles import PLAIN
from tailrace.diff.engine import Diff, Options
from tailrace.diff.groups import MATCH, digests
from tailrace.diff.hashset import HashSet, as_series, merged
from tailrace.diff.probe import Probe
from tailrace.diff.window import WindowDiff, retyped
from tailrace.pushdown.narrow import Narrowing
from tailrace.pushdown.partial import Partial
from tailrace.pushdown.tables import read, read_near, read_twins

if TYPE_CHECKING:
    import pyarrow as pa

    from tailrace.changes import ChangeSet, DiffSpec
    from tailrace.diff.groups import Marks
    from tailrace.diff.hashset import Hashes
    from tailrace.diff.known import Known
    from tailrace.diff.probe import Journal, Misses
    from tailrace.pushdown.desk import Desk
    from tailrace.pushdown.manifest import Manifest
    from tailrace.warehouses.base import Projection


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model is read."""

    whole: Callable[[], AbstractContextManager[Iterator[pa.RecordBatch]]]
    """All of its rows, as quickly as the warehouse can."""
    batch_rows: int = 65_536
    timed: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]] = lambda batches: batches
    """What batches pass through as they come."""


STORED = "stored.parquet"


LOOKED_UP, STATEMENTS = 100_000, 10
"""Rows of a window whose stored ones are looked up by their keys, and statements that may take; with more, all are
compared there."""


class Unsuited(Exception):
    """What was left in the warehouse would have to be looked at; the text says why, where people are told."""


def compare(
    desk: Desk,
    place: tuple[str, Manifest | None, int],
    projection: Projection,
    spec: DiffSpec,
    folder: Path,
    options: Options,
    reading: Reading,
) -> tuple[ChangeSet, Partial]:
    """The change set, and the rows that came out; `place` is the snapshot's table, its manifest and its revision.

    The folder must be empty. As `tailrace.diff.engine.diff` otherwise.
    """
    table, manifest, revision = place
    if manifest is not None and manifest.rows and not options.full:
        narrowing = Narrowing(desk, table, manifest, projection, spec)
        if narrowing.possible:
            try:
                return _narrowed(narrowing, revision, folder / "narrowed", options, reading)
            except Unsuited:
                pass
    return _whole(desk, place, spec, folder / "whole", options, reading)


def compare_window(
    desk: Desk,
    place: tuple[str, Manifest | None, int],
    rows: ModelRows,
    spec: DiffSpec,
    folder: Path,
    options: Options,
) -> tuple[ChangeSet, Partial]:
    """The same of the part of a model that a cursor gives: stored rows that concern it are looked up.

    Unsuited where they cannot be, or that would be the longer way.
    """
    table, manifest, revision = place
    partial = Partial(manifest, revision, folder / STORED)
    return _Window(rows, partial, spec, folder, options, (desk, table)).run(), partial


def _narrowed(
    narrowing: Narrowing, revision: int, folder: Path, options: Options, reading: Reading
) -> tuple[ChangeSet, Partial]:
    folder.mkdir()
    partial = Partial(narrowing.manifest, revision, folder / STORED)
    narrowing.count()
    rows = ModelRows.from_batches(reading.timed(narrowing.batches(partial, reading.batch_rows)))
    changes = _Narrowed(rows, partial, narrowing, folder, options).run()
    counted = narrowing.counted
    told = replace(
        changes,
        model_rows=counted.model,
        snapshot_rows=narrowing.manifest.rows,
        unchanged=changes.unchanged + counted.hits,
    )
    return told, partial


def _whole(
    desk: Desk,
    place: tuple[str, Manifest | None, int],
    spec: DiffSpec,
    folder: Path,
    options: Options,
    reading: Reading,
) -> tuple[ChangeSet, Partial]:
    """Everything comes out: for first runs, for `--full`, and where the warehouse cannot tell."""
    folder.mkdir()
    table, manifest, revision = place
    partial = Partial(manifest, revision, folder / STORED)
    if manifest is not None and manifest.rows:
        with partial.file() as file:
            for stored in read(desk, table, manifest):
                partial.add(file, stored)
    with reading.whole() as batches:
        rows = ModelRows.from_batches(reading.timed(batches))
        return _Whole(rows, partial, spec, folder, options).run(), partial


class _Whole(Diff):
    """A comparison with rows that have all come out of the warehouse, without names."""

    def __init__(self, rows: ModelRows, partial: Partial, spec: DiffSpec, folder: Path, options: Options) -> None:
        super().__init__(rows, cast("Known", partial), spec, folder, options)

    def _probe(self, journal: Journal) -> Probe:
        """None of the rows that came out is known to be unchanged."""
        return Probe(HashSet(np.empty(0, np.uint64)), None, journal)


class _There(_Whole):
    """A comparison with rows of which most are in the warehouse, where those that concern others are looked up."""

    def __init__(
        self,
        rows: ModelRows,
        partial: Partial,
        spec: DiffSpec,
        folder: Path,
        options: Options,
        place: tuple[Desk, str],
    ) -> None:
        super().__init__(rows, partial, spec, folder, options)
        self._partial = partial
        self._desk, self._table = place

    def _sharing(self) -> Hashes:
        manifest = self._partial.manifest
        assert manifest is not None  # noqa: S101 - there are rows
        twins = read_twins(self._desk, self._table, manifest, self._matches, self._folds)
        return self._partial.bring(twins, self._keys)

    def _near(self, new: Marks, old: Marks, places: Hashes, hits: int) -> Hashes:  # noqa: ARG002 - by place
        """The places of rows left in the warehouse whose match value one of these rows has as well."""
        near = [self._repeated]
        if self._spec.match and not self._by_key and new.rows:
            fresh = new.match[new.matched & ~HashSet(old.match[old.matched]).contains(new.match)]
            if fresh.size:
                near.append(self._beside(fresh))
        return merged(near, without=places)

    def _beside(self, fresh: Hashes) -> Hashes:
        rows = pl.scan_parquet(self._folder / PLAIN)
        wanted = as_series(fresh).implode()
        chosen = rows.filter(digests(self._spec, rows.collect_schema(), MATCH).is_in(wanted))
        return self._looked_up(chosen, self._matches, self._folds)

    def _looked_up(self, rows: pl.LazyFrame, names: list[str], folds: list[str]) -> Hashes:
        """The places of the stored rows that have the values of some rows in those columns."""
        manifest = self._partial.manifest
        if manifest is None or not manifest.rows or not set(names) <= manifest.columns.keys():
            return np.empty(0, np.uint64)
        values = rows.select(names).drop_nulls().collect(engine="streaming")
        found = read_near(self._desk, self._table, manifest, values, names, folds)
        return self._partial.bring(found, self._keys)

    @property
    def _keys(self) -> list[str]:
        return [f"k:{name}" for name in self._spec.key]

    @property
    def _matches(self) -> list[str]:
        return [f"m:{name}" for name in self._spec.match]

    @property
    def _folds(self) -> list[str]:
        return [f"m:{name}" for name in self._spec.fold_match]


class _Narrowed(_There):
    """A comparison of which the warehouse has done the part that needs a look at every row."""

    def __init__(self, rows: ModelRows, partial: Partial, narrowing: Narrowing, folder: Path, options: Options) -> None:
        super().__init__(rows, partial, narrowing.spec, folder, options, (narrowing.desk, narrowing.table))
        self._narrowing = narrowing

    def _retype(self, misses: Misses) -> None:
        if not self._narrowing.sound or (self._pinning.retyped and self._narrowing.counted.hits):
            raise Unsuited
        super()._retype(misses)


class _Window(WindowDiff, _There):
    """A comparison of rows that a cursor gave with the stored ones of their keys, and those that share a match value.

    Whatever else is stored was not read.
    """

    def _retype(self, misses: Misses) -> None:
        batch = self._desk.words.batch
        if misses.rows > (min(LOOKED_UP, STATEMENTS * batch) if batch else LOOKED_UP):
            raise Unsuited(f"{misses.rows:,} rows are new, which are too many to look each up")
        if self._pinning.retyped:
            raise Unsuited(retyped(self._pinning))
        super()._retype(misses)

    def _of_keys(self, misses: Misses) -> Hashes:
        return self._looked_up(pl.scan_parquet(misses.path), self._keys, [])

    def _among_unread(self, places: Hashes) -> Hashes:
        return places
