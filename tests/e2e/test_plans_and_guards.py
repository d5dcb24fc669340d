"""Saved plans, brakes and overrides through the command line."""

import json

import pytest

MANY = [(n, f"P{n}", f"p{n}@example.com", n) for n in range(1, 41)]


def test_apply_carries_out_exactly_the_saved_plan(workspace):
    """What was planned is what is written."""
    workspace.run("plan", "people", "--out", "people.plan")
    run = workspace.run("apply", "people.plan", "--json").json["runs"][0]
    assert (run["status"], run["acknowledged"]) == ("succeeded", 3)
    assert len(workspace.table()) == 3


@pytest.mark.parametrize("what", ["the model's rows", "another run", "the sync"])
def test_apply_refuses_when_the_world_moved_on(workspace, what):
    """A plan made before the data, the snapshot or the definition changed is refused, and nothing is written."""
    workspace.run("run", "people", "--limit", "1")
    workspace.run("plan", "people", "--out", "people.plan")
    if what == "the model's rows":
        workspace.people((1, "Ann", None, 1), (2, "Bob", None, 2))
    elif what == "another run":
        workspace.run("run", "people", "--limit", "1")
    else:
        sync = workspace.root / "syncs/people.yml"
        sync.write_text(sync.read_text().replace("value: warehouse", "value: elsewhere"))
    before = workspace.table()
    answer = workspace.run("apply", "people.plan", code=3)
    assert "no longer matches the plan" in answer.out
    assert workspace.table() == before


def test_an_edited_plan_file_is_refused(workspace):
    """A plan whose bytes changed is damaged, and says so."""
    path = workspace.root / "people.plan"
    workspace.run("plan", "people", "--out", "people.plan")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    workspace.run("apply", "people.plan", code=None)
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []


def test_a_mass_delete_is_stopped_before_the_first_write(workspace):
    """More than 15% of the snapshot and more than ten rows: exit 3, every record still there."""
    workspace.people(*MANY)
    workspace.run("run", "people")
    workspace.people(*MANY[:20])
    answer = workspace.run("run", "people", "--json", code=3)
    run = answer.json["runs"][0]
    assert run["status"] == "blocked"
    assert [guard["guard"] for guard in run["guards"] if guard["tripped"]] == ["max_deletes"]
    assert "--override max_deletes" in run["message"]
    assert len(workspace.table()) == 40
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert {"guard": "max_deletes", "limit": "15%", "actual": "50%", "tripped": True} in plan["guards"]


def test_an_override_lets_one_plan_pass_and_no_other(workspace):
    """The override is bound to the plan's hash: the next run is judged again."""
    workspace.people(*MANY)
    workspace.run("run", "people")
    workspace.people(*MANY[:20])
    workspace.run("plan", "people", "--out", "people.plan")
    workspace.run("apply", "people.plan", code=3)
    workspace.run("apply", "people.plan", "--override", "max_changes", code=3)
    run = workspace.run("apply", "people.plan", "--override", "max_deletes", "--json").json["runs"][0]
    assert run["deletes"] == 20
    assert len(workspace.table()) == 20
    workspace.people(*MANY[:5])
    workspace.run("apply", "people.plan", "--override", "max_deletes", code=3)
    workspace.run("run", "people", code=3)
    assert len(workspace.table()) == 20


def test_an_emptied_model_is_stopped(workspace):
    """No row at all, while the snapshot has some, is a broken model."""
    workspace.run("run", "people")
    workspace.people()
    run = workspace.run("run", "people", "--json", code=3).json["runs"][0]
    assert "on_empty" in run["message"]
    assert len(workspace.table()) == 3


def test_a_model_that_lost_its_key_is_stopped(workspace):
    """More than 5% invalid rows stop the run."""
    workspace.people((1, "Ann", None, 1), (None, "Bob", None, 1))
    run = workspace.run("run", "people", "--json", code=3).json["runs"][0]
    assert "max_invalid" in run["message"]


def test_a_field_the_destination_lacks_is_stopped_with_the_nearest_name(workspace):
    """The contract is judged before the first write."""
    workspace.run("run", "people")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("  name: name", "  naem: name"))
    config = workspace.root / "tailrace.yml"
    config.write_text(config.read_text().replace(", create_table: true", ""))
    run = workspace.run("run", "people", "--json", code=3).json["runs"][0]
    assert "did you mean name" in run["message"]
    assert "naem" in workspace.run("check", "people", code=2).out
    assert any(guard["tripped"] for guard in workspace.run("plan", "--check", "--json").json["plans"][0]["guards"])


def test_a_new_identity_does_not_use_the_old_snapshot(workspace):
    """Another object is another identity: every row counts as new, and the plan says why."""
    workspace.run("run", "people")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("object: people", "object: persons"))
    plan = workspace.run("plan", "people", "--json").json["plans"][0]
    assert plan["inserts"] == 3
    assert any("new identity" in note for note in plan["notes"])


def test_the_json_of_a_plan_is_what_the_file_applies(workspace):
    """`plan --json` and `plan --out` speak of the same hash."""
    first = workspace.run("plan", "people", "--out", "people.plan", "--json")
    again = workspace.run("plan", "people", "--json")
    assert first.json["plans"][0]["hash"] == again.json["plans"][0]["hash"]
    assert json.loads(first.out).keys() == {"plans"}
