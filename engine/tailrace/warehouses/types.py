"""The Arrow types that drivers declare for a result's columns, so that data never decides them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

Description: TypeAlias = Sequence[Any]
"""One column of a DBAPI cursor's `description`: 0 name, 1 type code, 4 precision, 5 scale, 6 null_ok."""

_TIMESTAMP = pa.timestamp("us")
_TIMESTAMPTZ = pa.timestamp("us", "UTC")
_MAX_DIGITS = 38


def declared_types(dialect: str, description: Sequence[Description]) -> list[pa.DataType | None]:
    """The type of each column as the driver declares it; None where only the values can tell."""
    rule = _RULES.get(dialect)
    return [rule(column) if rule else None for column in description]


def _postgres(column: Description) -> pa.DataType | None:
    """By type OID, as in PostgreSQL's pg_type.dat; arrays and types of extensions are left to the values."""
    oid = column[1]
    if oid == 1700:  # noqa: PLR2004 - numeric; one without a declared scale holds any number of digits
        return _decimal(column[5])
    return _POSTGRES.get(oid)


def _snowflake(column: Description) -> pa.DataType | None:
    """By the connector's type codes (its FIELD_ID_TO_NAME)."""
    code, scale = column[1], column[5]
    if code == 0:
        # Every integer of Snowflake is NUMBER(38,0); as a decimal it would fit no integer field.
        return _decimal(scale) if scale else pa.int64()
    return _SNOWFLAKE.get(code)


def _bigquery(column: Description) -> pa.DataType | None:
    """By field type; only columns that may be NULL, as the driver does not tell REQUIRED from REPEATED."""
    return _BIGQUERY.get(column[1]) if column[6] else None


def _decimal(scale: int | None) -> pa.DataType | None:
    return None if scale is None or not 0 <= scale <= _MAX_DIGITS else pa.decimal128(_MAX_DIGITS, scale)


_POSTGRES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    **dict.fromkeys((20, 21, 23, 26), pa.int64()),
    **dict.fromkeys((700, 701), pa.float64()),
    # char, name, text, json, bpchar, varchar, interval, timetz, uuid, jsonb
    **dict.fromkeys((18, 19, 25, 114, 1042, 1043, 1186, 1266, 2950, 3802), pa.string()),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: _TIMESTAMP,
    1184: _TIMESTAMPTZ,
}
_SNOWFLAKE: dict[int, pa.DataType] = {
    1: pa.float64(),
    # text, variant, object, array, geography, geometry: the connector gives all but the first as JSON text
    **dict.fromkeys((2, 5, 9, 10, 14, 15), pa.string()),
    3: pa.date32(),
    **dict.fromkeys((4, 8), _TIMESTAMP),
    **dict.fromkeys((6, 7), _TIMESTAMPTZ),
    11: pa.binary(),
    12: pa.time64("us"),
    13: pa.bool_(),
}
_BIGQUERY: dict[str, pa.DataType] = {
    **dict.fromkeys(("INTEGER", "INT64"), pa.int64()),
    **dict.fromkeys(("FLOAT", "FLOAT64"), pa.float64()),
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("STRING", "GEOGRAPHY"), pa.string()),
    "NUMERIC": pa.decimal128(_MAX_DIGITS, 9),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": _TIMESTAMP,
    "TIMESTAMP": _TIMESTAMPTZ,
}
_RULES: dict[str, Callable[[Description], pa.DataType | None]] = {
    "postgresql": _postgres,
    "snowflake": _snowflake,
    "bigquery": _bigquery,
}
