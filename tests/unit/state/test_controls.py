"""What people ask of syncs that run elsewhere, in the one database that all machines share."""

import subprocess
import sys
import threading

import pytest

from tailrace.errors import UsageError
from tailrace.state import StateDB

URL = "sqlite:///.tailrace/state.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request, tmp_path, clock):
    """An open state database of each kind, on the test's clock."""
    url = URL if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    with StateDB.open(url, tmp_path, clock=clock) as opened:
        yield opened


def test_a_pause_stays_until_it_is_taken_back(state, clock):
    """Who paused first and when is kept; a second pause changes nothing."""
    assert state.pause("contacts", "ann")
    clock.now += 5
    assert not state.pause("contacts", "bob")
    held = state.paused()["contacts"]
    assert (held.who, held.at) == ("ann", 1_000.0)
    assert held.to_json() == {"sync": "contacts", "by": "ann", "at": "1970-01-01T00:16:40Z"}
    assert state.unpause("contacts")
    assert not state.unpause("contacts")
    assert state.paused() == {}


def test_a_request_is_taken_once_whoever_tries(state):
    """Of several threads that try at once, one gets it."""
    asked = state.request("contacts", "ann", full=True)
    taken, ready = [], threading.Barrier(4)

    def grab():
        ready.wait()
        if state.take(asked):
            taken.append(threading.current_thread())

    threads = [threading.Thread(target=grab) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(taken) == 1
    assert state.request_status(asked).state == "taken"


def test_a_request_tells_what_became_of_it(state, clock):
    """It waits, is taken, and is done, with the run and its result; its plan is kept until then."""
    asked = state.request("contacts", "ann", plan=b"a plan", overrides=["max_deletes", "contract"])
    waits = state.request_status(asked)
    assert (waits.state, waits.who, waits.planned, waits.overrides) == (
        "waiting",
        "ann",
        True,
        ("contract", "max_deletes"),
    )
    assert state.plan_of(asked) == b"a plan"
    state.take(asked)
    clock.now += 60
    state.finish_request(asked, run_id="r1", result={"status": "succeeded"})
    done = state.request_status(asked)
    assert (done.state, done.run_id, done.result, done.taken_at, done.finished_at) == (
        "done",
        "r1",
        {"status": "succeeded"},
        1_000.0,
        1_060.0,
    )
    assert state.plan_of(asked) is None
    assert done.to_json()["finished_at"] == "1970-01-01T00:17:40Z"


def test_requests_are_listed_newest_first(state, clock):
    """Of one sync or all, of some states or all."""
    first = state.request("contacts", "ann")
    clock.now += 1
    second = state.request("orders", "bob", dry_run=True)
    assert [each.request_id for each in state.requests()] == [second, first]
    assert [each.request_id for each in state.requests("contacts")] == [first]
    state.take(second)
    assert [each.request_id for each in state.requests(states={"waiting"})] == [first]
    assert [each.request_id for each in state.requests(limit=1)] == [second]


def test_a_request_of_one_name_is_made_once(state):
    """A webhook that is delivered twice asks for one run; requests without a name are each their own."""
    first = state.request("contacts", "dbt", once="delivery-1")
    assert state.request("contacts", "dbt", once="delivery-1") == first
    assert state.request("contacts", "dbt", once="delivery-2") != first
    assert state.request("contacts", "dbt") != state.request("contacts", "dbt")


def test_a_request_may_be_taken_back_while_it_waits(state):
    """Not when it was taken; a withdrawn one cannot be taken any more, and one that was not taken does not finish."""
    asked = state.request("contacts", "ann", plan=b"x")
    state.finish_request(asked, run_id="r9")
    assert state.request_status(asked).state == "waiting"
    assert state.withdraw(asked)
    assert not state.take(asked)
    assert state.request_status(asked).state == "withdrawn"
    assert state.plan_of(asked) is None
    taken = state.request("contacts", "ann")
    state.take(taken)
    assert not state.withdraw(taken)


def test_a_request_that_nobody_made_is_told(state):
    """By its id, which may be one that was forgotten."""
    with pytest.raises(UsageError, match="there is no request r77"):
        state.request_status("r77")


def test_a_request_of_a_dead_process_is_lost(state, tmp_path):
    """A process of this machine that is gone is not waited for; whoever looks first is told, once."""
    asked = state.request("contacts", "ann")
    url = state.engine.url.render_as_string(hide_password=False)
    code = (
        "import sys; from pathlib import Path; from tailrace.state import StateDB\n"
        f"with StateDB.open({url!r}, Path('.')) as state: assert state.take({asked!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
    (lost,) = state.lose_requests(60.0)
    assert (lost.request_id, lost.state) == (asked, "lost")
    assert "ended before it could tell" in state.request_status(asked).message
    assert state.lose_requests(60.0) == []


def test_a_request_of_another_machine_is_lost_when_nobody_holds_the_sync(state, clock, monkeypatch):
    """It has as long as a lease lasts to take the sync, and to tell of a run that has ended; a dry run has an hour."""
    run, dry = state.request("contacts", "ann"), state.request("contacts", "ann", dry_run=True)
    with monkeypatch.context() as there:
        there.setattr("tailrace.state.controls.this_machine", lambda: "another boot pid")
        state.take(run)
        state.take(dry)
    lease = state.acquire("contacts", "another", 60.0)
    clock.now += 59
    assert state.lose_requests(30.0) == []
    state.start_run(
        "r1", sync="contacts", mode="upsert", destination="crm", object="Contact", identity="i1", token=lease.token
    )
    state.finish_run("r1", "succeeded")
    lease.release()
    clock.now += 29
    assert state.lose_requests(30.0) == []
    clock.now += 2
    assert [each.request_id for each in state.lose_requests(30.0)] == [run]
    clock.now += 3_600
    assert [each.request_id for each in state.lose_requests(30.0)] == [dry]


def test_cancelling_reaches_the_run_that_holds_the_sync(state):
    """It is for that lease alone: the next run of the sync is not stopped by it."""
    with pytest.raises(UsageError, match="no run of contacts goes on"):
        state.ask_cancel("contacts", "ann")
    first = state.acquire("contacts", "r1", 60.0)
    assert state.cancelled("contacts", first.token) is None
    state.ask_cancel("contacts", "ann")
    state.ask_cancel("contacts", "bob")
    assert state.cancelled("contacts", first.token) == "bob"
    first.release()
    second = state.acquire("contacts", "r2", 60.0)
    assert state.cancelled("contacts", second.token) is None
    with pytest.raises(UsageError, match="no run of orders"):
        state.ask_cancel("orders", "ann")


def test_a_run_whose_lease_ran_out_cannot_be_cancelled(state, clock):
    """Nobody is there to hear it."""
    state.acquire("contacts", "r1", 60.0)
    clock.now += 61
    with pytest.raises(UsageError, match="no run of contacts"):
        state.ask_cancel("contacts", "ann")


def test_the_audit_log_is_read_in_pages(state, clock):
    """Newest first, each page beginning where the last ended; of one subject or of all."""
    for number in range(5):
        clock.now += 1
        state.note_action("ann", "pause", f"sync{number % 2}", role="operator", detail={"number": number})
    first = state.actions(limit=2)
    rest = state.actions(before=first[-1].id, limit=10)
    assert [each.detail["number"] for each in (*first, *rest)] == [4, 3, 2, 1, 0]
    assert [each.detail["number"] for each in state.actions(subject="sync1")] == [3, 1]
    assert first[0].to_json() == {
        "id": first[0].id,
        "at": "1970-01-01T00:16:45Z",
        "by": "ann",
        "role": "operator",
        "action": "pause",
        "subject": "sync0",
        "detail": {"number": 4},
    }


def test_what_is_old_is_forgotten(state, clock):
    """Requests that ended, and cancels; not those that wait. The audit log stays a year, or as long as runs do."""
    old, waiting = state.request("contacts", "ann"), state.request("contacts", "ann")
    state.withdraw(old)
    state.acquire("contacts", "r1", 60.0)
    state.ask_cancel("contacts", "ann")
    state.note_action("ann", "pause", "contacts")
    day = 86_400.0
    clock.now += 89 * day
    state.forget_steering(90 * day)
    assert len(state.requests()) == 2
    clock.now += 2 * day
    state.forget_steering(90 * day)
    assert [each.request_id for each in state.requests()] == [waiting]
    assert state.cancelled("contacts", 1) is None
    assert len(state.actions()) == 1
    clock.now += 300 * day
    state.forget_steering(500 * day)
    assert len(state.actions()) == 1
    state.forget_steering(90 * day)
    assert state.actions() == []
