"""Records that go by another match value, and fields that a record keeps, through the command line."""

import sqlite3

import pytest

SYNC = """\
model: people
destination: app
object: people
mode: {mode}
key: id
match: {{email: email}}
fields: {{name: name}}
guards: {{max_invalid: off, max_deletes: off}}
rejects: {{max_attempts: {attempts}}}
"""
ANN, BOB = (1, "Ann", "z", 1), (2, "Bob", "b", 1)
ZED, BOBBY, ROB = (0, "Zed", "b", 1), (2, "Bobby", "c", 1), (2, "Rob", "c", 1)
DONE = {("Ann", "z"), ("Rob", "c"), ("Zed", "b")}


def started(workspace, mode="mirror", attempts=10):
    """Ann and Bob are in a table that takes no Bobby; there Zed, who is new, takes Bob's address over."""
    workspace.write("syncs/people.yml", SYNC.format(mode=mode, attempts=attempts))
    sql(workspace, "create table people (email text primary key, name text check (name <> 'Bobby'))")
    if mode == "update":
        sql(workspace, "insert into people (email) values ('z'), ('b')")
    workspace.people(ANN, BOB)
    run(workspace, acknowledged=2)
    workspace.people(ZED, ANN, BOBBY)


def sql(workspace, statement):
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute(statement)


def run(workspace, *arguments, code=0, **expected):
    result = workspace.run("run", "people", *arguments, "--json", code=code).json["runs"][0]
    assert {name: result[name] for name in expected} == expected
    return result


def people(workspace):
    return {(name, email) for email, name in workspace.table()}


def ended_well(workspace):
    """Rob may move: everybody is there, and nothing is left to do."""
    workspace.people(ZED, ANN, ROB)
    run(workspace, acknowledged=2, rejected=0)
    assert people(workspace) == DONE
    run(workspace, status="nothing_to_do")


def test_a_new_row_waits_until_the_record_it_would_overwrite_has_moved(workspace):
    """Bob's move is refused: his record stays his, and Zed gets his own once Bob has moved."""
    started(workspace)
    run(workspace, code=4, acknowledged=0, rejected=1)
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}
    ended_well(workspace)


@pytest.mark.parametrize("settled", ["dead", "dismissed"])
def test_a_new_row_waits_for_a_row_that_is_not_sent_any_more(workspace, settled):
    """A move that was given up still holds the record, and the plan says that a row waits for it."""
    started(workspace, attempts=1 if settled == "dead" else 10)
    run(workspace, code=4)
    if settled == "dismissed":
        workspace.run("dismiss", "people", "--key", "2")
    assert any("1 new row waits" in note for note in run(workspace, status="nothing_to_do")["notes"])
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}
    ended_well(workspace)


def test_a_new_row_waits_for_a_row_that_was_set_aside(workspace):
    """Bob lost his address in the model: his record is not given away."""
    started(workspace)
    workspace.people(ZED, ANN, (2, "Bob", None, 1))
    run(workspace, status="nothing_to_do")
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}
    ended_well(workspace)


def test_an_update_sync_does_not_write_over_a_record_that_has_not_moved(workspace):
    """Mode update addresses new rows by match too: Zed's values do not end up in Bob's record."""
    started(workspace, mode="update")
    run(workspace, code=4, acknowledged=0, rejected=1)
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}
    workspace.people(ZED, ANN, ROB)
    run(workspace, acknowledged=1, skipped=1)
    assert people(workspace) == {("Ann", "z"), ("Rob", "c")}


def test_a_canary_moves_records_before_others_take_their_place(workspace):
    """`run --limit 1` sends Bob's move, although Zed's key comes first."""
    started(workspace)
    workspace.people(ZED, ANN, ROB)
    run(workspace, "--limit", "1", acknowledged=1)
    assert people(workspace) == {("Ann", "z"), ("Rob", "c")}
    run(workspace, acknowledged=1)
    assert people(workspace) == DONE


def test_a_retried_row_waits_too(workspace):
    """`retry --now` confines the run to one row, which must not take the record of another."""
    workspace.write("syncs/people.yml", SYNC.format(mode="mirror", attempts=10))
    sql(workspace, "create table people (email text primary key, name text check (name <> 'Bad'))")
    workspace.people(ANN, BOB, (0, "Bad", "x", 1))
    run(workspace, code=4, acknowledged=2)
    workspace.people(ZED, ANN, ROB)
    workspace.run("retry", "people", "--key", "0", "--now")
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}
    run(workspace, acknowledged=2)
    assert people(workspace) == DONE


def test_a_row_that_lost_its_key_keeps_its_record(workspace):
    """Bob's key became NULL; his address is still in the model, so his record is not deleted."""
    started(workspace)
    workspace.people(ANN, (None, "Bob", "b", 1))
    run(workspace, deletes=0, invalid=1, status="nothing_to_do")
    assert people(workspace) == {("Ann", "z"), ("Bob", "b")}


def kept(workspace, write):
    """A sync whose email is written under a condition, into a table that has record 1 with an address."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(
        sync.read_text().replace("email: {column: email, nulls: skip}", f"email: {{column: email, write: {write}}}")
    )
    sql(workspace, "create table people (id integer primary key, name text, email text, spent real, source text)")
    sql(workspace, "insert into people (id, email) values (1, 'keep@x')")
    workspace.people((1, "Ann", "a@x", 1), (2, "Bob", "b@x", 2))
    run(workspace, acknowledged=2)


def addresses(workspace):
    return [row[2] for row in workspace.table()]


@pytest.mark.parametrize("write", ["create", "empty"])
def test_a_field_that_a_record_keeps_is_not_taken_for_written(workspace, write):
    """The record keeps its address, run after run; with `write: always` the model's is sent, for that row only."""
    kept(workspace, write)
    assert addresses(workspace) == ["keep@x", "b@x"]
    run(workspace, status="nothing_to_do")
    workspace.people((1, "Ann", "new@x", 1), (2, "Bob", "b@x", 2))
    run(workspace, status="nothing_to_do")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace(f"write: {write}", "write: always"))
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert [(change["key"], change["fields"]) for change in plan["changes"]] == [
        ({"id": 1}, {"email": {"old": None, "new": "new@x", "old_known": False}})
    ]
    run(workspace, acknowledged=1)
    assert addresses(workspace) == ["new@x", "b@x"]
    run(workspace, status="nothing_to_do")


def test_a_record_that_was_left_alone_can_be_filled_later(workspace):
    """`write: create` tells nothing of the record's field; `write: empty` then looks, and fills it if it is empty."""
    kept(workspace, "create")
    sql(workspace, "update people set email = null where id = 1")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("write: create", "write: empty"))
    run(workspace, acknowledged=1)
    assert addresses(workspace) == ["a@x", "b@x"]


def test_an_update_sync_never_writes_what_goes_with_new_records(workspace):
    """Mode update makes no record, so it has no use for `write: create`."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("mode: mirror", "mode: update"))
    sql(workspace, "create table people (id integer primary key, name text, email text, spent real, source text)")
    sql(workspace, "insert into people (id, email) values (1, 'keep@x')")
    sync.write_text(
        sync.read_text().replace("email: {column: email, nulls: skip}", "email: {column: email, write: create}")
    )
    run(workspace, acknowledged=1, skipped=2)
    assert addresses(workspace) == ["keep@x"]
    assert workspace.table()[0][1] == "Ann"


def test_what_a_record_kept_is_told_by_explain(workspace):
    """The row's story names the field and says why it was not written."""
    kept(workspace, "empty")
    told = workspace.run("explain", "people", "--key", "1").out
    assert '"email": "has a value"' in told
