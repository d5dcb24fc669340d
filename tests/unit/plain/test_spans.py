"""Spans of time in words."""

import pytest

from tailrace.spans import duration, exactly

DAY_S = 86_400


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.004, "0 s"),
        (0.42, "0.4 s"),
        (45.2, "45 s"),
        (59.7, "1 min"),
        (89.6, "1 min 30 s"),
        (90, "1 min 30 s"),
        (720, "12 min"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (3_620, "1 h"),
        (12_030, "3 h 20 min"),
        (2 * DAY_S + 4 * 3_600 + 59, "2 d 4 h"),
        (364 * DAY_S, "364 d"),
        (8329.4 * DAY_S, "more than a year"),
    ],
)
def test_what_was_measured_has_two_units(seconds, told):
    """None of them is rounded up to more than it is, and what is further off than a year nobody knows by the hour."""
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(90, "1 min 30 s"), (7_200.0, "2 h"), (DAY_S + 90, "1 d 1 min 30 s"), (0.5, "0.5 s"), (500 * DAY_S, "500 d")],
)
def test_what_was_chosen_is_told_whole(seconds, told):
    """A target of 90 seconds is not one of two minutes."""
    assert exactly(seconds) == told
