"""Canonical JSON text."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical.nested import canonical_json, decode, encode, json_texts

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_text_is_json_and_reads_back(value):
    """The text is what any JSON parser reads as the same value."""
    assert json.loads(encode(value)) == value
    assert decode(encode(value)) == value


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_rewriting_changes_nothing(value):
    """Canonical text of canonical text is itself, however the JSON was spaced before."""
    spaced = json.dumps(value, indent=2)
    assert canonical_json(canonical_json(spaced)) == canonical_json(spaced)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=3), max_size=4))
def test_the_fast_way_writes_the_same_text(lists):
    """Lists of text, written column-wise, read exactly as when written one by one."""
    column = pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])
    assert json_texts("x", column).to_list() == [None if value is None else encode(value) for value in lists]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3), max_size=4))
def test_the_fast_way_holds_for_numbers(lists):
    """Lists of whole numbers take the fast way too."""
    column = pa.chunked_array([pa.array(lists, pa.large_list(pa.int64()))])
    assert json_texts("x", column).to_list() == [None if value is None else encode(value) for value in lists]


EXACT = [
    (Decimal("1.500"), "1.5"),
    (Decimal("-0.00"), "0"),
    (Decimal(100), "100"),
    (Decimal("0." + "1" * 37), "0." + "1" * 37),
    (Decimal("1E+400"), "1E+400"),
    (float("nan"), '"NaN"'),
    (float("-inf"), '"-Infinity"'),
    (-0.0, "0.0"),
    (dt.date(2026, 1, 2), '"2026-01-02"'),
    (dt.time(1, 2, 3), '"01:02:03"'),
    (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), '"2026-01-02T00:00:00Z"'),
    (dt.datetime.fromisoformat("2026-01-02T00:00:00.000005"), '"2026-01-02T00:00:00.000005"'),
    (dt.timedelta(days=-1), '"PT-86400S"'),
    (b"\0\xff", '"AP8="'),
    ({"b": 1, "a": None}, '{"a":null,"b":1}'),
    ({2: "x", 10: "y"}, '{"10":"y","2":"x"}'),
]


@pytest.mark.parametrize(("value", "text"), EXACT, ids=str)
def test_each_kind_has_one_exact_text(value, text):
    """Numbers are exact, times ISO, keys sorted."""
    assert encode(value) == text


def test_numbers_too_exact_for_a_float_come_back_as_decimals():
    """A number is a float only where that loses nothing."""
    assert decode("[0.1,0.10000000000000000000001]") == [0.1, Decimal("0.10000000000000000000001")]


def test_what_has_no_json_is_refused():
    """A value of a strange class is an error, not its repr."""
    with pytest.raises(TypeError, match="object"):
        encode(object())


def test_text_that_is_no_json_is_left_as_it_is():
    """Reading back never fails: old text that is no JSON stays text."""
    assert decode("{oops") == "{oops"
    assert decode("[" * 100_000) == "[" * 100_000


def test_an_exponent_bomb_stays_small():
    """A number of a billion digits is written with its exponent."""
    assert len(canonical_json("[1e999999999]")) < 20
