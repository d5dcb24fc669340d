"""SQLite's words, and the desk of a file: numbers, texts and bytes as they are, all else as canonical text."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pyarrow as pa

from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.pushdown.dbapi import DBAPIDesk, Fault
from tailrace.pushdown.words import OTHER, Sort, Terms, Words, quoted
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Columns
    from tailrace.warehouses.dialects import Dialect

FOLD = "tailrace_fold"
"""Name of the function that connections are given: SQLite cannot replace by pattern."""
PATIENCE_MS = 30_000
"""How long to wait for another one that writes to the file."""

_AS_THEY_ARE = {"bool": "INTEGER", "int64": "INTEGER", "float64": "REAL", "binary": "BLOB"}
_SORTS = {
    0: Sort("text", arrow=pa.string()),  # nothing but NULL
    1: Sort("int", arrow=pa.int64()),
    2: Sort("float", arrow=pa.float64()),
    3: Sort("float", arrow=pa.float64()),
    4: Sort("text", arrow=pa.string()),
    8: Sort("bytes", arrow=pa.binary()),
}
"""By the sum of 1, 2, 4 and 8 for whole numbers, other numbers, texts and bytes among a column's values."""
_KINDS = ("integer", "real", "text", "blob")
_PLAIN = frozenset({"bool", "int64", "float64", "string", "json", "binary"})


def _equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    # Casts leave values as they are, and take away a column's affinity and collation.
    if (sort.kind, logical.kind) in {("int", "int64"), ("bool", "bool")}:
        return Terms(f"CAST({model} AS INTEGER)", stored)
    if (sort.kind, logical.kind) == ("float", "float64"):
        return Terms(f"CAST({model} AS REAL)", stored)
    if logical.kind == "string" and sort.kind in {"text", "int"}:
        return Terms(f"CAST({model} AS TEXT) COLLATE BINARY", stored)
    return Terms(f"CAST({model} AS BLOB)", stored) if (sort.kind, logical.kind) == ("bytes", "binary") else None


SQLITE = Words(
    name="sqlite",
    types={**dict.fromkeys(("decimal", "string", "date", "time", "timestamp", "timestamptz", "json"), "TEXT"),
           **_AS_THEY_ARE},
    equal=_equal,
    fold=f"{FOLD}({{0}})",
    find_schema="",  # there are none: their names are part of the tables'
    find_table="SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? || '.' || ?",
    place=lambda schema, name: quoted(f"{schema}.{name}"),
    alike="{0} IS {1}",
    full_join=False,  # it came with 3.39
    delete="DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {given} AS v WHERE {equal})",
    own="",
    near="{table} AS s WHERE ({own}) IN (SELECT {theirs} FROM {given} AS v)",
    odd_floats=frozenset({"nan"}),  # it would be NULL
)  # fmt: skip


class SQLiteDesk(DBAPIDesk):
    """One transaction of a connection of its own; the only one that writes, if it may."""

    begins: ClassVar[Mapping[bool, Sequence[str]]] = {False: ("BEGIN",), True: ("BEGIN IMMEDIATE",)}

    def __init__(self, connection: sqlite3.Connection, dialect: Dialect, fault: Fault, *, write: bool) -> None:
        self._numbers = itertools.count()
        connection.isolation_level = None  # transactions begin where we say so
        connection.create_function(FOLD, 1, folded, deterministic=True)
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        connection.execute("PRAGMA query_only = OFF")  # given values are in temporary tables, in no file of the user's
        super().__init__(connection, SQLITE, dialect, fault, given=lambda _types, mark: mark, write=write)

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query hold: a column's values may be of any type, and only they tell."""
        with self._told("the projected model fails"):
            cursor = self._connection.execute(f"SELECT * FROM (\n{sql}\n) AS described LIMIT 0")  # noqa: S608
            found = [
                " + ".join(f"{1 << at} * max(typeof({column[0]}) = '{kind}')" for at, kind in enumerate(_KINDS))
                for column in cursor.description
            ]
        looked = self.rows(f"SELECT {', '.join(found)} FROM (\n{sql}\n) AS looked")  # noqa: S608 - as above
        return [_SORTS.get(seen or 0, OTHER) for seen in looked[0]]

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a temporary table, in which rows are found by all of its columns."""
        name = f"tailrace_values_{next(self._numbers)}"
        made = ", ".join(f"v{at} {self.words.column(kind)}" for at, kind in enumerate(columns.values()))
        self.run(f"CREATE TEMPORARY TABLE {name} ({made})")
        self.load(f"temp.{name}", [f"v{at}" for at in range(len(columns))], frame, columns)
        self.run(f"CREATE INDEX temp.{name}_all ON {name} ({', '.join(f'v{at}' for at in range(len(columns)))})")
        yield f"temp.{name}", []
        self.run(f"DROP TABLE temp.{name}")

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        marks = ", ".join("?" * len(names))
        values = [_stored(frame[name].cast(dtype(kind)), kind) for name, kind in columns.items()]
        with self._told("writing the snapshot failed"):
            sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own names
            self._connection.executemany(sql, zip(*values, strict=True))

    def _failure(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.Error)


def _stored(values: pl.Series, logical: LogicalType) -> list[Any]:
    return (values if logical.kind in _PLAIN else text(values, logical)).to_list()


def folded(value: str | None) -> str | None:
    """A text without case, blanks and what is not ASCII: the signs whose small letters are ASCII count as those."""
    if value is None:
        return None
    plain = value.replace("\u212a", "k").replace("\u0130", "i")
    return "".join(each for each in plain if "!" <= each <= "~").lower()
