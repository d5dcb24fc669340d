"""Snapshots on disk: what is committed is read back, and nothing else is believed."""

import dataclasses
import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tailrace.errors import SnapshotError
from tailrace.snapshot.manifest import MAX_BYTES
from tailrace.values import LogicalType

MONEY = pa.decimal128(10, 2)
TYPES = {
    "k:id": LogicalType("int64"),
    "m:ext": LogicalType("string"),
    "f:a": LogicalType("decimal", 2),
    "f:b": LogicalType("string"),
}


def save(sync, *amounts):
    """Commit a generation of one row per amount."""
    size = len(amounts)
    money = pa.array([None if amount is None else Decimal(amount) for amount in amounts], MONEY)
    ids = pa.array(range(size), pa.int64())
    texts = pa.array([str(number) for number in range(size)], pa.string())
    return sync.run(k_id=ids, m_ext=texts, f_a=money, f_b=texts)


def rewrite(sync, change):
    """Put a changed manifest in place, with a checksum that fits."""
    path = sync.folder / "manifest.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["digest"]
    change(body)
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    body["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def test_there_is_nothing_before_the_first_commit(sync):
    """Opening creates no file, and an unknown sync has an empty snapshot."""
    snapshot = sync.open()
    assert (snapshot.generation, snapshot.revision, snapshot.rows, snapshot.types) == (0, 0, 0, {})
    assert (snapshot.run_id, snapshot.saved_at, snapshot.values, snapshot.columns) == (None, None, "clear", ())
    assert snapshot.frame().height == 0
    assert not (sync.root / "snapshots").exists()


def test_a_commit_is_read_back_exactly(sync):
    """Values, types, and who saved it when, come back as they were."""
    save(sync, "1.50", None)
    snapshot = sync.open()
    frame = snapshot.frame()
    assert frame.drop("unknown").rows() == [(0, "0", Decimal("1.50"), "0", "R0"), (1, "1", None, "1", "R1")]
    assert frame["unknown"].to_list() == [[], []]
    assert frame.schema == {
        "k:id": pl.Int64,
        "m:ext": pl.String,
        "f:a": pl.Decimal(38, 2),
        "f:b": pl.String,
        "record_id": pl.String,
        "unknown": pl.List(pl.String),
    }
    assert (snapshot.generation, snapshot.run_id, snapshot.saved_at, snapshot.rows) == (1, "run", sync.now, 2)
    assert snapshot.types == TYPES


def test_a_column_without_values_pins_no_type(sync):
    """What was always null may take any type later; a column no longer mapped keeps its own."""
    save(sync, None)
    assert set(sync.open().types) == {"k:id", "m:ext", "f:b"}
    save(sync, "1.00")
    assert sync.open().types == TYPES
    sync.spec = dataclasses.replace(sync.spec, fields=("b",))
    sync.run(k_id=[0], m_ext=["0"], f_b=["0"])
    assert sync.open().types == TYPES
    assert sync.open().frame()["f:a"].to_list() == [Decimal("1.00")]


def test_files_are_private_to_their_user(sync):
    """Neither group nor others may read what was sent, nor list it."""
    save(sync, "1", "2")
    save(sync, "1", "3")
    modes = {path.stat().st_mode & 0o777 for path in sync.folder.iterdir()}
    assert (modes, sync.folder.stat().st_mode & 0o777) == ({0o600}, 0o700)
    assert (sync.root / "work").stat().st_mode & 0o777 == 0o700


def test_nothing_is_left_in_the_work_place(sync, make_answers):
    """Files in the making are gone after a commit, whether it went well or not."""
    save(sync, "1", "2")
    stale = sync.open()
    run = sync.compare(k_id=[0], m_ext=["0"], f_a=[1], f_b=["x"])
    save(sync, "4", "2")
    with pytest.raises(SnapshotError):
        sync.store.commit(stale, sync.delivered(run, make_answers(run.changes)), "late")
    assert [path for path in (sync.root / "work").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("origin", [True, False])
def test_a_commit_on_an_overtaken_snapshot_is_refused(sync, make_answers, origin):
    """Whoever was overtaken cannot overwrite what came after, on either way."""
    save(sync, "1")
    stale = sync.open()
    run = sync.compare(k_id=[0], m_ext=["0"], f_a=[9], f_b=["9"])
    save(sync, "2")
    before = sync.open().frame()
    with pytest.raises(SnapshotError, match="another run has saved it meanwhile"):
        sync.store.commit(stale, sync.delivered(run, make_answers(run.changes), origin=origin), "late")
    assert sync.open().frame().equals(before)
    sync.check()


def test_a_first_commit_on_an_overtaken_snapshot_is_refused(sync, make_answers):
    """Two first runs: the second one to come sees that it is none."""
    stale = sync.open()
    run = sync.compare(k_id=[0], m_ext=["0"], f_a=[9], f_b=["9"])
    save(sync, "2")
    with pytest.raises(SnapshotError, match="another run"):
        sync.store.commit(stale, sync.delivered(run, make_answers(run.changes)), "late")
    sync.check()


def test_any_part_of_the_identity_has_a_snapshot_of_its_own(sync):
    """Another account, object, key or match never sees this snapshot, but is known to the sync."""
    save(sync, "1")
    for change in ({"account": "00D2"}, {"object": "Lead"}, {"key": ("other",)}, {"match": ()}, {"destination": "x"}):
        other = dataclasses.replace(sync.identity, **change)
        assert sync.store.open(other).generation == 0
        assert sync.store.others(other) == (sync.identity,)
    assert sync.store.others(sync.identity) == ()


def test_a_first_commit_that_died_is_no_other_identity(sync):
    """The empty manifest of a run that came no further is not worth a word."""
    save(sync, "1")

    def never_filled(body):
        body.update(generation=0, rows=0, segments=[])

    rewrite(sync, never_filled)
    assert sync.store.others(dataclasses.replace(sync.identity, account="00D2")) == ()


def test_forgetting_leaves_nothing(sync):
    """A forgotten snapshot is gone, even a damaged one, and forgetting twice is fine."""
    save(sync, "1")
    (sync.folder / "manifest.json").write_text("{")
    sync.store.forget(sync.identity)
    sync.store.forget(sync.identity)
    assert sync.open().generation == 0
    assert not sync.folder.exists()


def test_dropped_rows_are_gone_and_the_others_stay(sync):
    """Rows can be taken out by where they are, without a comparison."""
    save(sync, "1", "2", "3")
    snapshot = sync.open()
    places = snapshot.with_ids(pl.Series(["R1", "R9"]))
    dropped = sync.store.drop(snapshot, places, "reset")
    assert (dropped.rows, dropped.generation, dropped.run_id) == (2, 2, "reset")
    assert sync.open().frame()["k:id"].to_list() == [0, 2]
    with pytest.raises(SnapshotError, match="another run"):
        sync.store.drop(snapshot, places, "reset")
    assert save(sync, "1", "2", "3").said == {1: ("insert", {"a", "b"})}


def test_it_knows_which_records_its_rows_have(sync):
    """Of those that are asked for; those of rows that are gone are nobody's."""
    assert sync.open().owned({"R1"}) == set()
    save(sync, "1", "2", "3")
    snapshot = sync.open()
    assert snapshot.owned({"R1", "R2", "R9"}) == {"R1", "R2"}
    sync.store.drop(snapshot, snapshot.with_ids(pl.Series(["R1"])), "reset")
    assert sync.open().owned(["R1", "R2"]) == {"R2"}


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\\b", "a\0b"])
def test_no_name_leads_out_of_the_root(sync, name):
    """A sync's name is one folder below the root, or an error."""
    with pytest.raises(SnapshotError, match="path"):
        sync.store.open(dataclasses.replace(sync.identity, sync=name))


BROKEN = [
    ("{", "no JSON"),
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ('"' + " " * MAX_BYTES + '"', "no JSON"),
    ("[]", "no JSON object"),
    ("{}", "no manifest"),
    ('{"format": 0}', "no manifest"),
    ('{"format": true}', "no manifest"),
    ('{"format": "2"}', "no manifest"),
    ('{"format": 2}', "no manifest"),
    ('{"format": 3}', "newer version"),
    ('{"format": 1, "files": 3}', "no manifest"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[text[:16] for text, _ in BROKEN])
def test_a_manifest_that_makes_no_sense_is_an_error(sync, text, message):
    """Whatever stands in the manifest, the answer is a clear error."""
    save(sync, "1")
    (sync.folder / "manifest.json").write_text(text)
    with pytest.raises(SnapshotError, match=message):
        sync.open()


@pytest.mark.parametrize("name", ["../../../etc/passwd", "manifest.json", "s1-0.parquet/../x", ""])
@pytest.mark.parametrize("where", ["values", "garbage"])
def test_a_manifest_cannot_name_other_files(sync, name, where):
    """File names in a manifest stay in its folder: neither read nor removed is anything else."""
    save(sync, "1")

    def lead_astray(body):
        if where == "values":
            body["segments"][0]["files"]["values"]["name"] = name
        else:
            body["garbage"] = [{"name": name, "since": sync.now.isoformat()}]

    rewrite(sync, lead_astray)
    with pytest.raises(SnapshotError, match="no data file"):
        sync.open()


def test_a_manifest_that_was_edited_is_found(sync):
    """The manifest has a checksum of itself, so that no number in it can be changed unseen."""
    save(sync, "1")
    path = sync.folder / "manifest.json"
    path.write_text(path.read_text().replace('"generation": 1', '"generation": 2'))
    with pytest.raises(SnapshotError, match=r"manifest.json is no manifest.*checksum"):
        sync.open()


def test_a_lost_manifest_is_not_taken_for_a_new_sync(sync):
    """Data without a manifest is damage: silence would send everything again."""
    save(sync, "1")
    (sync.folder / "manifest.json").unlink()
    with pytest.raises(SnapshotError, match=r"is missing, though data files are there[\s\S]*tailrace reset contacts"):
        sync.open()


def test_a_manifest_of_another_identity_is_found(sync):
    """A folder copied to another place is not believed."""
    save(sync, "1")
    other = dataclasses.replace(sync.identity, account="00D2")
    sync.folder.rename(sync.folder.with_name(other.digest))
    with pytest.raises(SnapshotError, match="belongs to another"):
        sync.store.open(other)
    assert sync.store.others(other) == (sync.identity,)


def test_a_really_full_device_is_a_clear_error(sync, monkeypatch, make_answers):
    """The system's own error for a device without space is translated too."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    save(sync, "1")
    before, real = sync.open().frame(), os.open
    run = sync.compare(k_id=[0], m_ext=["0"], f_a=[9], f_b=["9"])
    monkeypatch.setattr(os, "open", lambda path, *rest: real("/dev/full" if "manifest" in str(path) else path, *rest))
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(SnapshotError, match=r"cannot write .*manifest.json.*[Nn]o space"):
        sync.store.commit(sync.open(), sync.delivered(run, make_answers(run.changes)), "full")
    monkeypatch.undo()
    assert sync.open().frame().equals(before)
