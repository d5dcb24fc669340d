"""BigQuery's words: what it stores values as, and what it may call equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from tailrace.pushdown.words import OTHER, Sort, SortKind, Terms, Words, read_back
from tailrace.values import LogicalType
from tailrace.warehouses.bigquery import arrow_type

_EXACT: Final = "CAST({0} AS BYTES)"
"""A column, or the data set it is in, may have texts compare without case."""
_ALIKE: Final = {
    "bool": "bool", "float": "float64", "bytes": "binary", "date": "date", "time": "time", "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}  # fmt: skip


def _equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if sort.kind in {"int", "decimal"} and logical.kind in {"int64", "decimal"}:
        alike = (sort.kind, logical.kind) in {("int", "int64"), ("decimal", "decimal")}
        return Terms(model, stored) if alike else Terms(_number(model), _number(stored))
    if logical.kind == "string" and sort.kind in {"text", "int"}:
        return Terms(_EXACT.format(model if sort.kind == "text" else f"CAST({model} AS STRING)"), _EXACT.format(stored))
    if logical.kind == "json" and sort.kind == "list":
        return Terms(_EXACT.format(_json(model, sort)), _EXACT.format(stored))
    return Terms(model, stored) if _ALIKE.get(sort.kind) == logical.kind else None


def _number(term: str) -> str:
    return f"CAST({term} AS BIGNUMERIC)"


def _json(model: str, sort: Sort) -> str:
    """A list as we write it; its own function writes long whole numbers as texts."""
    assert sort.arrow is not None  # noqa: S101 - of lists of others nothing can be told
    if not pa.types.is_integer(sort.arrow.value_type):
        return f"TO_JSON_STRING({model})"
    numbers = f"ARRAY(SELECT CAST(e AS STRING) FROM UNNEST({model}) AS e WITH OFFSET AS o ORDER BY o)"  # noqa: S608
    return f"CONCAT('[', ARRAY_TO_STRING({numbers}, ','), ']')"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


BIGQUERY: Final = Words(
    name="bigquery",
    types={
        "bool": "BOOL",
        "int64": "INT64",
        "float64": "FLOAT64",
        "decimal": "BIGNUMERIC(38, {})",
        "string": "STRING",
        "binary": "BYTES",
        "date": "DATE",
        "time": "TIME",
        "timestamp": "DATETIME",
        "timestamptz": "TIMESTAMP",
        "json": "STRING",
    },
    equal=_equal,
    fold="LOWER(REGEXP_REPLACE(TRANSLATE({0}, '\u212a\u0130', 'ki'), r'[^!-~]', ''))",
    find_schema="",  # the client asks for what there is, as no query need be billed for
    find_table="",
    quote=_quoted,
    place=lambda schema, name: f"{_quoted(schema)}.{name}",
    manifests=(
        "CREATE TABLE IF NOT EXISTS {manifests} (digest {text} NOT NULL, sync {text} NOT NULL, revision {number} "
        "NOT NULL, body {text} NOT NULL) AS SELECT ? AS digest, ? AS sync, 0 AS revision, '' AS body"
    ),
    claim=(),
    exact=_EXACT,
    delete="DELETE FROM {table} AS s WHERE EXISTS (SELECT 1 FROM {given} AS v WHERE {equal})",
    near="(SELECT DISTINCT {named} FROM {given} AS v) AS d JOIN {table} AS s ON {joined}",
    batch=10_000,
    size=2_000_000,  # a request has 10 MB at most, and each value some 40 bytes around it
    commits=True,
    untried="a live project of BigQuery",
    copy="CREATE TABLE {fresh} CLONE {table}",
    retire=(
        "ALTER TABLE IF EXISTS {table} SET OPTIONS "
        "(expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
    ),
    unmoved=" AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?",
    staged=True,
)

_READ: Final = {
    **dict.fromkeys(("string", "json"), "{0}"),
    "bool": "({0} = 'true')",
    "int64": "CAST({0} AS INT64)",
    "float64": "CAST({0} AS FLOAT64)",
    "decimal": "CAST({0} AS BIGNUMERIC)",
    "binary": "FROM_HEX({0})",
    "date": "CAST({0} AS DATE)",
    "time": "CAST({0} AS TIME)",
    "timestamp": "CAST({0} AS DATETIME)",
    "timestamptz": "CAST({0} AS TIMESTAMP)",
}


def given(types: Sequence[LogicalType], source: str) -> str:
    """The query of values that a source has as texts t0, t1 and so on."""
    shown = read_back(_READ, "j.t{0}", types)
    return f"(SELECT {shown} FROM {source} AS j)"  # noqa: S608 - our own names


_SORTS: Final[dict[str, SortKind]] = {
    **dict.fromkeys(("INTEGER", "INT64"), "int"),
    **dict.fromkeys(("FLOAT", "FLOAT64"), "float"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "bool"),
    **dict.fromkeys(("NUMERIC", "BIGNUMERIC"), "decimal"),
    "STRING": "text",
    "BYTES": "bytes",
    "DATE": "date",
    "TIME": "time",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamptz",
}
_LISTED: Final = frozenset({"STRING", "INTEGER", "INT64", "BOOLEAN", "BOOL"})


def sort(field: Any) -> Sort:
    """What a column is, by its `SchemaField`."""
    arrow = arrow_type(field)
    if field.mode == "REPEATED":
        return Sort("list" if field.field_type in _LISTED else "other", arrow=arrow)
    kind = _SORTS.get(field.field_type)
    if kind is None:
        return Sort("other", arrow=arrow) if arrow is not None else OTHER
    return Sort(kind, getattr(arrow, "scale", 0) if kind == "decimal" else 0, arrow)
