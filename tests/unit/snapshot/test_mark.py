"""How far a model was read by its cursor: part of the manifest, and of nothing else."""

import datetime as dt
import json

import pytest

from tailrace.errors import SnapshotError
from tailrace.snapshot.manifest import _digest
from tailrace.snapshot.mark import Mark

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
READ = Mark("updated_at", NOON, NOON - dt.timedelta(days=3), "def", ((7,),))
MODEL = {"k_id": [1, 2], "m_ext": ["x1", "x2"], "f_a": [1, 2], "f_b": ["b", None]}


@pytest.fixture
def committed(sync, make_answers):
    """Commits a model, all of which is acknowledged."""

    def commit(columns, **keys):
        run = sync.compare(**columns)
        return sync.store.commit(sync.open(), sync.delivered(run, make_answers(run.changes)), "run", **keys)

    return commit


def test_a_mark_is_committed_with_rows_and_kept_by_commits_that_say_nothing_of_it(sync, committed):
    """Checkpoints and recovery leave it as it was; None takes it away."""
    assert committed(MODEL, mark=READ).generation == 1
    assert sync.open().mark == READ
    assert committed({**MODEL, "f_a": [1, 3]}).generation == 2
    assert sync.open().mark == READ
    committed({**MODEL, "f_a": [1, 4]}, mark=None)
    assert sync.open().mark is None


def test_a_manifest_without_a_mark_is_as_it_always_was(sync, committed):
    """So that an earlier Tailrace reads it, and finds its checksum true."""
    committed(MODEL)
    assert "mark" not in json.loads(sync.open().source)


def test_a_mark_alone_moves_neither_generation_nor_revision(sync, committed):
    """What a plan was made from is still where it was; the same mark is not written twice."""
    before = committed(MODEL)
    after = sync.store.set_mark(before, READ, "run")
    assert (after.generation, after.revision, after.saved_at) == (before.generation, before.revision, before.saved_at)
    assert sync.open().mark == READ
    assert sync.store.set_mark(after, READ, "run") is after
    assert sync.store.set_mark(after, None, "run").mark is None
    assert sync.open().frame().equals(before.frame())


def test_a_mark_may_be_all_that_is_known(sync, committed):
    """Where the first run's rows were all refused."""
    made = sync.store.set_mark(sync.open(), READ, "run")
    assert (made.generation, made.rows, sync.open().mark) == (0, 0, READ)
    assert committed(MODEL).generation == 1


def test_rows_that_are_taken_out_take_the_mark_with_them(sync, committed):
    """The model may still have them, below the mark."""
    saved = committed(MODEL, mark=READ)
    assert sync.store.drop(saved, saved.live_places()[:1], "run").mark is None


@pytest.mark.parametrize("broken", [{}, 7, {"column": "c"}, {**READ.to_json(), "value": ["str", "x"]}])
def test_a_mark_that_is_none_is_damage(sync, committed, broken):
    """And not a crash, nor taken for no mark."""
    committed(MODEL, mark=READ)
    path = sync.folder / "manifest.json"
    body = {**json.loads(path.read_text()), "mark": broken}
    body.pop("digest")
    path.write_text(json.dumps({**body, "digest": _digest(body)}))
    with pytest.raises(SnapshotError, match="is no manifest"):
        sync.open()
