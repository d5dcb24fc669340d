"""`create_table`: what is made, when, and never otherwise."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from tailrace.destination import OpenFields
from tailrace.errors import ObjectNotFound, StopRun, WriteForbidden

VALUES = {
    "flag": True,
    "n": 5,
    "ratio": 0.5,
    "amount": Decimal("12345678901234.56"),
    "name": "Ann",
    "raw": b"\x00\xff",
    "day": date(2026, 1, 2),
    "at": time(3, 4, 5, 6),
    "local": datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001  # naive on purpose
    "moment": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "tags": ["a", {"b": 1}],
}


def test_the_first_push_makes_the_table(database):
    """A missing table is made with a column per field, and its values come back as they were sent."""
    outcomes = database.push("upsert", (("k",), VALUES), create_table=True)
    assert outcomes[0].status == "acknowledged"
    records = list(database.open().find("people", ["id"], [("k",)], list(VALUES)))
    assert records[0].values == VALUES
    assert {name: type(value) for name, value in records[0].values.items()} == {
        name: type(value) for name, value in VALUES.items()
    }


def test_the_match_becomes_unique(database):
    """The made table tells records by the match, so that a second push updates."""
    for name in ("a", "b"):
        database.push("upsert", ((1,), {"name": name}), create_table=True)
    assert database.run("SELECT id, name FROM people") == [(1, "b")]


def test_a_new_field_becomes_a_column(database):
    """A field mapped later is added to the table; one with nulls only waits for its first value."""
    database.push("upsert", ((1,), {"name": "a"}), create_table=True)
    outcomes = database.push("upsert", ((1,), {"name": "a", "n": None, "day": date(2026, 1, 1)}), create_table=True)
    assert outcomes[0].status == "acknowledged"
    fields = database.open().describe("people").fields
    assert set(fields) == {"id", "name", "day"}
    found = list(database.open(create_table=True).find("people", ["id"], [(1,)], ["n", "day"]))
    assert found[0].values == {"n": None, "day": date(2026, 1, 1)}


def test_a_sync_may_decide_for_itself(database):
    """The sync's own create_table goes before the destination's."""
    with pytest.raises(ObjectNotFound):
        database.push("upsert", ((1,), {"name": "a"}), create_table=True, option=False)
    database.push("upsert", ((1,), {"name": "a"}), option=True)
    assert database.tables() == ["people"]


def test_describing_and_finding_make_nothing(database):
    """A table still to be made takes any field, holds no record, and is not made by asking."""
    destination = database.open(create_table=True)
    assert isinstance(destination.describe("people").fields, OpenFields)
    assert list(destination.find("people", ["id"], [(1,)])) == []
    assert database.tables() == []


def test_a_dry_run_makes_nothing(database):
    """With a read-only budget neither table nor file is made."""
    database.calls.read_only = True
    with pytest.raises(WriteForbidden):
        database.push("upsert", ((1,), {"name": "a"}), create_table=True)
    assert database.tables() == []


def test_a_missing_file_is_made_only_when_asked(sqlite, tmp_path):
    """A SQLite file that is not there is an error that says so, unless create_table is set."""
    sqlite.url = f"sqlite:///{tmp_path}/new.db"
    with pytest.raises(StopRun, match=r"no SQLite database at .*new\.db"):
        sqlite.open().check()
    asked = sqlite.open(create_table=True)
    assert asked.check().notes
    assert not (tmp_path / "new.db").exists()
    assert sqlite.push("upsert", ((1,), {"name": "a"}), create_table=True)[0].status == "acknowledged"


def test_a_table_not_made_yet_has_no_records(database):
    """Before the first upsert a delete succeeds and an update finds nothing; neither makes the table."""
    assert database.push("delete", ((1,), {}), create_table=True)[0].status == "acknowledged"
    assert database.push("update", ((1,), {"name": "a"}), create_table=True)[0].recovery == "missing"
    assert database.tables() == []
