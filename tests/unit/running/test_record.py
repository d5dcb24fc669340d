"""Work that sends nothing, kept among the runs."""

from types import SimpleNamespace

import polars as pl
import pytest

from tailrace.errors import LeaseLost, SnapshotError
from tailrace.running.record import recorded, verdict
from tailrace.snapshot.identity import Identity
from tailrace.state import StateDB

IDENTITY = Identity("people", "app", "here", "persons", ("id",), ("email",))
SYNC = SimpleNamespace(name="people")


@pytest.fixture
def state(tmp_path):
    """A state database."""
    with StateDB.open("sqlite:///state.db", tmp_path) as opened:
        yield opened


@pytest.fixture
def session(state):
    """As much of a session as a record needs."""
    finished = []
    return SimpleNamespace(
        state=state, finished=finished, finish_files=lambda sync, run_id: finished.append((sync.name, run_id))
    )


def test_a_record_says_what_was_done_and_where(session, state):
    """It ends well, with the rows and words it was given, under the identity it worked on."""
    lease = state.acquire("people", "me", 60.0)
    with recorded(session, SYNC, lease, IDENTITY, "adopt") as entry:
        assert state.run(entry.run_id).status == "running"
        entry.settled, entry.message = 3, "took three"
    run = state.run(entry.run_id)
    assert (run.mode, run.status, run.tallies.acknowledged, run.message) == ("adopt", "succeeded", 3, "took three")
    assert (run.destination, run.object, run.identity) == ("app", "persons", IDENTITY.digest)


def test_a_record_of_failed_work_says_why(session, state):
    """The error goes on to the caller, and its words stay; values that may not be kept do not."""
    lease = state.acquire("people", "me", 60.0)
    with pytest.raises(SnapshotError), recorded(session, SYNC, lease, IDENTITY, "resolve") as entry:
        raise SnapshotError("it is damaged")
    run = state.run(entry.run_id)
    assert (run.mode, run.status, run.tallies.acknowledged) == ("resolve", "failed", 0)
    assert "it is damaged" in run.message
    assert session.finished == [("people", entry.run_id)]


def test_a_record_cannot_end_under_a_lost_lease(session, state):
    """Whoever holds the sync now may be working on the same rows."""
    lease = state.acquire("people", "me", 60.0)

    def lose():
        lease.release()
        state.acquire("people", "another", 60.0)

    with pytest.raises(LeaseLost), recorded(session, SYNC, lease, IDENTITY, "adopt"):
        lose()


@pytest.mark.parametrize("kind", ["adopt", "resolve"])
def test_a_record_is_no_latest_run(session, state, kind):
    """Schedules and freshness count runs that sent; the list shows both."""
    lease = state.acquire("people", "me", 60.0)
    state.start_run("r1", sync="people", mode="upsert", destination="app", object="o", identity="", token=lease.token)
    with recorded(session, SYNC, lease, IDENTITY, kind) as entry:
        pass
    assert state.last_run("people").run_id == "r1"
    assert state.last_run("people", ["succeeded"]) is None
    assert {run.run_id for run in state.runs("people")} == {"r1", entry.run_id}


def test_a_verdict_is_one_outcome_for_each_row():
    """Columns are those of outcomes, also where there is no row or no status."""
    frame = pl.DataFrame({"seq": [4, 7], "op": ["insert", "update"]})
    assert verdict(frame, "acknowledged").rows() == [
        (4, "acknowledged", None, None, None),
        (7, "acknowledged", *[None] * 3),
    ]
    assert verdict(frame, None, "ABSENT", "gone").rows()[0] == (4, None, None, "ABSENT", "gone")
    assert verdict(frame.clear(), None).schema == verdict(frame, "unknown").schema
