"""What sending in jobs takes of memory does not depend on how many rows there are."""

import pytest
from benchmarks.salesforce_run import LIMIT, measure


@pytest.mark.slow
def test_four_times_the_rows_take_little_more_memory(tmp_path):
    """100,000 rows in two jobs, and 400,000 in eight: all arrive, below the limit that holds for five million."""
    few = measure(100_000, tmp_path / "few")
    many = measure(400_000, tmp_path / "many")
    assert (few.acknowledged, many.acknowledged) == (100_000, 400_000)
    assert many.peak_mib <= LIMIT
    assert many.peak_mib - few.peak_mib <= 80, (few, many)
