"""What a plan is estimated to cost."""

from tailrace.destination import Rate
from tailrace.planning.cost import shortest


def test_the_time_is_that_of_the_narrowest_rate_which_counts_writes():
    """Rates of buckets of their own, such as that of searches, do not hold writes up."""
    rates = (Rate(10, 1.0), Rate(100, 60.0, "*"), Rate(1, 60.0, "search"))
    assert (shortest(30, rates), shortest(30, rates[:1]), shortest(30, ())) == (18, 3, 0)
