"""From a change set to a plan: which rows go, which wait, and what the guards see."""

import datetime as dt

import polars as pl
import pyarrow as pa
import pytest

from tailrace.canonical import canonical_frame
from tailrace.changes import ChangeSet, DiffSpec, SnapshotData
from tailrace.destination import Capabilities, Operation
from tailrace.diff.core import difference
from tailrace.planning import Basis, Hold, Surroundings, build
from tailrace.project.config import SyncConfig
from tailrace.rowset import Rows

BASIS = Basis(definition="d", destination="d", object="o", key=("id",), match=("ext",), generation=1, account="a")


def rows(*people):
    """A model of (key, match, name)."""
    ids, matches, names = ([person[at] for person in people] for at in range(3))
    batch = {"k:id": pa.array(ids, pa.int64()), "m:ext": pa.array(matches, pa.string()), "f:name": pa.array(names)}
    return canonical_frame([pa.record_batch(batch)], {})


def snapshot(*people):
    """A snapshot that acknowledged that model."""
    held = rows(*people)
    ids = pl.Series("record_id", [f"R{person[0]}" for person in people])
    unknown = pl.Series("unknown", [[]] * len(people), dtype=pl.List(pl.String))
    return SnapshotData(held.frame.with_columns(ids, unknown), held.types)


HELD = Hold("unknown", None, "r1")
KNOWN = snapshot((1, "z", "Ann"), (2, "b", "Bob"))
KNOWN_ROWS = rows((1, "z", "Ann"), (2, "b", "Bob"))
MOVED = rows((0, "b", "Zed"), (1, "z", "Anna"), (2, "c", "Bob"))


def planned(model, known=KNOWN, *, fold=frozenset(), settings=None, **around):
    """The plan for a model."""
    config = SyncConfig.model_validate(
        {"model": "m", "destination": "d", "object": "o", "mode": "mirror", "key": "id", "match": {"ext": "e"}}
        | {"fields": {"name": "n"}}
        | (settings or {})
    )
    can = Capabilities(frozenset(Operation), frozenset(), batch_size=10, case_insensitive_match=fold)
    spec = DiffSpec(("id",), tuple(config.match), tuple(config.fields), fold_match=fold)
    changes = change_set(difference(model, known, spec))
    surroundings = Surroundings(capabilities=can, batch_size=10, rates=(), **around)
    return build("s", config, changes, BASIS, surroundings, at=dt.datetime.now(dt.UTC), plan_id="p")


def sent(plan):
    """Keys of the rows that go."""
    return plan.rows.collect()["k:id"].to_list()


def change_set(found):
    """A difference as the streaming diff hands it on."""
    counts = {"insert": 0, "update": 0, "delete": 0, **dict(found.frame.group_by("op").len().iter_rows())}
    return ChangeSet(
        rows=Rows.of_frame(found.frame),
        types=found.types,
        model_rows=found.model_rows,
        snapshot_rows=found.snapshot_rows,
        unchanged=found.unchanged,
        counts=counts,
        occupied=found.occupied,
        invalid=found.invalid,
        events=found.events,
    )


def test_a_row_whose_value_becomes_free_in_this_run_goes():
    """The move and the row that takes the value over are one plan; delivery sees to the order."""
    plan = planned(MOVED)
    assert (sent(plan), plan.notes, plan.held) == ([0, 1, 2], (), 0)


@pytest.mark.parametrize("fold", [frozenset(), frozenset({"ext"})])
def test_a_row_waits_while_the_one_that_moves_is_held(fold):
    """Key 2 is not sent, so key 0 would be written over its record; the plan says that one row waits."""
    model = rows((0, " B" if fold else "b", "Zed"), (1, "z", "Anna"), (2, "c", "Bob"))
    plan = planned(model, fold=fold, held={keyed(2): HELD})
    assert (sent(plan), plan.held) == ([1], 1)
    assert plan.notes == (
        "1 new row waits: the match value still belongs to the record of another row, which is not sent now",
    )


def test_a_row_whose_record_is_gone_holds_its_match_value_no_longer():
    """Key 2 is left deleted, as the sync says: key 0 may have its value."""
    plan = planned(MOVED, held={keyed(2): Hold("deleted", None, "r1")})
    assert (sent(plan), plan.held, plan.notes) == ([0, 1], 1, ())


def test_what_is_deleted_for_good_is_told_in_words():
    """The plan says that nobody can restore the records; other ways to remove them need no such note."""
    gone = planned(rows((2, "b", "Bob")), settings={"on_delete": "hard_delete"})
    assert gone.notes == (
        "1 record is deleted for good (on_delete: hard_delete): no recycle bin has them, nobody can restore them",
    )
    assert planned(KNOWN_ROWS, settings={"on_delete": "hard_delete"}).notes == ()
    assert planned(rows((2, "b", "Bob"))).notes == ()


def keyed(key):
    """A key's text."""
    return f'{{"id":{key}}}'


def test_a_row_waits_while_the_one_that_moves_is_left_out():
    """A plan confined to some rows leaves the others' records alone."""
    assert sent(planned(MOVED, only=[keyed(0), keyed(1)])) == [1]
    assert sent(planned(MOVED, only=[keyed(0), keyed(2)])) == [0, 2]


@pytest.mark.parametrize("aside", [[(2, None, "Bob")], [(2, "q", "Bob"), (2, "r", "Bob")]])
def test_a_row_waits_while_the_one_that_moves_is_set_aside(aside):
    """A known row that cannot be sent keeps its record, and the record its match value."""
    plan = planned(rows((0, "b", "Zed"), (1, "z", "Anna"), (7, "n", "New"), *aside))
    assert sent(plan) == [1, 7]


@pytest.mark.parametrize(("mode", "expected"), [("update", [1]), ("upsert", [1]), ("insert", [0]), ("append", [0])])
def test_only_rows_that_would_be_written_over_a_record_wait(mode, expected):
    """Insert leaves existing records alone and append makes a new one: nothing to wait for."""
    assert sent(planned(MOVED, settings={"mode": mode}, held={keyed(2): HELD})) == expected


def test_a_limit_takes_moves_first():
    """However few rows go, none takes a value that is not free; guards and order stay as they are."""
    assert [sent(planned(MOVED, limit=limit)) for limit in range(4)] == [[], [2], [0, 2], [0, 1, 2]]
    assert planned(MOVED, limit=2).rows.collect()["seq"].to_list() == [0, 2]


def test_a_limit_needs_no_match():
    """Where records have no match value nothing can move, and the first rows go."""
    model = canonical_frame([pa.record_batch({"k:id": [1, 2, 3], "f:name": ["a", "b", "c"]})], {})
    assert sent(planned(model, None, settings={"mode": "append", "match": {}}, limit=2)) == [1, 2]


def test_a_delete_sync_heeds_a_limit_in_rows():
    """Its rows are new to the snapshot, and still deletes; a share of the snapshot has no meaning there."""
    gone = rows((5, "p", None), (6, "q", None))
    deleting = {"mode": "delete", "fields": {}}
    assert planned(gone, settings=deleting).tripped == ()
    plan = planned(gone, settings={**deleting, "guards": {"max_deletes": 1}})
    assert [(guard.guard, guard.actual) for guard in plan.tripped] == [("max_deletes", "2 rows")]
    assert planned(gone, settings={**deleting, "guards": {"max_deletes": "1%"}}).tripped == ()
