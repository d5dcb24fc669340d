"""Snapshots on disk: commits that survive a crash, and damage that is found."""

import dataclasses
import datetime as dt
import errno
import json
import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tailrace.errors import SnapshotError
from tailrace.snapshot.store import Identity, SnapshotStore
from tailrace.values import LogicalType

IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("customer_id",), ("External_Id__c",))
TYPES = {"k:id": LogicalType("int64"), "m:ext": LogicalType("string"), "f:a": LogicalType("decimal", 2)}
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def frame(*amounts):
    """A snapshot's frame with one row per amount."""
    size = len(amounts)
    return pl.DataFrame(
        {
            "k:id": range(size),
            "m:ext": [str(n) for n in range(size)],
            "f:a": [None if a is None else Decimal(a) for a in amounts],
            "record_id": ["R"] * size,
            "unknown": [[]] * size,
        },
        schema={
            "k:id": pl.Int64,
            "m:ext": pl.String,
            "f:a": pl.Decimal(38, 2),
            "record_id": pl.String,
            "unknown": pl.List(pl.String),
        },
    )


@pytest.fixture
def store(tmp_path):
    """A store in an empty folder whose clock stands still."""
    return SnapshotStore(str(tmp_path / "snapshots"), clock=lambda: NOON)


def commit(store, *amounts, run="run-1", identity=IDENTITY):
    """Commit the next generation."""
    return store.commit(store.open(identity), frame(*amounts), TYPES, run)


def place(tmp_path):
    """The identity's folder."""
    return tmp_path / "snapshots" / "contacts" / IDENTITY.digest


def test_there_is_nothing_before_the_first_commit(store, tmp_path):
    """Opening creates no file, and an unknown sync has an empty snapshot."""
    snapshot = store.open(IDENTITY)
    assert (snapshot.generation, snapshot.rows, snapshot.types, snapshot.data()) == (0, 0, {}, None)
    assert snapshot.frame().height == 0
    assert not (tmp_path / "snapshots").exists()


def test_a_commit_is_read_back_exactly(store):
    """Values, types, and who saved it when, come back as they were."""
    commit(store, "1.50", None)
    snapshot = store.open(IDENTITY)
    assert snapshot.frame().equals(frame("1.50", None))
    assert snapshot.frame().schema == frame().schema
    assert (snapshot.generation, snapshot.run_id, snapshot.saved_at, snapshot.rows) == (1, "run-1", NOON, 2)
    assert snapshot.types == TYPES


def test_a_column_without_values_pins_no_type(store):
    """What was always null may take any type later; a column no longer mapped keeps its own."""
    assert set(commit(store, None).types) == {"k:id", "m:ext"}
    first = commit(store, "1.00")
    second = store.commit(first, frame("1.00"), {"k:id": LogicalType("int64")}, "run-3")
    assert second.types == TYPES


def test_old_generations_are_removed(store, tmp_path):
    """A folder holds one generation, private to its user."""
    commit(store, "1")
    commit(store, "2", run="run-2")
    assert sorted(path.name for path in place(tmp_path).iterdir()) == ["data-2.parquet", "manifest.json"]
    modes = {path.stat().st_mode & 0o777 for path in place(tmp_path).iterdir()}
    assert (modes, place(tmp_path).stat().st_mode & 0o777) == ({0o600}, 0o700)


def test_a_commit_on_an_old_generation_is_refused(store):
    """Whoever was overtaken cannot overwrite what came after."""
    stale = store.open(IDENTITY)
    commit(store, "1")
    with pytest.raises(SnapshotError, match="another run"):
        store.commit(stale, frame("9"), TYPES, "late")
    assert store.open(IDENTITY).run_id == "run-1"


def test_any_part_of_the_identity_has_a_snapshot_of_its_own(store):
    """Another account, object, key or match never sees this snapshot, but is known to the sync."""
    commit(store, "1")
    for change in ({"account": "00D2"}, {"object": "Lead"}, {"key": ("other",)}, {"match": ()}, {"destination": "x"}):
        other = dataclasses.replace(IDENTITY, **change)
        assert store.open(other).generation == 0
        assert store.others(other) == (IDENTITY,)
    assert store.others(IDENTITY) == ()


def test_forgetting_leaves_nothing(store, tmp_path):
    """A forgotten snapshot is gone, even a damaged one, and forgetting twice is fine."""
    commit(store, "1")
    (place(tmp_path) / "manifest.json").write_text("{")
    store.forget(IDENTITY)
    store.forget(IDENTITY)
    assert store.open(IDENTITY).generation == 0
    assert not place(tmp_path).exists()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\\b", "a\0b"])
def test_no_name_leads_out_of_the_root(store, name):
    """A sync's name is one folder below the root, or an error."""
    with pytest.raises(SnapshotError, match="path"):
        store.open(dataclasses.replace(IDENTITY, sync=name))


def flip(path, position):
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1
    path.write_bytes(data)


def read_all(store):
    """Open the snapshot and read its rows."""
    return store.open(IDENTITY).frame()


@pytest.mark.parametrize("position", range(0, 2000, 97))
def test_any_flipped_bit_of_the_data_is_found(store, tmp_path, position):
    """A checksum over the whole file finds every damage before the file is parsed."""
    commit(store, "1.5", "2.5")
    flip(place(tmp_path) / "data-1.parquet", position)
    with pytest.raises(
        SnapshotError, match=r"data-1.parquet does not match its checksum[\s\S]*tailrace reset contacts"
    ):
        read_all(store)


def test_a_missing_or_shorter_file_is_found(store, tmp_path):
    """A file that is gone or cut off is named, with the ways out."""
    commit(store, "1.5")
    data = place(tmp_path) / "data-1.parquet"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(SnapshotError, match="bytes"):
        read_all(store)
    data.unlink()
    with pytest.raises(SnapshotError, match="is missing"):
        read_all(store)


BROKEN = [
    ("{", "no JSON"),
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ("[]", "no JSON object"),
    ("{}", "no manifest"),
    ('{"format": 0}', "no manifest"),
    ('{"format": 2}', "newer version"),
    ('{"format": 1, "files": 3}', "no manifest"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message + str(i) for i, (_, message) in enumerate(BROKEN)])
def test_a_manifest_that_makes_no_sense_is_an_error(store, tmp_path, text, message):
    """Whatever stands in the manifest, the answer is a clear error."""
    commit(store, "1")
    (place(tmp_path) / "manifest.json").write_text(text)
    with pytest.raises(SnapshotError, match=message):
        store.open(IDENTITY)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "manifest.json", "data-1.parquet/../x"])
def test_a_manifest_cannot_name_other_files(store, tmp_path, name):
    """File names in a manifest stay in its folder."""
    commit(store, "1")
    path = place(tmp_path) / "manifest.json"
    body = json.loads(path.read_text())
    body["files"][0]["name"] = name
    path.write_text(json.dumps(body))
    with pytest.raises(SnapshotError, match="no data file"):
        store.open(IDENTITY)


def test_a_lost_manifest_is_not_taken_for_a_new_sync(store, tmp_path):
    """Data without a manifest is damage: silence would send everything again."""
    commit(store, "1")
    (place(tmp_path) / "manifest.json").unlink()
    with pytest.raises(SnapshotError, match="is missing, though data files are there"):
        store.open(IDENTITY)


def test_a_manifest_of_another_identity_is_found(store, tmp_path):
    """A folder copied to another place is not believed."""
    commit(store, "1")
    other = dataclasses.replace(IDENTITY, account="00D2")
    place(tmp_path).rename(place(tmp_path).with_name(other.digest))
    with pytest.raises(SnapshotError, match="belongs to another"):
        store.open(other)
    assert store.others(other) == (IDENTITY,)


class Crash(BaseException):
    """Stands for the process dying: no handler of ours may catch it."""


CALLS = [(os, "open"), (os, "fchmod"), (os, "fsync"), (os, "close"), (os, "replace"), (os, "unlink"), (os, "mkdir")]


def break_at(monkeypatch, number, error):
    """Let the number-th system call that touches files fail, counting all of them; returns the count."""
    counter = [0]

    def failing(original):
        def call(*args, **kwargs):
            counter[0] += 1
            if counter[0] == number:
                raise error
            return original(*args, **kwargs)

        return call

    for module, name in CALLS:
        monkeypatch.setattr(module, name, failing(getattr(module, name)))
    for name in ("write_parquet",):
        monkeypatch.setattr(pl.DataFrame, name, failing(getattr(pl.DataFrame, name)))
    return counter


def calls_of_a_commit(tmp_path, *earlier):
    """How many of the watched calls one commit makes."""
    with pytest.MonkeyPatch.context() as patch:
        store = SnapshotStore(str(tmp_path / "counting"), clock=lambda: NOON)
        for amount in earlier:
            commit(store, amount)
        counter = break_at(patch, -1, Crash())
        commit(store, "9")
        return counter[0]


@pytest.mark.parametrize("earlier", [(), ("1",)], ids=["first commit", "later commit"])
def test_a_crash_at_any_call_leaves_the_old_or_the_new_snapshot(tmp_path, earlier):
    """Whatever call a commit dies in, the next run opens one whole generation and can commit again."""
    number, seen = 1, set()
    for number in range(1, calls_of_a_commit(tmp_path, *earlier) + 1):
        store = SnapshotStore(str(tmp_path / f"crash-{number}"), clock=lambda: NOON)
        for amount in earlier:
            commit(store, amount)
        with pytest.MonkeyPatch.context() as patch:
            break_at(patch, number, Crash())
            with pytest.raises(Crash):
                commit(store, "9")
        found = read_all(store)
        assert found.equals(frame("9")) or found.equals(frame(*earlier)) or (not earlier and found.height == 0)
        seen.add(found.height and str(found["f:a"][0]))
        assert read_all_after(store).equals(frame("5", "6"))
    assert number > 10
    assert len(seen) == 2


def read_all_after(store):
    """The rows after one more commit."""
    commit(store, "5", "6", run="after")
    return read_all(store)


def refusal(store):
    """The error of a commit; an empty text when it went well."""
    try:
        commit(store, "9")
    except SnapshotError as error:
        return str(error)
    return ""


def test_a_full_disk_is_a_clear_error(tmp_path):
    """Wherever the disk is full, the error says so, and the snapshot is the old or the new one."""
    refusals = []
    for number in range(1, calls_of_a_commit(tmp_path, "1") + 1):
        store = SnapshotStore(str(tmp_path / f"full-{number}"), clock=lambda: NOON)
        commit(store, "1")
        with pytest.MonkeyPatch.context() as patch:
            break_at(patch, number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            refusals.append(refusal(store))
        assert read_all(store)["f:a"].to_list() in ([Decimal("1.00")], [Decimal("9.00")])
    # Only the removal of the old generation, the last call, may fail without a word.
    assert all("No space left on device" in text for text in refusals[:-1])
    assert refusals[-1] == ""


def test_a_really_full_device_is_a_clear_error(store, tmp_path, monkeypatch):
    """The writer's own error for a device without space is translated too."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    first = commit(store, "1")
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: real("/dev/full" if "data-2" in str(path) else path, *rest))
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(SnapshotError, match=r"cannot write .*data-2.parquet.*[Nn]o space"):
        store.commit(first, frame("9"), TYPES, "run-2")
    assert read_all(store).equals(frame("1"))
