"""The desk of a PostgreSQL database: psycopg itself, as COPY and queries without a cursor are several times faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.canonical.python import python_values
from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.pushdown.catalogue import Catalogued
from tailrace.pushdown.words import OTHER, POSTGRES, Sort
from tailrace.warehouses.projection import compile_projection
from tailrace.warehouses.rows import batches
from tailrace.warehouses.types import declared_types

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from tailrace.errors import WarehouseError
    from tailrace.pushdown.desk import Columns
    from tailrace.values import LogicalType
    from tailrace.warehouses.base import Projection
    from tailrace.warehouses.dialects import Dialect

Fault = Callable[[str, Exception], "WarehouseError"]
_SETTINGS = (
    "work_mem = '128MB'",  # rows are joined by hashes that should stay in memory
    "jit = off",  # statements of many expressions would be compiled for longer than they run
    "parallel_tuple_cost = 0",  # the planner takes all rows for changed, which to hand over would cost too much
)
COPIED = 65_536
"""Rows written out as text at once."""

_SORTS = {
    16: Sort("bool"),
    17: Sort("bytes"),
    **dict.fromkeys((20, 21, 23, 26), Sort("int")),
    **dict.fromkeys((700, 701), Sort("float")),
    1700: Sort("decimal"),
    # char, name, text, json, varchar, interval, timetz, uuid, jsonb
    **dict.fromkeys((18, 19, 25, 114, 1043, 1186, 1266, 2950, 3802), Sort("text")),
    1042: Sort("char"),
    1082: Sort("date"),
    1083: Sort("time"),
    1114: Sort("timestamp"),
    1184: Sort("timestamptz"),
    # arrays of bool, int2, int4, int8, text, varchar
    **dict.fromkeys((1000, 1005, 1007, 1016, 1009, 1015), Sort("list")),
}
_TEXTLIKE = "SELECT oid FROM pg_catalog.pg_type WHERE oid = ANY(%s) AND (typtype = 'e' OR typname = 'citext')"
_ARRAYS = {
    "bool": "boolean[]",
    "int64": "bigint[]",
    "float64": "double precision[]",
    "decimal": "numeric[]",
    "binary": "bytea[]",
    "date": "date[]",
    "time": "time[]",
    "timestamp": "timestamp[]",
    "timestamptz": "timestamptz[]",
}


class PostgresDesk(Catalogued):
    """One transaction of a connection of its own."""

    words = POSTGRES

    def __init__(self, connection: psycopg.Connection[Any], dialect: Dialect, fault: Fault) -> None:
        self._connection, self._dialect, self._fault = connection, dialect, fault
        for setting in _SETTINGS:
            self.run(f"SET LOCAL {setting}")

    def begin(self) -> None:
        """The transaction has begun with the desk."""

    def compiled(self, projection: Projection) -> str:
        """A projected model as a query, whose columns are c0, c1 and so on."""
        return compile_projection(projection, self._dialect)

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, without running it."""
        with self._cursor("the projected model fails") as cursor:
            codes = [column.type_code for column in self._described(cursor, sql)]
            odd = [code for code in codes if code not in _SORTS]
            textlike = {row[0] for row in self.rows(_TEXTLIKE, [odd])} if odd else set()
            return [_SORTS.get(code, Sort("text") if code in textlike else OTHER) for code in codes]

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch; it runs without a cursor, so that workers may take part."""
        with self._cursor("comparing in the warehouse failed") as cursor:
            types: list[pa.DataType | None] = [known.get(position) for position in range(len(names))]
            if None in types:
                declared = declared_types("postgresql", [tuple(c) for c in self._described(cursor, sql)])
                types = [mine or theirs for mine, theirs in zip(types, declared, strict=True)]
            rows = cursor.stream(sql, list(parameters) or None)
            yield from batches(_chunks(rows, batch_rows), names, types)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        with self._cursor("a query of the snapshot failed") as cursor:
            # Never prepared: a plan that does not know the parameters would not know how many values an array has.
            cursor.execute(sql, list(parameters) or None, prepare=False)
            return cursor.fetchall() if cursor.description else []

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote."""
        with self._cursor("writing the snapshot failed") as cursor:
            cursor.execute(sql, list(parameters) or None, prepare=False)
            return max(int(cursor.rowcount), 0)

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a table to select from."""
        arrays = [_plain(frame[name], kind) for name, kind in columns.items()]
        marks = ", ".join(f"%s::{_ARRAYS.get(kind.kind, 'text[]')}" for kind in columns.values())
        names = ", ".join(f"v{at}" for at in range(len(columns)))
        yield f"(SELECT * FROM unnest({marks}) AS given({names}))", arrays  # noqa: S608 - our own names

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        with (
            self._cursor("writing the snapshot failed") as cursor,
            cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy,
        ):
            for piece in frame.iter_slices(COPIED):
                copy.write(_copied(piece, columns))

    def _described(self, cursor: psycopg.Cursor[Any], sql: str) -> Sequence[Any]:
        cursor.execute(f"SELECT * FROM (\n{sql}\n) AS described LIMIT 0")  # noqa: S608 - bracketed, whatever it is
        return cursor.description or ()

    @contextmanager
    def _cursor(self, what: str) -> Iterator[Any]:
        import psycopg  # noqa: PLC0415 - loaded by now

        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except psycopg.Error as error:
            raise self._fault(what, error) from error


def _chunks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _plain(values: pl.Series, logical: LogicalType) -> list[Any]:
    typed = values.cast(dtype(logical))
    return typed.to_list() if logical.kind == "json" else python_values(typed, logical)


def _copied(frame: pl.DataFrame, columns: Columns) -> bytes:
    """Rows in COPY's text form."""
    written = pl.DataFrame([_field(frame[name], kind) for name, kind in columns.items()])
    lines = written.select(pl.concat_str(pl.all().fill_null("\\N"), separator="\t").alias("line"))["line"]
    return ("\n".join(lines) + "\n").encode() if len(lines) else b""


def _field(values: pl.Series, logical: LogicalType) -> pl.Series:
    written = text(values.cast(dtype(logical)), logical).alias(values.name)
    if logical.kind == "binary":
        return written.to_frame().select(pl.concat_str(pl.lit("\\\\x"), written.name)).to_series().alias(written.name)
    if logical.kind not in {"string", "json"}:
        return written
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    return written.str.replace_many(list(escapes), list(escapes.values()))
