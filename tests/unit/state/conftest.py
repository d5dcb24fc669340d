"""A state database on disk, on a clock the test moves."""

from dataclasses import dataclass

import pytest

from tailrace.state import StateDB

URL = "sqlite:///.tailrace/state.db"


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture
def state(tmp_path, clock):
    """An open state database."""
    with StateDB.open(URL, tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
def start(state):
    """Starts a run under a new lease; gives the lease."""

    def start(run_id="r1", sync="contacts", ttl=60.0):
        lease = state.acquire(sync, run_id, ttl)
        state.start_run(
            run_id, sync=sync, mode="upsert", destination="crm", object="Contact", identity="i1", token=lease.token
        )
        return lease

    return start
