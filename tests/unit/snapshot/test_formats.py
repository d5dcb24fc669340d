"""What earlier versions wrote is read, compared with, and built on."""

import datetime as dt
import importlib.util
import json
import shutil
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tailrace.canonical.source import ModelRows
from tailrace.diff import engine
from tailrace.errors import SnapshotError
from tailrace.snapshot import compaction
from tailrace.snapshot.history import RunFiles
from tailrace.snapshot.store import Delivered, SnapshotStore

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = (1, 2)
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TAGS = '["ß",null]'
ROWS = {
    2: ("x2", None, Decimal("1.50"), NOON, "[]", "R2", ["text"]),
    3: ("x3", "three", Decimal("1.50"), NOON, TAGS, "R3", []),
    4: ("x4", "four", Decimal("-0.01"), NOON, TAGS, "R4", []),
    6: ("x6", "six", Decimal("1.50"), None, TAGS, None, []),
}
EMPTIED = "s1-b.992b5fe7.parquet"
"""Of format 2: its last live row has a field that is unknown."""
AFTER = {
    **ROWS,
    5: ("x5", "five", Decimal("1.50"), NOON, TAGS, "R5", []),
    6: ("x6", "seven", Decimal("1.50"), None, TAGS, None, []),
}
COLUMNS = ("k:id", "m:ext", "f:text", "f:money", "f:at", "f:tags", "record_id", "unknown")


def load_maker():
    """The module that wrote the folders; it knows the model."""
    spec = importlib.util.spec_from_file_location("make_fixtures", FIXTURES / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = load_maker()


class Folder:
    """A copy of one format's folder."""

    def __init__(self, root, number):
        self.number = number
        self.root = root / "snapshots"
        self.work = root / "work"
        self.runs = 0
        shutil.copytree(FIXTURES / f"format-{number}", self.root)
        self.store = SnapshotStore(self.root, work=self.work, clock=lambda: NOON)
        self.files = RunFiles(self.root, work=self.work, clock=lambda: NOON)

    @property
    def place(self):
        """Where the snapshot's own files are."""
        return self.root / "contacts" / made.IDENTITY.digest

    def open(self):
        """The snapshot."""
        return self.store.open(made.IDENTITY)

    def rows(self):
        """What it holds, by key."""
        return {key: tuple(row) for key, *row in self.open().frame().select(COLUMNS).rows()}

    def compare(self, model):
        """Compare a model with it."""
        self.runs += 1
        folder = self.work / f"run-{self.runs}"
        folder.mkdir(parents=True)
        batch = pa.RecordBatch.from_pylist(model, made.SCHEMA)
        return engine.diff(ModelRows.from_batches([batch]), self.open(), made.SPEC, folder)

    def commit(self, found, outcomes, *, origin=True):
        """Commit changes."""
        delivered = Delivered(found.rows, found.types, outcomes, made.SPEC, found.origin if origin else None)
        return self.store.commit(self.open(), delivered, "run")


@pytest.fixture(params=FORMATS, ids=lambda number: f"format {number}")
def folder(request, tmp_path):
    """Each format."""
    return Folder(tmp_path, request.param)


def said(found):
    """Changes as (key, kind, fields to write)."""
    rows = found.rows.collect().to_dicts()
    return [(row["k:id"], row["op"], {name[2:] for name in row if name[:2] == "c:" and row[name]}) for row in rows]


def test_it_is_read_exactly(folder):
    """Rows, record ids, unknown fields, types, and who saved it when."""
    assert folder.rows() == ROWS
    snapshot = folder.open()
    assert (snapshot.generation, snapshot.run_id, snapshot.saved_at, snapshot.rows) == (2, "run-2", NOON, 4)
    assert {name: str(kind) for name, kind in snapshot.types.items()} == {
        "k:id": "int64",
        "m:ext": "string",
        "f:text": "string",
        "f:money": "decimal(2)",
        "f:at": "timestamptz",
        "f:tags": "json",
    }
    assert snapshot.values == "clear"
    assert snapshot.shared is (folder.number == 1)  # then nobody asked whether two rows have one match value


def test_nothing_is_sent_again(folder):
    """A model that did not change since needs nothing."""
    found = folder.compare(made.SECOND)
    assert (said(found), found.unchanged, found.events) == ([], 4, ())


def test_only_what_changed_is_sent(folder):
    """Changes are those since that version's last run."""
    found = folder.compare(made.THIRD)
    assert said(found) == [(5, "insert", {"text", "money", "at", "tags"}), (6, "update", {"text"})]
    assert found.rows.collect()["o:text"].to_list() == [None, "six"]


@pytest.mark.parametrize("origin", [True, False])
def test_it_can_be_built_on(folder, origin, monkeypatch):
    """A commit writes today's format, and leaves the old files of values as they are."""
    monkeypatch.setattr(compaction, "DEAD", 1)  # so few rows would be written anew otherwise
    values = [reader.segment.values for reader in folder.open().readers]
    before = {entry.name: (folder.place / entry.name).read_bytes() for entry in values}
    found = folder.compare(made.THIRD)
    folder.commit(found, made.outcomes(found.rows.collect()), origin=origin)
    assert folder.rows() == AFTER
    body = json.loads((folder.place / "manifest.json").read_text())
    assert (body["format"], body["generation"]) == (2, 3)
    after = {segment["files"]["values"]["name"] for segment in body["segments"]}
    # Names of then were made with other hashes. A row with an unknown field gets a new one by being written again;
    # where it was the last of its segment, that goes with it.
    emptied = {EMPTIED} if (folder.number, origin) == (2, True) else set()
    assert after > set(before) - emptied
    assert not after & emptied
    assert all((folder.place / name).read_bytes() == data for name, data in before.items())
    assert said(folder.compare(made.THIRD)) == []


def test_the_first_format_gets_names_with_the_first_commit(tmp_path):
    """Then rows are known by their names, but for those with unknown fields, and the file of values is the same."""
    folder = Folder(tmp_path, 1)
    (before,) = folder.open().manifest.segments
    found = folder.compare(made.SECOND)
    folder.commit(found, made.outcomes(found.rows.collect()))
    segments = folder.open().manifest.segments
    assert [segment.names is not None for segment in segments] == [True, True]
    assert segments[0].values == before.values
    assert [segment.live_rows for segment in segments] == [3, 1]
    assert folder.rows() == ROWS


def test_a_run_of_then_can_be_finished(folder):
    """A run that was saved and answered before the upgrade is taken into the snapshot after it."""
    saved = folder.files.load("contacts", "run-3")
    assert (saved.run_id, saved.identity) == ("run-3", made.IDENTITY)
    rows = saved.rows.collect().sort("k:id")
    assert rows.select("k:id", "op", "action").rows() == [(5, "insert", "upsert"), (6, "update", "upsert")]
    outcomes = pl.read_parquet(folder.root / "contacts" / "runs" / "run-3" / "outcomes.parquet")
    folder.store.commit(folder.open(), Delivered(saved.rows, saved.types, outcomes, made.SPEC), "run-3")
    assert folder.rows() == AFTER
    assert said(folder.compare(made.THIRD)) == []


def test_the_history_of_then_is_told(folder):
    """What a run of an earlier version did to a row."""
    (event,) = folder.files.row_history("contacts", {"id": "6"})
    assert (event.run_id, event.at, event.op, event.action) == ("run-3", NOON, "update", "upsert")
    assert (event.status, event.record_id) == ("acknowledged", None)
    assert event.fields == {"text": {"old": "six", "new": "seven"}}
    (event,) = folder.files.row_history("contacts", {"id": 5})
    assert (event.op, event.record_id) == ("insert", "R5")
    assert event.fields["tags"] == {"old": None, "new": ["ß", None]}
    assert event.fields["money"] == {"old": None, "new": Decimal("1.50")}


def test_damage_to_it_is_found(folder):
    """The checksums of then are still looked at."""
    for path in folder.place.glob("*.parquet"):
        whole = path.read_bytes()
        path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        needed = path.name in {reader.segment.values.name for reader in folder.open().readers}
        if needed or "ids" in path.name:
            with pytest.raises(SnapshotError, match=f"{path.name} does not match its checksum"):
                folder.rows()
        path.write_bytes(whole)
    assert folder.rows() == ROWS


def test_a_format_of_the_future_is_refused(folder):
    """A newer version's files are not guessed at, neither the snapshot's nor a run's."""
    for path in (folder.place / "manifest.json", folder.root / "contacts" / "runs" / "run-3" / "meta.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "format": 3}))
    with pytest.raises(SnapshotError, match=r"newer version of Tailrace \(format 3, this one reads up to 2\)"):
        folder.open()
    with pytest.raises(SnapshotError, match="newer version of Tailrace"):
        folder.files.load("contacts", "run-3")


def test_the_folders_are_small():
    """They stay with the project for good."""
    kept = [path for path in FIXTURES.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    assert sum(path.stat().st_size for path in kept) < 45_000
