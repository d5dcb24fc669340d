"""Compares rows that were brought into memory together, and writes down what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tailrace.canonical import CanonicalRows
from tailrace.changes import InvalidReason, InvalidRows, SnapshotData
from tailrace.diff.changefiles import Flat, write_flat
from tailrace.diff.columns import folded, role
from tailrace.diff.core import difference
from tailrace.diff.digests import Digests
from tailrace.diff.invalid import EXAMPLES
from tailrace.rowset import Rows

if TYPE_CHECKING:
    from tailrace.changes import Difference, DiffSpec, Op
    from tailrace.diff.fingerprint import Recipe
    from tailrace.diff.pinning import Pinning
    from tailrace.values import LogicalType, Value

REASONS: tuple[InvalidReason, ...] = ("null_key", "duplicate_key", "null_match", "duplicate_match")


@dataclass(frozen=True, slots=True)
class Together:
    """Rows to be compared with each other.

    `model`: rows of the model, numbered by `row`. `stored`: rows of the snapshot, numbered by `loc`.
    `near`: those of the stored rows that the model has unchanged, for what they share with others.
    """

    model: pl.DataFrame
    stored: pl.DataFrame
    near: pl.DataFrame


class Comparison:
    """Takes rows that belong together, part by part, and keeps the sum of what was found."""

    def __init__(
        self,
        spec: DiffSpec,
        pinning: Pinning,
        recipe: Recipe,
        stored_types: Mapping[str, LogicalType],
        folder: Path,
        *,
        full: bool,
        digests: Digests | None,
    ) -> None:
        self._spec, self._pinning, self._recipe, self._folder = spec, pinning, recipe, folder
        self._stored_types, self._full, self._digests = stored_types, full, digests
        self._touched: list[tuple[Path, int]] = []
        self._left: list[tuple[Path, int]] = []
        self._occupied: list[pl.DataFrame] = []
        self._rows: Counter[InvalidReason] = Counter()
        self._examples: dict[InvalidReason, list[Mapping[str, Value]]] = {reason: [] for reason in REASONS}
        self.flat: list[Flat] = []
        self.seq = 0
        """The first number not yet taken."""
        self.unchanged = 0
        """Rows of the model that need nothing, less those it was told to be near others."""
        self.counts: Counter[Op] = Counter()
        self.told = digests is None and not pinning.retyped
        """Whether the changes say all there is to know of the stored rows."""
        self.unread: pl.Series | None = None
        """A list, in a series of one, of the places of rows near others that the part of the model lacks."""

    def add(self, part: Together, lost: Callable[[], Iterator[pl.DataFrame]] | None = None) -> None:
        """Compare; `lost` gives rows of the model without a key that are not among the part's, batch by batch."""
        found = self._read_alone(self._difference(part), part)
        self.told = self.told and _plain(part.stored, self._pinning.types)
        frame = found.frame if lost is None else _without_lost(found.frame, lost(), self._spec)
        self._keep(frame.with_columns(pl.col("seq") + self.seq))
        self.unchanged += found.unchanged - part.near.height
        self.set_aside(found.invalid)
        if not found.occupied.is_empty():
            self._occupied.append(found.occupied)
        self._leave(frame, found.same, part)
        if not self._pinning.retyped:
            self._touch(found.same, part)

    def _read_alone(self, found: Difference, part: Together) -> Difference:
        """The difference without changes of rows that nobody read, which do not count as unchanged either.

        They took part under their stored values. What these owe, as a field of unknown value, is not known to be due.
        """
        if self.unread is None:
            return found
        unread = pl.col("loc").is_in(self.unread).fill_null(value=False)
        frame = found.frame.filter((pl.col("op") != "delete") & ~unread)
        known = found.same.filter(unread).height if "loc" in found.same.columns else 0
        beside = part.near.filter(unread).height
        return replace(found, frame=frame, unchanged=found.unchanged - known + beside)

    def set_aside(self, invalid: tuple[InvalidRows, ...]) -> None:
        """Count rows that are invalid."""
        for group in invalid:
            self._rows[group.reason] += group.rows
            self._examples[group.reason] += group.examples

    @property
    def invalid(self) -> tuple[InvalidRows, ...]:
        """Rows set aside, by reason."""
        return tuple(
            InvalidRows(reason, self._rows[reason], tuple(self._examples[reason][:EXAMPLES]))
            for reason in REASONS
            if self._rows[reason]
        )

    @property
    def occupied(self) -> pl.DataFrame:
        """The match values of known rows that were set aside."""
        return pl.concat(self._occupied) if self._occupied else pl.DataFrame()

    @property
    def touched(self) -> Rows:
        """Stored rows that need nothing but another name: their columns, `loc`, and the name."""
        return _rows(self._touched)

    @property
    def left(self) -> Rows:
        """Stored rows that have no change of their own and are not unchanged: `loc` and match values."""
        return _rows(self._left)

    def _difference(self, part: Together) -> Difference:
        types = dict(self._pinning.types)
        stored = self._pinning.stored(part.stored.lazy(), self._stored_types).collect()
        near = self._pinning.stored(part.near.lazy(), self._stored_types).collect()
        model = part.model
        if self._digests is not None:
            model = self._digests.of(model, types)
            types |= {name: self._digests.type for name in types if name.startswith("f:")}
        model = model.select(*(name for name in types if name in model.columns), "row")
        if near.height:
            known = near.select(*(name for name in model.columns if name in near.columns))
            model = pl.concat([model, known], how="diagonal_relaxed")
        rows = CanonicalRows(model, types)
        found = difference(rows, SnapshotData(stored, types), self._spec, full=self._full)
        return found if self._digests is None else self._digests.replaced(found, part.model, self._pinning.types)

    def _keep(self, frame: pl.DataFrame) -> None:
        if frame.is_empty() and self.flat:
            return  # the first file is written even so: it tells the columns
        self.counts.update(dict(frame.group_by("op").len().iter_rows()))
        self.flat.append(write_flat(self._folder, len(self.flat), frame))
        # Not the number of rows: some may have been taken out, and the numbers of the others stand already.
        if frame.height:
            self.seq = int(frame.select(pl.col("seq").max()).item()) + 1

    def _leave(self, changes: pl.DataFrame, same: pl.DataFrame, part: Together) -> None:
        """Note rows that were set aside, or whose record other rows have taken over."""
        matches = [f"m:{name}" for name in self._spec.match]
        if not matches or part.stored.is_empty():
            return
        settled = pl.concat([frame["loc"] for frame in (changes, same) if "loc" in frame.columns]).drop_nulls()
        rows = part.stored.filter(~pl.col("loc").is_in(settled.implode()))
        if rows.height:
            kept = self._pinning.stored(rows.lazy(), self._stored_types).collect()
            self._write(self._left, "left", kept.select("loc", *(name for name in matches if name in kept.columns)))

    def _write(self, parts: list[tuple[Path, int]], name: str, rows: pl.DataFrame) -> None:
        path = self._folder / f"{name}-{len(parts)}.parquet"
        rows.write_parquet(path, compression="zstd", compression_level=1)
        parts.append((path, rows.height))

    def _touch(self, same: pl.DataFrame, part: Together) -> None:
        """Rows of the model that had no known name and yet need nothing: next time they shall have one."""
        numbers = same.drop_nulls() if "loc" in same.columns else same.clear()
        if numbers.is_empty():
            return
        named = part.model.join(numbers, on="row", how="inner").with_columns(self._recipe.stored(self._pinning.types))
        names = [name for name in named.columns if name in {"name", "name2"}]
        rows = part.stored.join(named.select("loc", *names), on="loc", how="inner")
        self._write(self._touched, "touched", rows)


def _rows(parts: list[tuple[Path, int]]) -> Rows:
    files = [Rows.of_file(path, rows) for path, rows in parts]
    return Rows(tuple(source for file in files for source in file.sources))


def _plain(stored: pl.DataFrame, mapped: Mapping[str, LogicalType]) -> bool:
    """Whether no stored row has a field that is unknown, new to the mapping, or no longer mapped."""
    fields = {name for name in mapped if name.startswith("f:")}
    same = fields == {name for name in stored.columns if name.startswith("f:")}
    return same and not stored["unknown"].list.len().sum()


def _without_lost(frame: pl.DataFrame, lost: Iterator[pl.DataFrame], spec: DiffSpec) -> pl.DataFrame:
    """Leave out deletes of rows that may be among those without a key: told by payload, or by match value."""
    deletes = frame.filter(pl.col("op") == "delete")
    kept = deletes
    for batch in lost:
        if kept.is_empty():
            break
        if spec.fields:
            ours, theirs = role("o", spec.fields), role("f", spec.fields)
            kept = kept.join(batch, left_on=ours, right_on=theirs, how="anti", nulls_equal=True)
        if spec.match:
            names = [f"h:{name}" for name in spec.match]
            held = [value.alias(n) for value, n in zip(folded("om", spec, kept.schema), names, strict=True)]
            now = [value.alias(n) for value, n in zip(folded("m", spec, batch.schema), names, strict=True)]
            kept = kept.with_columns(held).join(batch.select(now).drop_nulls(), on=names, how="anti").drop(names)
    if kept.height == deletes.height:
        return frame
    return pl.concat([frame.filter(pl.col("op") != "delete"), kept.sort("seq")])
