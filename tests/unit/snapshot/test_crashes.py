"""A commit that stops anywhere leaves the old snapshot or the new one, and can be done again."""

import errno
import io
import os
import resource
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from tailrace.diff import engine
from tailrace.errors import SnapshotError
from tailrace.snapshot import writing
from tailrace.snapshot.storage import LocalStorage
from tailrace.snapshot.store import GRACE, SnapshotStore

SYSTEM = ("open", "close", "fsync", "fchmod", "dup", "link", "replace", "unlink", "mkdir", "rmdir")
WRITES = [
    *((os, name) for name in SYSTEM),
    (io, "open"),
    (writing, "write_bits"),
    (pl.DataFrame, "write_parquet"),
    (pl.LazyFrame, "sink_parquet"),
    (pq.ParquetWriter, "__init__"),
    (pq.ParquetWriter, "write_table"),
    (pq.ParquetWriter, "close"),
]
READS = [(pl, "scan_parquet"), (pl, "read_parquet_schema"), (pl.LazyFrame, "sink_batches"), (pl.LazyFrame, "collect")]
"""Together all that a commit does with files. numpy writes and reads through `os.dup`."""


# numpy leaves a file open when `os.dup` fails.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed file")


class Crash(BaseException):
    """Stands for the process dying: no handler of ours may catch it."""


def dies(_):
    """What a call raises in a process that dies."""
    return Crash()


def full(owner):
    """What a call raises when the disk is full; polars has words of its own for it."""
    text = os.strerror(errno.ENOSPC)
    if owner in {pl.DataFrame, pl.LazyFrame}:
        return pl.exceptions.ComputeError(f"parquet: underlying IO error: {text}")
    return OSError(errno.ENOSPC, text)


class Faults:
    """Counts the calls that touch files, and lets one fail; when the process dies there, all later ones fail too."""

    def __init__(self, at=-1, error=dies, root=None):
        self.at, self.error, self.root = at, error, root
        self.watched = [*WRITES, *READS] if error is dies else WRITES
        self.calls = 0
        self.unseen = []
        """What came or went between two counted calls."""
        self._depth = 0
        self._files = self._listed()

    def __enter__(self):
        self._patch = pytest.MonkeyPatch()
        for owner, name in self.watched:
            self._patch.setattr(owner, name, self._failing(owner, getattr(owner, name)))
        return self

    def __exit__(self, *_):
        self._patch.undo()

    def _failing(self, owner, original):
        def call(*args, **kwargs):
            self.calls += 1
            if self.calls == self.at or (self.error is dies and self.calls > self.at > 0):
                raise self.error(owner)
            self._look(keep=False)
            self._depth += 1
            try:
                return original(*args, **kwargs)
            finally:
                self._depth -= 1
                self._look(keep=True)

        return call

    def _look(self, *, keep):
        if self.root is not None and not self._depth:
            found = self._listed()
            self.unseen += [] if keep else sorted(found ^ self._files)
            self._files = found

    def _listed(self):
        """Names and numbers of all files and folders; counts no call."""
        if self.root is None:
            return set()
        found = []
        for path, folders, files in os.walk(self.root):
            found += [(name, os.stat(f"{path}/{name}").st_ino) for name in (*folders, *files)]  # noqa: PTH116
        return set(found)


@dataclass(frozen=True)
class Scene:
    """What is there before, and what is done."""

    prepare: Callable
    """Takes a sync, and gives what does it to a store."""
    least: int
    """So many calls there are at the least."""


def model(ids, value=0):
    """Rows of a model by key."""
    ids = list(ids)
    return {"k_id": ids, "m_ext": [f"x{n}" for n in ids], "f_a": [n + value for n in ids], "f_b": ["b"] * len(ids)}


def committing(sync, **columns):
    """A commit of what a model makes of the snapshot."""
    run = sync.compare(**columns)
    delivered = sync.delivered(run, sync.answers(run.changes))
    return lambda store: store.commit(store.open(sync.identity), delivered, "run")


def first(sync):
    """A first commit."""
    return committing(sync, **model(range(3)))


def changes(sync):
    """Inserts, updates and deletes in one commit, and rows that stay."""
    sync.run(**model(range(9)))
    return committing(
        sync,
        k_id=[1, 2, 3, 4, 5, 6, 7, 8, 9],
        m_ext=[f"x{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 99)],
        f_a=[1, 20, 3, 4, 5, 6, 7, 8, 9],
        f_b=["b"] * 9,
    )


def compaction(sync):
    """A commit after which there are so many segments that they are merged."""
    for size in (10, 12, 14, 16):
        sync.run(**model(range(size)))
    assert len(sync.open().readers) == 4
    return committing(sync, **model(range(18)))


def retyping(sync):
    """A column leaves its type: all rows are written anew."""
    sync.run(**model(range(5)))
    return committing(sync, **{**model(range(5)), "f_a": ["0", "1", "two", "3", "4"]})


def renaming(sync):
    """A policy changes, so that rows get other names."""
    sync.run(**model(range(5)))
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
    return committing(sync, **model(range(6)))


def bulk(sync):
    """Plain inserts stay in the file of the model's rows, which becomes a segment."""
    sync.run(**model(range(2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "MIN_ROWS", 1)
        patch.setattr(engine, "_SHARE", 10**12)
        run = sync.compare(**model(range(1, 20)))
    assert [source.bulk for source in run.found.rows.sources] == [False, True]
    delivered = sync.delivered(run, sync.answers(run.changes, {7}))
    return lambda store: store.commit(store.open(sync.identity), delivered, "run")


def garbage(sync):
    """Files that nobody needs any more are removed."""
    for size in (10, 12, 14, 16, 18):
        sync.run(**model(range(size)))
    sync.now += GRACE + timedelta(seconds=1)
    return lambda store: store.maintain(store.open(sync.identity))


def drop(sync):
    """Rows are taken out."""
    sync.run(**model(range(5)))

    def dropping(store):
        snapshot = store.open(sync.identity)
        store.drop(snapshot, snapshot.with_ids(pl.Series(["R1", "R3"])), "run")

    return dropping


SCENES = {
    "first": Scene(first, 50),
    "changes": Scene(changes, 60),
    "compaction": Scene(compaction, 110),
    "retyping": Scene(retyping, 50),
    "renaming": Scene(renaming, 50),
    "bulk": Scene(bulk, 80),
    "garbage": Scene(garbage, 20),
    "drop": Scene(drop, 30),
}
EVERY, LAST = 9, 16
"""The quick tests take every ninth call only, but all of the last ones, where the manifest is put in place."""


def some(calls):
    """The calls of the quick tests."""
    return sorted({*range(1, calls + 1, EVERY), *range(max(1, calls - LAST), calls + 1)})


class Stage:
    """A scene that can be played again and again."""

    def __init__(self, sync, scene):
        self.sync, self.scene = sync, scene
        self.act = scene.prepare(sync)
        self.before = self.content(self.store("snapshots"))
        store, folder = self.fresh("clean")
        with Faults(root=folder) as faults:
            self.act(store)
        self.calls, self.unseen = faults.calls, faults.unseen
        self.after = self.content(store)
        with Faults(error=full) as faults:
            self.act(self.fresh("writing")[0])
        self.writes = faults.calls

    def store(self, *parts):
        """A store whose snapshots are in that folder, as a process that starts now has it."""
        place = self.sync.root.joinpath(*parts)
        return SnapshotStore(place, work=place.with_name("work"), clock=lambda: self.sync.now)

    def fresh(self, name):
        """A store that is as it was before, and the folder of all its files."""
        folder = self.sync.root / name
        folder.mkdir()
        if (self.sync.root / "snapshots").exists():
            shutil.copytree(self.sync.root / "snapshots", folder / "snapshots")
        return self.store(name, "snapshots"), folder

    def content(self, store):
        """Rows, record ids and unknown fields, and the columns' types."""
        snapshot = store.open(self.sync.identity)
        return snapshot.frame().rows(named=True), dict(snapshot.types), snapshot.rows

    def play(self, number, error):
        """Play with that call failing; gives what was raised, and what a new process finds."""
        store, folder = self.fresh(f"at-{number}")
        raised = None
        with Faults(number, error):
            try:
                self.act(store)
            except (Crash, SnapshotError, OSError) as caught:
                raised = caught
        store = self.store(f"at-{number}", "snapshots")
        found = self.content(store)
        self.act(store)
        assert self.content(self.store(f"at-{number}", "snapshots")) == self.after, number
        shutil.rmtree(folder)
        return raised, found


@pytest.fixture(params=SCENES, scope="module")
def stage(request, make_sync, make_answers, tmp_path_factory):
    """Each scene."""
    sync = make_sync(tmp_path_factory.mktemp(request.param))
    sync.answers = make_answers
    return Stage(sync, SCENES[request.param])


def test_every_call_is_counted(stage):
    """Nothing comes into being, moves, or is removed but within a call that can be made to fail."""
    assert stage.unseen == []
    assert stage.calls >= stage.scene.least


def die(stage, numbers):
    """Let the process die at each of those calls."""
    found = []
    for number in numbers:
        raised, content = stage.play(number, dies)
        assert isinstance(raised, Crash), number
        assert content in (stage.before, stage.after), number
        found.append(content)
    return found


def test_a_crash_leaves_the_old_or_the_new_snapshot(stage):
    """Wherever the process dies, the next one finds a whole snapshot and can do the same again."""
    found = die(stage, some(stage.calls))
    assert [found[0], found[-1]] == [stage.before, stage.after]


@pytest.mark.slow
def test_a_crash_at_any_call_leaves_the_old_or_the_new_snapshot(stage):
    """The same for every single call."""
    found = die(stage, range(1, stage.calls + 1))
    assert sorted(found, key=lambda content: content == stage.after) == found


def fill(stage, numbers):
    """Let the disk be full at each of those calls."""
    for number in numbers:
        raised, content = stage.play(number, full)
        assert content in (stage.before, stage.after), number
        if raised is None:
            assert content == stage.after, number
        else:
            assert "No space left on device" in str(raised), number


def test_a_full_disk_is_a_clear_error(stage):
    """Wherever the disk is full, the error says so, and the snapshot is the old or the new one."""
    fill(stage, some(stage.writes))


@pytest.mark.slow
def test_a_full_disk_at_any_call_is_a_clear_error(stage):
    """The same for every single call."""
    fill(stage, range(1, stage.writes + 1))


def forgotten(sync):
    """Forget the snapshot, and give the words of an error."""
    try:
        sync.store.forget(sync.identity)
    except (Crash, SnapshotError) as error:
        return repr(error)
    return ""


def left_over(sync):
    """What is found of a snapshot: a frame, or the words of an error."""
    try:
        return sync.open().frame()
    except SnapshotError as error:
        return str(error)


@pytest.mark.parametrize(("error", "words"), [(dies, "Crash"), (full, "No space left")], ids=["crash", "full"])
def test_forgetting_can_be_finished(sync, error, words):
    """Where forgetting breaks off, what is left is whole, or found as damage, and the next attempt removes it."""
    sync.run(**model(range(3)))
    sync.run(**model(range(1, 5), value=1))
    kept = sync.root / "kept"
    shutil.copytree(sync.root / "snapshots", kept)
    whole, seen = sync.open().frame(), set()
    with Faults(error=error) as faults:
        sync.store.forget(sync.identity)
    assert faults.calls > 5
    for number in range(1, faults.calls + 1):
        shutil.rmtree(sync.root / "snapshots", ignore_errors=True)
        shutil.copytree(kept, sync.root / "snapshots")
        with Faults(number, error):
            assert words in (forgotten(sync) or words)
        left = left_over(sync)
        damaged = isinstance(left, str)
        assert "tailrace reset contacts" in left if damaged else left.is_empty() or left.equals(whole), number
        seen.add("damage" if damaged else left.height)
        assert forgotten(sync) == ""
        assert sync.open().generation == 0
        assert [path for path in sync.folder.rglob("*") if path.is_file()] == []
    assert seen == {"damage", 0, 4}


@contextmanager
def limited(size):
    """Lets the system refuse whatever would make a file longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [60, 900])
def test_a_real_limit_is_a_clear_error(stage, size):
    """What the system, numpy and polars really raise when a file cannot be written is told as it should be."""
    store, _ = stage.fresh(f"limited-{size}")
    with limited(size), pytest.raises((SnapshotError, OSError), match=r"File too large|\d requested and \d"):
        stage.act(store)
    assert stage.content(store) == stage.before
    stage.act(store)
    assert stage.content(store) == stage.after


def no_more(*_args, **_kwargs):
    """Here the process dies."""
    raise Crash


def test_what_a_crash_left_is_collected(sync, make_answers, monkeypatch):
    """Files that no manifest names, whole or torn, are no damage, and go when those of other runs go."""
    sync.run(**model(range(3)))
    before, kept = sync.open().frame(), {path.name for path in sync.folder.iterdir()}
    run = sync.compare(**model(range(1, 5), value=1))
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "replace", no_more)
        with pytest.raises(Crash):
            sync.store.commit(sync.open(), sync.delivered(run, make_answers(run.changes)), "run")
    left = {path.name for path in sync.folder.iterdir()} - kept
    assert {name.rpartition(".")[2] for name in left} == {"parquet", "names"}
    for name in (*left, "manifest.json.5d1e0a77.tmp"):
        Path(sync.folder, name).write_bytes(b"PAR1 half a fi")
    assert sync.open().frame().equals(before)
    sync.commit(run)
    sync.check()
    sync.now += GRACE
    sync.store.maintain(sync.open())
    found = {path.name for path in sync.folder.iterdir()}
    assert found == {"manifest.json", *(file.name for file in sync.open().manifest.files)}
    sync.check()
