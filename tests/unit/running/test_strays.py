"""When a run waits for requests that earlier runs gave up, and for how long."""

import logging
from types import SimpleNamespace

import pytest
from tests.unit.state.conftest import URL, Clock

from tailrace.destination import Outcome
from tailrace.running.strays import landed_at, let_land
from tailrace.state import Journal, StateDB, Tallies, journal
from tailrace.stopping import RunStop

SETTLE = 10.0
TRIED_AGAIN, LOST = Tallies(acknowledged=1, retries=1), Tallies(unknown=1)


class Past:
    """Runs of a sync, on a clock moved by hand."""

    def __init__(self, state, clock):
        self.state, self.clock, self.runs = state, clock, 0

    def ran(self, status="succeeded", tallies=None, *, answered=True):
        """A run of one batch that is answered, and ends, three seconds later; without a status it breaks off."""
        self.runs += 1
        name = f"r{self.runs}"
        lease = self.state.acquire("people", name, 60.0)
        self.state.start_run(
            name, sync="people", mode="upsert", destination="crm", object="Contact", identity="i", token=lease.token
        )
        journal = Journal(self.state, name, lease.token)
        journal.intend(1, "upsert", [0])
        self.clock.now += 3
        if answered:
            journal.settle(1, [Outcome("0", "acknowledged")])
        journal.close()
        if status:
            self.state.finish_run(name, status, tallies=tallies or Tallies(acknowledged=1), token=lease.token)
        lease.release()

    def landed(self, settle=SETTLE, sync="people"):
        """From now on, in seconds; None where nothing is waited for."""
        lease = self.state.acquire(sync, "now", 60.0)
        moment = landed_at(self.state, sync, settle, token=lease.token, but="now")
        lease.release()
        return None if moment is None else moment - self.clock.now


@pytest.fixture
def past(tmp_path, monkeypatch):
    """No run yet. The journal notes moments by the same clock, so that none passes by itself."""
    clock = Clock()
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with StateDB.open(URL, tmp_path, clock=clock) as state:
        yield Past(state, clock)


@pytest.mark.parametrize(
    ("status", "tallies"),
    [("", None), ("interrupted", None), ("succeeded", TRIED_AGAIN), ("partial", LOST)],
    ids=["broke off", "interrupted", "tried again", "answer lost"],
)
def test_requests_that_were_given_up_land_after_the_last_answer(past, status, tallies):
    """So long after it as requests may take; less what has gone by."""
    past.ran(status, tallies)
    assert past.landed() == SETTLE
    past.clock.now += 4
    assert past.landed() == SETTLE - 4


def test_an_answer_that_was_only_noted_counts(past, monkeypatch):
    """Who is killed right after it has not written it into the database yet."""
    monkeypatch.setattr(Journal, "close", lambda _: None)
    monkeypatch.setattr(journal.Commits, "add", lambda *_, **__: None)
    past.ran("")
    past.clock.now += 4
    assert past.landed() == SETTLE - 4


def test_a_run_without_faults_is_not_waited_for(past):
    """Nor is the first one; nor any, where requests cannot land late; nor another sync's."""
    assert past.landed() is None
    past.ran()
    assert past.landed() is None
    past.ran("succeeded", TRIED_AGAIN)
    assert past.landed(0.0) is None
    assert past.landed(sync="others") is None


def test_what_happened_long_ago_has_landed(past):
    """A run that met faults, and one that broke off: the moment is over."""
    past.ran("succeeded", TRIED_AGAIN)
    past.clock.now += SETTLE
    assert past.landed() is None
    past.ran("")
    past.clock.now += 86_400
    assert past.landed() == SETTLE - 86_400


def test_a_run_that_was_never_answered_is_left_to_its_recovery(past):
    """Rows in flight are in doubt, and recovery waits for those."""
    past.ran("", answered=False)
    assert past.landed() is None


class Waited(RunStop):
    """Notes for how long it was waited for."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return False


def test_it_is_waited_until_then_and_told(past, caplog):
    """Not at all when it is over; and never for longer than requests take, whatever the clock does."""
    log, stop = logging.LoggerAdapter(logging.getLogger("strays"), {}), Waited()
    now = past.clock.now
    with caplog.at_level(logging.INFO):
        for moment in (None, now, now - 5, now + 4, now + 3_600):
            let_land(past.state, moment, SETTLE, stop, log)
    assert stop.seconds == [4, SETTLE]
    assert [record.getMessage()[:11] for record in caplog.records] == ["waits 4.0 s", "waits 10.0 "]


def test_a_stop_ends_the_wait(past):
    """At once."""
    stop = RunStop()
    stop.set()
    let_land(past.state, past.clock.now + 3_600, 3_600, stop, logging.LoggerAdapter(logging.getLogger("strays"), {}))
