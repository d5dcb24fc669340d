"""What drivers give as Arrow, under the types that hold for the whole result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
from pyarrow import types as at

from tailrace.warehouses.rows import Types, unfit

Piece: TypeAlias = pa.Table | pa.RecordBatch
"""Some rows of a result, whose columns are in order, whatever they are called."""


def pieced(pieces: Iterable[Piece], names: Sequence[str], types: Types, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most so many rows, and at least one. Where a type is None, that of the first piece holds.

    WarehouseError names the column of which a later value does not fit.
    """
    schema: pa.Schema | None = None
    some = False
    for piece in pieces:
        if schema is None:
            kinds = [kind or field.type for kind, field in zip(types, piece.schema, strict=True)]
            schema = pa.schema(list(zip(names, kinds, strict=True)))
        for batch in _cut(piece, batch_rows):
            some = True
            yield fitted(batch, schema)
    if not some:
        schema = schema or pa.schema([(name, kind or pa.null()) for name, kind in zip(names, types, strict=True)])
        yield pa.RecordBatch.from_pylist([], schema=schema)


def _cut(piece: Piece, rows: int) -> Iterator[pa.RecordBatch]:
    batches = piece.to_batches() if isinstance(piece, pa.Table) else [piece]
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch under the declared types: narrow numbers become wide ones, texts of numbers decimals.

    What is finer than a microsecond is cut off, as no destination would take it.
    """
    arrays = []
    for field, column in zip(schema, batch.columns, strict=True):
        try:
            arrays.append(column if column.type == field.type else column.cast(field.type, safe=not _finer(column)))
        except pa.ArrowException as error:
            raise unfit(field.name, field.type, error) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _finer(column: pa.Array) -> bool:
    return bool((at.is_timestamp(column.type) or at.is_time64(column.type)) and column.type.unit == "ns")
