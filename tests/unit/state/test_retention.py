"""Which runs may be forgotten, and what goes with them."""

import pytest
import sqlalchemy as sa

from tailrace.destination import acknowledged
from tailrace.errors import LeaseLost
from tailrace.state import Journal, NewHold, NewIssue
from tailrace.state.schema import batches, holds, runs

KEEP_S = 100.0
KEY = '{"id":1}'


@pytest.fixture
def ran(state, start, clock):
    """Has a run of one batch, which ends a second after it began."""

    def ran(run_id, sync="contacts", *, ends=True):
        lease = start(run_id, sync)
        journal = Journal(state, run_id, lease.token)
        journal.intend(1, "upsert", [1])
        journal.settle(1, [acknowledged("1")])
        clock.now += 1
        if ends:
            state.finish_run(run_id, "succeeded", token=lease.token)
        lease.release()

    return ran


def on_record(state, table=runs):
    """The runs that a table names."""
    with state.reading() as connection:
        return sorted(set(connection.scalars(sa.select(table.c.run_id))))


def test_only_runs_that_ended_long_ago_expire(state, ran, clock):
    """The oldest first; not those of other syncs, those that go on, and those that are young."""
    for run in ("r1", "r2"):
        ran(run)
    ran("r3", ends=False)
    ran("other", "accounts")
    clock.now += KEEP_S - 2
    assert state.expired_runs("contacts", KEEP_S, most=9) == ["r1"]
    clock.now += 1
    assert state.expired_runs("contacts", KEEP_S, most=9) == ["r1", "r2"]
    assert state.expired_runs("contacts", KEEP_S, most=1) == ["r1"]
    clock.now += 1_000
    assert state.expired_runs("contacts", KEEP_S, most=9) == ["r1", "r2"]


@pytest.mark.parametrize("kind", ["unknown", "rejected"])
@pytest.mark.parametrize("settled", ["dismissed", "open"])
def test_runs_of_rows_in_trouble_do_not_expire(state, ran, clock, kind, settled):
    """Held, rejected or dismissed: what was sent is needed to settle the row, under whatever identity."""
    for run in ("r1", "r2"):
        ran(run)
    issue = NewIssue(KEY, "insert", "create", kind, "NO", "no", "hash")
    state.record_issues("contacts", "former identity", "r1", [issue], max_attempts=3)
    if settled == "dismissed":
        state.dismiss("contacts", kind=kind)
    clock.now += 1_000
    assert state.expired_runs("contacts", KEEP_S, most=9) == ["r2"]
    state.resolve("contacts", "former identity", [KEY])
    assert state.expired_runs("contacts", KEEP_S, most=9) == ["r1", "r2"]


def test_a_forgotten_run_leaves_nothing(state, ran, clock):
    """Its batches go with it, and so does what held rows back in those days; other runs and syncs keep theirs."""
    ran("r1")
    ran("r2", "accounts")
    for run, age in (("old", 0.0), ("new", 1_000.0)):
        clock.now += age
        lease = state.acquire("contacts", "a", 60)
        state.record_holds("contacts", "i1", run, [NewHold(KEY, run, "dead", None)], token=lease.token)
        lease.release()
    lease = state.acquire("contacts", "a", 60)
    state.forget_runs("contacts", ["r1"], KEEP_S, token=lease.token)
    assert on_record(state) == on_record(state, batches) == ["r2"]
    with state.reading() as connection:
        assert connection.scalars(sa.select(holds.c.first_run)).all() == ["new"]


def test_many_runs_are_forgotten_at_once(state, clock, start):
    """More than fit into one statement."""
    gone = [f"r{number}" for number in range(1_100)]
    lease = start("r0")
    with state.transaction() as connection:
        first = connection.execute(sa.select(runs)).mappings().one()
        connection.execute(sa.insert(runs), [{**first, "run_id": run} for run in gone[1:]])
    state.forget_runs("contacts", gone, KEEP_S, token=lease.token)
    assert on_record(state) == []


def test_only_the_holder_of_the_sync_forgets(state, ran, clock):
    """A run that was overtaken must not remove what the other one may need."""
    ran("r1")
    old = state.acquire("contacts", "a", 60)
    clock.now += 1_000
    state.acquire("contacts", "b", 60)
    with pytest.raises(LeaseLost):
        state.forget_runs("contacts", ["r1"], KEEP_S, token=old.token)
    assert on_record(state) == on_record(state, batches) == ["r1"]
