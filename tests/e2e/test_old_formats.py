"""Snapshots and runs as earlier versions wrote them, opened through the command line and the API."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tailrace import Project

FIXTURES = Path(__file__).parents[1] / "unit/snapshot/fixtures"
STATES = Path(__file__).parents[1] / "unit/state/fixtures"
CONFIG = """\
warehouses:
  main: {type: duckdb, path: ":memory:"}
destinations:
  crm: {type: memory, store: 00D1}
"""
SYNC = """\
model: contacts
destination: crm
object: Contact
mode: mirror
key: id
match: {ext: ext}
fields: {text: {column: text, nulls: skip}, money: money, at: at, tags: tags}
guards: {max_deletes: off}
"""
NOON = "'2026-11-22 12:00:00+00'"
TAGS = "['ß', null]"
SECOND = {
    2: ("null", "1.50", NOON, "[]"),
    3: ("'three'", "1.50", NOON, TAGS),
    4: ("'four'", "-0.01", NOON, TAGS),
    6: ("'six'", "1.50", "null", TAGS),
}
"""What the snapshot holds, as `make.py` beside the fixtures has it."""
THIRD = {**SECOND, 5: ("'five'", "1.50", NOON, TAGS), 6: ("'seven'", "1.50", "null", TAGS)}
"""What the run after it sent."""


def project(workspace, memory_store, number):
    """A project whose snapshot and runs an earlier version wrote in that format; the records are there."""
    for name in ("syncs/people.yml", "models/people.sql"):
        (workspace.root / name).unlink()
    workspace.write("tailrace.yml", CONFIG)
    workspace.write("syncs/contacts.yml", SYNC)
    shutil.copytree(FIXTURES / f"format-{number}", workspace.root / ".tailrace/snapshots")
    for key in SECOND:
        memory_store("00D1").put("Contact", {"ext": f"x{key}", "text": "as it is"})
    model(workspace, SECOND)


@pytest.fixture(params=[1, 2], ids=lambda number: f"format {number}")
def old(request, workspace, memory_store):
    """Such a project, of each format, with a state database of today."""
    project(workspace, memory_store, request.param)
    workspace.run("check", "contacts")
    return workspace


@pytest.fixture(params=["0001", "0002", "0003", "0004"])
def left(request, workspace, memory_store):
    """Such a project, with the state database of that revision: a run of then is in the middle of sending."""
    project(workspace, memory_store, 1 if request.param == "0001" else 2)
    restore(workspace, (STATES / f"revision-{request.param}.sql").read_text())
    memory_store("00D1").put("Contact", {"ext": "x5", "text": "five"})  # acknowledged before it broke off
    (workspace.root / ".tailrace/snapshots/contacts/runs/run-3/outcomes.parquet").unlink()
    return workspace


def restore(workspace, text):
    with sqlite3.connect(workspace.root / ".tailrace/state.db") as connection:
        connection.executescript(text)
    connection.close()


def dump(workspace):
    with sqlite3.connect(workspace.root / ".tailrace/state.db") as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def model(workspace, rows):
    values = ", ".join(f"({key}, 'x{key}', {', '.join(row)})" for key, row in rows.items())
    columns = 'id::bigint as id, ext, text::varchar as text, money::decimal(10, 2) as money, "at"::timestamptz as "at"'
    workspace.write(
        "models/contacts.sql",
        f'select {columns}, tags::varchar[] as tags from (values {values}) t(id, ext, text, money, "at", tags)',
    )


def said(workspace):
    (plan,) = workspace.run("plan", "contacts", "--json").json["plans"]
    return {(change["op"], change["key"]["id"]): set(change["fields"]) for change in plan["changes"]}


def ran(workspace):
    (run,) = workspace.run("run", "contacts", "--json").json["runs"]
    return run


def manifest(workspace):
    (path,) = workspace.root.glob(".tailrace/snapshots/contacts/*/manifest.json")
    return json.loads(path.read_text())


def test_nothing_is_sent_again(old, memory_store):
    """A model that did not change since needs nothing, and a run of it leaves all as it is, or merged."""
    before, told = manifest(old), ("generation", "rows", "run_id", "saved_at", "types")
    assert said(old) == {}
    assert ran(old)["status"] == "nothing_to_do"
    assert memory_store("00D1").writes == 0
    assert [manifest(old)[name] for name in told] == [before[name] for name in told]
    assert old.run("status", "--json").json["syncs"][0]["snapshot_rows"] == 4


def test_only_what_changed_since_is_sent(old, memory_store):
    """By the next run, which writes today's format; then nothing is left."""
    model(old, THIRD)
    changes = {("update", 6): {"text"}, ("insert", 5): {"text", "money", "at", "tags"}}
    assert said(old) == changes
    run = ran(old)
    assert (run["status"], run["acknowledged"]) == ("succeeded", 2)
    texts = {record["ext"]: record["text"] for record in memory_store("00D1").records("Contact").values()}
    assert texts == {"x2": "as it is", "x3": "as it is", "x4": "as it is", "x5": "five", "x6": "seven"}
    assert manifest(old)["format"] == 2
    assert said(old) == {}
    assert ran(old)["status"] == "nothing_to_do"
    model(old, {key: row for key, row in THIRD.items() if key != 3})
    assert said(old) == {("delete", 3): set()}


def test_the_story_of_a_row_goes_on(old):
    """What a run of then did is told with what is done today."""
    story = old.run("explain", "contacts", "--key", "6", "--json").json
    assert [(event["run_id"], event["fields"]) for event in story["events"]] == [
        ("run-3", {"text": {"old": "six", "new": "seven"}})
    ]
    model(old, THIRD)
    ran(old)
    story = old.run("explain", "contacts", "--key", "6", "--json").json
    assert [event["op"] for event in story["events"]] == ["update", "update"]
    assert "text six → seven" in old.run("explain", "contacts", "--key", "6").out


def test_a_saved_plan_stands_on_it(old):
    """A plan made before the first commit of today is applied, and moves the snapshot up."""
    model(old, THIRD)
    old.run("plan", "contacts", "--out", "contacts.plan")
    (run,) = old.run("apply", "contacts.plan", "--json").json["runs"]
    assert (run["status"], run["acknowledged"]) == ("succeeded", 2)
    assert said(old) == {}


def test_a_run_of_then_that_broke_off_is_settled(old):
    """Its rows were on their way when the upgrade came; nobody knows an answer, so they are planned again."""
    with Project.load(old.root) as project:
        state = project._session.state
        lease = state.acquire("contacts", "the version before", 60.0)
        parts = {"sync": "contacts", "mode": "mirror", "destination": "crm", "object": "Contact"}
        state.start_run("run-3", identity="32b0fc00fe99497d", token=lease.token, **parts)
        lease.release()
    model(old, THIRD)
    run = ran(old)
    assert len(run["recovered"]) == 1
    assert (run["status"], run["acknowledged"]) == ("succeeded", 2)
    assert said(old) == {}


def test_it_may_be_hidden(old):
    """The next commit makes digests of what an earlier version kept in clear."""
    config = old.root / "tailrace.yml"
    config.write_text("snapshot: {values: hashed}\n" + config.read_text())
    assert said(old) == {}
    model(old, THIRD)
    assert ran(old)["acknowledged"] == 2
    assert manifest(old)["values"] == "hashed"
    assert said(old) == {}


def test_a_run_in_the_middle_of_sending_is_recovered(left, memory_store):
    """Of the old journal, what was acknowledged is not sent again, and what was in flight is, once."""
    model(left, THIRD)
    (before,) = left.run("status", "--json").json["syncs"]
    assert (before["last_run"], before["status"]) == ("run-3", "running")
    run = ran(left)
    assert run["recovered"] == ["recovered 2 rows of run run-3: 1 acknowledged, 1 sent again"]
    assert (run["status"], run["acknowledged"], run["updates"], run["inserts"]) == ("succeeded", 1, 1, 0)
    assert memory_store("00D1").writes == 1
    texts = {record["ext"]: record["text"] for record in memory_store("00D1").records("Contact").values()}
    assert texts == {"x2": "as it is", "x3": "as it is", "x4": "as it is", "x5": "five", "x6": "seven"}
    runs = {each["run_id"]: each["status"] for each in left.run("runs", "--json").json["runs"]}
    assert (runs["run-1"], runs["run-2"], runs["run-3"]) == ("succeeded", "partial", "interrupted")
    assert said(left) == {}
    assert ran(left)["status"] == "nothing_to_do"
    (event,) = left.run("explain", "contacts", "--key", "5", "--json").json["events"]
    assert (event["run_id"], event["batch"], event["status"]) == ("run-3", 1, "acknowledged")


def test_what_it_knew_of_rows_in_trouble_is_told(left):
    """Rejected and held rows of then are listed, and may be tried again or set aside."""
    rows = {row["key"]["id"]: row for row in left.run("rejected", "contacts", "--json").json["rejected"]}
    assert {key: (row["code"], row["message"], row["attempts"]) for key, row in rows.items()} == {
        7: ("TOO_LONG", "Straße: 'it' is\n\"too\" long", 1),
        11: ("LOCKED", "by another", 1),
    }
    (told,) = left.run("status", "--json").json["syncs"]
    assert (told["rejected"], told["unknown"]) == (2, 2)
    left.run("retry", "contacts")
    left.run("dismiss", "contacts")
    assert left.run("rejected", "contacts", "--json").json["rejected"] == []


def test_a_state_database_of_a_later_version_is_left_alone(left):
    """The command says so and how to go on, and touches nothing."""
    restore(left, "update alembic_version set version_num = '0999'")
    before = dump(left)
    answer = left.run("run", "contacts", code=1)
    assert "belongs to a newer version of Tailrace (revision 0999)" in answer.out
    assert "pip install --upgrade tailrace" in answer.out
    assert dump(left) == before
