"""More requests than an account permits: the simulator counts what arrives, in its own sliding window."""

import pytest
from benchmarks.storm import storm


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_the_permitted_rate_is_used_and_never_exceeded(processes, tmp_path, monkeypatch):
    """One process, and three that share the state: no window too full, no refusal, 95 % of the rate used, all there.

    The window is long beside the hiccups of a busy machine; `make storm` takes HubSpot's own, for a minute.
    """
    monkeypatch.setenv("STORM_TOKEN", "pat-storm-token")
    found = storm(tmp_path, processes=processes, windows=2, calls=60, per=10.0)
    assert found.peak == 60
    assert found.refused == 0
    assert found.used >= 0.95
    assert found.records == 120
