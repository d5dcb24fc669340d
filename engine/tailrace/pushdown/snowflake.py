"""Snowflake's words, and the desk of an account there, over its connector.

Statements that make tables are transactions of their own there. So tables that rows need are made before, under new
names. No index tells rows apart there, and INSERT waits for nobody: a run holds the manifests by updating a row of that
table that is nobody's (its digest is empty), as two updates of one table wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tailrace.pushdown.dbapi import DBAPIDesk, Fault
from tailrace.pushdown.words import OTHER, Sort, Terms, Words, quoted, read_back
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.warehouses.dialects import Dialect

_ALIKE = {
    "bool": "bool", "int": "int64", "float": "float64", "bytes": "binary", "date": "date", "time": "time",
    "timestamp": "timestamp", "timestamptz": "timestamptz",
}  # fmt: skip


def _equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if sort.kind == "decimal" and logical.kind == "decimal":
        # Of another scale it would be cast, and then what has too many digits is an error.
        return Terms(model, stored) if sort.scale == logical.scale else None
    if logical.kind == "string" and sort.kind == "text":
        return Terms(f"COLLATE({model}, '')", f"COLLATE({stored}, '')")
    return Terms(model, stored) if _ALIKE.get(sort.kind) == logical.kind else None


_COLUMNS = "digest {text} NOT NULL, sync {text} NOT NULL, revision {number} NOT NULL, body {text} NOT NULL"
_HELD = (
    "INSERT INTO {manifests} (digest, sync, revision, body) SELECT {mark}, {mark}, 0, '' FROM {manifests} AS l "
    "WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM {manifests} AS o WHERE o.digest = {mark})"
)
SNOWFLAKE = Words(
    name="snowflake",
    types={
        "bool": "BOOLEAN",
        "int64": "NUMBER(38, 0)",
        "float64": "FLOAT",
        "decimal": "NUMBER(38, {})",
        "string": "VARCHAR",
        "binary": "BINARY",
        "date": "DATE",
        "time": "TIME(6)",
        "timestamp": "TIMESTAMP_NTZ(6)",
        "timestamptz": "TIMESTAMP_TZ(6)",
        "json": "VARCHAR",
    },
    equal=_equal,
    fold="LOWER(REGEXP_REPLACE(TRANSLATE({0}, CHR(8490) || CHR(304), 'ki'), '[^!-~]', ''))",
    find_schema="SELECT 1 FROM information_schema.schemata WHERE schema_name = %s",
    find_table="SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s)",
    find_tables=(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE UPPER(%s)"
    ),
    mark="%s",
    place=lambda schema, name: f"{quoted(schema)}.{name}",
    manifests=f"CREATE TABLE IF NOT EXISTS {{manifests}} ({_COLUMNS}) AS SELECT '', '', 0, ''",
    claim=(
        ("UPDATE {manifests} SET revision = revision + 1 WHERE digest = ''", ()),
        (_HELD, ("digest", "sync", "digest")),
    ),
    alike="EQUAL_NULL({0}, {1})",
    untrue="NOT COALESCE({0}, FALSE)",
    true="COALESCE({0}, FALSE)",
    delete="DELETE FROM {table} USING {given} AS v WHERE {equal}",
    own="",
    batch=10_000,
    size=900_000,  # its documentation asks for statements of 1 MB at most
    commits=True,
    untried="a live account of Snowflake",
)

_READ = {
    "bool": "TO_BOOLEAN({0})",
    "int64": "TO_NUMBER({0}, 38, 0)",
    "float64": "TO_DOUBLE({0})",
    "decimal": "TO_NUMBER({0}, 38, {1})",
    "string": "{0}",
    "json": "{0}",
    "binary": "TO_BINARY({0}, 'HEX')",
    "date": "TO_DATE({0})",
    "time": "TO_TIME({0})",
    "timestamp": "TO_TIMESTAMP_NTZ({0})",
    "timestamptz": "{0}::TIMESTAMP_TZ",
}


def given(types: Sequence[LogicalType], mark: str) -> str:
    """The query of a JSON list's values."""
    shown = read_back(_READ, "j.value[{0}]::VARCHAR", types)
    return f"(SELECT {shown} FROM TABLE(FLATTEN(INPUT => PARSE_JSON({mark}))) AS j)"  # noqa: S608


class SnowflakeDesk(DBAPIDesk):
    """One transaction of a connection of its own."""

    def __init__(self, connection: Any, dialect: Dialect, fault: Fault, *, write: bool) -> None:
        connection.autocommit(True)
        super().__init__(connection, SNOWFLAKE, dialect, fault, given=given, write=write)

    def _sort(self, column: Any) -> Sort:
        code, scale = column[1], column[5]
        if code == 0:
            return Sort("decimal", scale, pa.decimal128(38, scale)) if scale else Sort("int", arrow=pa.int64())
        return _SORTS.get(code, OTHER)

    def _failure(self, error: Exception) -> bool:
        from snowflake.connector import Error  # noqa: PLC0415 - loaded by now

        return isinstance(error, Error)


_SORTS = {
    1: Sort("float", arrow=pa.float64()),
    2: Sort("text", arrow=pa.string()),
    3: Sort("date", arrow=pa.date32()),
    **dict.fromkeys((4, 8), Sort("timestamp", arrow=pa.timestamp("us"))),
    **dict.fromkeys((6, 7), Sort("timestamptz", arrow=pa.timestamp("us", "UTC"))),
    11: Sort("bytes", arrow=pa.binary()),
    12: Sort("time", arrow=pa.time64("us")),
    13: Sort("bool", arrow=pa.bool_()),
    **dict.fromkeys((5, 9, 10, 14, 15), Sort("other", arrow=pa.string())),
}
"""By the connector's type codes; the last are VARIANT, OBJECT, ARRAY and places, which it gives as text."""
