"""Cases that the machine came by, told as stories."""

import pytest
from tests.stateful.world import Kind, World


@pytest.fixture(params=[False, True], ids=["at the end", "at checkpoints"])
def world(request):
    """Mode append with a match value that is not unique."""
    made = World(Kind("append", unique=False, checkpoints=request.param))
    yield made
    made.close()


def test_a_row_that_was_appended_is_remembered_though_another_has_its_match_value(world):
    """Both have records of their own: when the first comes back it is not appended again."""
    world.model.add("r1", "a")
    world.model.add("r2", "a")
    assert world.run().acknowledged == 2
    world.model.remove(1)
    assert world.run().status == "nothing_to_do"
    world.model.add("r1", "b")
    assert world.run().acknowledged == 1
    assert sorted(world.facts().snapshot["k:id"]) == [1, 2, 3]
    world.model.bring_back(1, 0)
    assert world.run().status == "nothing_to_do"
