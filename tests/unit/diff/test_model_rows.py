"""The model's rows as a stream: the same canonical values as ever, whatever Arrow type they come in."""

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.canonical import canonical_frame
from tailrace.canonical.source import ModelRows
from tailrace.errors import WarehouseError
from tailrace.values import LogicalType

MOMENTS = [0, 1_234_567_890, None, -86_400_000]
DAYS = [dt.date(2026, 11, 22), None, dt.date(1, 1, 1), dt.date(9999, 12, 31)]
MONEY = [Decimal("1.50"), None, Decimal("-0.01"), Decimal(0)]
NESTED = [{"x": 1, "y": ["p", None]}, None, {"x": None, "y": []}]


def union():
    """A dense union of numbers and texts."""
    return pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["p"])]
    )


ARRAYS = {
    **{
        str(kind): pa.array([0, 1, None, 127], kind)
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
    "large uint64": pa.array([2**64 - 1, None], pa.uint64()),
    **{
        str(kind): pa.array([0.5, -0.0, None, float("nan")], kind)
        for kind in (pa.float16(), pa.float32(), pa.float64())
    },
    "bool": pa.array([True, None, False]),
    **{
        str(kind): pa.array(["", "ß", None, "x" * 40], kind)
        for kind in (pa.string(), pa.large_string(), pa.string_view())
    },
    **{
        str(kind): pa.array([b"", b"\0", None, b"x" * 40], kind)
        for kind in (pa.binary(), pa.large_binary(), pa.binary_view())
    },
    "fixed bytes": pa.array([b"ab", None], pa.binary(2)),
    **{str(kind): pa.array(DAYS, kind) for kind in (pa.date32(), pa.date64())},
    "seconds of a day": pa.array([0, 86_399, None], pa.time32("s")),
    "milliseconds of a day": pa.array([0, 86_399_999, None], pa.time32("ms")),
    "microseconds of a day": pa.array([0, 86_399_999_999, None], pa.time64("us")),
    "nanoseconds of a day": pa.array([0, 86_399_999_999_000, None], pa.time64("ns")),
    **{
        f"timestamp {unit} {zone}": pa.array(MOMENTS, pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "+02:00")
    },
    **{f"duration {unit}": pa.array([0, 90_500_000, None], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    "interval": pa.array([pa.MonthDayNano([1, 2, 3_500_000_000]), None], pa.month_day_nano_interval()),
    "decimal128": pa.array(MONEY, pa.decimal128(10, 2)),
    "decimal128 of 38 digits": pa.array([Decimal(10**37), None], pa.decimal128(38, 0)),
    "decimal128 without a fraction": pa.array([Decimal(5), None], pa.decimal128(10, 0)),
    "decimal128 of tens": pa.array([Decimal("5E1"), None], pa.decimal128(10, -1)),
    "decimal256": pa.array(MONEY, pa.decimal256(60, 2)),
    "decimal256 beyond 38 digits": pa.array([Decimal(10**50), None], pa.decimal256(60, 2)),
    "dictionary of texts": pa.array(["p", None, "p", ""]).dictionary_encode(),
    "dictionary of numbers": pa.array([5, None, 5]).dictionary_encode(),
    "dictionary of days": pa.array(DAYS).dictionary_encode(),
    "runs of texts": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["p", None])),
    "list of texts": pa.array([["p", None, 'q"\\\n'], [], None]),
    "list of numbers": pa.array([[1, None], [], None], pa.list_(pa.int16())),
    "list of large numbers": pa.array([[2**64 - 1], [], None], pa.list_(pa.uint64())),
    "list of bools": pa.array([[True, None], [], None]),
    "list of floats": pa.array([[0.1, None], [], None]),
    "list of days": pa.array([[dt.date(2026, 1, 1)], [], None]),
    "list of lists": pa.array([[["p"], None], [], None]),
    "large list": pa.array([["p"], [], None], pa.large_list(pa.string())),
    "list of two": pa.array([["p", "q"], None], pa.list_(pa.string(), 2)),
    "list view": pa.array([["p"], [], None], pa.list_view(pa.string())),
    "struct": pa.array(NESTED),
    "list of structs": pa.array([NESTED, [], None]),
    "map": pa.array([[("p", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "union": union(),
    "nothing": pa.nulls(3),
    "uuid": pa.array([bytes(range(16)), None], pa.uuid()),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"b": 1, "a": [1.0]}', None])),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "geometry", "vendor"), pa.array(["POINT", None])),
}


def read(rows):
    """The canonical values of all columns."""
    return rows.lazy.select(column.value.alias(name) for name, column in rows.columns.items()).collect()


def hashed(array):
    """The names that the rows get as they stream by, of what is carried."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": array})])
    frame = rows.lazy.select(rows.columns["f:a"].carried.hash(7).alias("hash")).collect()
    return frame["hash"].to_list()


@pytest.mark.parametrize("kind", ARRAYS)
def test_values_and_types_are_what_they_were(kind):
    """Streamed or whole: the same logical type, the same canonical values, the same word of what was given up."""
    array = ARRAYS[kind]
    batch = pa.record_batch({"f:a": array})
    wanted = canonical_frame([batch], {})
    rows = ModelRows.from_batches([batch])
    assert rows.types == wanted.types
    frame = read(rows)
    assert frame.schema == wanted.frame.schema
    assert frame.equals(wanted.frame), (frame, wanted.frame)
    assert [f"a {note}" for note in rows.watch.notes.values()] == [event.message for event in wanted.events]
    rows.finish()


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_is_hashed_tells_the_same_values_apart(kind):
    """Two rows have one hash exactly when their canonical values are the same."""
    array = ARRAYS[kind]
    wanted = canonical_frame([pa.record_batch({"f:a": array})], {}).frame["f:a"]
    found = hashed(array)
    for one in range(len(found)):
        for other in range(one):
            same = wanted[one] == wanted[other] or (wanted[one] != wanted[one] and wanted[other] != wanted[other])
            assert (found[one] == found[other]) == same


@pytest.mark.parametrize("kind", ARRAYS)
def test_several_batches_are_one_stream(kind):
    """Batches of any size, empty ones and slices too."""
    array = ARRAYS[kind]
    batch = pa.record_batch({"f:a": array})
    parts = [batch.slice(0, 1), batch.slice(0, 0), batch.slice(1), batch.slice(0, 0)]
    rows = ModelRows.from_batches(parts)
    assert read(rows).equals(read(ModelRows.from_batches([batch])))
    rows.finish()


SMALL = """
from decimal import Decimal
import pyarrow as pa
from tailrace.canonical.source import ModelRows

values = [Decimal(number) / 100 for number in range(-500, 500)] + [None]
for kind in (pa.decimal32(9, 2), pa.decimal64(18, 2)):
    for batch in [pa.record_batch({"f:a": pa.array(values, kind)})] * 20:
        rows = ModelRows.from_batches([batch.slice(0, 1), batch.slice(1)])
        frame = rows.lazy.select(rows.columns["f:a"].value.alias("a")).collect()
        assert frame["a"].to_list() == values, kind
        assert str(rows.types["f:a"]) == "decimal(2)"
"""


def test_decimals_of_few_bits_are_read_whole():
    """Numbers of 32 and 64 bits are not taken for such of 128; in a process of its own, as that would end it."""
    done = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_result_is_an_error():
    """Not even an empty batch: then the columns are not known."""
    with pytest.raises(WarehouseError, match="no result, not even an empty one"):
        ModelRows.from_batches([])


def test_the_first_batch_may_be_empty():
    """Its types are all that is needed of it."""
    batch = pa.record_batch({"k:id": [1], "f:a": [["p"]]})
    assert read(ModelRows.from_batches([batch.slice(0, 0), batch])).rows() == [(1, '["p"]')]


DRIFTS = {
    "nulls, then numbers": ([pa.nulls(2), pa.array([1, 2])], "int64", [None, None, 1, 2]),
    "nulls, then texts": ([pa.nulls(1), pa.nulls(1), pa.array(["p"])], "string", [None, None, "p"]),
    "numbers, then nulls": ([pa.array([1]), pa.nulls(2)], "int64", [1, None, None]),
    "narrow, then wide": ([pa.array([1], pa.int32()), pa.array([2], pa.int64())], "int64", [1, 2]),
    "wide, then narrow": ([pa.array([1], pa.int64()), pa.array([2], pa.int32())], "int64", [1, 2]),
    "text, then large text": ([pa.array(["p"]), pa.array(["q"], pa.large_string())], "string", ["p", "q"]),
    "nulls, then two widths": ([pa.nulls(1), pa.array([1], pa.int8()), pa.array([2])], "int64", [None, 1, 2]),
    "two scales": (
        [pa.nulls(1), pa.array([Decimal("1.5")], pa.decimal128(5, 1)), pa.array([Decimal("2.5")], pa.decimal128(9, 1))],
        "decimal(1)",
        [None, Decimal("1.5"), Decimal("2.5")],
    ),
    "nothing, then lists": ([pa.nulls(1), pa.array([["p"]])], "json", [None, '["p"]']),
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_batches_may_differ_in_what_a_driver_infers(kind):
    """Where it knows a type only from values, earlier batches are taken under the later type."""
    arrays, logical, values = DRIFTS[kind]
    rows = ModelRows.from_batches(pa.record_batch({"f:a": array}) for array in arrays)
    assert {str(known) for known in rows.types.values()} == {logical}
    assert read(rows)["f:a"].to_list() == values


def test_a_type_that_comes_very_late_is_an_error():
    """Nobody looks ahead for ever: a column that is something else after all is told."""
    late = [*[pa.record_batch({"f:a": pa.nulls(1)})] * 20, pa.record_batch({"f:a": pa.array([[1]])})]
    with pytest.raises(WarehouseError, match=r"change their type half way[\s\S]*Cast the column"):
        read(ModelRows.from_batches(late))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (pa.array([1]), pa.array(["p"])),
        (pa.array([1], pa.int32()), pa.array([2**40])),
        (pa.array(["p"]), pa.array([[1]])),
        (pa.array([Decimal("1.5")], pa.decimal128(5, 1)), pa.array([Decimal("1.55")], pa.decimal128(5, 2))),
    ],
    ids=["number, then text", "too wide", "text, then list", "more digits"],
)
def test_a_type_that_changes_half_way_is_an_error(first, then):
    """What does not fit the first batches' type is told, not cut."""
    batches = [pa.record_batch({"f:a": array}) for array in (first, then)]
    with pytest.raises(WarehouseError, match="change their type half way"):
        read(ModelRows.from_batches(batches))


def test_numbers_that_outgrow_128_bits_half_way():
    """Once a column is a number it stays one; a later value that is none of 128 bits is told."""
    small, large = (pa.array([Decimal(value)], pa.decimal256(60, 0)) for value in (5, 10**50))
    batches = [pa.record_batch({"f:a": array}) for array in (small, large)]
    assert ModelRows.from_batches(batches[1:]).types == {"f:a": LogicalType("string")}
    with pytest.raises(WarehouseError, match="change their type half way"):
        read(ModelRows.from_batches(batches))


OUTSIDE = {
    "a day before": pa.array([-719_163, None], pa.int32()).cast(pa.date32()),
    "a day after": pa.array([0, 2_932_897], pa.int32()).cast(pa.date32()),
    "infinity": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
    "a moment before": pa.array([-62_135_596_800_000_001], pa.int64()).cast(pa.timestamp("us")),
    "a moment after": pa.array([253_402_300_800_000_000], pa.int64()).cast(pa.timestamp("us", "UTC")),
    "an infinite moment": pa.array([2**63 - 1, 0], pa.int64()).cast(pa.timestamp("us")),
    "a second after": pa.array([253_402_300_800], pa.int64()).cast(pa.timestamp("s")),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_moments_that_no_calendar_has_are_told(kind):
    """With the column, how many there are, and what to do, once the rows have passed."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": OUTSIDE[kind]})])
    rows.lazy.select(rows.columns["f:a"].carried.hash(1)).collect()
    with pytest.raises(WarehouseError, match=r"'f:a' holds 1 value\(s\) outside the years 1 to 9999[\s\S]*NULL"):
        rows.finish()


EDGES = {
    "days": pa.array([-719_162, 2_932_896, None], pa.int32()).cast(pa.date32()),
    "moments": pa.array([-62_135_596_800_000_000, 253_402_300_799_999_999, None], pa.int64()).cast(pa.timestamp("us")),
}


@pytest.mark.parametrize("kind", EDGES)
def test_the_first_and_the_last_moment_pass(kind):
    """The years 1 and 9999 are in the calendar, to their last microsecond."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": EDGES[kind]})])
    rows.lazy.select(rows.columns["f:a"].carried.hash(1)).collect()
    rows.finish()


def test_a_stream_that_was_not_read_to_its_end_is_told():
    """Rows that nobody saw must not be taken for gone."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": [1]})] * 3)
    with pytest.raises(WarehouseError, match=r"broke off before their end[\s\S]*Run it again"):
        rows.finish()
    read(rows)
    rows.finish()


def test_an_error_of_the_warehouse_comes_through():
    """What the driver said is what is told, also when it says so late."""

    def broken():
        yield pa.record_batch({"f:a": [1]})
        yield pa.record_batch({"f:a": [2]})
        raise WarehouseError("the connection is gone")

    rows = ModelRows.from_batches(broken())
    with pytest.raises(WarehouseError, match="the connection is gone"):
        read(rows)
    with pytest.raises(WarehouseError, match="broke off"):
        rows.finish()


def test_columns_can_be_chosen():
    """Who asks for some columns gets those, in that order."""
    batch = pa.record_batch({"k:id": [1], "f:a": [{"x": 1}], "f:b": ["p"]})
    rows = ModelRows.from_batches([batch])
    assert rows.lazy.select("f:b", "k:id").collect().rows() == [("p", 1)]


def test_a_parquet_file_is_read_under_our_names(tmp_path):
    """The file's columns by the names they have in a comparison, with the types of their values."""
    path = tmp_path / "model.parquet"
    pl.DataFrame(
        {"ID": [1, 2], "Amount": [1.5, -0.0], "Tags": [["p"], None], "Left": [0, 0]}, schema_overrides={"ID": pl.Int16}
    ).write_parquet(path)
    rows = ModelRows.from_parquet(path, {"k:id": "ID", "f:amount": "Amount", "f:tags": "Tags"})
    assert {name: str(kind) for name, kind in rows.types.items()} == {
        "k:id": "int64",
        "f:amount": "float64",
        "f:tags": "json",
    }
    assert read(rows).rows() == [(1, 1.5, '["p"]'), (2, 0.0, None)]
    rows.finish()


def test_a_parquet_file_that_needs_a_warehouse_is_told(tmp_path):
    """Values that take more than a glance go through DuckDB."""
    path = tmp_path / "model.parquet"
    pl.DataFrame({"id": [1], "s": [{"x": 1}]}).write_parquet(path)
    with pytest.raises(WarehouseError, match=r"s cannot be read from parquet directly[\s\S]*DuckDB"):
        ModelRows.from_parquet(path, {"k:id": "id", "f:s": "s"})


TEXTS = st.lists(st.none() | st.lists(st.none() | st.text(max_size=4), max_size=3), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_lists_of_any_texts_are_their_json(values):
    """Canonical text of a list is what any reader of JSON takes for that list."""
    rows = ModelRows.from_batches([pa.record_batch({"f:a": pa.array(values, pa.list_(pa.string()))})])
    texts = read(rows)["f:a"].to_list()
    assert [None if text is None else json.loads(text) for text in texts] == values


@pytest.mark.parametrize("scale", [0, 2])
def test_numbers_that_their_type_does_not_hold_are_refused(scale):
    """DuckDB calls 39 digits decimal(38): the column is named; 38 digits are fine."""

    def rows(*raw):
        buffer = pa.py_buffer(b"".join(number.to_bytes(16, "little", signed=True) for number in raw))
        array = pa.Array.from_buffers(pa.decimal128(38, scale), len(raw), [None, buffer])
        made = ModelRows.from_batches([pa.record_batch({"f:n": array})])
        passed = made.lazy.select(made.columns["f:n"].carried).collect()
        made.finish()
        return passed.height

    longest = 10**38 - 1
    assert rows(0, longest, -longest) == 3
    with pytest.raises(WarehouseError, match=r"column 'f:n' holds 2 number\(s\) of more than 38 digits"):
        rows(longest + 1, 1, -(2**127))
