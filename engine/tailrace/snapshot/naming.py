"""Names of a snapshot's rows under the recipe of today.

A name is the fingerprint of the model's row that the destination's record is in step with. Names live in
files of their own beside the values: when a field leaves the mapping, a policy changes, or the hash
function is another, they are made anew from the stored values, and the values stay as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.canonical import dtype
from tailrace.canonical.plain import carried_of
from tailrace.diff.fingerprint import SALT, Part, Recipe, golden
from tailrace.snapshot.files import told
from tailrace.snapshot.manifest import Naming, Values

if TYPE_CHECKING:
    from tailrace.diff.hashset import Hashes
    from tailrace.snapshot.segments import SegmentReader
    from tailrace.values import LogicalType

_LANES = 2
_PIECE = 1 << 17


def naming_of(recipe: Recipe) -> Naming:
    """What a manifest says of names made now by that recipe."""
    return Naming(recipe.parts, golden(), secret_tag(recipe.secret), recipe.wide)


def secret_tag(secret: bytes) -> str:
    """Tells one secret from another, without saying it."""
    return hashlib.sha256(b"tailrace naming\0" + secret).hexdigest()[:16] if secret else ""


@dataclass(frozen=True, slots=True)
class NameFile:
    """The names of a segment's rows in their order; where they are wide, the second halves follow."""

    path: Path
    rows: int
    wide: bool

    def first(self) -> Hashes:
        """The names, or their first halves."""
        return np.fromfile(self.path, np.uint64, count=self.rows)

    def pieces(self) -> Iterator[Hashes]:
        """The same as `first`, piece by piece."""
        for begin in range(0, self.rows, _PIECE):
            size = min(_PIECE, self.rows - begin)
            yield np.fromfile(self.path, np.uint64, count=size, offset=begin * 8)

    def second(self) -> Hashes | None:
        """Their second halves; None when they have none."""
        return np.fromfile(self.path, np.uint64, offset=self.rows * 8) if self.wide else None


class Names:
    """Names of all segments. Where the stored ones do not serve, they are made in the folder given."""

    def __init__(
        self, readers: Sequence[SegmentReader], naming: Naming | None, values: Values, recipe: Recipe, work: Path
    ) -> None:
        wanted = naming_of(recipe)
        self.recipe = recipe
        self._made: dict[str, Path] = {}
        self._files = []
        maker = _Maker(recipe, naming, wanted, values)
        for reader in readers:
            path = reader.names if naming == wanted else None
            if path is None:
                path = self._made[reader.segment.id] = work / f"{reader.segment.id}.names"
                write_names(path, maker.names(reader))
            self._files.append(NameFile(path, reader.segment.rows, recipe.wide))

    @property
    def made(self) -> Mapping[str, Path]:
        """Files made now, by segment: what a commit must keep."""
        return self._made

    def __getitem__(self, position: int) -> NameFile:
        return self._files[position]


def stored_names(readers: Sequence[SegmentReader], *, wide: bool) -> list[NameFile] | None:
    """The names of all segments as they are stored; None where one has none that serve."""
    files = [NameFile(reader.names, reader.segment.rows, wide) for reader in readers if reader.names is not None]
    return files if len(files) == len(readers) else None


def write_names(path: Path, lanes: Sequence[Hashes]) -> None:
    """Write a segment's names; one array, or two where they are wide."""
    with told(path, "write"), path.open("wb") as file:
        for lane in lanes:
            lane.astype("<u8", copy=False).tofile(file)


class _Maker:
    """Makes names from what is stored: by correction where the hash is the same, else from the ground."""

    def __init__(self, recipe: Recipe, old: Naming | None, new: Naming, values: Values) -> None:
        self._recipe = recipe
        self._values = values
        comparable = old is not None and (old.golden, old.secret, old.wide) == (new.golden, new.secret, new.wide)
        self._old = old if comparable else None
        before = set(self._old.parts) if self._old else set()
        self._gone = sorted(before - set(recipe.parts))
        self._come = sorted(set(recipe.parts) - before)

    def names(self, reader: SegmentReader) -> list[Hashes]:
        """One array, or two where names are wide."""
        start = self._start(reader)
        if self._hidden(reader):
            return [lane + np.uint64(SALT) for lane in start]
        return _corrected(start, self._corrections(reader))

    def _start(self, reader: SegmentReader) -> list[Hashes]:
        lanes, rows = _LANES if self._recipe.wide else 1, reader.segment.rows
        if self._old is None or reader.names is None:
            return [np.zeros(rows, np.uint64) for _ in range(lanes)]
        stored = NameFile(reader.names, rows, self._recipe.wide)
        second = stored.second()
        return [stored.first()] if second is None else [stored.first(), second]

    def _scratch(self, reader: SegmentReader) -> bool:
        """Whether there are no names of a segment to go by."""
        return self._old is None or reader.names is None

    def _hidden(self, reader: SegmentReader) -> bool:
        """Whether a field takes part whose stored values are digests, which cannot be fingerprinted."""
        parts = self._recipe.parts if self._scratch(reader) else (*self._gone, *self._come)
        return self._values == "hashed" and any(part.column[:2] == "f:" for part in parts)

    def _corrections(self, reader: SegmentReader) -> pl.LazyFrame:
        """Per row `name` (and `name2`) to add, `name-` (and `name2-`) to take off, wrapping."""
        scratch = self._scratch(reader)
        come = self._recipe.parts if scratch else self._come
        gone = () if scratch else self._gone
        columns = [name for name in sorted({part.column for part in (*come, *gone)}) if name in reader.columns]
        known = [part for part in come if part.column in reader.columns]
        salted = pl.lit(len(known) < len(come)) | _unknown(come)
        salt = pl.when(salted).then(pl.lit(SALT, pl.UInt64)).otherwise(pl.lit(0, pl.UInt64))
        taken = _taken(gone, self._recipe, reader)
        added = _sums(tuple(known), self._recipe, reader.types)
        return reader.scan([*columns, "unknown"]).select(
            *(pl.sum_horizontal(added[lane], salt).alias(lane) for lane in added),
            *(value.alias(f"{lane}-") for lane, value in taken.items()),
        )


def _sums(parts: tuple[Part, ...], recipe: Recipe, types: Mapping[str, LogicalType]) -> dict[str, pl.Expr]:
    lanes = ("name", "name2") if recipe.wide else ("name",)
    if not parts:
        return {lane: pl.lit(0, pl.UInt64) for lane in lanes}
    carried = {part.column: carried_of(part.carrier, _value(part.column, types)) for part in parts}
    exprs = Recipe(parts, recipe.secret, recipe.wide).names(carried)
    return dict(zip(lanes, exprs, strict=True))


def _taken(gone: Sequence[Part], recipe: Recipe, reader: SegmentReader) -> dict[str, pl.Expr]:
    """What to take off; a row that never had the column was salted for it."""
    held = tuple(part for part in gone if part.column in reader.columns)
    return _sums(held, recipe, reader.types)


def _value(column: str, types: Mapping[str, LogicalType]) -> pl.Expr:
    """A column's canonical values; one without a pinned type never held any."""
    return pl.col(column).cast(dtype(types[column]), strict=False) if column in types else pl.lit(None, pl.String)


def _unknown(parts: Sequence[Part]) -> pl.Expr:
    """Whether one of those fields is unknown in a row."""
    names = [part.column[2:] for part in parts if part.column[:2] == "f:"]
    return pl.any_horizontal(pl.lit(value=False), *(pl.col("unknown").list.contains(name) for name in names))


def _corrected(start: list[Hashes], corrections: pl.LazyFrame) -> list[Hashes]:
    lanes = ("name", "name2")[: len(start)]
    at = 0

    def take(batch: pl.DataFrame) -> None:
        nonlocal at
        for lane, names in zip(lanes, start, strict=True):
            names[at : at + batch.height] += batch[lane].to_numpy() - batch[f"{lane}-"].to_numpy()
        at += batch.height

    corrections.sink_batches(take)
    return start
