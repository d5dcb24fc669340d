"""The desk of a Databricks catalogue, over its own connector: each statement is one by itself.

Delta tables have no transactions of several statements that all workspaces know. None is needed: rows of a snapshot
never change in their table, see `Words.copy`; and of two that move a manifest at once Delta refuses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from tailrace.canonical.text import parse
from tailrace.errors import WarehouseError
from tailrace.pushdown.databricks_words import DATABRICKS, given, sort
from tailrace.pushdown.dbapi import DBAPIDesk, Fault
from tailrace.pushdown.slices import sliced
from tailrace.pushdown.words import Sort, insertion
from tailrace.values import LogicalType
from tailrace.warehouses.arrow import pieced
from tailrace.warehouses.databricks import fetched
from tailrace.warehouses.driven import each
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.tags import commented

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Columns
    from tailrace.warehouses.dialects import Dialect

_AFFECTED: Final = "num_affected_rows"
_MISSING: Final = re.compile(r"\[(TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND)\b")
_CONFLICT: Final = re.compile(r"DELTA_CONCURRENT_\w+|\bConcurrent(Append|DeleteRead|DeleteDelete|Write)Exception\b")
"""Delta's refusal of a statement that read what another has changed since."""
_PLAIN: Final = frozenset({"hive_metastore", "spark_catalog"})
"""Catalogues that do not say when a table was made."""
_TIME: Final = LogicalType("time")
_LISTED: Final = (
    "SELECT table_name, last_altered FROM information_schema.tables "
    "WHERE table_schema = ? AND STARTSWITH(table_name, ?)"
)


class DatabricksDesk(DBAPIDesk):
    """Statements one by one, of which only the one that moves a manifest makes anything known."""

    def __init__(self, connection: Any, dialect: Dialect, fault: Fault, *, write: bool) -> None:
        super().__init__(connection, DATABRICKS, dialect, fault, given=given, write=write)

    def begin(self) -> None:
        """Nothing begins."""

    def has_schema(self, schema: str) -> bool:
        """Whether there is such a schema; WarehouseError when one that is to be written to could not be tidied up."""
        if self._write and (lacking := self.lacking(schema)):
            raise WarehouseError(f"snapshots cannot be kept in schema {schema!r}: {lacking[0]}")
        return self._there(f"DESCRIBE SCHEMA {self.words.quote(schema)}")

    def has_table(self, schema: str, table: str) -> bool:
        """Whether a schema has such a table; a failure for want of rights is not taken for a no."""
        return self._there(f"DESCRIBE TABLE {self.words.place(schema, table)}")

    def listed(self, schema: str, beginning: str) -> Mapping[str, datetime | None]:
        """Tables whose names begin so, and since when nobody has changed them."""
        found = self.rows(_LISTED, [schema.lower(), beginning])
        return {name: moment.replace(tzinfo=moment.tzinfo or UTC) for name, moment in found}

    def lacking(self, _schema: str) -> list[str]:
        """What stands against snapshots in the catalogue, as a sentence; of rights it is not asked."""
        catalog = str(self.rows("SELECT CURRENT_CATALOG()")[0][0])
        if catalog not in _PLAIN:
            return []
        return [f"catalog {catalog} does not say how old tables are: set `catalog` to one of Unity Catalog"]

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, without running it."""
        with self._told("the projected model fails"), closing(self._cursor()) as cursor:
            self._execute(cursor, f"DESCRIBE QUERY {sql}")
            return [sort(row[1]) for row in cursor.fetchall()]

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch, as the connector's Arrow."""
        types = [known.get(at) for at in range(len(names))]
        times = [at for at, kind in known.items() if pa.types.is_time(kind)]
        with self._told("comparing in the warehouse failed"), closing(self._cursor()) as cursor:
            self._execute(cursor, sql, parameters)
            pieces = (_timed(piece, times) for piece in each(fetched(cursor, batch_rows), cursor.cancel))
            yield from pieced(pieces, names, types, batch_rows)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        with self._told("a query of the snapshot failed"), closing(self._cursor()) as cursor:
            self._execute(cursor, sql, parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote, none where another has written to the table meanwhile."""
        if sql.startswith("COMMENT"):  # of a table that may be gone by now
            self._there(sql)
            return 0
        wrote = self._wrote(sql, parameters)
        if wrote is None and sql.startswith(("UPDATE", "MERGE")):
            raise WarehouseError(
                "Databricks does not say how many rows a statement has written",
                hint="upgrade databricks-sql-connector, and use a SQL warehouse or a cluster of a current runtime",
            )
        return wrote or 0

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        for part in sliced(frame, self.words.batch, self.words.size) if frame.height else ():
            with self.values(part, columns, table) as (values, parameters):
                wrote = self._wrote(insertion(table, names, values), parameters)
            if wrote not in {None, part.height}:
                raise WarehouseError(f"of {part.height} rows Databricks has written {wrote} to {table}")

    def _wrote(self, sql: str, parameters: Sequence[Any]) -> int | None:
        with self._told("writing the snapshot failed"), closing(self._cursor()) as cursor:
            try:
                self._execute(cursor, sql, parameters)
            except Exception as error:
                if sql.startswith("UPDATE") and self._failure(error) and _CONFLICT.search(str(error)):
                    return 0
                raise
            return _affected(cursor)

    def _there(self, sql: str) -> bool:
        """Whether what a statement is about is there."""
        with self._told("a query of the snapshot failed"), closing(self._cursor()) as cursor:
            try:
                self._execute(cursor, sql)
            except Exception as error:
                if self._failure(error) and _MISSING.search(str(error)):
                    return False
                raise
            return True

    def _execute(self, cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> None:
        told = commented(self.words.name, sql)
        given = (told, list(parameters)) if parameters else (told,)  # else it would look for marks in the model's SQL
        interruptibly(partial(cursor.execute, *given), cursor.cancel)

    def _failure(self, error: Exception) -> bool:
        from databricks.sql.exc import Error  # noqa: PLC0415 - loaded by now

        return isinstance(error, Error)


def _affected(cursor: Any) -> int | None:
    """How many rows a statement wrote, as its result or the connector says; None where neither does."""
    names = [column[0] for column in cursor.description or ()]
    if _AFFECTED in names and (row := cursor.fetchone()) is not None:
        told = row[names.index(_AFFECTED)]
    else:
        told = cursor.rowcount
    return int(told) if told is not None and told >= 0 else None


def _timed(piece: pa.Table, times: Sequence[int]) -> pa.Table:
    """The rows with times of day where they are stored as texts."""
    for at in times:
        if not pa.types.is_time(piece.schema[at].type):
            texts = pl.Series(piece.column(at).cast(pa.large_string()))
            piece = piece.set_column(at, piece.schema[at].name, parse(texts, _TIME).to_arrow())
    return piece
