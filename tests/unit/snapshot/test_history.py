"""Files of the runs, and the history of a row."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from tailrace.diff import engine
from tailrace.errors import SnapshotError, UsageError
from tailrace.rowset import Rows
from tailrace.snapshot.history import RunFiles
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.storage import LocalStorage
from tailrace.values import LogicalType

IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("id", "no"), ("ext",))
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TYPES = {"k:id": LogicalType("int64"), "k:no": LogicalType("decimal", 1), "f:tags": LogicalType("json")}


def plan(op="update", ids=(1, 2), **columns):
    """Planned rows of one field, `tags`, with one row per id."""
    size = len(ids)
    data = {
        "seq": list(range(size)),
        "op": [op] * size,
        "action": ["delete" if op == "delete" else "upsert"] * size,
        "record_id": ["R0"] * size,
        "k:id": list(ids),
        "k:no": [Decimal("1.5")] * size,
        "n:tags": [None if op == "delete" else '["new"]'] * size,
        "o:tags": [None if op == "insert" else '["old"]'] * size,
        "c:tags": [op != "delete"] * size,
        **columns,
    }
    kinds = {"k:no": pl.Decimal(38, 1), "n:tags": pl.String, "o:tags": pl.String, "record_id": pl.String}
    return Rows.of_frame(pl.DataFrame(data, schema_overrides=kinds))


def outcomes(*rows):
    """Outcomes from (seq, status, record id, code, message)."""
    names = ("seq", "status", "record_id", "code", "message")
    kinds = (pl.Int64, pl.String, pl.String, pl.String, pl.String)
    return pl.DataFrame(list(rows), schema=dict(zip(names, kinds, strict=True)), orient="row")


@pytest.fixture
def files(tmp_path):
    """Run files in an empty folder whose clock stands still."""
    return RunFiles(tmp_path / "snapshots", work=tmp_path / "work", clock=lambda: NOON)


@pytest.fixture
def place(tmp_path):
    """The folder of the run that is called `run-1`."""
    return tmp_path / "snapshots" / "contacts" / "runs" / "run-1"


def test_changes_and_outcomes_read_back(files, place):
    """Rows come back as they were, with the types, from private files."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    files.save_outcomes("contacts", "run-1", outcomes((0, "acknowledged", "R1", None, None)))
    assert files.load("contacts", "run-1").rows.collect().equals(plan().collect())
    assert files.load_types("contacts", "run-1") == TYPES
    assert pl.read_parquet(place / "outcomes.parquet").rows() == [(0, "acknowledged", "R1", None, None)]
    assert sorted(path.name for path in place.iterdir()) == ["changes.parquet", "meta.json", "outcomes.parquet"]
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_a_broken_run_is_picked_up_with_what_it_stood_on(files, place):
    """Recovery finds the rows, their types and their snapshot; a run that died before saving has none."""
    assert files.load("contacts", "run-1") is None
    files.save_changes("contacts", "run-1", plan(), TYPES, IDENTITY)
    saved = files.load("contacts", "run-1")
    assert (saved.run_id, saved.identity, saved.types) == ("run-1", IDENTITY, TYPES)
    assert saved.rows.collect().equals(plan().collect())
    assert [source.rows for source in saved.rows.sources] == [2]
    (place / "meta.json").unlink()
    assert files.load("contacts", "run-1") is None
    assert files.runs("contacts") == []


def test_a_run_may_be_saved_again(files):
    """Whoever saves a run a second time gets what was saved last, rows and outcomes."""
    files.save_changes("contacts", "run-1", plan(), TYPES, IDENTITY)
    files.save_outcomes("contacts", "run-1", outcomes((0, "rejected", None, "NO", None)))
    files.save_changes("contacts", "run-1", plan("insert", ids=(5,)), TYPES)
    files.save_outcomes("contacts", "run-1", outcomes((0, "acknowledged", "R5", None, None)))
    saved = files.load("contacts", "run-1")
    assert saved.rows.collect().equals(plan("insert", ids=(5,)).collect())
    assert saved.identity is None
    assert [event.status for event in files.row_history("contacts", {"id": 5, "no": 1.5})] == ["acknowledged"]


def test_where_a_row_was_is_not_kept(files):
    """Places within a snapshot mean nothing later."""
    rows = plan().then(lambda lazy: lazy.with_columns(row=pl.lit(7), loc=pl.lit(9, pl.UInt64)))
    files.save_changes("contacts", "run-1", rows, TYPES)
    assert "loc" not in files.load("contacts", "run-1").rows.schema


def inserted(sync, monkeypatch, rows=6):
    """A comparison whose inserts stay in the file that the model was streamed to, planned as upserts."""
    monkeypatch.setattr(engine, "MIN_ROWS", 1)
    sync.options = replace(sync.options, memory=10**9)
    monkeypatch.setattr(engine, "_SHARE", 10**12)
    ids = list(range(rows))
    run = sync.compare(k_id=[*ids, 0], m_ext=[f"x{n}" for n in (*ids, 99)], f_a=[*ids, 5], f_b=["p", *[None] * rows])
    marks = {"action": pl.lit("upsert"), "w:b": pl.lit(value=True)}
    return run.found, run.found.rows.then(lambda lazy: lazy.with_columns(**marks))


def test_plain_inserts_keep_the_file_they_are_in(sync, files, place, monkeypatch):
    """A run of many inserts keeps the very file of the model's rows, one bit a row, and reads back whole."""
    found, rows = inserted(sync, monkeypatch)
    assert [source.bulk for source in rows.sources] == [False, True]
    chosen = rows.where(pl.col("k:id").is_in([1, 3, 4]))
    files.save_changes("contacts", "run-1", chosen, found.types, files=found.origin.folder)
    saved = files.load("contacts", "run-1")
    assert sorted(path.name for path in place.iterdir()) == [
        "changes.parquet", "inserts.bits", "meta.json", "new.parquet",
    ]  # fmt: skip
    assert (place / "new.parquet").samefile(found.origin.folder / "new.parquet")
    wanted = chosen.collect().drop("loc")
    assert saved.rows.collect().drop("loc", strict=False).select(wanted.columns).equals(wanted)
    assert wanted["k:id"].to_list() == [1, 3, 4]
    files.save_outcomes("contacts", "run-1", outcomes((wanted["seq"][1], "acknowledged", "R3", None, None)))
    events = files.row_history("contacts", {"id": "3"})
    assert [(event.op, event.action, event.record_id) for event in events] == [("insert", "upsert", "R3")]
    assert events[0].fields == {"a": {"old": None, "new": 3}, "b": {"old": None, "new": None}}


def test_plain_inserts_without_their_folder_are_written_out(sync, files, place, monkeypatch):
    """Where the model's file cannot be kept, the rows are written like any others."""
    found, rows = inserted(sync, monkeypatch)
    files.save_changes("contacts", "run-1", rows, found.types)
    assert sorted(path.name for path in place.iterdir()) == ["changes.parquet", "meta.json"]
    wanted = rows.collect().drop("loc")
    assert files.load("contacts", "run-1").rows.collect().select(wanted.columns).equals(wanted)


@pytest.mark.parametrize("bulk", [True, False])
def test_values_can_be_forgotten(sync, files, place, monkeypatch, bulk):
    """Afterwards a run tells which fields it wrote, to which rows, and no file holds what it wrote."""
    found, rows = inserted(sync, monkeypatch)
    rows = rows.then(lambda lazy: lazy.with_columns(pl.lit("a rather telling value").alias("n:b")))
    files.save_changes("contacts", "run-1", rows, found.types, files=found.origin.folder if bulk else None)
    files.save_outcomes("contacts", "run-1", outcomes((1, "acknowledged", "R2", None, None)))
    files.forget_values("contacts", "run-1")
    files.forget_values("contacts", "run-1")
    assert sorted(path.name for path in place.iterdir()) == ["meta.json", "outcomes.parquet", "written.parquet"]
    left = files.load("contacts", "run-1").rows.collect()
    assert left.select("k:id", "op", "c:a", "c:b").rows() == rows.collect().select("k:id", "op", "c:a", "c:b").rows()
    assert left.select("^[no]:.*$").null_count().rows() == [(left.height,) * 4]
    assert files.row_history("contacts", {"id": 1})[0].fields == {
        "a": {"old": None, "new": None},
        "b": {"old": None, "new": None},
    }


def test_forgetting_values_can_be_finished(files, place, monkeypatch):
    """Where it broke off before the old file was removed, the next attempt removes it."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "remove", broken_off)
        with pytest.raises(KeyboardInterrupt):
            files.forget_values("contacts", "run-1")
    files.forget_values("contacts", "run-1")
    assert sorted(path.name for path in place.iterdir()) == ["meta.json", "written.parquet"]


def broken_off(*_):
    """Stands for a process that ends here."""
    raise KeyboardInterrupt


def test_a_rows_history_comes_in_order_of_the_runs(files):
    """All that was done to one row, with old and new values, outcome, and the destination's words."""
    files.save_changes("contacts", "run-2", plan("update"), TYPES)
    files.save_outcomes("contacts", "run-2", outcomes((0, "rejected", None, "TOO_LONG", "tags: too long")))
    files.save_changes("contacts", "run-1", plan("insert"), TYPES)
    files.save_outcomes("contacts", "run-1", outcomes((0, "acknowledged", "R1", None, None)))
    files.save_changes("contacts", "run-3", plan("delete"), TYPES)
    files.save_changes("contacts", "run-4", plan("update", ids=(2,)), TYPES)
    events = files.row_history("contacts", {"id": 1, "no": Decimal("1.5")})
    assert [(e.run_id, e.op, e.action, e.status, e.code, e.record_id) for e in events] == [
        ("run-1", "insert", "upsert", "acknowledged", None, "R1"),
        ("run-2", "update", "upsert", "rejected", "TOO_LONG", "R0"),
        ("run-3", "delete", "delete", None, None, "R0"),
    ]
    assert [e.fields for e in events] == [
        {"tags": {"old": None, "new": ["new"]}},
        {"tags": {"old": ["old"], "new": ["new"]}},
        {"tags": {"old": ["old"], "new": None}},
    ]
    assert (events[1].message, events[0].at) == ("tags: too long", NOON)


def test_keys_may_be_given_as_text(files):
    """A command line has only text: it is read under the key's own type."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    assert len(files.row_history("contacts", {"id": "2", "no": "1.50"})) == 1
    assert files.row_history("contacts", {"id": "x", "no": "1.5"}) == []
    assert files.row_history("contacts", {"other": "2"}) == []
    assert files.row_history("unheard", {"id": 1}) == []
    with pytest.raises(UsageError, match="key"):
        files.row_history("contacts", {})


def test_only_written_fields_are_told(files):
    """A field that was not sent is no part of the event."""
    files.save_changes("contacts", "run-1", plan(**{"c:tags": [False, True]}), TYPES)
    assert files.row_history("contacts", {"id": 1, "no": 1.5})[0].fields == {}


@pytest.mark.parametrize("name", ["changes.parquet", "inserts.bits", "new.parquet"])
def test_damaged_files_are_told(sync, files, place, monkeypatch, name):
    """A file of rows that is missing, cut off or altered is named, whatever is asked of the run."""
    found, rows = inserted(sync, monkeypatch)
    files.save_changes("contacts", "run-1", rows, found.types, files=found.origin.folder)
    whole = (place / name).read_bytes()
    broken = [whole[:-1], b"PAR1", b"", whole[:-1] + bytes([whole[-1] ^ 1]), bytes([whole[0] ^ 1]) + whole[1:], None]
    for data in broken:
        (place / name).unlink()
        if data is not None:
            (place / name).write_bytes(data)
        for ask in (files.load, files.forget_values, lambda sync, _: files.row_history(sync, {"id": 1})):
            with pytest.raises(SnapshotError, match=rf"{name}.*(missing|checksum)"):
                ask("contacts", "run-1")


BROKEN = [
    ("{", "damaged"),
    ("[]", "damaged"),
    ('{"format": 9}', "newer"),
    ('{"format": 1}', "damaged"),
    ('{"format": 2}', "damaged"),
    ('{"format": null}', "damaged"),
    ("[" * 100_000, "damaged"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[text[:16] for text, _ in BROKEN])
def test_a_run_without_sense_is_told(files, place, text, message):
    """Whatever stands in a run's meta, the answer is a clear error."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    (place / "meta.json").write_text(text)
    for ask in (files.load, files.load_types, files.forget_values):
        with pytest.raises(SnapshotError, match=message):
            ask("contacts", "run-1")


STRANGE = [
    {"file": "../x"},
    {"flat": None},
    {"flat": "many"},
    {"bulk": [1]},
    {"bulk": [1, 1, 0, 5]},
    {"bulk": 5},
    {"digests": []},
    {"initial": 3},
]


@pytest.mark.parametrize("part", STRANGE, ids=str)
def test_rows_without_sense_are_told(files, place, part):
    """What a run says of its rows is checked before anything is read by it."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    meta = json.loads((place / "meta.json").read_text())
    (place / "meta.json").write_text(json.dumps({**meta, "rows": {**meta["rows"], **part}}))
    with pytest.raises(SnapshotError):
        files.load("contacts", "run-1")


@pytest.mark.parametrize(("sync", "run_id"), [("..", "run"), ("contacts", "../../x"), ("contacts", "")])
def test_no_name_leads_out_of_the_root(files, sync, run_id):
    """Names of syncs and runs are one folder each."""
    with pytest.raises(SnapshotError, match="path"):
        files.save_changes(sync, run_id, plan(), TYPES)
