"""Files of the runs, and the history of a row."""

import datetime as dt
import json
from decimal import Decimal

import polars as pl
import pytest

from tailrace.errors import SnapshotError, UsageError
from tailrace.snapshot.history import RunFiles
from tailrace.snapshot.identity import Identity
from tailrace.values import LogicalType

IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("id", "no"), ("ext",))
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TYPES = {"k:id": LogicalType("int64"), "k:no": LogicalType("decimal", 1), "f:tags": LogicalType("json")}


def plan(op="update", ids=(1, 2), **columns):
    """A plan frame of one field, `tags`, with one row per id."""
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
    return pl.DataFrame(data, schema_overrides=kinds)


def outcomes(*rows):
    """Outcomes from (seq, status, record id, code, message)."""
    names = ("seq", "status", "record_id", "code", "message")
    kinds = (pl.Int64, pl.String, pl.String, pl.String, pl.String)
    return pl.DataFrame(list(rows), schema=dict(zip(names, kinds, strict=True)), orient="row")


@pytest.fixture
def files(tmp_path):
    """Run files in an empty folder whose clock stands still."""
    return RunFiles(str(tmp_path), clock=lambda: NOON)


def test_changes_and_outcomes_read_back(files, tmp_path):
    """Both frames come back as they were, with the types, from private files."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    assert files.load_outcomes("contacts", "run-1") is None
    files.save_outcomes("contacts", "run-1", outcomes((0, "acknowledged", "R1", None, None)))
    assert files.load_changes("contacts", "run-1").equals(plan())
    assert files.load_types("contacts", "run-1") == TYPES
    assert files.load_outcomes("contacts", "run-1")["status"].to_list() == ["acknowledged"]
    place = tmp_path / "contacts" / "runs" / "run-1"
    assert sorted(path.name for path in place.iterdir()) == ["changes.parquet", "meta.json", "outcomes.parquet"]
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_a_broken_run_is_picked_up_with_what_it_stood_on(files, tmp_path):
    """Recovery finds the plan frame, its types and its snapshot; a run that died before saving has none."""
    assert files.load("contacts", "run-1") is None
    files.save_changes("contacts", "run-1", plan(), TYPES, IDENTITY)
    saved = files.load("contacts", "run-1")
    assert (saved.run_id, saved.identity, saved.types) == ("run-1", IDENTITY, TYPES)
    assert saved.frame.equals(plan())
    (tmp_path / "contacts" / "runs" / "run-1" / "meta.json").unlink()
    assert files.load("contacts", "run-1") is None


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


def test_damaged_files_are_told(files, tmp_path):
    """A file that is missing, cut off, no JSON, or newer is a clear error."""
    files.save_changes("contacts", "run-1", plan(), TYPES)
    place = tmp_path / "contacts" / "runs" / "run-1"
    (place / "changes.parquet").write_bytes(b"PAR1")
    with pytest.raises(SnapshotError, match=r"changes.parquet"):
        files.load_changes("contacts", "run-1")
    with pytest.raises(SnapshotError, match=r"changes.parquet"):
        files.row_history("contacts", {"id": 1, "no": 1})
    (place / "changes.parquet").unlink()
    with pytest.raises(SnapshotError, match=r"changes.parquet"):
        files.load_changes("contacts", "run-1")
    meta = place / "meta.json"
    for text, message in (
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"format": 9}), "newer"),
        ('{"format": 1}', "damaged"),
    ):
        meta.write_text(text)
        with pytest.raises(SnapshotError, match=message):
            files.load_types("contacts", "run-1")


@pytest.mark.parametrize(("sync", "run_id"), [("..", "run"), ("contacts", "../../x"), ("contacts", "")])
def test_no_name_leads_out_of_the_root(files, sync, run_id):
    """Names of syncs and runs are one folder each."""
    with pytest.raises(SnapshotError, match="path"):
        files.save_changes(sync, run_id, plan(), TYPES)
