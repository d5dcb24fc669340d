"""Under which type each column is compared, and what has to be said of a change."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tailrace.canonical.convert import caster, convert_rows
from tailrace.canonical.types import dtype
from tailrace.changes import SchemaEvent
from tailrace.errors import SnapshotError

if TYPE_CHECKING:
    from tailrace.canonical.source import ModelRows
    from tailrace.changes import DiffSpec
    from tailrace.diff.known import Known
    from tailrace.diff.probe import Misses
    from tailrace.values import LogicalType

TO_DO = "cast it back in the model, or let the field be sent once more where it differs"
KEY_TO_DO = "cast it back in the model: rows with another key are new ones, and the old ones count as gone"


@dataclass(frozen=True, slots=True)
class Pinning:
    """The types from now on."""

    types: Mapping[str, LogicalType]
    retyped: frozenset[str]
    """Columns that leave their pinned type."""
    lost: frozenset[str]
    """Those of them of whose stored values some cannot be compared any more."""
    events: tuple[SchemaEvent, ...]
    fixed: frozenset[str] = frozenset()
    """Columns that are stored otherwise than as their values."""

    def model(self, rows: pl.LazyFrame, found: Mapping[str, LogicalType]) -> pl.LazyFrame:
        """Rows of the model under these types."""
        return rows.with_columns(self._casts(found, self.types))

    def stored(self, rows: pl.LazyFrame, pinned: Mapping[str, LogicalType]) -> pl.LazyFrame:
        """Stored rows under these types; a field is unknown in rows whose value cannot be compared.

        Match fields, and digests of values, that cannot be compared are left out.
        """
        present = rows.collect_schema().names()
        lost = self.lost & set(present)
        partly = sorted(name for name in lost if name[:2] == "f:" and name not in self.fixed)
        left_out = lost - set(partly)
        made = rows.with_columns(pl.col(name).alias(f"was:{name}") for name in partly).drop(left_out)
        made = made.with_columns(self._casts(pinned, set(present) - left_out - self.fixed))
        for name in partly:
            given_up = pl.col(f"was:{name}").is_not_null() & pl.col(name).is_null()
            longer = pl.col("unknown").list.set_union(pl.lit([name[2:]], dtype=pl.List(pl.String)))
            made = made.with_columns(pl.when(given_up).then(longer).otherwise("unknown").alias("unknown"))
        return made.drop(f"was:{name}" for name in partly)

    def _casts(self, before: Mapping[str, LogicalType], columns: Container[str]) -> Iterator[pl.Expr]:
        for name, target in self.types.items():
            source = before.get(name)
            if source == target or name not in columns:
                continue
            if source is None:  # it never held a value, so that nobody knows as what it was written
                yield pl.col(name).cast(dtype(target), strict=False)
            else:
                yield pl.col(name).map_batches(caster(source, target), return_dtype=dtype(target), is_elementwise=True)


def pin(rows: ModelRows, misses: Misses, stored: Known, spec: DiffSpec) -> Pinning:
    """Decide on the types; SnapshotError when the key cannot be compared any more.

    A pinned type stays as long as every value fits. Rows without a known name tell: a value that does not
    fit is never in a row that has one.
    """
    types: dict[str, LogicalType] = {}
    retyped, lost = set(), set()
    events: list[SchemaEvent] = []
    for name in rows.columns:
        found, pinned = rows.columns[name].type, stored.types.get(name)
        keeps = pinned is not None and (pinned == found or _fit(misses, name, found, pinned))
        types[name] = pinned if keeps and pinned is not None else found
        if pinned is not None and not keeps:
            retyped.add(name)
            comparable = stored.converts(name, found)
            if not comparable:
                lost.add(name)
            if all(event.column != name[2:] for event in events):  # a key may be the match field as well
                events.append(_retyped(name, pinned, found, comparable=comparable))
        elif pinned is None:
            events += _unpinned(name, rows, stored)
    _refuse_keys(lost, events)
    fixed = frozenset(name for name in types if stored.stored_types.get(name) != stored.types.get(name))
    # A column that is key and match field at once has one event.
    told = tuple(dict.fromkeys((*events, *_removed(stored, spec))))
    return Pinning(types, frozenset(retyped), frozenset(lost), told, fixed)


def _fit(misses: Misses, name: str, found: LogicalType, pinned: LogicalType) -> bool:
    fits = True

    def look(batch: pl.DataFrame) -> None:
        nonlocal fits
        values = batch[name]
        fits = fits and convert_rows(values, found, pinned).null_count() == values.null_count()

    pl.scan_parquet(misses.path).select(name).sink_batches(look)
    return fits


def _retyped(name: str, pinned: LogicalType, found: LogicalType, *, comparable: bool) -> SchemaEvent:
    why = "not every value fits the old type" if comparable else "its values cannot be compared with the old ones"
    to_do = KEY_TO_DO if name[:2] == "k:" else TO_DO
    return SchemaEvent(name[2:], "retyped", f"{name[2:]} was {pinned} and is now {found}: {why}; {to_do}")


def _unpinned(name: str, rows: ModelRows, stored: Known) -> Iterator[SchemaEvent]:
    if stored.rows and name not in stored.columns:
        yield SchemaEvent(name[2:], "added", f"{name[2:]} is new to the mapping")
    elif name in rows.watch.notes:
        yield SchemaEvent(name[2:], "retyped", f"{name[2:]} {rows.watch.notes[name]}")


def _removed(stored: Known, spec: DiffSpec) -> Iterator[SchemaEvent]:
    if stored.rows:
        for name in (column[2:] for column in stored.columns if column.startswith("f:")):
            if name not in spec.fields:
                message = f"{name} is no longer mapped; the destination keeps its values"
                yield SchemaEvent(name, "removed", message)


def _refuse_keys(lost: set[str], events: list[SchemaEvent]) -> None:
    for event in events:
        if f"k:{event.column}" in lost:
            raise SnapshotError(
                f"the key column cannot be matched with the snapshot: {event.message}",
                hint="Cast the column to its old type in the model; or start over: `tailrace reset SYNC`, then "
                "`tailrace adopt SYNC`.",
            )
