"""Segments are merged where it pays, and files are removed when nobody can need them any more."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from tailrace.canonical.source import ModelRows
from tailrace.diff import engine
from tailrace.errors import SnapshotError
from tailrace.snapshot import compaction
from tailrace.snapshot.compaction import MANY, due
from tailrace.snapshot.manifest import FileEntry, Manifest, Segment
from tailrace.snapshot.store import GRACE, Delivered


def model(ids, *, changed=()):
    """Rows of a model by key; those changed have other values."""
    ids = list(ids)
    values = [-n if n in changed else n for n in ids]
    return {"k_id": ids, "m_ext": [f"x{n}" for n in ids], "f_a": values, "f_b": [None if n % 3 else "b" for n in ids]}


def files(sync):
    """The names of all files in the snapshot's folder."""
    return {path.name for path in sync.folder.iterdir()} - {"manifest.json"}


def needed(sync):
    """The names of the files that its rows are in."""
    return {file.name for file in sync.open().manifest.files}


def manifest(sync, *segments):
    """A manifest of segments of (rows, live rows)."""
    made = tuple(
        Segment(f"s{at}", rows, live, FileEntry(f"s{at}.parquet", "xxh3:", 0))
        for at, (rows, live) in enumerate(segments)
    )
    return Manifest(sync.identity, 1, 1, "run", sync.now, {}, sum(live for _, live in segments), made)


BIG = compaction.SMALL * 10
CASES = {
    "nothing": ([], []),
    "one whole segment": ([(5, 5)], []),
    "one with few dead rows": ([(100, 90)], []),
    "one with many dead rows": ([(100, 70)], [0]),
    "a few small ones": ([(5, 5)] * 4, []),
    "more small ones": ([(5, 5)] * 5, [0, 1, 2, 3, 4]),
    "a large one and a few small ones": ([(BIG, BIG), *[(5, 5)] * 11], []),
    "a large one and many small ones": ([(BIG, BIG), *[(5, 5)] * MANY], list(range(1, MANY + 1))),
    "a large one with many dead rows": ([(BIG, BIG // 2), (5, 5)], [0, 1]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_due(sync, case):
    """Small snapshots are merged early, large segments only when much of them is dead."""
    segments, expected = CASES[case]
    found = manifest(sync, *segments)
    assert due(found) == tuple(found.segments[at] for at in expected)


@pytest.mark.parametrize("wide", [False, True])
def test_merging_keeps_everything(make_sync, tmp_path, monkeypatch, wide):
    """Over many small runs the segments stay few, and rows, record ids, unknown fields and names stay what they are."""
    sync = make_sync(tmp_path, wide=wide)
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
    counts = []
    for number in range(10, 32):
        ids = [n for n in range(number) if n % 11 != number % 11]
        sync.run(**model(ids, changed={number - 5, 3}), refused={number - 1, 4})
        sync.check()
        counts.append(len(sync.open().readers))
    assert max(counts) <= MANY // 3
    assert counts.count(1) > 1
    rows = model(ids, changed={number - 5, 3})
    sync.run(**rows)
    assert [(run.said, run.misses) for run in (sync.run(**rows), sync.run(**rows))][1] == ({}, 0)


def test_large_segments_stay(sync, monkeypatch):
    """What holds most of the rows is not written again when small segments are merged."""
    monkeypatch.setattr(compaction, "SMALL", 0)
    sync.run(**model(range(200)))
    first = sync.open().readers[0].segment
    for number in range(MANY + 3):
        sync.run(**model(range(200), changed={number}))
        sync.check()
    segments = sync.open().manifest.segments
    assert len(segments) < MANY
    assert segments[0].values == first.values
    again = sync.run(**model(range(200), changed={MANY + 2}))
    assert (again.said, again.misses) == ({}, 0)


def test_merging_is_no_change_of_content(sync):
    """The generation, the run and the date stay; the revision tells that files are others."""
    for size in (10, 12, 14, 16):
        sync.run(**model(range(size)))
    before = sync.open()
    run = sync.compare(**model(range(18)))
    saved = sync.commit(run)
    assert saved.generation == before.generation + 1
    assert saved.revision == before.revision + 2
    assert len(saved.readers) == 1


def test_a_row_that_dies_with_its_segment_takes_it_along(sync):
    """A segment without a live row is gone at once."""
    sync.run(**model(range(40)))
    sync.run(**model(range(42)))
    sync.run(**model(range(40)))
    assert [reader.segment.id for reader in sync.open().readers] == ["s1-0"]


def test_an_emptied_snapshot_is_no_missing_one(sync):
    """When all rows are gone the manifest stays, and with it the types and the number of the generation."""
    sync.run(**model(range(5)))
    sync.run(**{name: pa.array([], pa.array(values).type) for name, values in model(range(5)).items()})
    snapshot = sync.open()
    assert (snapshot.rows, snapshot.generation, snapshot.readers) == (0, 2, ())
    assert {str(kind) for kind in snapshot.types.values()} == {"int64", "string"}
    assert sync.run(**model(range(2))).said == {0: ("insert", {"a", "b"}), 1: ("insert", {"a", "b"})}
    sync.check()


def test_files_go_after_a_while(sync):
    """What a commit leaves behind stays for readers that began before it, and goes with the first commit after that."""
    sync.run(**model(range(9)))
    sync.run(**model(range(9), changed={1}))
    old = files(sync) - needed(sync)
    assert old == set()
    sync.run(**model(range(9), changed={1, 2}))
    old = files(sync) - needed(sync)
    assert len(old) == 1
    sync.now += GRACE - timedelta(seconds=1)
    sync.run(**model(range(9), changed={1, 2, 3}))
    assert old < files(sync)
    younger = files(sync) - needed(sync) - old
    assert len(younger) == 1
    sync.now += timedelta(seconds=1)
    sync.run(**model(range(9), changed={1, 2, 3}))
    assert files(sync) == needed(sync) | younger
    sync.now += GRACE
    sync.store.maintain(sync.open())
    assert files(sync) == needed(sync)
    sync.check()


@pytest.mark.parametrize("name", ["notes.txt", "kept/notes.txt", "a\\b", "manifest.json.bak"])
def test_files_of_others_do_no_harm(sync, name):
    """Whatever somebody puts beside the snapshot's files, the snapshot stays what it is."""
    sync.run(**model(range(3)))
    path = sync.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("not ours")
    for changed in ({1}, {2}):
        sync.run(**model(range(3), changed=changed))
        sync.check()
        sync.now += GRACE


def test_maintenance_of_nothing_does_nothing(sync):
    """A sync without a snapshot gets none by that, and a tidy one stays as it is."""
    sync.store.maintain(sync.open())
    assert not (sync.root / "snapshots").exists()
    sync.run(**model(range(3)))
    before = sync.open()
    assert sync.store.maintain(before).source == before.source == sync.open().source


def test_a_reader_that_began_before_still_reads(sync):
    """Rows, names and places of a snapshot stay readable while others commit, merge, and drop rows."""
    sync.run(**model(range(10)))
    sync.run(**model(range(11), changed={1}))
    opened = sync.open()
    wanted = sync.open().frame()
    for size in (12, 14, 16, 18, 20):
        sync.run(**model(range(5, size)))
    assert needed(sync).isdisjoint(file.name for file in opened.manifest.files)
    assert opened.frame().equals(wanted)
    run = sync.compare(**model(range(11), changed={1, 2}), snapshot=opened)
    assert (run.said, run.misses) == ({2: ("update", {"a"})}, 1)


def test_a_reader_that_comes_too_late_is_told(sync):
    """After that while files are gone, and the error says which."""
    sync.run(**model(range(10)))
    opened = sync.open()
    for size in (12, 14, 16, 18, 20):
        sync.run(**model(range(5, size)))
        sync.now += GRACE
    with pytest.raises(SnapshotError, match="is missing"):
        opened.frame()


def large(number, rows, batches=4):
    """A model in several batches; the number tells which one row changed."""
    for start in range(0, rows, rows // batches):
        ids = range(start, start + rows // batches)
        values = [-n if n == number else n for n in ids]
        yield pa.record_batch(
            {"k:id": list(ids), "m:ext": [f"x{n}" for n in ids], "f:a": values, "f:b": ["b" * (n % 7) for n in ids]}
        )


def counted(sync, batches, answers):
    """Compare and commit, without anything that other threads would notice; gives counts, or the one key."""
    folder = sync.root / f"compared-{len(list(sync.root.iterdir()))}"
    folder.mkdir()
    snapshot = sync.open()
    found = engine.diff(ModelRows.from_batches(batches), snapshot, sync.spec, folder, sync.options)
    frame = found.rows.collect()
    delivered = Delivered(found.rows, found.types, answers(frame), sync.spec, found.origin)
    sync.store.commit(snapshot, delivered, "run")
    return [(op, number if number > 1 else frame["k:id"][0]) for op, number in found.counts.items() if number]


def test_comparisons_in_several_threads_do_not_mix(make_sync, make_answers, tmp_path):
    """Syncs compared and committed at the same time in one process each get their own changes."""
    rows = 8_000
    places = [tmp_path / str(number) for number in range(4)]
    for place in places:
        place.mkdir()

    def twice(number):
        sync = make_sync(places[number])
        return [counted(sync, large(which, rows), make_answers) for which in (-1, number * 1_000 + 17)]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(twice, range(4)))
    assert found == [[[("insert", rows)], [("update", number * 1_000 + 17)]] for number in range(4)]
