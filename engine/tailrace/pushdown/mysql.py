"""MySQL's and MariaDB's words, and the desk of a database there, over PyMySQL.

Statements that make tables end transactions there. So tables that rows need are made before, under new names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from tailrace.pushdown.dbapi import DBAPIDesk, Fault
from tailrace.pushdown.words import HELD, OTHER, Sort, Terms, Words, read_back
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.warehouses.dialects import Dialect

_TEXTS = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}
"""Collations that tell all texts apart, those that end in blanks too."""
_BINARY = 63
"""The character set of what is no text."""
LOCK_S = 600
"""How long to wait for another run that saves its rows."""


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _collated(name: str) -> str:
    return f"CHARACTER SET utf8mb4 COLLATE {_TEXTS[name]}"


def _words(name: str) -> Words:
    collation, text = _TEXTS[name], f"LONGTEXT {_collated(name)}"

    def equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
        if sort.kind in {"int", "decimal"} and logical.kind in {"int64", "decimal"}:
            return Terms(model, stored)
        if logical.kind == "string" and sort.kind in {"text", "int"}:
            return Terms(f"CONVERT({model} USING utf8mb4) COLLATE {collation}", stored)
        alike = {"bool": "bool", "float": "float64", "bytes": "binary", "date": "date", "timestamp": "timestamp"}
        return Terms(model, stored) if alike.get(sort.kind) == logical.kind else None

    return Words(
        name=name,
        types={
            "bool": "BOOLEAN",
            "int64": "BIGINT",
            "float64": "DOUBLE",
            "decimal": "DECIMAL(38, {})",
            "string": text,
            "binary": "LONGBLOB",
            "date": "DATE",
            "time": "TIME(6)",
            **dict.fromkeys(("timestamp", "timestamptz"), "DATETIME(6)"),
            "json": text,
        },
        equal=equal,
        # Cut, so that lists of them can be searched; coarser than need be, as all of this.
        fold=(
            "LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE({0}, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), "
            "'[^!-~]', '')), 190)"
        ),
        find_schema="SELECT 1 FROM information_schema.schemata WHERE schema_name = %s",
        find_table="SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        find_tables="SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s",
        mark="%s",
        locks=True,
        quote=_quoted,
        reserved=frozenset({"key"}),
        place=lambda schema, table: f"{_quoted(schema)}.{table}",
        name_type=f"VARCHAR(64) {_collated(name)}",
        claim=((f"{HELD} ON DUPLICATE KEY UPDATE digest = VALUES(digest)", ("digest", "sync")),),
        alike="{0} <=> {1}",
        full_join=False,
        short="LEFT({0}, 190)",
        delete="DELETE s FROM {table} AS s JOIN {given} AS v ON {equal}",
        # In this order, for it would rather read the whole table than find each row by its index.
        near="(SELECT DISTINCT {named} FROM {given} AS v) AS d STRAIGHT_JOIN {table} AS s ON {joined}",
        batch=10_000,
        size=4_000_000,  # a packet has 16 MiB in MariaDB, unless it is told otherwise
        odd_floats=frozenset({"nan", "infinite"}),
        index=_index,
        commits=True,
        untried={"mysql": "MySQL itself, but on MariaDB"}.get(name, ""),
    )


def _index(columns: Sequence[tuple[str, LogicalType]]) -> str:
    """An index for the keys, and one for what is matched by; of texts and bytes, their beginnings."""
    long = {"string", "json", "binary"}
    parts = [(column, f"{column}(64)" if kind.kind in long else column) for column, kind in columns]
    groups = [[part for column, part in parts if column[0] == letter] for letter in "km"]
    return "".join(f", INDEX ({', '.join(group)})" for group in groups if group)


MYSQL, MARIADB = _words("mysql"), _words("mariadb")

_READ = {
    **dict.fromkeys(("string", "json"), "{0}"),
    "bool": "({0} = 'true')",
    "int64": "CAST({0} AS SIGNED)",
    "float64": "CAST({0} AS DOUBLE)",
    "decimal": "CAST({0} AS DECIMAL(38, {1}))",
    "binary": "UNHEX({0})",
    "date": "CAST({0} AS DATE)",
    "time": "CAST({0} AS TIME(6))",
    **dict.fromkeys(("timestamp", "timestamptz"), "CAST(LEFT({0}, 26) AS DATETIME(6))"),
}


def given(words: Words, types: Sequence[LogicalType], mark: str) -> str:
    """The query of a JSON list's values."""
    shown = read_back(_READ, "t{0}", types)
    read = ", ".join(f"t{at} LONGTEXT {_collated(words.name)} PATH '$[{at}]'" for at in range(len(types)))
    return f"(SELECT {shown} FROM JSON_TABLE({mark}, '$[*]' COLUMNS ({read})) AS j)"  # noqa: S608 - our own names


class MySQLDesk(DBAPIDesk):
    """One transaction of a connection of its own."""

    begins: ClassVar[Mapping[bool, Sequence[str]]] = {
        False: (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ),
        # A writer waits for another one, and must then see what it wrote.
        True: ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION"),
    }

    def __init__(self, connection: Any, dialect: Dialect, fault: Fault, *, write: bool) -> None:
        name = "mariadb" if "mariadb" in str(connection.get_server_info()).lower() else "mysql"
        words = {"mariadb": MARIADB, "mysql": MYSQL}[name]
        connection.autocommit(True)
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_S}")
            if write:  # models are read in sessions that may not
                cursor.execute("SET SESSION TRANSACTION READ WRITE")
        named = replace(dialect, name=name)
        super().__init__(
            connection, words, named, fault, given=lambda types, mark: given(words, types, mark), write=write
        )

    def _cursor(self, *, streaming: bool = False) -> Any:
        from pymysql.cursors import Cursor, SSCursor  # noqa: PLC0415 - the driver loads when it is used

        return self._connection.cursor(SSCursor if streaming else Cursor)

    def _columns(self, cursor: Any) -> Sequence[Any]:
        # The description does not tell texts from bytes; what it is made of does.
        return getattr(getattr(cursor, "_result", None), "fields", None) or [None] * len(cursor.description or ())

    def _sort(self, column: Any) -> Sort:
        return OTHER if column is None else sort(column.type_code, column.charsetnr, column.scale)

    def _failure(self, error: Exception) -> bool:
        import pymysql  # noqa: PLC0415 - loaded by now

        return isinstance(error, pymysql.Error)


def sort(code: int, charset: int, scale: int) -> Sort:
    """What a column is, by its type, its character set and its digits after the point.

    FLOAT is none that can be compared: what drivers read is rounded to six digits.
    """
    if code in {0, 246}:
        return Sort("decimal", scale, pa.decimal128(38, scale)) if scale <= 38 else OTHER  # noqa: PLR2004
    if code in _TEXTLIKE and charset != _BINARY:
        return Sort("text", arrow=pa.string())
    if code in _BYTES:
        return Sort("bytes", arrow=pa.binary())
    return _SORTS.get(code, OTHER)


_SORTS = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13), Sort("int", arrow=pa.int64())),
    5: Sort("float", arrow=pa.float64()),
    10: Sort("date", arrow=pa.date32()),
    **dict.fromkeys((7, 12), Sort("timestamp", arrow=pa.timestamp("us"))),
    245: Sort("text", arrow=pa.string()),
}
"""By the protocol's type codes: whole numbers and YEAR, DOUBLE, DATE, TIMESTAMP and DATETIME, JSON."""
_BYTES = frozenset({249, 250, 251, 252, 253, 254})
_TEXTLIKE = _BYTES | {247, 248, 15}
