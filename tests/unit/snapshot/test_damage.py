"""Damage to any file of a snapshot is told, with the file's name; wrong rows are never given."""

import shutil

import polars as pl
import pytest

from tailrace.diff import engine
from tailrace.errors import SnapshotError
from tailrace.snapshot import compaction

FILES = 10
MADE_ANEW = ".names"
"""What damage costs time alone, as it can be made from the rest."""
KINDS = ("parquet", "names", "live", "ids.parquet")


def model(ids, **other):
    """Rows of a model by key, with some values of their own."""
    ids = list(ids)
    values = [other.get(f"a{n}", n) for n in ids]
    return {"k_id": ids, "m_ext": [f"x{n}" for n in ids], "f_a": values, "f_b": ["b" * (n % 9) for n in ids]}


@pytest.fixture(scope="module")
def kept(make_sync, tmp_path_factory):
    """A sync whose snapshot has every kind of file: a bulk segment and ordinary ones, with dead rows in both."""
    sync = make_sync(tmp_path_factory.mktemp("kept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "MIN_ROWS", 1)
        patch.setattr(engine, "_SHARE", 10**12)
        sync.run(**model(range(30)), refused={4})
    sync.run(**model(range(36)))
    sync.run(**model(range(36), a7=70, a33=330))
    sync.check()
    names = [file.name for file in sync.open().manifest.files]
    assert {kind for kind in KINDS if any(name.endswith(f".{kind}") for name in names)} == set(KINDS)
    assert [reader.segment.ids is not None for reader in sync.open().readers] == [True, False, False]
    return sync


@pytest.fixture
def damaged(kept, make_sync, tmp_path):
    """The same in a folder of the test's own."""
    shutil.copytree(kept.root / "snapshots", tmp_path / "snapshots")
    return make_sync(tmp_path)


def used(sync):
    """All that can be read of a snapshot: its rows, those with some ids, and what a comparison makes of it."""
    snapshot = sync.open()
    ids = snapshot.with_ids(pl.Series(["R3", "R31"])).tolist()
    run = sync.compare(**model(range(2, 40), a20=200))
    return snapshot.frame().rows(), ids, run.said, run.misses, run.changes["record_id"].to_list()


def refusal(sync):
    """What is said of a snapshot; nothing where it can be used."""
    try:
        used(sync)
    except SnapshotError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def sound(kept):
    """What is read where nothing is damaged."""
    return used(kept)


def files(sync):
    """All files of the snapshot but its manifest."""
    return sorted(path for path in sync.folder.iterdir() if path.name != "manifest.json")


def test_the_sound_snapshot_reads_as_it_should(damaged, sound, kept):
    """What damage is compared with is itself right."""
    rows, ids, said, misses, record_ids = used(damaged)
    assert (rows, ids, said, misses, record_ids) == sound
    assert {row[0]: row[4] for row in rows} == {key: row["id"] for key, row in kept.held.items()}
    assert said == {
        **{key: ("insert", {"a", "b"}) for key in range(36, 40)},
        **{key: ("update", {"a"}) for key in (7, 20, 33)},
        **{key: ("delete", set()) for key in (0, 1)},
    }
    assert (len(ids), misses) == (2, 4 + 3)
    assert len(files(damaged)) == FILES


def needed(sync):
    """The names of the files that the snapshot consists of now."""
    return {file.name for file in sync.open().manifest.files}


BITS = 12
"""So many bits of each file are flipped, from its first byte to its last."""


@pytest.mark.parametrize("number", range(FILES))
def test_a_flipped_bit_is_found(damaged, sound, number):
    """Whichever bit of a file is another one, the file is named, or nobody reads it."""
    path = files(damaged)[number]
    whole, wanted = path.read_bytes(), needed(damaged)
    for step in range(BITS):
        position = step * (len(whole) - 1) // (BITS - 1)
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << step % 8]) + whole[position + 1 :])
        if path.name in wanted and path.suffix != MADE_ANEW:
            assert f"{path} does not match its checksum" in refusal(damaged), position
        else:
            assert used(damaged) == sound, position


@pytest.mark.parametrize("number", range(FILES))
def test_a_file_of_another_size_is_found(damaged, sound, number):
    """A file that is gone, cut off or longer is named, with the ways out."""
    path = files(damaged)[number]
    whole, wanted = path.read_bytes(), needed(damaged)
    for data, words in ((whole[:-1], "bytes"), (b"", "bytes"), (whole + b"\0", "bytes"), (None, "is missing")):
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        if path.name in wanted and path.suffix != MADE_ANEW:
            found = refusal(damaged)
            assert str(path) in found
            assert words in found
            assert "tailrace reset contacts" in found
        else:
            assert used(damaged) == sound


def test_files_that_changed_places_are_found(damaged, sound, caplog):
    """A file of the right kind and size that belongs elsewhere is not believed."""
    names = [path for path in files(damaged) if path.name in needed(damaged) and path.suffix == MADE_ANEW]
    first, second = next((a, b) for a in names for b in names if a != b)
    held = first.read_bytes()
    first.write_bytes(held[8:16] + held[:8] + held[16:])
    assert first.stat().st_size == len(held)
    assert used(damaged) == sound
    assert f"{first} does not match its checksum" in caplog.text
    first.write_bytes(held)
    caplog.clear()
    shutil.copy(first, second)
    assert used(damaged) == sound
    assert str(second) in caplog.text
    assert str(first) not in caplog.text


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("hashed", [False, True])
def test_damaged_names_are_made_anew_once(make_sync, tmp_path, caplog, wide, hashed):
    """They are told of in the log, no row is sent for it, and after the next run the snapshot is whole again."""
    sync = make_sync(tmp_path, wide=wide, hashed=hashed, secret=b"secret" if hashed else b"")
    sync.run(**model(range(30)))
    sync.run(**model(range(36), a7=70))
    for path in sync.folder.glob("*.names"):
        path.write_bytes(b"\0" * path.stat().st_size)
    run = sync.run(**model(range(36), a7=70))
    assert (run.said, run.misses) == ({}, 36 if hashed else 0)  # of digests no name can be made: all is compared
    assert caplog.text.count("made anew from the values") == 2
    caplog.clear()
    again = sync.run(**model(range(37), a7=70))
    assert (again.said.keys(), again.misses) == ({36}, 1)
    assert "made anew" not in caplog.text
    if not hashed:  # the oracle knows of no digests
        sync.check()


def test_a_merge_does_not_need_sound_names(damaged, sound, monkeypatch, caplog):
    """Segments whose names are damaged are merged without any, and the next comparison makes them."""
    for path in damaged.folder.glob("*.names"):
        path.unlink()
    monkeypatch.setattr(compaction, "DEAD", 0)
    damaged.store.maintain(damaged.open())
    assert "made anew" in caplog.text
    assert len(damaged.open().manifest.segments) == 1
    rows, _, *compared = used(damaged)  # but for the places of rows, which are others now
    assert (rows, *compared) == (sound[0], *sound[2:])


def test_a_folder_in_place_of_a_file_is_found(damaged):
    """What cannot be read as a file is missing."""
    path = next(path for path in files(damaged) if path.name in needed(damaged) and path.suffix == ".parquet")
    path.unlink()
    path.mkdir()
    assert f"{path} is missing" in refusal(damaged)


def test_every_flipped_bit_of_the_manifest_is_found(damaged):
    """No byte of the manifest can be another one without a word."""
    path = damaged.folder / "manifest.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        with pytest.raises(SnapshotError, match=r"manifest\.json"):
            damaged.open()


def test_a_manifest_that_is_cut_off_is_found(damaged):
    """Wherever it ends."""
    path = damaged.folder / "manifest.json"
    whole = path.read_bytes()
    for size in range(0, len(whole) - 2, 17):
        path.write_bytes(whole[:size])
        with pytest.raises(SnapshotError, match=r"manifest\.json"):
            damaged.open()


def test_nothing_is_built_on_damage(damaged, make_answers):
    """A commit that needs a damaged file is refused, and changes nothing."""
    run = damaged.compare(**model(range(2, 40), a20=200))
    manifest = damaged.folder / "manifest.json"
    before = manifest.read_bytes()
    for path in files(damaged):
        if path.name in needed(damaged) and path.suffix == ".parquet":
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    delivered = damaged.delivered(run, make_answers(run.changes), origin=False)
    with pytest.raises(SnapshotError, match="checksum"):
        damaged.store.commit(damaged.open(), delivered, "run")
    assert manifest.read_bytes() == before
