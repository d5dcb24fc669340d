"""Canonical text of values, and lossless conversion."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical import convert, dtype, parse, text
from tailrace.values import LogicalType

VALUES = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False).map(lambda value: value + 0.0),
    "decimal(6)": st.decimals(-(10**31), 10**31, places=6),
    "string": st.text(st.characters(codec="utf-8")),
    "binary": st.binary(),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(timezones=st.just(dt.UTC)),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_text_reads_back_exactly(kind, data):
    """Every value of every type survives the way into text and back."""
    logical = LogicalType.parse(kind)
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=4))
    series = pl.Series("x", values, dtype=dtype(logical))
    assert parse(text(series, logical), logical).equals(series, null_equal=True)


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "binary"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_detour_through_text_is_lossless(kind, data):
    """A column that became text and back again shows no difference, so nothing would be sent."""
    logical, plain = LogicalType.parse(kind), LogicalType("string")
    series = pl.Series("x", data.draw(st.lists(VALUES[kind], min_size=1, max_size=4)), dtype=dtype(logical))
    there = convert(series, logical, plain)
    assert there is not None
    assert convert(there, plain, logical).equals(series)


@pytest.mark.parametrize(("source", "target"), [("timestamp", "timestamptz"), ("json", "string"), ("binary", "string")])
def test_changes_of_meaning_never_convert(source, target):
    """Naive and zoned, JSON and text, bytes and text mean different things, unless there is no value."""
    one, other = LogicalType(source), LogicalType(target)
    filled = {"timestamp": dt.datetime.fromisoformat("2026-01-01T00:00:00"), "json": "[]", "binary": b"a"}[source]
    assert convert(pl.Series([filled], dtype=dtype(one)), one, other) is None
    empty = convert(pl.Series([None, None], dtype=dtype(one)), one, other)
    assert empty.to_list() == [None, None]
    assert empty.dtype == dtype(other)


def test_decimal_text_keeps_the_scale():
    """A decimal is written with all digits of its pinned scale."""
    series = pl.Series([Decimal("-0.05"), Decimal(7)], dtype=pl.Decimal(38, 2))
    assert text(series, LogicalType("decimal", 2)).to_list() == ["-0.05", "7.00"]


def test_what_is_no_value_reads_as_null():
    """Text that is none of the type gives null, never an error."""
    for kind in VALUES:
        if kind != "string":
            assert parse(pl.Series(["none of it"]), LogicalType.parse(kind)).to_list() == [None]
