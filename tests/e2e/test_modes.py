"""Every mode against a real table, through the command line."""

import re
import sqlite3

import pytest


def with_mode(workspace, mode, **changes):
    sync = workspace.root / "syncs/people.yml"
    text = sync.read_text().replace("mode: mirror", f"mode: {mode}")
    sync.write_text(text + "".join(f"{name}: {value}\n" for name, value in changes.items()))


def seeded(workspace):
    """A table that others own, with record 1 in it."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(
            "create table people (id integer primary key, name text, email text, spent real, source text)"
        )
        connection.execute("insert into people values (1, 'Old', 'old@example.com', 1, 'crm')")


def names(workspace):
    return {row[0]: row[1] for row in workspace.table()}


def run(workspace, **expected):
    result = workspace.run("run", "people", "--json").json["runs"][0]
    assert {name: result[name] for name in expected} == expected
    return result


def shrunk_and_changed(workspace):
    workspace.people((1, "Anna", "ann@example.com", 10.5), (3, "Cid", "cid@example.com", 0))


def test_upsert_never_deletes(workspace):
    """A row that left the model stays, in the table and in the snapshot."""
    seeded(workspace)
    with_mode(workspace, "upsert")
    run(workspace, inserts=3, acknowledged=3)
    shrunk_and_changed(workspace)
    run(workspace, inserts=0, updates=1, deletes=0)
    assert names(workspace) == {1: "Anna", 2: "Bob", 3: "Cid"}
    run(workspace, status="nothing_to_do")


def test_update_never_creates(workspace):
    """Only record 1 exists; the others are skipped, and looked up again in every run."""
    seeded(workspace)
    with_mode(workspace, "update")
    run(workspace, acknowledged=1, skipped=2)
    assert names(workspace) == {1: "Ann"}
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("insert into people (id) values (2)")
    run(workspace, acknowledged=1, skipped=1)
    assert names(workspace) == {1: "Ann", 2: "Bob"}


def test_insert_never_overwrites(workspace):
    """Record 1 exists and stays as it is; that is settled, so the next run has nothing to do."""
    seeded(workspace)
    with_mode(workspace, "insert")
    run(workspace, acknowledged=2, skipped=1)
    assert names(workspace) == {1: "Old", 2: "Bob", 3: "Cid"}
    shrunk_and_changed(workspace)
    run(workspace, status="nothing_to_do")
    assert names(workspace)[1] == "Old"


def test_append_creates_once(workspace):
    """New rows are created; changed ones are left alone."""
    with_mode(workspace, "append")
    run(workspace, acknowledged=3)
    shrunk_and_changed(workspace)
    run(workspace, status="nothing_to_do")
    assert len(workspace.table()) == 3


def test_append_changes_creates_again(workspace):
    """With append: changes a changed row is one more record."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("create table people (id integer, name text, email text, spent real, source text)")
    with_mode(workspace, "append", append="changes")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("match: {id: id}\n", "").replace("fields:\n", "fields:\n  id: id\n"))
    run(workspace, acknowledged=3)
    shrunk_and_changed(workspace)
    run(workspace, inserts=0, updates=1, acknowledged=1)
    assert sorted(row[1] for row in workspace.table() if row[0] == 1) == ["Ann", "Anna"]


def test_delete_removes_what_the_model_lists(workspace):
    """The records of the model's rows go; one that is gone already counts as deleted."""
    seeded(workspace)
    with_mode(workspace, "delete")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(re.sub(r"fields:\n(  .*\n)+", "", sync.read_text()))
    run(workspace, deletes=3, acknowledged=3)
    assert workspace.table() == []
    run(workspace, status="nothing_to_do")


@pytest.mark.parametrize(
    ("on_delete", "left"),
    [
        ("delete", {1: "Anna", 3: "Cid"}),
        ("clear", {1: "Anna", 2: None, 3: "Cid"}),
        ("keep", {1: "Anna", 2: "Bob", 3: "Cid"}),
    ],
)
def test_mirror_does_with_departed_rows_what_on_delete_says(workspace, on_delete, left):
    """Delete removes the record, clear empties its mapped fields, keep leaves it."""
    seeded(workspace)
    with_mode(workspace, "mirror", on_delete=on_delete)
    run(workspace, acknowledged=3)
    shrunk_and_changed(workspace)
    run(workspace, updates=1, deletes=0 if on_delete == "keep" else 1)
    assert names(workspace) == left
    run(workspace, status="nothing_to_do")


def test_what_an_adapter_cannot_do_is_refused_by_check_and_plan(workspace):
    """A table has no archive."""
    with_mode(workspace, "mirror", on_delete="archive")
    assert "on_delete: archive" in workspace.run("plan", "people", code=2).err
    assert "on_delete: archive" in workspace.run("check", "people", code=2).out


def test_write_create_and_empty(workspace):
    """write: create is sent with new rows only; write: empty only where the record has no value."""
    seeded(workspace)
    sync = workspace.root / "syncs/people.yml"
    text = sync.read_text().replace("  name: name", "  name: {column: name, write: empty}")
    sync.write_text(text.replace("  source: {value: warehouse}", "  source: {sql: \"'w' || name\", write: create}"))
    run(workspace, acknowledged=3)
    assert names(workspace) == {1: "Old", 2: "Bob", 3: "Cid"}
    shrunk_and_changed(workspace)
    workspace.people((1, "Anna", "ann@example.com", 10.5), (2, "Bobby", None, 20), (3, "Cid", "cid@example.com", 0))
    run(workspace, status="nothing_to_do")
    assert names(workspace)[2] == "Bob"


def test_a_poison_row_costs_one_row_and_is_tried_again(workspace):
    """One row that violates a constraint is kept with its reason; the others arrive; mended, it goes through."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(
            "create table people (id integer primary key, name text check (name <> 'Bad'),"
            " email text, spent real, source text)"
        )
    workspace.people(*((n, "Bad" if n == 33 else f"P{n}", None, n) for n in range(1, 101)))
    answer = workspace.run("run", "people", "--json", code=4).json["runs"][0]
    assert (answer["status"], answer["acknowledged"], answer["rejected"]) == ("partial", 99, 1)
    assert answer["errors"][0]["example"]["key"] == {"id": 33}
    workspace.run("run", "people", code=4)
    kept = workspace.run("rejected", "people", "--json").json["rejected"]
    assert [(row["key"], row["attempts"]) for row in kept] == [({"id": 33}, 2)]
    workspace.run("dismiss", "people", "--key", "33")
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"
    workspace.people(*((n, f"P{n}", None, n) for n in range(1, 101)))
    run(workspace, acknowledged=1, rejected=0)
    assert workspace.run("rejected", "people", "--json").json == {"rejected": []}
    assert len(workspace.table()) == 100


def test_a_row_that_keeps_failing_is_given_up_until_it_is_retried(workspace):
    """After max_attempts it is no longer sent; `retry` makes it due again."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(
            "create table people (id integer primary key, name text not null, email text, spent real, source text)"
        )
    with_mode(workspace, "mirror", rejects="{max_attempts: 2}")
    workspace.people((1, None, None, 1), *((n, f"P{n}", None, 1) for n in range(2, 30)))
    workspace.run("run", "people", code=4)
    workspace.run("run", "people", code=4)
    run(workspace, status="nothing_to_do")
    assert workspace.run("plan", "people", "--json").json["plans"][0]["held"] == 1
    assert workspace.run("retry", "people", "--key", "1", "--json").json["due"] == 1
    answer = workspace.run("run", "people", "--json", code=4).json["runs"][0]
    assert answer["rejected"] == 1
    assert workspace.run("retry", "people", "--now", "--json", code=4).json["runs"][0]["rejected"] == 1


def test_rows_that_are_refused_every_time_do_not_block_a_canary(workspace):
    """Rows that were in trouble go last, so that `--limit` reaches the others."""
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(
            "create table people (id integer primary key, name text not null, email text, spent real, source text)"
        )
    workspace.people((1, None, None, 1), (2, None, None, 1), *((n, f"P{n}", None, 1) for n in range(3, 60)))
    assert workspace.run("run", "people", "--limit", "2", "--json", code=4).json["runs"][0]["rejected"] == 2
    assert workspace.run("run", "people", "--limit", "2", "--json").json["runs"][0]["acknowledged"] == 2
    assert names(workspace) == {3: "P3", 4: "P4"}
