"""Compares the model with a snapshot at any size: streams, narrows down, then compares exactly.

1. The model streams by once. A row whose fingerprint is among the names of the snapshot's rows needs
   nothing; the others are written to a file (`tailrace.diff.probe`).
2. What nobody saw of the snapshot was changed or has left the model: its rows are fetched.
3. Rows of both that concern each other, by key or by match value, are compared in memory, together
   (`tailrace.diff.core`): all at once where they are few, else bucket by bucket. Rows of the model
   that concern no other row are plainly inserts, and stay where they are.

The result is what `tailrace.diff.core.difference` would say of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tailrace import memory
from tailrace.canonical.types import dtype
from tailrace.changes import ChangeSet
from tailrace.diff.buckets import Buckets
from tailrace.diff.changefiles import BITS, NAMES, PLAIN, Bulk, Layout, write_bits
from tailrace.diff.columns import role
from tailrace.diff.digests import Digests
from tailrace.diff.exact import Comparison, Together
from tailrace.diff.fingerprint import Recipe
from tailrace.diff.groups import KEY, MATCH, Marks, buckets, digests, marks, single
from tailrace.diff.hashset import HashSet, as_series, merged
from tailrace.diff.invalid import keyless
from tailrace.diff.known import Known, Origin
from tailrace.diff.packed import members_of
from tailrace.diff.pinning import pin
from tailrace.diff.probe import Journal, Misses, Probe, stream
from tailrace.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tailrace.canonical.source import ModelRows
    from tailrace.changes import DiffSpec
    from tailrace.diff.hashset import Hashes
    from tailrace.rowset import Step

AMPLE, SPARING = (65_536, 8_192), (16_384, 2_048)
"""Rows of a group in the file of the model's rows, the second where there is a snapshot, so that few are expected: a
group in the making keeps the buffers alive that its texts came from. The smaller ones where memory is limited."""
MEMORY = 1024**3
"""Bytes that a comparison aims to stay below, where nothing else is asked for."""
MIN_ROWS = 20_000
"""So many rows of both sides are always compared at once."""
MAX_BUCKETS = 256
_SAMPLE = 2_000
_SHARE = 4
"""The part of the memory that rows being compared may take at most: with more it gets no faster."""
_PORTION = 8
"""Batches that are parted into buckets together: few rows of each are left, and to part them costs more than their
number. More of them would keep too much alive, as the texts of a row are in the memory of its whole batch."""
_COPIES = 4
"""How often a row is in memory while it is compared, by measurement."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to compare."""

    memory: int | None = None
    """Bytes that the process must stay below; None aims at a gigabyte, and takes more where it must."""
    full: bool = False
    """Take every field of every row as unknown, so that all is sent again."""
    wide: bool = False
    """Fingerprints of 128 bits."""
    secret: bytes = b""
    """Makes fingerprints, and digests of values, such that outsiders cannot try values out."""
    hashed: bool = False
    """The snapshot has digests in place of its fields' values."""


def diff(rows: ModelRows, snapshot: Known, spec: DiffSpec, folder: Path, options: Options | None = None) -> ChangeSet:
    """Compare the model's rows with a snapshot; the result's files are in the folder, which must be empty.

    SnapshotError when the key changed its type in a way that leaves nothing to compare by, or a file of
    the snapshot is damaged; WarehouseError when the model cannot be read to its end.
    """
    return Diff(rows, snapshot, spec, folder, options or Options()).run()


class Diff:
    """One comparison. What the snapshot need not be asked of each row is told by subclasses in their own way."""

    def __init__(self, rows: ModelRows, snapshot: Known, spec: DiffSpec, folder: Path, options: Options) -> None:
        self._rows, self._snapshot, self._spec, self._folder, self._options = rows, snapshot, spec, folder, options
        carriers = {n: c.carrier for n, c in rows.columns.items() if snapshot.types.get(n, c.type) == c.type}
        self._recipe = Recipe.of(spec, carriers, secret=options.secret, wide=options.wide)
        self._names: Any = None

    def run(self) -> ChangeSet:
        """Stream, narrow down, compare."""
        path, size = self._folder / PLAIN, self._group_rows()
        with Journal([self._folder / name for name in NAMES[: 2 if self._options.wide else 1]]) as journal:
            probe = self._probe(journal)
            misses = stream(self._rows, self._recipe, self._snapshot.types, probe, path, group_rows=size)
        model_rows, hits, unseen = probe.rows, probe.hits, probe.unseen()
        del probe
        self._pinning = pin(self._rows, misses, self._snapshot, self._spec)
        self._retype(misses)
        places = self._missing(unseen, hits)
        self._repeated = self._twins()
        comparison = self._comparison()
        bulk = self._compare(misses, places, hits, comparison)
        layout = Layout(tuple(comparison.flat), bulk)
        counts = {"insert": 0, "update": 0, "delete": 0, **comparison.counts}
        counts["insert"] += bulk.inserts if bulk else 0
        return ChangeSet(
            rows=layout.read(self._folder, self._pinning.types),
            types=self._pinning.types,
            model_rows=model_rows,
            snapshot_rows=self._snapshot.rows,
            unchanged=hits + comparison.unchanged,
            counts=counts,
            occupied=comparison.occupied,
            invalid=comparison.invalid,
            events=self._pinning.events,
            origin=self._origin(layout, comparison),
        )

    def _group_rows(self) -> int:
        limited = self._options.memory is not None
        return (SPARING if limited else AMPLE)[bool(self._snapshot.rows)]

    def _probe(self, journal: Journal) -> Probe:
        """The names of all rows that may be found unchanged."""
        compared = {part.column for part in self._recipe.parts}
        if (
            self._options.full
            or not self._snapshot.rows
            or not compared <= set(self._snapshot.columns)
            or self._may_rehash()
        ):
            return Probe(HashSet(np.empty(0, np.uint64)), None, journal)
        refuse_too_many(self._snapshot.rows, self._options)
        self._names = self._snapshot.names(self._recipe, self._folder)
        first, second = self._snapshot.live_names(self._names)
        if second is not None:
            order = np.argsort(first)
            first, second = first[order], second[order]
        return Probe(members_of(first), second, journal)

    def _may_rehash(self) -> bool:
        """Whether a field may leave its type while digests stand for its values.

        A digest cannot be brought to another type, so that every row must be at hand to be digested anew.
        """
        pinned = self._snapshot.types
        return self._options.hashed and any(
            name[:2] == "f:" and pinned.get(name, column.type) != column.type
            for name, column in self._rows.columns.items()
        )

    def _missing(self, unseen: Hashes, hits: int) -> Hashes:
        """The places of all rows of the snapshot that the model does not have as they are."""
        if self._names is None:
            return self._snapshot.live_places()
        places = self._snapshot.named(self._names, HashSet(unseen))
        if places.size != self._snapshot.rows - hits:
            raise SnapshotError(
                f"the snapshot's names do not fit its rows: {places.size} rows for {self._snapshot.rows - hits} names",
                hint="Report this, please; `tailrace adopt SYNC` makes the snapshot anew.",
            )
        return places

    def _retype(self, misses: Misses) -> None:
        """Rewrite the model's rows where they came in other types than they are compared under."""
        if all(self._pinning.types[name] == column.type for name, column in self._rows.columns.items()):
            return
        path = self._folder / "retyped.parquet"
        self._pinning.model(pl.scan_parquet(misses.path), self._rows.types).sink_parquet(
            path, compression="zstd", compression_level=1, statistics=False, row_group_size=self._group_rows()
        )
        path.replace(misses.path)
        _remove(misses.names)

    def _comparison(self) -> Comparison:
        return Comparison(
            self._spec,
            self._pinning,
            self._recipe,
            self._snapshot.types,
            self._folder,
            full=self._options.full,
            digests=Digests(self._options.secret) if self._options.hashed else None,
        )

    def _compare(self, misses: Misses, places: Hashes, hits: int, comparison: Comparison) -> Bulk | None:
        model = pl.scan_parquet(misses.path, row_index_name="row").with_columns(pl.col("row").cast(pl.Int64))
        limit = self._limit(model, misses.rows + int(places.size))
        if misses.rows + places.size <= limit:
            self._at_once(model.collect(engine="streaming"), places, hits, comparison)
            _remove((misses.path, *misses.names))
            return None
        return self._in_buckets(model, misses.rows, places, hits, comparison, limit)

    def _limit(self, model: pl.LazyFrame, rows: int) -> int:
        """How many of so many rows of both sides may be in memory at once."""
        sample = model.head(_SAMPLE).collect()
        width = sample.estimated_size() / sample.height if sample.height else 16 * len(self._rows.columns)
        limit = self._options.memory
        share = (MEMORY if limit is None else limit) / _SHARE
        if limit is not None:
            share = min(share, memory.for_rows(limit, rows, wide=self._options.wide))
        return max(MIN_ROWS, int(share / (width * _COPIES)))

    def _at_once(self, model: pl.DataFrame, places: Hashes, hits: int, comparison: Comparison) -> None:
        stored = self._snapshot.fetch(places).collect(engine="streaming")
        new = marks(model.lazy(), model.height, self._spec)
        old = marks(self._comparable(stored.lazy()), stored.height, self._spec)
        near = self._snapshot.fetch(self._near(new, old, places, hits)).collect(engine="streaming")
        comparison.add(Together(model, pl.concat([stored, near], how="vertical_relaxed"), near))

    def _in_buckets(
        self, model: pl.LazyFrame, rows: int, places: Hashes, hits: int, comparison: Comparison, limit: int
    ) -> Bulk | None:
        new = marks(model, rows, self._spec)
        old, near = self._around(new, places, hits)
        if near.size:
            places = np.sort(np.concatenate([places, near]))
            old = self._marked(places)
        plain = single(new, old, matched=bool(self._spec.match))
        count = max(1, min(MAX_BUCKETS, -(-(rows - int(plain.sum()) + places.size) // limit)))
        with Buckets(self._folder, "model", count) as theirs, Buckets(self._folder, "stored", count) as ours:
            if places.size or not plain.all():
                of_model, of_stored = buckets(replace(new, keyed=new.keyed & ~plain), old, count)
                of_model[~new.keyed] = count  # one more bucket, of rows without a key
                del new, old
                _fill(theirs, model, of_model)
                _fill(ours, self._snapshot.fetch(places), of_stored)
        self._compare_buckets(theirs, ours, near, count, comparison)
        if not plain.any():
            _remove(self._folder / name for name in (PLAIN, *NAMES))
            return None
        write_bits(self._folder / BITS, plain)
        nullable = tuple(sorted(self._spec.skip_nulls | self._spec.fill_empty))
        return Bulk(rows, int(plain.sum()), comparison.seq, nullable)

    def _compare_buckets(
        self, theirs: Buckets, ours: Buckets, near: Hashes, count: int, comparison: Comparison
    ) -> None:
        empty = pl.scan_parquet(self._folder / PLAIN).head(0).with_columns(row=pl.lit(None, pl.Int64)).collect()
        nothing = self._snapshot.fetch(np.empty(0, np.uint64)).collect()
        beside = as_series(near, "loc").implode()
        comparison.set_aside(keyless(theirs.batches(count), self._pinning.types, self._spec))
        for bucket in range(count):
            model, stored = theirs.read(bucket), ours.read(bucket)
            held = nothing if stored is None else stored
            part = Together(empty if model is None else model, held, held.filter(pl.col("loc").is_in(beside)))
            comparison.add(part, lambda: theirs.batches(count))
            theirs.drop(bucket)
            ours.drop(bucket)
        theirs.drop(count)

    def _marked(self, places: Hashes) -> Marks:
        narrow = [name for name in self._snapshot.columns if name[:2] in {"k:", "m:"}]
        return marks(self._comparable(self._snapshot.fetch(places, narrow)), places.size, self._spec)

    def _around(self, new: Marks, places: Hashes, hits: int) -> tuple[Marks, Hashes]:
        """The marks of the rows at those places, and where rows near to them are, in one reading of all keys."""
        if not (hits and new.rows and places.size):
            old = self._marked(places)
            return old, self._near(new, old, places, hits)
        look = self._snapshot.look_up
        near, key, keyed = look(role("k", self._spec.key), self._digested(KEY), HashSet(new.key[new.keyed]), places)
        beside = [self._repeated, near]
        match, matched = key, keyed if self._by_key else np.zeros_like(keyed)
        if self._spec.match and not self._by_key:
            wanted = HashSet(new.match[new.matched])
            more, match, matched = look(role("m", self._spec.match), self._digested(MATCH), wanted, places)
            beside.append(more)
        return Marks(key, keyed, match, matched), merged(beside, without=places)

    @property
    def _by_key(self) -> bool:
        """Whether what tells records apart is what tells rows apart."""
        return self._spec.match_is_key and not self._spec.fold_match

    def _near(self, new: Marks, old: Marks, places: Hashes, hits: int) -> Hashes:
        """The places of unchanged rows whose key or match value another row of the model has as well."""
        if not hits:
            return np.empty(0, np.uint64)
        if not new.rows:
            return merged([self._repeated], without=places)
        keys = _fresh(new.key[new.keyed], old.key[old.keyed])
        near = [self._repeated, self._snapshot.matching(role("k", self._spec.key), self._digested(KEY), keys)]
        if self._spec.match and not self._by_key:
            matches = _fresh(new.match[new.matched], old.match[old.matched])
            near.append(self._snapshot.matching(role("m", self._spec.match), self._digested(MATCH), matches))
        return merged(near, without=places)

    def _twins(self) -> Hashes:
        """The places of known rows that share a match value with each other, if there may be any."""
        spec, snapshot = self._spec, self._snapshot
        if not (spec.match and snapshot.rows) or not (snapshot.shared or snapshot.folds != spec.fold_match):
            return np.empty(0, np.uint64)
        return self._sharing()

    def _sharing(self) -> Hashes:
        """The places of known rows that share a match value with each other."""
        return self._snapshot.repeated(role("m", self._spec.match), self._digested(MATCH))

    def _digested(self, which: int) -> Step:
        def hashed(lazy: pl.LazyFrame) -> pl.LazyFrame:
            comparable = self._pinning.stored(lazy, self._snapshot.types)
            return comparable.select(digests(self._spec, comparable.collect_schema(), which).alias("digest"))

        return hashed

    def _comparable(self, stored: pl.LazyFrame) -> pl.LazyFrame:
        """Stored rows under today's types; a match field that cannot be compared is null."""
        made = self._pinning.stored(stored, self._snapshot.types)
        there = made.collect_schema().names()
        absent = [f"m:{name}" for name in self._spec.match if f"m:{name}" not in there]
        return made.with_columns(pl.lit(None, dtype(self._pinning.types[name])).alias(name) for name in absent)

    def _origin(self, layout: Layout, comparison: Comparison) -> Origin:
        return Origin(
            spec=self._spec,
            recipe=self._recipe,
            revision=self._snapshot.revision,
            pinning=self._pinning,
            names=self._names,
            folder=self._folder,
            layout=layout,
            rows=layout.read(self._folder, self._pinning.types),
            told=comparison.told,
            shared=bool(self._repeated.size),
            touched=comparison.touched,
            left=comparison.left,
        )


def refuse_too_many(rows: int, options: Options) -> None:
    """SnapshotError when the names of a snapshot's rows alone would not leave enough of the memory permitted."""
    needed = memory.needed(rows, wide=options.wide)
    if options.memory is not None and needed > options.memory:
        raise SnapshotError(
            f"comparing with {rows:,} rows takes about {needed // memory.MIB:,} MiB, "
            f"`memory` permits {options.memory // memory.MIB:,} MiB",
            hint=f"Set memory: {-(-needed // memory.MIB)}MiB in tailrace.yml, or more, or leave it out.",
        )


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _fresh(new: Hashes, old: Hashes) -> HashSet:
    """The hashes on the new side that the old side lacks."""
    return HashSet(new[~HashSet(old).contains(new)])


def _fill(into: Buckets, rows: pl.LazyFrame, bucket: NDArray[np.int16]) -> None:
    at = 0
    waiting: list[pl.DataFrame] = []

    def put() -> None:
        nonlocal at
        if waiting:
            frame = pl.concat(waiting)
            waiting.clear()
            into.add(frame, bucket[at : at + frame.height])
            at += frame.height

    def take(batch: pl.DataFrame) -> None:
        waiting.append(batch)
        if len(waiting) >= _PORTION:
            put()

    rows.sink_batches(take)
    put()
