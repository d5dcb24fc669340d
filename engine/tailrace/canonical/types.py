"""Logical types: from what a driver says, and to the one physical type each is kept in."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from pyarrow import types as at

from tailrace.values import Kind, LogicalType

DECIMAL_DIGITS = 38
"""Most digits a canonical decimal has: 128 bits, as in every warehouse we know but BIGNUMERIC."""
SAFE_INT_DIGITS = 18
"""Decimals without fraction and with no more digits than this always fit 64 bits."""

_KINDS: tuple[tuple[Kind, str], ...] = (
    ("bool", "is_boolean"),
    ("float64", "is_floating"),
    ("string", "is_string"),
    ("string", "is_large_string"),
    ("string", "is_string_view"),
    ("binary", "is_binary"),
    ("binary", "is_large_binary"),
    ("binary", "is_binary_view"),
    ("binary", "is_fixed_size_binary"),
    ("date", "is_date"),
    ("time", "is_time"),
    ("string", "is_duration"),
    ("string", "is_interval"),
    ("string", "is_null"),
    ("json", "is_nested"),
    ("json", "is_map"),
    ("json", "is_union"),
)

_DTYPES: dict[Kind, pl.DataType] = {
    "bool": pl.Boolean(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "binary": pl.Binary(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamp": pl.Datetime("us"),
    "timestamptz": pl.Datetime("us", "UTC"),
    "json": pl.String(),
}


def logical_type(arrow: pa.DataType) -> LogicalType:
    """The logical type of an Arrow column; by its type alone, never by its values.

    Whole numbers that may not fit 64 bits (uint64, HUGEINT, NUMBER(38)) are `decimal(0)`. Intervals,
    uuids, and types only the driver knows are text. A column without any type is text.
    """
    if isinstance(arrow, pa.BaseExtensionType):
        return _extension_type(arrow)
    if at.is_dictionary(arrow) or at.is_run_end_encoded(arrow):
        return logical_type(arrow.value_type)
    if at.is_integer(arrow):
        return LogicalType("decimal", 0) if at.is_uint64(arrow) else LogicalType("int64")
    if at.is_decimal(arrow):
        return decimal_type(arrow.precision, max(arrow.scale, 0))
    if at.is_timestamp(arrow):
        return LogicalType("timestamp" if arrow.tz is None else "timestamptz")
    return LogicalType(next((kind for kind, test in _KINDS if getattr(at, test)(arrow)), "string"))


def _extension_type(arrow: pa.BaseExtensionType) -> LogicalType:
    fixed: dict[str, Kind] = {"arrow.uuid": "string", "arrow.json": "json", "arrow.bool8": "bool"}
    kind = fixed.get(arrow.extension_name)
    return LogicalType(kind) if kind else logical_type(arrow.storage_type)


def decimal_type(precision: int | None, scale: int) -> LogicalType:
    """The logical type of decimals of so many digits; without fraction, what fits 64 bits is a whole number."""
    if scale > DECIMAL_DIGITS:
        return LogicalType("string")
    if scale == 0 and (precision or DECIMAL_DIGITS) <= SAFE_INT_DIGITS:
        return LogicalType("int64")
    return LogicalType("decimal", scale)


def dtype(logical: LogicalType) -> pl.DataType:
    """The polars type that holds a logical type's canonical values."""
    if logical.kind == "decimal":
        return pl.Decimal(DECIMAL_DIGITS, logical.scale or 0)
    return _DTYPES[logical.kind]


def type_of(physical: pl.DataType) -> LogicalType:
    """The logical type a polars column stands for; text is taken for `string`, never for `json`."""
    if isinstance(physical, pl.Decimal):
        return LogicalType("decimal", physical.scale)
    if isinstance(physical, pl.Datetime):
        return LogicalType("timestamptz" if physical.time_zone else "timestamp")
    if physical.is_integer():
        return LogicalType("int64")
    return LogicalType(next((kind for kind, known in _DTYPES.items() if known == physical), "string"))
