"""Canonical frames: one form per value, whatever the driver hands over."""

import datetime as dt
import uuid
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical import canonical_frame, python_values
from tailrace.errors import WarehouseError
from tailrace.values import LogicalType

BERLIN = dt.timezone(dt.timedelta(hours=2))
MOMENT = dt.datetime.fromisoformat("2026-07-01T12:30:00.250000")


def read(array, pinned=None):
    """One column's canonical Python values, its type and the events."""
    array = array if isinstance(array, pa.Array | pa.ExtensionArray) else array.combine_chunks()
    batch = pa.record_batch([array], names=["f:x"])
    rows = canonical_frame([batch], {"f:x": LogicalType.parse(pinned)} if pinned else {})
    return python_values(rows.frame["f:x"], rows.types["f:x"]), str(rows.types["f:x"]), rows.events


SAME_VALUE = [
    [pa.array([7], kind) for kind in (pa.int8(), pa.uint16(), pa.int64(), pa.decimal128(9, 0))],
    [pa.array([2**64 - 1], pa.uint64()), pa.array([Decimal(2**64 - 1)], pa.decimal128(38, 0))],
    [pa.array([1.5], kind) for kind in (pa.float16(), pa.float32(), pa.float64())],
    [pa.array([float("nan")]), pa.array([-float("nan")])],
    [pa.array([0.0]), pa.array([-0.0])],
    [pa.array([Decimal("1.50")], kind) for kind in (pa.decimal32(9, 2), pa.decimal128(38, 2), pa.decimal256(70, 2))],
    [pa.array(["é"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    + [pa.array(["é"]).dictionary_encode(), pa.array(["é"], pa.opaque(pa.string(), "text", "X").storage_type)],
    [pa.array([b"\0\xff"], kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2))],
    [pa.array([dt.date(1969, 12, 31)], kind) for kind in (pa.date32(), pa.date64())],
    [
        pa.array([dt.time(23, 59, 59)], kind)
        for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
    ],
    [pa.array([MOMENT], pa.timestamp(unit)) for unit in ("ms", "us", "ns")],
    [
        pa.array([MOMENT.replace(tzinfo=BERLIN)], pa.timestamp("us", "Europe/Berlin")),
        pa.array([MOMENT.replace(tzinfo=BERLIN)], pa.timestamp("ns", "+02:00")),
        pa.array([MOMENT.replace(tzinfo=BERLIN).astimezone(dt.UTC)], pa.timestamp("ms", "UTC")),
    ],
    [pa.array([True, None]), pa.array([True, None]).dictionary_encode()],
    [pa.array([[1, None]], kind) for kind in (pa.list_(pa.int8()), pa.large_list(pa.int64()), pa.list_(pa.int32(), 2))],
    [
        pa.array([{"a": 1, "b": Decimal("2.50")}], pa.struct([("a", pa.int8()), ("b", pa.decimal128(9, 2))])),
        pa.array([{"b": Decimal("2.5000"), "a": 1}], pa.struct([("b", pa.decimal128(9, 4)), ("a", pa.int64())])),
    ],
    [
        pa.array([[("x", 1), ("y", 2)]], pa.map_(pa.string(), pa.int32())),
        pa.array([[("y", 2), ("x", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([{"y": 2, "x": 1}], pa.struct([("y", pa.int32()), ("x", pa.int32())])),
    ],
    [
        pa.array(['{"b": 1.0,  "a": [true]}'], pa.json_()),
        pa.array(['{"a":[true],"b":1}'], pa.json_()),
    ],
    [pa.array([None], pa.null()), pa.array([None], pa.string())],
]


@pytest.mark.parametrize("arrays", SAME_VALUE, ids=lambda arrays: str(arrays[0].type))
def test_one_value_has_one_form(arrays):
    """The same value in any width, unit, zone or encoding becomes the same canonical frame."""
    frames = [canonical_frame([pa.record_batch([array], names=["f:x"])], {}).frame for array in arrays]
    assert all(frame.equals(frames[0]) and frame.schema == frames[0].schema for frame in frames)


def test_negative_zero_and_nan_lose_their_other_bit_patterns():
    """Zero has no sign and NaN one bit pattern, so that hashes and equality agree."""
    frame = canonical_frame([pa.record_batch({"f:x": pa.array([-0.0, -float("nan")])})], {}).frame
    assert [str(value) for value in frame["f:x"].to_list()] == ["0.0", "nan"]


def test_null_empty_text_and_empty_list_stay_apart():
    """Nothing, an empty text and an empty list are three different things."""
    texts, _, _ = read(pa.array([None, ""]))
    lists, _, _ = read(pa.array([None, [], [None], [""]], pa.list_(pa.string())))
    assert texts == [None, ""]
    assert lists == [None, [], [None], [""]]


def test_uuids_and_intervals_are_text():
    """Types that no destination knows arrive as the text a person would write."""
    number = uuid.UUID(int=5)
    assert read(pa.array([number.bytes, None], pa.uuid()))[0] == [str(number), None]
    assert read(pa.array([dt.timedelta(seconds=90, microseconds=5)]))[0] == ["PT90.000005S"]
    assert read(pa.array([(1, 2, 3_500_000_000)], pa.month_day_nano_interval()))[0] == ["P1M2DT3.5S"]


def test_a_column_without_type_takes_the_pinned_one():
    """An all-null column without a type is a column of the pinned type, and no event."""
    values, kind, events = read(pa.nulls(2), "decimal(2)")
    assert (values, kind, events) == ([None, None], "decimal(2)", ())


KEPT = [
    (pa.array([Decimal("1.5000")], pa.decimal128(38, 4)), "decimal(2)", Decimal("1.50")),
    (pa.array([3], pa.int64()), "decimal(2)", Decimal("3.00")),
    (pa.array([Decimal(3)], pa.decimal128(38, 0)), "int64", 3),
    (pa.array([1.25]), "decimal(2)", Decimal("1.25")),
    (pa.array([3.0]), "int64", 3),
    (pa.array([1, 0]), "bool", True),
    (pa.array(["42"]), "int64", 42),
    (pa.array([42]), "string", "42"),
    (pa.array(["true"]), "bool", True),
    (pa.array([dt.date(2026, 1, 2)]), "timestamp", dt.datetime.fromisoformat("2026-01-02T00:00:00")),
    (pa.array([dt.datetime.fromisoformat("2026-01-02T00:00:00")], pa.timestamp("us")), "date", dt.date(2026, 1, 2)),
    (pa.array(["2026-01-02"]), "date", dt.date(2026, 1, 2)),
]


@pytest.mark.parametrize(("array", "pinned", "expected"), KEPT, ids=lambda value: str(getattr(value, "type", value)))
def test_a_lossless_change_of_type_does_not_show(array, pinned, expected):
    """A driver's new type is cast to the pinned one as long as no value loses anything."""
    values, kind, events = read(array, pinned)
    assert (values[0], kind, events) == (expected, pinned, ())


RETYPED = [
    (pa.array([Decimal("1.505")], pa.decimal128(38, 3)), "decimal(2)", "decimal(3)"),
    (pa.array([1.5]), "int64", "float64"),
    (pa.array([2**53 + 1]), "float64", "int64"),
    (pa.array([1e30]), "decimal(2)", "float64"),
    (pa.array([float("nan")]), "decimal(2)", "float64"),
    (pa.array(["042"]), "int64", "string"),
    (pa.array(["x"]), "int64", "string"),
    (pa.array([2]), "bool", "int64"),
    (pa.array([MOMENT], pa.timestamp("us")), "date", "timestamp"),
    (pa.array([MOMENT], pa.timestamp("us")), "timestamptz", "timestamp"),
    (pa.array([[1]]), "string", "json"),
    (pa.array([b"1"]), "string", "binary"),
]


@pytest.mark.parametrize(("array", "pinned", "now"), RETYPED, ids=lambda value: str(getattr(value, "type", value)))
def test_a_lossy_change_of_type_is_an_event(array, pinned, now):
    """A value that would lose something retypes its column, and says so."""
    _, kind, events = read(array, pinned)
    assert kind == now
    assert [(event.column, event.kind) for event in events] == [("x", "retyped")]
    assert pinned in events[0].message


def test_nanoseconds_are_cut_and_told_once():
    """What is finer than a microsecond is cut off; only an unpinned column reports it."""
    array = pa.array([1_000_001_500, 1_000], pa.timestamp("ns"))
    values, _, events = read(array)
    assert values[0] == dt.datetime.fromisoformat("1970-01-01T00:00:01.000001")
    assert "nanoseconds" in events[0].message
    assert read(array, "timestamp")[2] == ()
    assert read(pa.array([1_000], pa.timestamp("ns")))[2] == ()


def test_numbers_beyond_38_digits_become_text():
    """Digits are never lost: what 128 bits cannot hold is carried as exact text."""
    value = Decimal("9" * 45 + ".5")
    values, kind, events = read(pa.array([value, None], pa.decimal256(60, 1)))
    assert (values, kind) == ([str(value), None], "string")
    assert "38 digits" in events[0].message


@pytest.mark.parametrize("sql", ["timestamp 'infinity'", "date '-infinity'", "timestamptz 'infinity'"])
def test_moments_outside_the_calendar_are_refused_with_advice(sql):
    """An infinite date is an error that names the column, not a crash deep inside a library."""
    batches = duckdb.sql(f'select {sql} as "f:until"').to_arrow_table().to_batches()
    with pytest.raises(WarehouseError, match=r"f:until.*infinity"):
        canonical_frame(batches, {})


def test_duckdbs_own_types_all_arrive():
    """Each type of the embedded warehouse has a canonical form."""
    table = duckdb.sql(
        """select 170141183460469231731687303715884105727::hugeint - 170141183460469231731687303715884105720 as h,
        uuid() as u, interval '1 month 2 days' as i, '{"b":1}'::json as j, time '12:00' as t, 'x'::enum('x') as e,
        map {'a': [1.5::decimal(9,2)]} as m, {'x': timestamp_ns '2026-01-01 00:00:00.000001'} as s,
        union_value(num := 1) as n, [[1], null] as l, '101'::bit as b, null as z"""
    ).to_arrow_table()
    rows = canonical_frame(table.to_batches(), {})
    row = {name: python_values(rows.frame[name], rows.types[name])[0] for name in rows.frame.columns}
    assert row["h"] == Decimal(7)
    assert row["i"] == "P1M2DT0S"
    assert row["m"] == {"a": [1.5]}
    assert row["s"] == {"x": "2026-01-01T00:00:00.000001"}
    assert (row["n"], row["l"], row["z"], row["e"]) == (1, [[1], None], None, "x")


def test_batches_may_disagree_where_values_were_missing():
    """A driver that infers types per batch may hand nulls first and numbers later."""
    batches = [pa.record_batch({"f:x": pa.nulls(1)}), pa.record_batch({"f:x": pa.array([5])})]
    rows = canonical_frame(batches, {})
    assert rows.frame["f:x"].to_list() == [None, 5]
    with pytest.raises(WarehouseError, match="half way"):
        canonical_frame([pa.record_batch({"f:x": ["a"]}), pa.record_batch({"f:x": [[1]]})], {})


def test_no_batch_at_all_is_an_error():
    """A warehouse that gives not even an empty result has failed."""
    with pytest.raises(WarehouseError, match="no result"):
        canonical_frame([], {})


def test_an_empty_result_keeps_its_types():
    """No rows is a result too, with columns and types."""
    schema = pa.schema([("k:id", pa.int32()), ("f:x", pa.list_(pa.string()))])
    rows = canonical_frame([pa.RecordBatch.from_pylist([], schema)], {})
    assert rows.frame.schema == pl.Schema({"k:id": pl.Int64, "f:x": pl.String})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.datetimes(timezones=st.timezones()), max_size=5))
def test_any_zone_is_the_same_moment_in_utc(moments):
    """A zoned timestamp keeps its moment to the microsecond, in UTC."""
    utc = [m and m.astimezone(dt.UTC) for m in moments if m is None or 2 < m.year < 9998]
    values, _, _ = read(pa.array(utc, pa.timestamp("us", "America/New_York")))
    assert values == utc
    assert all(value is None or value.tzinfo is dt.UTC for value in values)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.decimals(-(10**30), 10**30, places=4), max_size=5), st.integers(4, 7))
def test_a_wider_scale_never_shows(numbers, scale):
    """Decimals keep value and pinned scale when a driver widens the scale."""
    values, kind, events = read(pa.array(numbers, pa.decimal128(38, scale)), "decimal(4)")
    assert (values, kind, events) == (numbers, "decimal(4)", ())
