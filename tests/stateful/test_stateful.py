"""Ten thousand steps of what may happen to a sync, and after each one the destination is asked who is right.

A failure prints the steps that lead to it, as code. The walks are the same each time, so that whoever meets a failure
has made it; with `TAILRACE_WALK=random`, as in `make fuzz`, they are others each time, which is how to look for more.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.stateful.machine import Brisk, Broken, Machine
from tests.stateful.mutants import MUTANTS
from tests.stateful.world import Kind

STEPS = 10_000
"""All kinds together; the test counts them."""
WALK = 50
"""Steps of one walk: enough to get into trouble and out of it again several times."""
KINDS = {
    "upsert": Kind("upsert"),
    "mirror": Kind("mirror"),
    "mirror, with checkpoints": Kind("mirror", checkpoints=True),
    "mirror, by record id": Kind("mirror", addresses="record_id"),
    "update": Kind("update"),
    "insert": Kind("insert", unique=False),
    "append": Kind("append", matched=False),
    "append, changes too": Kind("append", matched=False, more=(("append", "changes"),)),
    "append, looked up": Kind("append", unique=False, addresses="record_id"),
    "append, changes too, looked up": Kind(
        "append", unique=False, addresses="record_id", more=(("append", "changes"),)
    ),
}
PHASES = [Phase.generate]
"""To shrink a walk takes minutes, for which `Phase.shrink` can be put beside this."""
SETTINGS = settings(
    stateful_step_count=WALK,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    max_examples=25,
    phases=PHASES,
    database=None,
)


def machine(name: str, of: type[Machine] = Machine) -> type[Machine]:
    """A machine of that kind, with a count of its own."""
    members: dict[str, Any] = {"kind": KINDS[name], "steps": 0}
    return type("Machine", (of,), members)


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("name", KINDS)
def test_the_snapshot_is_what_was_acknowledged_whatever_happens(name):
    """Nothing lost, nothing doubled, and the records agree after each of very many steps."""
    walker = machine(name)
    run_state_machine_as_test(walker, settings=SETTINGS)
    assert walker.steps >= STEPS / len(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_few_steps_of_the_same(name):
    """One short walk of each kind, the same each time."""
    walker = machine(name)
    quick = settings(SETTINGS, max_examples=1, stateful_step_count=20, derandomize=True, database=None)
    run_state_machine_as_test(walker, settings=quick)
    assert walker.steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        ("answers_are_made_up", "append"),
        ("refused_rows_enter", "upsert"),
        ("nobody_looks_back", "append"),
        ("outcomes_are_dropped", "append"),
        ("held_rows_go_out", "append"),
        ("nothing_is_fenced", "mirror"),
    ],
)
def test_the_machine_finds_a_faulty_engine(mutant, name, monkeypatch):
    """An engine with a fault of the kind that loses or doubles rows does not get through."""
    MUTANTS[mutant](monkeypatch)
    thorough = settings(SETTINGS, max_examples=100, phases=[Phase.generate], derandomize=True, database=None)
    with pytest.raises(Broken):
        run_state_machine_as_test(machine(name, Brisk), settings=thorough)
