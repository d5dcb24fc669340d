"""Runs killed at every failpoint and at random lose no row and double none; and the sweep finds what would."""

import os
import secrets

import pytest
from tests.sweep.lanes import LANES, TOKENS, Order, ready, sweep
from tests.sweep.report import table
from tests.sweep.worlds import Append, Insert, Postgres, Upsert, World

from tailrace.failpoints import POINTS
from tailrace.sandbox.hubspot.records import Store

SEED = int(os.environ.get("TAILRACE_SEED") or secrets.randbelow(10_000))
POINTS_EACH = int(os.environ.get("TAILRACE_SWEEP_POINTS", "2"))
ENOUGH = 20
"""With so many kills wanted of each failpoint, each must have been met."""
AT_RANDOM = int(os.environ.get("TAILRACE_SWEEP_RANDOM", "20"))


@pytest.fixture(autouse=True)
def _tokens(monkeypatch):
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
@pytest.mark.sweep
def test_no_kill_loses_a_row_or_doubles_one(postgres_databases, record_property):
    """In each mode, with a bad network: in the end the destination is the model, and the snapshot knows it."""
    tallies = sweep(Order(POINTS_EACH, AT_RANDOM, SEED, postgres_databases))
    record_property("told", f"\nsweep with TAILRACE_SEED={SEED}, {LANES} worlds at once\n{table(tallies)}")
    assert [fault for tally in tallies for fault in tally.faults] == []
    if POINTS_EACH < ENOUGH:
        return  # with so few runs some come by none of the rarer places
    killed = {point: sum(tally.kills[point] for tally in tallies) for point in POINTS}
    assert {point: kills for point, kills in killed.items() if kills < POINTS_EACH * 0.8} == {}
    assert sum(tally.kills["at random"] for tally in tallies) >= AT_RANDOM * 0.8


def found(kind: type[World], mutant: str, points, times: int, **late: float) -> list[str]:
    """What a sweep finds in a program that has a fault."""
    with ready(kind, Order(times, 0, SEED), mutant, run_in="thread", **late) as made:
        for _ in range(4):
            made.at_points(times, points)
            made.look()
            if made.tally.faults:
                break
            made.tally.kills.clear()
        return made.tally.faults


@pytest.fixture
def lenient(monkeypatch):
    """A vendor that lets two records have one value: only the program itself keeps it from making the second.

    It must be a thread of this process.
    """
    monkeypatch.setattr(Store, "owner", lambda *_: None)


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.parametrize(
    ("kind", "mutant", "points", "words"),
    [
        (Upsert, "settled too early", ("batch.intended",), "is lost"),
        (Append, "forgetful", ("batch.sent",), "records of key"),
        (Append, "unmarked", ("batch.sent",), "records of key"),
        (Append, "unnoted", ("batch.settled",), "were in flight"),
    ],
    ids=["settled too early", "appends not recovered", "what was sent not marked", "answers not noted"],
)
def test_the_sweep_finds_a_faulty_program(kind, mutant, points, words):
    """Outcomes saved before the send, batches in flight that nobody looks for or marked, answers a death forgets."""
    assert any(words in fault for fault in found(kind, mutant, points, 8))


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.usefixtures("lenient")
def test_the_sweep_finds_a_hasty_look_up():
    """Looked up at once, a record that lands a moment later is made twice."""
    # Later than it takes a run to begin and to look it up, on a busy machine as well.
    faults = found(Insert, "", ("batch.intended", "batch.sent"), 6, settle=0.0, linger=1.5)
    assert any("records of key" in fault for fault in faults)


def test_a_few_kills_over_postgresql(postgres_database):
    """A quick look at the whole of it, for the suite that is run all the time."""
    with ready(Postgres, Order(1, 0, SEED, [postgres_database])) as made:
        made.at_points(1, ("batch.sent", "manifest.ready"))
        assert made.finish().faults == []
