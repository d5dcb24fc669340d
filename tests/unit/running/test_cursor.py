"""Where reading by a cursor begins, and what it leaves behind."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import UsageError, WarehouseError
from tailrace.project.cursor import CursorConfig
from tailrace.running.cursor import Reading, Unfit, back, before, reading
from tailrace.snapshot.mark import Mark

NOON = dt.datetime(2026, 11, 1, 12)  # noqa: DTZ001 - a moment without a zone is meant
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - as above
ZONED = NOON.replace(tzinfo=dt.UTC)
PLACE = "syncs/people.yml:7:1"
VALUES = (
    st.integers()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.decimals(allow_nan=False, allow_infinity=False)
)


def config(**keys):
    return CursorConfig.model_validate({"column": "updated_at", **keys})


def mark(value, **keys):
    return Mark("updated_at", value, keys.pop("whole", value), "def", **keys)


def look(values, kind, read):
    """Read a column of those values; gives the highest."""
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(values))), pa.array(values, kind)], ["k:id", "x:cursor"])
    (left,) = read.watched([batch])
    assert left.schema.names == ["k:id"]
    return read.top


@given(
    VALUES.filter(lambda value: not isinstance(value, Decimal)), st.lists(st.tuples(VALUES | st.text() | st.booleans()))
)
def test_a_mark_is_read_back_as_it_was_written(value, again):
    """Whatever its kind: a number, a day, a moment with or without a zone; and keys of any exact kind."""
    made = Mark("c", value, value, "hash", tuple(again))
    found = Mark.from_json(made.to_json())
    assert found == made
    assert [type(each) for key in found.again for each in key] == [type(each) for key in again for each in key]
    assert found.token == made.token


@pytest.mark.parametrize("broken", [{}, {"value": ["str", "x"]}, {"value": ["int", "7"]}, {"again": [[["x", 1]]]}])
def test_what_is_no_mark_is_refused(broken):
    """A manifest that holds something else is damaged."""
    form = mark(7).to_json() | broken
    with pytest.raises((ValueError, KeyError, TypeError)):
        Mark.from_json(form if broken else {})


@pytest.mark.parametrize(
    ("value", "overlap", "begins"),
    [
        (NOON, None, NOON - dt.timedelta(minutes=15)),
        (ZONED, 3600.0, ZONED - dt.timedelta(hours=1)),
        (NOON, 0.0, NOON),
        (NOON.date(), None, dt.date(2026, 10, 31)),
        (NOON.date(), 86_401.0, dt.date(2026, 10, 30)),
        (NOON.date(), 0.0, NOON.date()),
        (5_000, None, 4_000),
        (5_000, 7, 4_993),
        (dt.datetime.min.replace(tzinfo=dt.UTC), 1.0, dt.datetime.min.replace(tzinfo=dt.UTC)),
    ],
)
def test_reading_begins_an_overlap_before_the_mark(value, overlap, begins):
    """A quarter of an hour, a day or a thousand steps where the sync does not say; days are whole, time has a start."""
    assert before(value, config(overlap=overlap)) == begins


@pytest.mark.parametrize(
    ("values", "kind", "top"),
    [
        ([3, None, 9, 4], pa.int32(), 9),
        ([Decimal(2), Decimal(7)], pa.decimal128(38, 0), 7),
        ([NOON, None], pa.timestamp("us"), NOON),
        ([NOON], pa.timestamp("s", "UTC"), ZONED),
        ([NOON.date()], pa.date32(), NOON.date()),
        ([1_999_999_999], pa.timestamp("ns"), EPOCH + dt.timedelta(microseconds=1_999_999)),
        ([-1], pa.timestamp("ns"), EPOCH - dt.timedelta(microseconds=1)),
        ([None, None], pa.int64(), None),
        ([None], pa.null(), None),
        ([], pa.timestamp("us"), None),
    ],
)
def test_the_highest_value_is_kept_exact_or_a_little_lower(values, kind, top):
    """Never higher than it was, or a row could be passed over: parts of a microsecond are left off."""
    found = look(values, kind, Reading(config(), PLACE, None))
    assert (found, type(found)) == (top, type(top))


@pytest.mark.parametrize(
    ("keys", "kind", "words"),
    [
        ({}, pa.string(), "must be a timestamp, a date or a whole number"),
        ({}, pa.float64(), "must be a timestamp, a date or a whole number"),
        ({}, pa.decimal128(10, 2), "must be a timestamp, a date or a whole number"),
        ({"overlap": 15.0}, pa.int64(), "overlap and full are whole numbers, not 15s"),
        ({"full": 7 * 86_400.0}, pa.int64(), "overlap and full are whole numbers, not 7d"),
        ({"overlap": 15}, pa.timestamp("us"), "overlap and full are durations with a unit, such as 15m, not 15"),
    ],
)
def test_a_column_that_is_no_cursor_is_refused_by_place(keys, kind, words):
    """As soon as the first batch tells its type, be it empty."""
    with pytest.raises(UsageError) as caught:
        look([], kind, Reading(config(**keys), PLACE, None))
    assert words in str(caught.value)
    assert str(caught.value).startswith(PLACE)


def test_a_moment_that_no_calendar_holds_is_refused():
    """PostgreSQL's 'infinity' would be the mark for good."""
    with pytest.raises(WarehouseError, match="outside the years"):
        look([2**63 - 1], pa.timestamp("us"), Reading(config(), PLACE, None))


@pytest.mark.parametrize(
    ("before_", "kind"), [(7, pa.date32()), (NOON, pa.timestamp("us", "UTC")), (NOON.date(), pa.timestamp("us"))]
)
def test_a_cursor_of_another_kind_is_read_anew(before_, kind):
    """What a number was compared with says nothing of a moment."""
    with pytest.raises(Unfit):
        look([], kind, Reading(config(), PLACE, mark(before_)))
    assert look([], pa.null(), Reading(config(), PLACE, mark(before_))) is None


def why(found, *, asked=False, **keys):
    sync = SimpleNamespace(config=SimpleNamespace(cursor=config(**keys)), definition_hash="def", at=lambda _: PLACE)
    read = reading(sync, found, full=asked)
    assert (read.mark is None) == bool(read.why)
    return read.why


def test_all_is_read_where_a_mark_does_not_serve():
    """At first, on request, after an edit, and once the cursor has risen by so much; by its values alone."""
    assert why(mark(7)) == ""
    assert "not known yet" in why(None)
    assert "--full" in why(mark(7), asked=True)
    assert "edited" in why(Mark("updated_at", 7, 7, "other"))
    week = 7 * 86_400.0
    assert why(mark(NOON, whole=NOON - dt.timedelta(days=6)), full=week) == ""
    assert "risen by 7d or more" in why(mark(NOON, whole=NOON - dt.timedelta(days=7)), full=week)
    assert "risen by 1,000 or more" in why(mark(5_000, whole=4_000), full=1_000)
    assert back(NOON, 1.0) < NOON
