"""Databricks' words: what a Delta table stores values as, and what may be called equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tailrace.pushdown.words import OTHER, Sort, SortKind, Terms, Words, read_back
from tailrace.values import LogicalType
from tailrace.warehouses.dialects import Dialect
from tailrace.warehouses.syntax import Syntax

_EXACT: Final = "CAST({0} AS BINARY)"
"""A column, or the schema it is in, may have texts compare under a collation."""
_ALIKE: Final = {
    "bool": "bool", "bytes": "binary", "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz",
}  # fmt: skip


def _equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if sort.kind in {"int", "decimal"} and logical.kind in {"int64", "decimal"}:
        return _numbers(model, sort, stored, logical)
    if logical.kind == "string" and sort.kind in {"text", "int"}:
        return Terms(_EXACT.format(model if sort.kind == "text" else f"CAST({model} AS STRING)"), _EXACT.format(stored))
    if logical.kind == "json" and sort.kind == "list":
        return Terms(_EXACT.format(f"TO_JSON({model})"), _EXACT.format(stored))
    if (sort.kind, logical.kind) == ("float", "float64"):
        return Terms(f"CAST({model} AS DOUBLE)", stored)
    return Terms(model, stored) if _ALIKE.get(sort.kind) == logical.kind else None


def _numbers(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms:
    """Both under the larger scale, as a cast to a smaller one rounds; null where the digits are too many."""
    kept = logical.scale or 0
    if (sort.kind, logical.kind) in {("int", "int64"), ("decimal", "decimal")} and sort.scale == kept:
        return Terms(model, stored)
    wide = f"DECIMAL(38, {max(sort.scale, kept)})"
    return Terms(f"TRY_CAST({model} AS {wide})", f"TRY_CAST({stored} AS {wide})", total=False)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


DATABRICKS: Final = Words(
    name="databricks",
    types={
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "float64": "DOUBLE",
        "decimal": "DECIMAL(38, {})",
        # There is no type for times of day; as texts they are in order, and read back as what they are.
        **dict.fromkeys(("string", "json", "time"), "STRING"),
        "binary": "BINARY",
        "date": "DATE",
        "timestamp": "TIMESTAMP_NTZ",
        "timestamptz": "TIMESTAMP",
    },
    equal=_equal,
    fold="LOWER(REGEXP_REPLACE(TRANSLATE({0}, '\u212a\u0130', 'ki'), '[^!-~]', ''))",
    find_schema="",  # the desk looks itself: what the catalogue's views say may be late
    find_table="",
    quote=_quoted,
    place=lambda schema, name: f"{_quoted(schema)}.{name}",
    manifests=(
        "CREATE TABLE IF NOT EXISTS {manifests} USING DELTA AS "
        "SELECT {digest} AS digest, {sync} AS sync, CAST(0 AS BIGINT) AS revision, '' AS body"
    ),
    claim=(),
    exact=_EXACT,
    alike="{0} <=> {1}",
    # Where rows are found by values that stand in the statement, only MERGE is sure to take them.
    delete="MERGE INTO {table} AS s USING {given} AS v ON {equal} WHEN MATCHED THEN DELETE",
    near="(SELECT DISTINCT {named} FROM {given} AS v) AS d JOIN {table} AS s ON {joined}",
    batch=50_000,
    size=2_500_000,  # a statement has 16 MiB at most, and JSON may write one byte with six
    commits=True,
    untried="a workspace of Databricks",
    # A shallow clone of a shallow clone is none that Unity Catalog makes.
    copy="CREATE TABLE {fresh} DEEP CLONE {table}",
    retire="COMMENT ON TABLE {table} IS 'Replaced by a later one; Tailrace drops it after a day.'",
    unmoved=" AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?",
    literal=Dialect("databricks", _quoted, Syntax(backslash=True)).text,
)

_READ: Final = {
    **dict.fromkeys(("string", "json", "time"), "{0}"),
    "bool": "CAST({0} AS BOOLEAN)",
    "int64": "CAST({0} AS BIGINT)",
    "float64": "CAST({0} AS DOUBLE)",
    "decimal": "CAST({0} AS DECIMAL(38, {1}))",
    "binary": "UNHEX({0})",
    "date": "CAST({0} AS DATE)",
    "timestamp": "CAST({0} AS TIMESTAMP_NTZ)",
    "timestamptz": "CAST({0} AS TIMESTAMP)",
}


def given(types: Sequence[LogicalType], mark: str) -> str:
    """The query of a JSON list's values; what is none must fail, as it would be taken for no rows otherwise."""
    shown = read_back(_READ, "j.r[{0}]", types)
    rows = f"EXPLODE(FROM_JSON({mark}, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST')))"
    return f"(SELECT {shown} FROM (SELECT {rows} AS r) AS j)"  # noqa: S608 - our own names


_DECIMAL: Final = re.compile(r"decimal\(\d+, ?(\d+)\)")
_TEXT: Final = re.compile(r"string( collate \w+)?|varchar\(\d+\)")
_LIST: Final = re.compile(r"array<(string|tinyint|smallint|int|bigint|boolean)>")
_SORTS: Final[dict[str, SortKind]] = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "int"),
    **dict.fromkeys(("float", "double"), "float"),
    "boolean": "bool",
    "binary": "bytes",
    "date": "date",
    "timestamp": "timestamptz",
    "timestamp_ntz": "timestamp",
}


def sort(name: str) -> Sort:
    """What a column is, by the name of its type, such as decimal(10,2); its values come as Arrow, which has theirs."""
    name = name.strip().lower()
    if (parts := _DECIMAL.fullmatch(name)) is not None:
        return Sort("decimal", int(parts[1]))
    if _TEXT.fullmatch(name):
        return Sort("text")
    # Of other lists JSON is written otherwise than we write it.
    if _LIST.fullmatch(name):
        return Sort("list")
    kind = _SORTS.get(name)
    return OTHER if kind is None else Sort(kind)
