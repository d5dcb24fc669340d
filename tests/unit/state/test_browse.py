"""Pages of runs and of rows in trouble, and counts that hold until something changes, in both kinds of database."""

from pathlib import Path

import pytest

from tailrace.errors import UsageError
from tailrace.state import IssueCounts, NewIssue, StateDB

URL = "sqlite:///.tailrace/state.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request, tmp_path, clock):
    """An open state database of each kind, on the test's clock."""
    url = URL if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    with StateDB.open(url, tmp_path, clock=clock) as opened:
        yield opened


def file_rows(state, start, clock, codes, *, sync="contacts", kind="rejected"):
    """A run that leaves a row in trouble for each of these codes; keys are numbered."""
    run_id = f"r-{clock.now:.0f}"
    lease = start(run_id, sync)
    issues = [
        NewIssue(f'{{"id":{number}}}', "insert", "create", kind, code, "no", f"p{number}")
        for number, code in enumerate(codes)
    ]
    state.record_issues(sync, "i1", run_id, issues, max_attempts=3)
    state.finish_run(run_id, "partial")
    lease.release()
    clock.now += 60
    return run_id


def walk(page, size):
    """All pages of a list, one after another."""
    found, after = [], ""
    while rows := page(after=after, limit=size):
        found += rows
        after = rows[-1].key_hash
    return found


def test_runs_come_page_by_page(state, start, clock):
    """Each once, the newest first, also where two began at the same moment."""
    ids = [file_rows(state, start, clock, []) for _ in range(3)]
    clock.now -= 60
    start("r-same", "orders").release()
    first = state.run_page(limit=2)
    second = state.run_page(limit=2, before=first[-1].run_id)
    assert [run.run_id for run in (*first, *second)] == ["r-same", *reversed(ids)]
    assert [run.run_id for run in state.run_page(sync="orders")] == ["r-same"]
    assert [run.run_id for run in state.run_page(statuses=("running",))] == ["r-same"]
    assert state.run_page(before="nobody") == []


def test_rows_in_trouble_come_page_by_page(state, start, clock):
    """Each once, in one order whatever the size of pages; by code, without one, and by state."""
    file_rows(state, start, clock, ["A", None, "B", "A", "A", "C", None])
    state.dismiss("contacts", '{"id":3}')
    whole = state.issue_page("contacts", "i1", "rejected", limit=100)
    assert sorted(issue.key["id"] for issue in whole) == [0, 1, 2, 4, 5, 6]

    def page(**how):
        return state.issue_page("contacts", "i1", "rejected", **how)

    assert walk(page, 1) == walk(page, 2) == whole
    assert {issue.key["id"] for issue in page(codes=["A"])} == {0, 4}
    assert {issue.key["id"] for issue in page(codes=[None])} == {1, 6}
    assert [issue.key["id"] for issue in page(states=("dismissed",))] == [3]
    assert page(codes=["nobody"]) == []
    assert state.issue_page("contacts", "other", "rejected") == []


def test_groups_count_rows_by_code(state, start, clock):
    """The largest first, dismissed ones apart, each with one of its rows."""
    file_rows(state, start, clock, ["A", "B", "B", None])
    state.dismiss("contacts", '{"id":0}')
    groups = state.issue_groups("contacts", "i1")
    assert [(group.code, group.shown, group.dismissed) for group in groups] == [("B", 2, 0), (None, 1, 0), ("A", 0, 1)]
    assert [group.example.code for group in groups] == ["B", None, "A"]


def test_counts_follow_every_change(state, start, clock):
    """Whatever changes rows in trouble, also in another process, is counted the next time somebody looks."""
    file_rows(state, start, clock, ["A", "A", "B"])
    with StateDB.open(state.engine.url.render_as_string(hide_password=False), Path("/"), clock=clock) as other:
        assert other.issue_counts() == state.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=3)}
        assert state.dismiss_all("contacts", "i1", ["A"]) == 2
        assert other.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=1, dismissed=2)}
        assert state.retry_all("contacts", "i1") == 3
        assert other.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=3)}
        assert state.resolve("contacts", "i1", ['{"id":0}']) == 1
        assert other.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=2)}
        state.set_aside("contacts", "i1", ['{"id":1}'])
        assert other.issue_counts() == {("contacts", "i1"): IssueCounts(rejected=1, dismissed=1)}
        assert state.drop_issues("contacts") == 2
        assert other.issue_counts() == {}


def test_one_row_is_found_by_its_key(state, start, clock):
    """By the text that it is filed under."""
    file_rows(state, start, clock, ["A"], kind="unknown")
    assert state.issue("contacts", "i1", '{"id":0}').kind == "unknown"
    assert state.issue("contacts", "i1", '{"id":1}') is None
    assert state.issue("contacts", "other", '{"id":0}') is None


def test_tokens_live_in_both_kinds(state):
    """Made, proven, used, and gone."""
    whole = state.make_token("ann", "operator")
    token = state.proven(whole)
    assert (token.name, token.role, token.used_at) == ("ann", "operator", None)
    state.note_use(token.token_id)
    assert state.token(token.token_id).used_at == 1_000.0
    with pytest.raises(UsageError, match="already"):
        state.make_token("ann", "viewer")
    state.revoke_token("ann")
    assert state.proven(whole) is None
