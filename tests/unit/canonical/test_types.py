"""Logical types of Arrow types, and the physical types that hold them."""

import polars as pl
import pyarrow as pa
import pytest

from tailrace.canonical import dtype, logical_type, type_of
from tailrace.values import KINDS, LogicalType

ARROW_TYPES = [
    (pa.bool_(), "bool"),
    *(
        (kind, "int64")
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32())
    ),
    (pa.uint64(), "decimal(0)"),
    (pa.float16(), "float64"),
    (pa.float32(), "float64"),
    (pa.float64(), "float64"),
    (pa.decimal32(9, 2), "decimal(2)"),
    (pa.decimal128(18, 0), "int64"),
    (pa.decimal128(38, 0), "decimal(0)"),
    (pa.decimal128(38, 10), "decimal(10)"),
    (pa.decimal128(5, -2), "int64"),
    (pa.decimal256(60, 4), "decimal(4)"),
    (pa.decimal256(76, 50), "string"),
    *((kind, "string") for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())),
    (pa.dictionary(pa.int8(), pa.string()), "string"),
    (pa.dictionary(pa.int8(), pa.int32()), "int64"),
    (pa.run_end_encoded(pa.int32(), pa.float32()), "float64"),
    *((kind, "binary") for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4))),
    (pa.date32(), "date"),
    (pa.date64(), "date"),
    (pa.time32("s"), "time"),
    (pa.time64("ns"), "time"),
    (pa.timestamp("s"), "timestamp"),
    (pa.timestamp("ns"), "timestamp"),
    (pa.timestamp("ms", "Europe/Berlin"), "timestamptz"),
    (pa.timestamp("us", "+02:00"), "timestamptz"),
    (pa.duration("s"), "string"),
    (pa.month_day_nano_interval(), "string"),
    (pa.list_(pa.int32()), "json"),
    (pa.large_list(pa.string()), "json"),
    (pa.list_(pa.int32(), 2), "json"),
    (pa.struct([("a", pa.int32())]), "json"),
    (pa.map_(pa.string(), pa.int32()), "json"),
    (pa.sparse_union([pa.field("a", pa.int32())]), "json"),
    (pa.uuid(), "string"),
    (pa.json_(), "json"),
    (pa.bool8(), "bool"),
    (pa.opaque(pa.string(), "numeric", "PostgreSQL"), "string"),
]


@pytest.mark.parametrize(("arrow", "expected"), ARROW_TYPES, ids=lambda value: str(value)[:40])
def test_every_arrow_type_has_its_logical_type(arrow, expected):
    """Widths, units, encodings and extensions of a driver do not show in the logical type."""
    assert str(logical_type(arrow)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_physical_types_lead_back(kind):
    """A physical type stands for one logical type; only JSON is taken for the text it is kept in."""
    logical = LogicalType(kind, 3 if kind == "decimal" else None)
    assert str(type_of(dtype(logical))) == ("string" if kind == "json" else str(logical))


def test_unknown_physical_types_are_text():
    """A column of no type of ours, such as an all-null one, stands for text."""
    assert type_of(pl.Null()) == LogicalType("string")
