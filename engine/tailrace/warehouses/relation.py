"""A DuckDB query as Arrow batches, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa

from tailrace.warehouses.interrupt import interruptibly

FAILURES: Final = (duckdb.Error, pa.ArrowException, OSError)
"""Errors of a running query reach the Arrow reader as OSError (duckdb 2.0)."""


def begun(
    relation: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection, batch_rows: int
) -> pa.RecordBatchReader:
    """Run a query of the connection; batches of at most `batch_rows` rows. Raises what is in FAILURES."""
    return interruptibly(partial(relation.to_arrow_reader, batch_rows), connection.interrupt)


def batches(
    reader: pa.RecordBatchReader, connection: duckdb.DuckDBPyConnection, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """What is left of a query, under these names; at least one batch, which of no rows has the types."""
    following = partial(next, iter(reader), None)
    some = False
    while (batch := interruptibly(following, connection.interrupt)) is not None:
        some = True
        yield batch.rename_columns(list(names))
    if not some:
        yield pa.RecordBatch.from_pylist([], schema=reader.schema).rename_columns(list(names))
