"""Rows that did not get through."""

import pytest

from tailrace.state import IssueCounts, NewIssue
from tailrace.state.issues import EARLY, GAPS_S


def issue(key='{"id":1}', *, kind="rejected", action="upsert", payload="p1", code="BAD"):
    """A row in trouble."""
    return NewIssue(key, "insert", action, kind, code, "no", payload)


@pytest.fixture
def record(state):
    """Records issues of one run of the sync `contacts`."""

    def record(run_id, *issues, identity="i1", max_attempts=3):
        state.record_issues("contacts", identity, run_id, issues, max_attempts=max_attempts)

    return record


def test_attempts_count_up_until_the_row_is_dead(state, record, clock):
    """Each run that is refused with the same payload counts; the last permitted one ends it."""
    states = []
    for number in range(3):
        clock.now += 1
        record(f"r{number}", issue())
        states.append((state.rejected("contacts")[0].attempts, state.rejected("contacts")[0].state))
    assert states == [(1, "open"), (2, "open"), (3, "dead")]
    found = state.rejected("contacts")[0]
    assert (found.last_seen - found.first_seen, found.key) == (2, {"id": 1})


def test_recording_a_run_twice_counts_once(state, record):
    """Recovery may record what the dead run had recorded already."""
    record("r1", issue())
    record("r1", issue())
    assert state.rejected("contacts")[0].attempts == 1


def test_a_new_payload_starts_afresh(state, record):
    """A row that changed in the model deserves new attempts, even when dead or dismissed."""
    record("r1", issue(), max_attempts=1)
    record("r2", issue(payload="p2"), max_attempts=2)
    found = state.rejected("contacts")[0]
    assert (found.attempts, found.state) == (1, "open")


def test_a_single_permitted_attempt_is_dead_at_once(state, record):
    """With max_attempts 1 nothing is tried again by itself."""
    record("r1", issue(), max_attempts=1)
    assert state.rejected("contacts")[0].state == "dead"


def test_the_gap_before_an_attempt_grows(state, record, start, clock):
    """It counts from the start of the run that refused the row, grows with each refusal, and is at most a day."""
    lease = start("r0")
    lease.release()
    gaps = []
    for number in range(1, 9):
        start(f"r{number}").release()
        clock.now += 5
        record(f"r{number}", issue(), max_attempts=9)
        gaps.append(state.rejected("contacts")[0].retry_at - (clock.now - 5))
    assert gaps == [gap * (1 - EARLY) for gap in (*GAPS_S, GAPS_S[-1], GAPS_S[-1])]
    assert (max(GAPS_S), sorted(GAPS_S)) == (86_400, list(GAPS_S))
    record("r9", issue(), max_attempts=9)
    assert (state.rejected("contacts")[0].state, state.rejected("contacts")[0].retry_at) == ("dead", None)


def test_ten_attempts_outlast_a_weekend():
    """What the documentation says of the time until a row is given up."""
    hours = sum(GAPS_S[min(number, len(GAPS_S) - 1)] for number in range(9)) * (1 - EARLY) / 3_600
    assert divmod(int(hours), 24) == (4, 11)


def test_what_someone_decided_ends_the_wait(state, record):
    """A row that was asked for, or set aside, waits for no time."""
    for run in ("r1", "r2"):
        record(run, issue(), issue('{"id":2}'), max_attempts=9)
    assert all(found.retry_at for found in state.rejected("contacts"))
    state.retry("contacts", '{"id":1}')
    state.dismiss("contacts", '{"id":2}')
    assert [found.retry_at for found in state.issues("contacts")] == [None, None]


def test_an_unknown_row_has_no_next_attempt(state, record):
    """It is due at once, or never."""
    record("r1", issue(kind="unknown"))
    record("r2", issue(kind="unknown"))
    assert state.issues("contacts")[0].retry_at is None


def test_retry_makes_rows_due(state, record):
    """A dead row lives again with a fresh count; being sent takes the mark away."""
    record("r1", issue(), issue('{"id":2}'), max_attempts=1)
    assert state.retry("contacts", '{"id":1}') == 1
    due = [found.key["id"] for found in state.rejected("contacts") if found.due and found.state == "open"]
    assert due == [1]
    record("r2", issue(), max_attempts=3)
    assert [found.due for found in state.issues("contacts") if found.key == {"id": 1}] == [False]


def test_dismissed_rows_are_out_of_sight(state, record):
    """A dismissed row is not listed as rejected, but still known."""
    record("r1", issue(), issue('{"id":2}'))
    assert state.dismiss("contacts", '{"id":2}') == 1
    assert [found.key for found in state.rejected("contacts")] == [{"id": 1}]
    assert state.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=1, dismissed=1)}
    assert state.dismiss("contacts") == 1


def test_resolved_rows_are_forgotten(state, record):
    """An acknowledged row drops out; others and other identities stay."""
    record("r1", issue(), issue('{"id":2}'))
    record("r1", issue(), identity="i2")
    assert state.resolve("contacts", "i1", ['{"id":1}', '{"id":9}']) == 1
    assert [(found.identity, found.key_text) for found in state.issues("contacts", "i1")] == [("i1", '{"id":2}')]
    assert state.drop_issues("contacts", but="i1") == 1
    assert state.drop_issues("contacts") == 1
    assert state.resolve("contacts", "i1", ['{"id":2}']) == 0


def test_only_unknown_creates_wait_for_a_person(state, record):
    """What may be sent twice without harm is due at once; a create is not; both are shown."""
    record("r1", issue(kind="unknown"), issue('{"id":2}', kind="unknown", action="create"), max_attempts=1)
    assert {found.key["id"]: found.due for found in state.held("contacts")} == {1: True, 2: False}
    assert state.issue_counts()["contacts", "i1"].unknown == 2
    assert state.retry("contacts", kind="unknown") == 2
    assert all(found.due for found in state.held("contacts"))


def test_many_rows_at_once(state, record):
    """Thousands of refused rows are filed and forgotten in chunks."""
    texts = [f'{{"id":{number}}}' for number in range(1_201)]
    record("r1", *map(issue, texts))
    assert len(state.rejected("contacts")) == 1_201
    assert state.resolve("contacts", "i1", texts[1:]) == 1_200
