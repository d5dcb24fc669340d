"""The main job through the command line: a model reaches a table, then only what changed does."""

import json
import sqlite3

import pytest


def counts(run):
    return {name: run[name] for name in ("inserts", "updates", "deletes", "acknowledged", "rejected", "invalid")}


def test_first_run_sends_all_and_the_second_nothing(workspace):
    """Every row arrives with the values the warehouse computed; then there is nothing left to do."""
    first = workspace.spawn("run", "people", "--json").json["runs"][0]
    assert first["status"] == "succeeded"
    assert counts(first) == {"inserts": 3, "updates": 0, "deletes": 0, "acknowledged": 3, "rejected": 0, "invalid": 0}
    assert [row[:2] for row in workspace.table()] == [(1, "Ann"), (2, "Bob"), (3, "Cid")]
    again = workspace.spawn("run", "--all", "--json").json["runs"][0]
    assert again["status"] == "nothing_to_do"
    assert again["acknowledged"] == 0


def test_a_dry_run_shows_exactly_what_the_run_then_does(workspace):
    """The plan names rows and fields, old and new; the run sends those and no others."""
    workspace.run("run", "people")
    workspace.people((1, "Ann", "ann@example.com", 12), (3, "Cid", "new@example.com", 0), (4, "Dee", None, 7))
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert {name: plan[name] for name in ("model_rows", "snapshot_rows", "unchanged")} == {
        "model_rows": 3,
        "snapshot_rows": 3,
        "unchanged": 0,
    }
    shown = {(change["op"], change["key"]["id"]): change["fields"] for change in plan["changes"]}
    assert shown.keys() == {("update", 1), ("update", 3), ("insert", 4), ("delete", 2)}
    assert shown["update", 1] == {"spent": {"old": "10.50", "new": "12.00"}}
    assert shown["update", 3] == {"email": {"old": "cid@example.com", "new": "new@example.com"}}
    assert shown["insert", 4]["name"] == {"old": None, "new": "Dee"}
    run = workspace.run("run", "people", "--json").json["runs"][0]
    assert counts(run) == {"inserts": 1, "updates": 2, "deletes": 1, "acknowledged": 4, "rejected": 0, "invalid": 0}
    assert [row[0] for row in workspace.table()] == [1, 3, 4]


def test_a_dry_run_writes_nothing(workspace):
    """Neither the destination nor the snapshot exists after a plan."""
    workspace.run("run", "people", "--dry-run")
    workspace.run("plan", "people", "--check")
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []
    assert list(workspace.root.glob(".tailrace/snapshots/**/*.parquet")) == []


def test_plan_says_with_its_exit_code_whether_anything_changed(workspace):
    """`plan --exit-code` is 10 with changes and 0 without."""
    workspace.run("plan", "people", "--exit-code", code=10)
    workspace.run("run", "people")
    workspace.run("plan", "people", "--exit-code", code=0)


def test_json_is_all_there_is_on_stdout(workspace):
    """A pipe gets one JSON object from each command that takes --json."""
    workspace.run("run", "people")
    for command in (
        ["check"],
        ["plan"],
        ["status"],
        ["runs"],
        ["rejected", "people"],
        ["explain", "people", "--key", "1"],
        ["resolve", "people"],
        ["destinations"],
        ["run", "people"],
        ["adopt", "people", "--yes"],
        ["reset", "people", "--yes"],
    ):
        answer = workspace.run(*command, "--json")
        assert isinstance(json.loads(answer.out), dict), command


def test_null_policy_is_kept(workspace):
    """With `nulls: skip` a value that becomes NULL leaves the destination's value alone, and is no change."""
    workspace.run("run", "people")
    workspace.people((1, "Ann", None, 10.5), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0))
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"
    assert "ann@example.com" in workspace.table()[0]


def test_an_added_field_sends_that_field_only(workspace):
    """A mapping that grows does not send the other fields again."""
    workspace.run("run", "people")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "  shout: {sql: 'upper(name)'}\n")
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("alter table people add column shout text")
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert plan["updates"] == 3
    assert {field for change in plan["changes"] for field in change["fields"]} == {"shout"}
    workspace.run("run", "people")
    assert workspace.run("plan", "people", "--json").json["plans"][0]["updates"] == 0


def test_invalid_rows_are_reported_and_never_taken_for_deletes(workspace):
    """A row without key and two rows sharing one are set aside; the records of those keys stay."""
    workspace.write(
        "syncs/people.yml", (workspace.root / "syncs/people.yml").read_text() + "guards: {max_invalid: off}\n"
    )
    workspace.run("run", "people")
    workspace.people(
        (1, "Ann", None, 1),
        (1, "Anna", None, 1),
        (None, "Zed", None, 1),
        (2, "Bob", None, 20),
        (3, "Cid", "cid@example.com", 0),
    )
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert {group["reason"]: group["rows"] for group in plan["invalid"]} == {"null_key": 1, "duplicate_key": 2}
    assert (plan["inserts"], plan["updates"], plan["deletes"]) == (0, 0, 0)
    workspace.run("run", "people")
    assert [row[0] for row in workspace.table()] == [1, 2, 3]


def test_a_canary_sends_no_more_than_asked(workspace):
    """`run --limit 1` sends one change and leaves the rest for the next run."""
    first = workspace.run("run", "people", "--limit", "1", "--json").json["runs"][0]
    assert first["acknowledged"] == 1
    assert len(workspace.table()) == 1
    assert workspace.run("run", "people", "--json").json["runs"][0]["acknowledged"] == 2
    assert len(workspace.table()) == 3


def test_explain_tells_a_rows_story(workspace):
    """Each run that touched the row is there, with what it sent."""
    workspace.run("run", "people")
    workspace.people((1, "Ann", "ann@example.com", 99))
    workspace.run("run", "people", "--json", code=0)
    story = workspace.run("explain", "people", "--key", "1", "--json").json
    assert [event["op"] for event in story["events"]] == ["insert", "update"]
    assert story["events"][1]["fields"] == {"spent": {"old": "10.50", "new": "99.00"}}
    gone = workspace.run("explain", "people", "--key", "id=2", "--json").json
    assert gone["events"][-1]["op"] == "delete"


def test_adopt_takes_the_destination_as_the_baseline(workspace):
    """After losing the snapshot, adopt reads the table, and only real differences are left."""
    workspace.run("run", "people")
    workspace.run("reset", "people", "--yes")
    workspace.people(
        (1, "Ann", "ann@example.com", 11), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0), (4, "Dee", None, 1)
    )
    adopted = workspace.run("adopt", "people", "--json").json
    assert (adopted["adopted"], adopted["absent"]) == (3, 1)
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert (plan["inserts"], plan["updates"], plan["unchanged"]) == (1, 1, 2)


def test_full_sends_every_row_again(workspace):
    """`run --full` takes nothing as acknowledged."""
    workspace.run("run", "people")
    assert workspace.run("run", "people", "--full", "--json").json["runs"][0]["acknowledged"] == 3
    assert len(workspace.table()) == 3


@pytest.mark.parametrize("command", [["run"], ["run", "peeple"], ["plan", "--tag", "none"], ["apply", "missing.plan"]])
def test_a_command_that_cannot_work_says_so(workspace, command):
    """Usage errors exit with 2 and say what to do."""
    answer = workspace.run(*command, code=2)
    assert answer.err.startswith(("error:", "Usage"))


def test_reset_asks_first(workspace):
    """Without --yes and without a terminal the snapshot stays."""
    workspace.run("run", "people")
    workspace.run("reset", "people", code=2)
    assert workspace.run("status", "--json").json["syncs"][0]["snapshot_rows"] == 3


def test_adopt_forgets_what_the_destination_no_longer_has(workspace):
    """A record that someone deleted is planned as new after adopt, although the old snapshot knew it."""
    workspace.run("run", "people")
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("delete from people where id = 2")
    adopted = workspace.run("adopt", "people", "--yes", "--json").json
    assert (adopted["adopted"], adopted["absent"]) == (2, 1)
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert [(change["op"], change["key"]) for change in plan["changes"]] == [("insert", {"id": 2})]


def test_adopt_trust_takes_the_rows_as_delivered(workspace):
    """Nothing is asked and nothing is left to send."""
    workspace.run("adopt", "people", "--trust")
    assert workspace.run("plan", "people", "--json").json["plans"][0]["unchanged"] == 3


def test_a_damaged_manifest_can_be_forgotten(workspace):
    """Reset works on a snapshot that can no longer be read."""
    workspace.run("run", "people")
    (manifest,) = workspace.root.glob(".tailrace/snapshots/people/*/manifest.json")
    manifest.write_text("{")
    workspace.run("plan", "people", code=1)
    workspace.run("reset", "people", "--yes")
    assert workspace.run("plan", "people", "--json").json["plans"][0]["inserts"] == 3


def test_a_row_that_lost_its_key_is_not_taken_for_a_delete(workspace):
    """Key and match are one column, and it is NULL now: the payload tells that the row is still in the model."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "guards: {max_invalid: off}\n")
    workspace.run("run", "people")
    workspace.people((1, "Ann", "ann@example.com", 10.5), (None, "Bob", None, 20))
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert [(change["op"], change["key"]) for change in plan["changes"]] == [("delete", {"id": 3})]
