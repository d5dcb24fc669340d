"""Windows by a wall clock: which moments are in one, and when all are over."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.project.operating import DAYS, Window
from tailrace.windows import inside, opens

BERLIN = "Europe/Berlin"
ZONE = ZoneInfo(BERLIN)
MINUTE = timedelta(minutes=1)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


def window(start="00:00", end="24:00", days=DAYS, timezone=None):
    """A window as the files have it."""
    return Window(**{"from": start, "to": end, "days": days, "timezone": timezone})


windows = st.builds(window, times, times, st.sets(st.sampled_from(DAYS), min_size=1).map(tuple), zones)


def berlin(text, fold=0):
    """A moment in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE, fold=fold)


@pytest.mark.parametrize(
    ("moment", "held"),
    [
        ("2026-06-05 21:59", False),
        ("2026-06-05 22:00", True),
        ("2026-06-06 05:59", True),
        ("2026-06-06 06:00", False),
        ("2026-06-06 22:00", False),
        ("2026-06-05 03:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment, held):
    """The night to Saturday is Friday's; it begins on its minute, and is over on it."""
    assert inside((window("22:00", "06:00", ("fri",)),), BERLIN, berlin(moment)) is held


def test_a_window_has_the_zone_that_it_names():
    """Noon in Berlin is ten o'clock in UTC in summer."""
    at = berlin("2026-06-01 12:00")
    assert inside((window("12:00", "13:00"),), BERLIN, at)
    assert not inside((window("12:00", "13:00", timezone="UTC"),), BERLIN, at)
    assert inside((window("10:00", "11:00", timezone="UTC"),), BERLIN, at)


def test_equal_ends_are_a_whole_day():
    """From six to six is a day, which begins at six."""
    day = (window("06:00", "06:00", ("mon",)),)
    assert inside(day, "UTC", datetime(2026, 6, 2, 5, 59, tzinfo=UTC))
    assert not inside(day, "UTC", datetime(2026, 6, 2, 6, 0, tzinfo=UTC))
    assert not inside(day, "UTC", datetime(2026, 6, 1, 5, 59, tzinfo=UTC))


def test_a_window_that_ends_in_the_missing_hour_ends_with_it():
    """In spring the clock goes from two to three, past half past two."""
    held = (window("00:00", "02:30"),)
    assert opens(held, BERLIN, berlin("2026-03-29 01:00")) == berlin("2026-03-29 03:00")


def test_a_window_of_the_hour_that_comes_twice_is_open_twice():
    """The clock alone counts."""
    held = (window("02:00", "02:30"),)
    assert inside(held, BERLIN, berlin("2026-10-25 02:10"))
    assert inside(held, BERLIN, berlin("2026-10-25 02:10", fold=1))
    assert opens(held, BERLIN, berlin("2026-10-25 02:10")) == berlin("2026-10-25 02:30").astimezone(UTC)


def test_windows_without_end_never_open():
    """Then there is no next run to tell of."""
    assert opens((window(),), BERLIN, berlin("2026-06-01 12:00")) is None
    assert opens((window("00:00", "12:00"), window("11:00", "00:00")), BERLIN, berlin("2026-06-01 12:00")) is None


@given(st.lists(windows, min_size=1, max_size=2), zones, moments)
def test_it_opens_at_the_first_moment_that_no_window_holds(held, zone, at):
    """Minute by minute from then on, none before is free, and it is."""
    at = at.replace(second=0, microsecond=0)
    found = opens(held, zone, at)
    step = at
    while step - at < timedelta(days=9) and inside(held, zone, step):
        step += MINUTE * (1 if found is None or found - step <= timedelta(hours=2) else 17)
    assert found is None or (not inside(held, zone, found) and step >= found)
    if found is None:
        assert step - at >= timedelta(days=9)
