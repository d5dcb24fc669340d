"""Cases that the machine came by, told as stories."""

from contextlib import closing

import pytest
from tests.stateful.lab import Life, Twist
from tests.stateful.vendor import OBJECT
from tests.stateful.world import Kind, World

from tailrace.errors import AccessDenied, AnswerLost


@pytest.fixture(params=[False, True], ids=["at the end", "at checkpoints"])
def world(request):
    """Mode append with a match value that is not unique."""
    made = World(Kind("append", unique=False, addresses="record_id", checkpoints=request.param))
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


@pytest.mark.parametrize("killed", [False, True], ids=["in the run", "by the next run"])
def test_a_row_whose_record_was_never_made_is_not_taken_for_delivered_with_anothers(world, killed):
    """The look-up finds the record of a row that has left the model: it is known, and so it is not the new one's."""
    world.model.add("r1", "a")
    assert world.run().acknowledged == 1
    world.model.remove(1)
    world.model.add("r1", "b")
    if killed:
        assert world.run(Twist(1, Life.die, "batch.intended")) is None
        world.a_day_passes()
    else:
        world.vendor.fail(AnswerLost("the connection broke"), times=1)
    results = [world.run(), world.run()]
    records = world.vendor.records(OBJECT)
    assert sorted(record["Id"] for record in records.values()) == [1, 2], results
    snapshot = world.facts().snapshot.sort("k:id")
    assert [records[record_id]["Id"] for record_id in snapshot["record_id"]] == [1, 2]


def test_a_row_that_is_held_is_not_settled_with_the_record_of_another(world):
    """Where somebody has it looked up: it is planned again, and makes a record of its own."""
    world.model.add("r1", "a")
    assert world.run().acknowledged == 1
    world.model.remove(1)
    world.model.add("r1", "b")
    world.vendor.fail(AnswerLost("the connection broke"), times=2)
    assert world.run().unknown == 1
    with world.process() as process:
        assert len(process.resolve("people", "look_up")) == 1
    assert world.run().acknowledged == 1
    assert sorted(record["Id"] for record in world.vendor.records(OBJECT).values()) == [1, 2]


@pytest.mark.parametrize("changes", [False, True], ids=["new rows", "changes too"])
def test_a_record_that_was_made_is_told_from_anothers_where_each_row_has_one(changes):
    """The answer is lost, the record is there. Where rows may have several, an earlier one of the other may be it."""
    world = World(Kind("append", unique=False, addresses="record_id", more=(("append", "changes"),) * changes))
    with closing(world):
        world.model.add("r1", "a")
        assert world.run().acknowledged == 1
        world.model.remove(1)
        world.model.add("r1", "b")
        world.vendor.fail(AnswerLost("the connection broke"), times=1, after_commit=True)
        result = world.run()
        assert (result.acknowledged, result.unknown) == ((0, 1) if changes else (1, 0))
        assert sorted(record["Id"] for record in world.vendor.records(OBJECT).values()) == [1, 2]
        with world.process() as process:
            assert len(process.resolve("people", "look_up")) == 0
        assert len(world.facts().in_doubt) == changes


def test_a_record_of_ones_own_is_not_anothers():
    """A row that is held was adopted since: its record is known, and the look-up takes it for its own."""
    world = World(Kind("append", unique=False, addresses="record_id", more=(("append", "changes"),)))
    with closing(world):
        world.model.add("r1", "a")
        world.vendor.fail(AnswerLost("the connection broke"), times=1, after_commit=True)
        world.vendor.fail(AccessDenied("no more"), "find", times=1)
        assert world.run().unknown == 1
        world.vendor.spoil("m1", {"Name": "as they write it"})
        with world.process() as process:
            process.adopt("people")
        with world.process() as process:
            process.resolve("people", "look_up")
        assert world.run().status == "nothing_to_do"
        assert len(world.vendor.records(OBJECT)) == 1
