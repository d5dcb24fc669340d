"""The record of runs."""

import pytest

from tailrace.destination import Account
from tailrace.errors import LeaseLost, UsageError
from tailrace.state import Counts, Tallies


def test_a_run_is_remembered_as_it_ended(state, start, clock):
    """Counts, tallies, errors and durations come back as they were given."""
    lease = start()
    state.set_plan("r1", "hash", Counts(model_rows=10, inserts=2), identity="i2")
    clock.now += 5
    errors = [{"code": "X", "rows": 1, "example": {"key": {"id": 5}, "message": "no"}}]
    state.finish_run(
        "r1", "partial", tallies=Tallies(acknowledged=1, rejected=1, throttled_s=0.5), errors=errors,
        seconds={"query": 0.4}, token=lease.token,
    )  # fmt: skip
    run = state.run("r1")
    assert (run.status, run.plan_hash, run.identity, run.counts.inserts) == ("partial", "hash", "i2", 2)
    assert (run.tallies.rejected, run.errors[0]["code"], run.seconds) == (1, "X", {"query": 0.4})
    assert run.finished_at - run.started_at == 5


def test_runs_are_found_by_the_beginning_of_their_id(state, start):
    """A unique beginning is enough; an ambiguous or unknown one says so."""
    start("2026-aa1", "contacts")
    start("2026-aa2", "accounts")
    start("2026-aa", "deals")
    assert state.run("2026-aa1").sync == "contacts"
    assert state.run("2026-aa").sync == "deals"
    with pytest.raises(UsageError, match="several runs: 2026-aa, 2026-aa1"):
        state.run("2026")
    with pytest.raises(UsageError, match="there is no run 9"):
        state.run("9")
    with pytest.raises(UsageError, match="there is no run %"):
        state.run("%")


def test_runs_come_newest_first(state, start, clock):
    """The list and the latest run go by start; the list can be confined to a sync."""
    for number, sync in enumerate(["a", "b", "c"]):
        clock.now += 1
        start(f"r{number}", sync)
    assert [run.run_id for run in state.runs(limit=2)] == ["r2", "r1"]
    assert [run.run_id for run in state.runs("a")] == ["r0"]
    assert state.last_run("b").run_id == "r1"
    assert state.last_run("b", ["succeeded"]) is None
    assert state.last_run("never") is None


def test_unfinished_runs_are_those_without_an_end(state, start, clock):
    """Recovery sees what died, oldest first, and nothing that ended."""
    start("r1").release()
    clock.now += 1
    start("r2").release()
    start("r3")
    state.finish_run("r2", "failed")
    assert [run.run_id for run in state.unfinished_runs("contacts")] == ["r1", "r3"]


def test_a_run_that_lost_its_lease_cannot_record_its_end(state, start, clock):
    """The run that took over decides what became of it."""
    old = start("r1")
    clock.now += 61
    start("r2")
    with pytest.raises(LeaseLost):
        state.finish_run("r1", "succeeded", token=old.token)
    with pytest.raises(LeaseLost):
        state.start_run(
            "r3", sync="contacts", mode="upsert", destination="d", object="o", identity="i", token=old.token
        )
    assert state.run("r1").status == "running"


def test_accounts_are_remembered_per_configuration(state, clock):
    """The last sign-in under a configuration is what a plan without network goes by."""
    assert state.account("crm") is None
    state.remember_account("crm", "host-a", Account("org1", "Acme", 100, 1000))
    clock.now += 1
    state.remember_account("crm", "host-b", Account("org2"))
    state.remember_account("crm", "host-b", Account("org2", "Acme 2", 5, 10))
    assert state.account("crm", "host-a").account_id == "org1"
    assert (state.account("crm").name, state.account("crm").quota_left) == ("Acme 2", 5)
    assert state.account("crm", "host-c") is None
