# ruff: noqa: DTZ001  # naive timestamps are among the values under test
"""Cells of a job's CSV say exactly what the JSON of a batch says, type by type."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailrace.canonical.nested import encode as canonical
from tailrace.canonical.python import python_values
from tailrace.canonical.types import dtype
from tailrace.values import LogicalType
from tailrace_destinations.plain import Unfit, clean_text, key_text
from tailrace_destinations.salesforce.cells import cells
from tailrace_destinations.salesforce.marks import digest_marks, id_marks, key_cells, key_marks
from tailrace_destinations.salesforce.schema import read_describe

ZONE = ZoneInfo("Europe/Berlin")
FIELDS = (
    "boolean", "int", "long", "double", "currency", "percent", "date", "datetime", "time", "base64", "picklist",
    "multipicklist", "combobox", "id", "reference", "email", "url", "phone", "string", "textarea", "encryptedstring",
)  # fmt: skip
TEXT = st.text() | st.sampled_from(["", " ", "#N/A", ";a", "a;b", "\x00x\x1f", "Zoë\u2028", 'a "b"\r\nc', "e\u0301"])
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
JSON = st.recursive(TEXT | st.integers(-9, 9) | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
VALUES = {
    LogicalType("bool"): st.booleans(),
    LogicalType("int64"): st.integers(-(2**63), 2**63 - 1),
    LogicalType("float64"): st.floats() | st.sampled_from([1e15, 1e16, 1e-5, 1e-7, 0.1, 3.0, -0.0, 2.0**53]),
    LogicalType("decimal", 0): st.decimals(-(10**30), 10**30, places=0),
    LogicalType("decimal", 2): st.decimals(-(10**20), 10**20, places=2),
    LogicalType("string"): TEXT,
    LogicalType("binary"): st.binary(max_size=20),
    LogicalType("date"): st.dates(),
    LogicalType("time"): st.times(),
    LogicalType("timestamp"): MOMENTS,
    LogicalType("timestamptz"): MOMENTS,
    LogicalType("json"): JSON.map(canonical),
}
KINDS = [pytest.param(logical, id=str(logical)) for logical in VALUES]


def column(type_, **attributes):
    """A field of that describe type."""
    made = read_describe({"name": "X", "fields": [{"name": "F__c", "type": type_} | attributes]}, ZONE)
    return made.columns["f__c"]


def series(values, logical):
    """Canonical values."""
    physical = dtype(logical)
    if logical.kind == "timestamptz":
        return pl.Series("v", values, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.Series("v", values, dtype=physical)


def by_json(value, encode):
    """What the JSON of a batch says of a value, as text, or the reason why it says nothing."""
    if value is None:
        return None
    try:
        written = encode(value)
    except Unfit as unfit:
        return (unfit.code, str(unfit))
    return json.loads(written) if written.startswith('"') else written


@pytest.mark.parametrize("logical", KINDS)
@settings(deadline=None, max_examples=150)
@given(data=st.data(), type_=st.sampled_from(FIELDS))
def test_cells_say_what_json_says(logical, type_, data):
    """For every pair of a logical and a vendor's type, cell and JSON value are the same text or the same refusal."""
    values = series(data.draw(st.lists(st.none() | VALUES[logical], max_size=6)), logical)
    field = column(type_)
    made = cells(values, logical, field, ZONE)
    refused = {row: (unfit.code, str(unfit)) for row, unfit in made.refused.items()}
    told = [refused.get(row, text) for row, text in enumerate(made.texts.to_list())]
    assert told == [by_json(value, field.encode) for value in python_values(values, logical)]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=50, max_size=50))
@example([0.1 + 0.2] * 50)
def test_floats_are_their_shortest_form(values):
    """Floats read back as themselves, without exponent."""
    made = cells(series(values, LogicalType("float64")), LogicalType("float64"), column("double"), None)
    assert [float(text) for text in made.texts] == values
    assert not any("e" in text.lower() for text in made.texts)


def test_clocks_that_skip_or_repeat():
    """Naive times within a change of the clocks are read as in a batch; without a zone they are refused."""
    logical = LogicalType("timestamp")
    values = series([datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30), datetime(2026, 7, 1, 12)], logical)
    made = cells(values, logical, column("datetime"), ZONE)
    assert made.texts.to_list() == [
        "2026-03-29T01:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-07-01T10:00:00.000Z",
    ]  # fmt: skip
    bare = read_describe({"name": "X", "fields": [{"name": "F__c", "type": "datetime"}]}, None).columns["f__c"]
    assert {unfit.code for unfit in cells(values, logical, bare, None).refused.values()} == {"NAIVE_TIMESTAMP"}


def test_plain_types_need_no_python():
    """Types that a million rows have are written by expressions: the encoder is not asked once."""

    def never(_value):
        raise AssertionError("asked")

    pairs = [
        ("string", LogicalType("string"), ["a", None]),
        ("boolean", LogicalType("bool"), [True, None]),
        ("int", LogicalType("int64"), [1, None]),
        ("currency", LogicalType("decimal", 2), [Decimal("1.50"), None]),
        ("double", LogicalType("float64"), [1.5, None]),
        ("date", LogicalType("date"), [date(2026, 1, 2), None]),
        ("time", LogicalType("time"), [time(1, 2, 3), None]),
        ("datetime", LogicalType("timestamptz"), [datetime(2026, 1, 2), None]),
        ("datetime", LogicalType("timestamp"), [datetime(2026, 1, 2), None]),
        ("base64", LogicalType("binary"), [b"\x00", None]),
        ("multipicklist", LogicalType("string"), ["a;b", None]),
    ]
    for type_, logical, values in pairs:
        field = column(type_)
        blind = type(field)(**{name: getattr(field, name) for name in field.__slots__} | {"encode": never})
        assert cells(series(values, logical), logical, blind, ZONE).texts.null_count() == 1


@settings(deadline=None)
@given(st.lists(st.none() | TEXT, max_size=5))
def test_keys_are_trimmed_as_in_a_batch(values):
    """A key's cell is the key's text: trimmed, in NFC."""
    cleaned = [None if value is None else clean_text(value) for value in values]
    told = key_cells(pl.Series("v", cleaned, dtype=pl.String)).to_list()
    assert told == [None if value is None else key_text(value) for value in cleaned]


@pytest.mark.parametrize(
    ("type_", "attributes"),
    [("string", {"unique": True}), ("string", {"unique": True, "caseSensitive": True}), ("email", {}), ("id", {})],
)
@settings(deadline=None)
@given(values=st.lists(TEXT.map(clean_text), max_size=5))
def test_marks_are_keys_as_salesforce_compares_them(type_, attributes, values):
    """Two keys have one mark exactly when the field compares them as one."""
    field = column(type_, **attributes)
    told = key_marks(key_cells(pl.Series("v", values, dtype=pl.String)), field).to_list()
    assert told == [field.comparable(key_text(value)) for value in values]


@settings(deadline=None)
@given(st.decimals(-(10**12), 10**12, places=3))
def test_marks_of_numbers(value):
    """A numeric key has one mark, whatever zeros are written behind the point."""
    field = column("double", externalId=True)
    text = field.encode(value)
    marks = key_marks(pl.Series([text, text + "0", field.encode(value.quantize(Decimal(1)))]), field).to_list()
    assert marks[0] == marks[1] == field.comparable(value)
    assert marks[2] == field.comparable(value.quantize(Decimal(1)))


def test_marks_of_ids():
    """Ids of both lengths are one; what is no id stays."""
    ids = pl.Series(["00D5g000004WaTr", "00D5g000004WaTrEAK", None, "x"])
    assert id_marks(ids).to_list() == ["00D5g000004WaTrEAK", "00D5g000004WaTrEAK", None, "x"]


def test_digests():
    """A digest tells cells and their columns apart, whatever is missing, and overlooks the kind of line break."""
    headers = ("A", "Type:B.C__c", "Null")
    frame = pl.DataFrame({"A": ["x", None, "x", "x", "a\r\nb", "a\nb"], "Type:B.C__c": [None, "x", "y", "", "z", "z"]})
    marks = digest_marks(frame, headers).to_list()
    assert len(set(marks)) == 4
    assert (marks[0], marks[4]) == (marks[3], marks[5])
    turned = frame.select("Type:B.C__c", "A").with_columns(Null=pl.lit(None, pl.String))
    assert digest_marks(turned, headers).to_list() == marks
    assert digest_marks(pl.DataFrame({"Other": ["x"]}), headers).len() == 1


def test_zones_are_utc():
    """A zoned moment goes out in UTC, cut to milliseconds."""
    values = series([datetime(2026, 1, 2, 3, 4, 5, 678_999)], LogicalType("timestamptz"))
    told = cells(values, LogicalType("timestamptz"), column("datetime"), ZONE).texts[0]
    assert told == "2026-01-02T03:04:05.678Z"
    assert datetime.fromisoformat(told).tzinfo == UTC
