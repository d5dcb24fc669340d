"""The desk of a DuckDB database."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa

from tailrace.canonical.types import dtype
from tailrace.pushdown.catalogue import Catalogued
from tailrace.pushdown.words import DUCKDB, OTHER, Sort
from tailrace.warehouses.dialects import duckdb_dialect
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.projection import compile_projection
from tailrace.warehouses.relation import FAILURES, batches, begun

if TYPE_CHECKING:
    from tailrace.errors import WarehouseError
    from tailrace.pushdown.desk import Columns
    from tailrace.warehouses.base import Projection

Fault = Callable[[str, Exception], "WarehouseError"]

_SORTS = {
    "BOOLEAN": Sort("bool"),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), Sort("int")),
    **dict.fromkeys(("UBIGINT", "HUGEINT"), Sort("decimal")),
    **dict.fromkeys(("FLOAT", "DOUBLE"), Sort("float")),
    **dict.fromkeys(("VARCHAR", "UUID", "JSON"), Sort("text")),
    "BLOB": Sort("bytes"),
    "DATE": Sort("date"),
    "TIME": Sort("time"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"), Sort("timestamp")),
    "TIMESTAMP_NS": Sort("nanoseconds"),
    "TIMESTAMP WITH TIME ZONE": Sort("timestamptz"),
}
_LIST = re.compile(r"(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|VARCHAR)\[\]")
_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*(\d+)\)")


class DuckDBDesk(Catalogued):
    """One transaction of a connection of its own."""

    words = DUCKDB

    def __init__(self, connection: duckdb.DuckDBPyConnection, fault: Fault) -> None:
        self._connection, self._fault = connection, fault
        self._numbers = itertools.count()

    def begin(self) -> None:
        """The transaction has begun with the desk."""

    def compiled(self, projection: Projection) -> str:
        """A projected model as a query, whose columns are c0, c1 and so on."""
        return compile_projection(projection, duckdb_dialect())

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, without running it."""
        with self._told("the projected model fails"):
            return [_sort(str(kind)) for kind in self._connection.sql(sql).types]

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],  # noqa: ARG002 - DuckDB knows all types by itself
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch."""
        with self._told("comparing in the warehouse failed"):
            relation = self._connection.sql(sql, params=list(parameters) or None)
            yield from batches(begun(relation, self._connection, batch_rows), self._connection, names)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        with self._told("a query of the snapshot failed"):
            return interruptibly(
                lambda: self._connection.execute(sql, list(parameters)).fetchall(), self._connection.interrupt
            )

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote."""
        found = self.rows(sql, parameters)
        return int(found[0][0]) if found and isinstance(found[0][0], int) else 0

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a table to select from."""
        name = f"tailrace_values_{next(self._numbers)}"
        table = _arrow(frame, columns).rename_columns([f"v{at}" for at in range(len(columns))])
        self._connection.register(name, table)
        try:
            yield name, []
        finally:
            self._connection.unregister(name)

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        with self.values(frame, columns) as (values, _):
            self.run(f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM {values}")  # noqa: S608 - our own names

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise self._fault(what, error) from error


def _arrow(frame: pl.DataFrame, columns: Columns) -> pa.Table:
    typed = frame.select(pl.col(name).cast(dtype(kind)) for name, kind in columns.items())
    return typed.to_arrow(compat_level=pl.CompatLevel.oldest())


def _sort(name: str) -> Sort:
    if name.startswith("ENUM("):
        return Sort("text")
    decimal = _DECIMAL.fullmatch(name)
    if decimal:
        return Sort("decimal", int(decimal[1]))
    return Sort("list") if _LIST.fullmatch(name) else _SORTS.get(name, OTHER)
