"""Which rows were held back, by which runs."""

import pytest

from tailrace.errors import LeaseLost
from tailrace.state import HoldRecord, NewHold

KEY = '{"id":1}'


@pytest.fixture
def note(state, start, clock):
    """Notes what a run of its own, a second later, held back."""

    def note(run_id, *held):
        clock.now += 1
        lease = start(run_id)
        state.record_holds("contacts", "i1", run_id, held, token=lease.token)
        lease.release()

    return note


def test_runs_with_one_reason_are_one_record(state, note):
    """It names the first and the last of them, and counts; another reason begins another."""
    for run in ("r2", "r3", "r4"):
        note(run, NewHold(KEY, "r1", "waiting", 9_000.0), NewHold('{"id":2}', "r1", "dead", None))
    note("r5", NewHold(KEY, "r1", "dismissed", None))
    assert state.holds("contacts", KEY) == (
        HoldRecord("r1", "waiting", 9_000.0, "r2", 1_001.0, "r4", 1_003.0, 3),
        HoldRecord("r1", "dismissed", None, "r5", 1_004.0, "r5", 1_004.0, 1),
    )
    assert [hold.runs for hold in state.holds("contacts", '{"id":2}')] == [3]
    assert state.holds("contacts", '{"id":3}') == state.holds("others", KEY) == ()


def test_a_run_that_notes_twice_counts_once(state, start):
    """Whatever makes it do so."""
    lease = start("r2")
    for _ in range(2):
        state.record_holds("contacts", "i1", "r2", [NewHold(KEY, "r1", "dead", None)], token=lease.token)
    assert [hold.runs for hold in state.holds("contacts", KEY)] == [1]


def test_a_refusal_in_between_begins_another(state, note):
    """Each hold belongs to the refusal that led to it."""
    note("r2", NewHold(KEY, "r1", "waiting", 5.0))
    note("r4", NewHold(KEY, "r3", "waiting", 6.0))
    assert [(hold.since, hold.first_run) for hold in state.holds("contacts", KEY)] == [("r1", "r2"), ("r3", "r4")]


def test_a_run_that_lost_its_sync_notes_nothing(state, start):
    """As with all that a run records."""
    lease = start("r2")
    lease.release()
    state.acquire("contacts", "r3", 60)
    with pytest.raises(LeaseLost):
        state.record_holds("contacts", "i1", "r2", [NewHold(KEY, "r1", "dead", None)], token=lease.token)
    assert state.holds("contacts", KEY) == ()


def test_many_rows_at_once(state, note):
    """Thousands of rows are noted in chunks."""
    note("r2", *(NewHold(f'{{"id":{number}}}', "r1", "dead", None) for number in range(1_201)))
    assert len(state.holds("contacts", '{"id":1200}')) == 1
