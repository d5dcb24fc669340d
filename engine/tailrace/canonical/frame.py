"""The model's batches as one canonical frame, under the types the snapshot has pinned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from tailrace.canonical.arrow import Column, canonical_column
from tailrace.canonical.convert import convert
from tailrace.changes import SchemaEvent
from tailrace.errors import WarehouseError
from tailrace.values import LogicalType


@dataclass(frozen=True, slots=True)
class CanonicalRows:
    """The model's rows: columns `k:`, `m:` and `f:`, their types, and what changed about the types."""

    frame: pl.DataFrame
    types: Mapping[str, LogicalType]
    events: tuple[SchemaEvent, ...] = ()


def canonical_frame(batches: Iterable[pa.RecordBatch], pinned: Mapping[str, LogicalType]) -> CanonicalRows:
    """Bring all batches into canonical form.

    A pinned type is kept when every value casts to it without loss, so that a driver's change of
    width or scale never shows. Otherwise the column takes its new type, and an event says so.
    """
    table = _table(batches)
    columns: dict[str, Column] = {}
    events: list[SchemaEvent] = []
    for name in table.column_names:
        column = canonical_column(name, table.column(name))
        columns[name] = _pin(name, column, pinned.get(name))
        events.extend(_event(name, column, columns[name], pinned.get(name)))
    frame = pl.DataFrame([column.values.rechunk() for column in columns.values()])
    return CanonicalRows(frame, {name: column.type for name, column in columns.items()}, tuple(events))


def _table(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    if not tables:
        raise WarehouseError("the warehouse gave no result, not even an empty one", hint="Run `tailrace check`.")
    try:
        # Batches differ in type only where a driver infers them from values, such as nulls first.
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise WarehouseError(
            f"the model's columns change their type half way: {error}",
            hint="Cast the column to one type in the model.",
        ) from error


def _pin(name: str, column: Column, pinned: LogicalType | None) -> Column:
    if pinned is None:
        return column
    values = convert(column.values, column.type, pinned)
    return column if values is None else Column(values.alias(name), pinned, column.note)


def _event(name: str, column: Column, result: Column, pinned: LogicalType | None) -> Iterator[SchemaEvent]:
    if pinned is not None and result.type != pinned:
        message = f"{name[2:]} was {pinned} and is now {result.type}: not every value fits the old type"
        yield SchemaEvent(name[2:], "retyped", message)
    elif pinned is None and column.note:
        yield SchemaEvent(name[2:], "retyped", f"{name[2:]} {column.note}")
