"""A snapshot as it was found: which rows are live, where they are, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.canonical import dtype
from tailrace.canonical.convert import convert_rows
from tailrace.diff.fingerprint import digest
from tailrace.diff.hashset import HashSet, as_series, plain_hashes
from tailrace.errors import SnapshotError
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.manifest import NAME, Manifest, Values, damaged
from tailrace.snapshot.naming import NameFile, Names, secret_tag
from tailrace.snapshot.segments import ROW_BITS, UNKNOWN, Folder, SegmentReader
from tailrace.snapshot.storage import Place
from tailrace.snapshot.told import Told, under
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tailrace.diff.fingerprint import Recipe
    from tailrace.diff.hashset import Hashes, Mask
    from tailrace.rowset import Step
    from tailrace.snapshot.segments import Places

_FIXED: dict[str, pl.DataType] = {"record_id": pl.String(), "unknown": UNKNOWN}


@dataclass(frozen=True)
class Snapshot(Told):
    """One generation of a sync's snapshot; generation 0 is empty and was never saved."""

    identity: Identity
    place: Place
    manifest: Manifest | None = None
    source: bytes | None = field(default=None, repr=False)
    """The manifest's bytes, as they were found."""

    @property
    def revision(self) -> int:
        """Counts changes of files, with or without a change of content."""
        return self.manifest.revision if self.manifest else 0

    @property
    def stored_types(self) -> Mapping[str, LogicalType]:
        """What the columns are stored as: digests of values are text."""
        if self.values == "clear":
            return self.types
        return {name: LogicalType("string") if name[:2] == "f:" else kind for name, kind in self.types.items()}

    @property
    def shared(self) -> bool:
        """Whether two live rows may have one match value."""
        return self.manifest.shared if self.manifest else False

    @property
    def folds(self) -> frozenset[str]:
        """Match fields that were compared without regard to case when rows were last told apart."""
        parts = self.manifest.naming.parts if self.manifest and self.manifest.naming else ()
        return frozenset(part.column[2:] for part in parts if part.policy == "fold")

    @property
    def values(self) -> Values:
        """Whether fields are stored in clear, or as digests of their values."""
        return self.manifest.values if self.manifest else "clear"

    @cached_property
    def readers(self) -> tuple[SegmentReader, ...]:
        """Its segments."""
        folder = Folder(self.place, self.identity.sync)
        segments = self.manifest.segments if self.manifest else ()
        return tuple(SegmentReader(at, segment, folder, self.stored_types) for at, segment in enumerate(segments))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The `k:`, `m:` and `f:` columns that some segment has, keys first."""
        found = {name for reader in self.readers for name in reader.columns if name[:2] in {"k:", "m:", "f:"}}
        return tuple(sorted(found, key=lambda name: ("kmf".index(name[0]), name)))

    def check_key(self, secret: bytes) -> None:
        """SnapshotError when values were made into digests with another key, or may not be kept as they are."""
        if self.manifest is None or self.values == "clear" or self.manifest.secret == secret_tag(secret):
            return
        sync = self.identity.sync
        why = (
            "was made with another key" if secret else "holds digests of values, and the values are to be kept in clear"
        )
        raise SnapshotError(
            f"the snapshot of {sync!r} {why}",
            hint="Restore the key, or `snapshot: {values: hashed}`; or start over: "
            f"`tailrace reset {sync}`, then `tailrace adopt {sync}`.",
        )

    def names(self, recipe: Recipe, work: Path) -> Names:
        """The rows' names by that recipe; made in the folder given where the stored ones do not serve."""
        naming = self.manifest.naming if self.manifest else None
        return Names(self.readers, naming, self.values, recipe, work)

    def live_names(self, names: Names) -> tuple[Hashes, Hashes | None]:
        """The names of all live rows, in no order, and their second halves where they are wide."""
        first = np.empty(self.rows, np.uint64)
        second = np.empty(self.rows, np.uint64) if names.recipe.wide else None
        at = 0
        for reader in self.readers:
            live, file = reader.live(), names[reader.position]
            if live is None and second is None and self.rows == reader.segment.rows:
                return file.first(), None  # nothing to put together
            begun, begin = at, 0
            for piece in file.pieces():
                kept = piece if live is None else piece[live[begin : begin + piece.size]]
                first[at : at + kept.size] = kept
                at, begin = at + kept.size, begin + piece.size
            if second is not None:
                halves = file.second()
                assert halves is not None  # noqa: S101 - wide names have two halves
                second[begun:at] = halves if live is None else halves[live]
        if at != self.rows:
            raise damaged(self.place.path(NAME), f"says {self.rows} rows, found {at}", self.identity.sync)
        return first, second

    def named(self, names: Names, wanted: HashSet) -> Places:
        """The places of the live rows whose names are wanted."""
        if not len(wanted):
            return np.empty(0, np.uint64)
        return self._joined(self._named(reader, names[reader.position], wanted) for reader in self.readers)

    def matching(self, columns: Sequence[str], digest: Step, wanted: HashSet) -> Places:
        """The places of the live rows whose `digest`, made of some columns, is wanted."""
        if not len(wanted):
            return np.empty(0, np.uint64)
        return self.look_up(columns, digest, wanted, np.empty(0, np.uint64))[0]

    def look_up(
        self, columns: Sequence[str], digest: Step, wanted: HashSet, places: Places
    ) -> tuple[Places, Hashes, Mask]:
        """The same, and the digests of the rows at some places, which ascend, with a mask of those that have one.

        Both at once, as reading a column of all rows is what takes the time.
        """
        looks = [self._look_up(reader, columns, digest, wanted, places) for reader in self.readers]
        found, hashes, there = zip(*looks, strict=True) if looks else ((), (), ())
        none = np.empty(0, np.uint64)
        return (
            np.concatenate([none, *found]),
            np.concatenate([none, *hashes]),
            np.concatenate([np.empty(0, np.bool_), *there]),
        )

    def repeated(self, columns: Sequence[str], digest: Step) -> Places:
        """The places of the live rows whose `digest` another live row has as well."""
        digests = [self._digests(reader, columns, digest) for reader in self.readers]
        twice = HashSet(np.concatenate(digests)).repeated() if digests else np.empty(0, np.uint64)
        return self.matching(columns, digest, HashSet(twice))

    def emptied(self) -> Snapshot:
        """The same without its rows: the types it pins are all that is left to compare with."""
        if self.manifest is None:
            return self
        return Snapshot(self.identity, self.place, replace(self.manifest, segments=(), rows=0), self.source)

    def under(self, rows: pl.LazyFrame, types: Mapping[str, LogicalType]) -> pl.LazyFrame:
        """Keys and match values of stored rows under other types; null where a value cannot be had so."""
        return under(rows, self.types, types)

    def with_keys(self, keys: pl.DataFrame, types: Mapping[str, LogicalType]) -> Places:
        """The places of the live rows with one of these keys (`k:`), which are of those types."""
        if not self.rows or keys.is_empty():
            return np.empty(0, np.uint64)
        names = keys.columns
        values = [pl.col(name) for name in names]

        def hashed(rows: pl.LazyFrame) -> pl.LazyFrame:
            return self.under(rows, types).select(digest(values).alias("digest"))

        wanted = HashSet(keys.select(digest(values)).to_series().drop_nulls().to_numpy().copy())
        found = self.fetch(self.matching(names, hashed, wanted), names)
        return self.under(found, types).collect().join(keys, on=names, how="semi")["loc"].to_numpy()

    def held(self, keys: pl.DataFrame, types: Mapping[str, LogicalType]) -> pl.DataFrame:
        """Keys and match values of the rows with one of these keys, under those types."""
        places = self.with_keys(keys, types)
        names = [*keys.columns, *(f"m:{name}" for name in self.identity.match)]
        return self.under(self.fetch(places, names), types).select(names).collect()

    def may_lack(self, columns: Sequence[str]) -> bool:
        """Whether a row of it may have unknown fields, among those columns."""
        return any(reader.may_lack(columns) for reader in self.readers)

    def with_ids(self, ids: pl.Series) -> Places:
        """The places of the live rows with one of these record ids."""
        wanted = ids.implode()
        return self._joined(
            reader.places(np.flatnonzero(_alive(reader) & reader.holds_ids(wanted))) for reader in self.readers
        )

    def owned(self, ids: Collection[str]) -> set[str]:
        """Which of these record ids rows of it have."""
        places = self.with_ids(pl.Series(list(ids), dtype=pl.String))
        return set(self.fetch(places, self.columns[:1]).collect()["record_id"])

    def fetch(self, places: Places, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """Rows in the order of their places: those columns (None: all), `record_id`, `unknown`, `loc`."""
        wanted = tuple(self.columns if columns is None else columns)
        parts = [self._fetched(reader, rows, wanted) for reader, rows in self._by_segment(places)]
        return pl.concat(parts, how="vertical_relaxed") if parts else self._nothing(wanted)

    def converts(self, column: str, target: LogicalType) -> bool:
        """Whether every live value of a column can be had under another type. Digests cannot."""
        if self.values == "hashed" and column.startswith("f:"):
            return False
        return all(_converts(reader, column, self.types[column], target) for reader in self.readers)

    def live_places(self, readers: Sequence[SegmentReader] | None = None) -> Places:
        """The places of all live rows, or of those in some segments."""
        chosen = self.readers if readers is None else readers
        return self._joined(reader.places(np.flatnonzero(_alive(reader))) for reader in chosen)

    def rows_in(self, places: Places, position: int) -> NDArray[np.int64]:
        """Which rows of one segment are at those places."""
        mine = places[(places >> np.uint64(ROW_BITS)) == np.uint64(position)]
        rows: NDArray[np.int64] = (mine & np.uint64((1 << ROW_BITS) - 1)).astype(np.int64)
        return rows

    def frame(self) -> pl.DataFrame:
        """All live rows, in memory, in the order of their keys: for what is known to be small."""
        frame = self.fetch(self.live_places()).drop("loc").collect(engine="streaming")
        keys = [name for name in frame.columns if name.startswith("k:")]
        return frame.sort(keys) if keys else frame

    def _look_up(
        self, reader: SegmentReader, columns: Sequence[str], digest: Step, wanted: HashSet, places: Places
    ) -> tuple[Places, Hashes, Mask]:
        found = np.zeros(reader.segment.rows, np.bool_)
        rows = self.rows_in(places, reader.position)
        noted, noted_there = np.zeros(rows.size, np.uint64), np.ones(rows.size, np.bool_)
        at = 0

        def look(batch: pl.DataFrame) -> None:
            nonlocal at
            hashes, there = plain_hashes(batch["digest"])
            hit = wanted.contains(hashes)
            found[at : at + batch.height] = hit if there is None else hit & there
            first, last = np.searchsorted(rows, (at, at + batch.height))
            mine = rows[first:last] - at
            noted[first:last] = hashes[mine]
            if there is not None:
                noted_there[first:last] = there[mine]
            at += batch.height

        digest(reader.scan(columns).drop("row")).sink_batches(look)
        return reader.places(np.flatnonzero(found & _alive(reader))), noted, noted_there

    @staticmethod
    def _named(reader: SegmentReader, names: NameFile, wanted: HashSet) -> Places:
        found = np.concatenate([np.zeros(0, np.bool_), *(wanted.contains(piece) for piece in names.pieces())])
        live = reader.live()
        return reader.places(np.flatnonzero(found if live is None else found & live))

    @staticmethod
    def _digests(reader: SegmentReader, columns: Sequence[str], digest: Step) -> Hashes:
        """The digests of a segment's live rows, but for those that have none."""
        live, found, at = _alive(reader), [], 0

        def look(batch: pl.DataFrame) -> None:
            nonlocal at
            mine = batch["digest"].filter(as_series(live[at : at + batch.height])).drop_nulls()
            found.append(mine.to_numpy().copy())
            at += batch.height

        digest(reader.scan(columns).drop("row")).sink_batches(look)
        return np.concatenate([np.empty(0, np.uint64), *found])

    def _by_segment(self, places: Places) -> Iterator[tuple[SegmentReader, Mask]]:
        for reader in self.readers:
            rows = self.rows_in(places, reader.position)
            if rows.size:
                mask = np.zeros(reader.segment.rows, np.bool_)
                mask[rows] = True
                yield reader, mask

    def _fetched(self, reader: SegmentReader, rows: Mask, columns: Sequence[str]) -> pl.LazyFrame:
        place = pl.col("row").cast(pl.UInt64) + pl.lit(reader.position << ROW_BITS, pl.UInt64)
        return reader.rows(rows, columns).select(*columns, "record_id", "unknown", place.alias("loc"))

    def _nothing(self, columns: Sequence[str]) -> pl.LazyFrame:
        types = self.stored_types
        shape = {name: dtype(types[name]) if name in types else pl.Null() for name in columns}
        return pl.LazyFrame(schema={**shape, **_FIXED, "loc": pl.UInt64()})

    @staticmethod
    def _joined(parts: Iterator[Places]) -> Places:
        found = list(parts)
        return np.concatenate(found) if found else np.empty(0, np.uint64)


def _converts(reader: SegmentReader, column: str, source: LogicalType, target: LogicalType) -> bool:
    live, fits, at = _alive(reader), True, 0

    def look(batch: pl.DataFrame) -> None:
        nonlocal fits, at
        values = batch[column].filter(as_series(live[at : at + batch.height]))
        fits = fits and convert_rows(values, source, target).null_count() == values.null_count()
        at += batch.height

    reader.scan([column]).sink_batches(look)
    return fits


def _alive(reader: SegmentReader) -> Mask:
    live = reader.live()
    return np.ones(reader.segment.rows, np.bool_) if live is None else live
