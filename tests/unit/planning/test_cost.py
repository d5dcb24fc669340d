"""What a plan is estimated to cost."""

import pytest

from tailrace.destination import Bulk, Operation, Rate
from tailrace.planning.cost import Cost, Quota, Way, _within, shortest


def test_the_time_is_that_of_the_narrowest_rate_which_counts_writes():
    """Rates of buckets of their own, such as that of searches, do not hold writes up."""
    rates = (Rate(10, 1.0), Rate(100, 60.0, "*"), Rate(1, 60.0, "search"))
    assert (shortest(30, rates), shortest(30, rates[:1]), shortest(30, ())) == (18, 3, 0)


def way(action, rows, calls, by="batches"):
    """One way."""
    return Way(action, rows, by, calls)


BULK = Bulk(frozenset(Operation), 2_000, 1_000, 6)


@pytest.mark.parametrize(
    ("usable", "ways", "rows"),
    [
        (0, [way("upsert", 100, 10)], 0),
        (3, [way("upsert", 100, 10)], 30),
        (12, [way("delete", 50, 5), way("upsert", 100, 10)], 120),
        (24, [way("upsert", 5_000, 55, "jobs")], 2_000),
        (10, [way("upsert", 5_000, 55, "jobs")], 0),
        (60, [way("delete", 50, 6), way("upsert", 4_900, 55, "jobs")], 4_941),
    ],
)
def test_what_is_left_of_a_quota_is_enough_for_some_rows(usable, ways, rows):
    """In the order of sending: deletes are last, and a job that cannot be paid for whole is not begun."""
    assert _within(ways, usable, BULK) == rows


def test_the_reserve_is_of_the_whole_quota():
    """A fifth of 1,000 calls is left to others, and what is left of the day is more than that, or not."""
    assert [Quota(left, 1_000, 0.2).usable for left in (900, 200, 50, None)] == [700, 0, 0, None]
    assert Quota(7).usable == 7


def test_a_cost_survives_its_json():
    """As saved plans keep it, those of earlier versions too."""
    cost = Cost(30, 120, 2, (way("upsert", 5, 30),), quota_reserved=100, rows_within_quota=3)
    assert cost.to_json()["quota_share"] == 0.25
    assert Cost.from_json(cost.to_json()) == cost
    assert Cost.from_json({"calls": 1, "quota_left": None, "seconds": 0}) == Cost(1, None, 0)
    assert [Cost(1, 0, 0).share, Cost(0, 0, 0).share, Cost(1, None, 0).share] == [1.0, 0.0, None]
