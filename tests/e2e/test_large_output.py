"""Reports on very many rows: complete or cut as asked for, valid JSON, and not all in memory."""

import itertools

import pytest

from tailrace import Project

ROWS = 100_000
SHOWN = 20
"""Changes that are shown where nothing is said."""
ROOM = 64
"""MiB that a report may take beyond a short one. As a whole, one of 100,000 changes took three times that."""


def many(workspace, rows):
    """A model of very many people, all of them new."""
    workspace.write(
        "models/people.sql",
        f"select range as id, 'name of ' || range as name, 'p' || range || '@example.com' as email, "
        f"range * 1.25 as spent from range({rows})",
    )


def judge(short, whole, rows):
    """Both are plans of so many new rows, one cut, one complete."""
    assert (len(short["changes"]), len(whole["changes"])) == (SHOWN, rows)
    assert {(plan["inserts"], plan["model_rows"]) for plan in (short, whole)} == {(rows, rows)}
    assert short["hash"] == whole["hash"]
    for number, change in enumerate(whole["changes"]):
        if change["key"] != {"id": number} or change["fields"]["name"] != {"old": None, "new": f"name of {number}"}:
            pytest.fail(f"change {number} is {change}")
    assert short["changes"] == whole["changes"][:SHOWN]


def test_a_plan_shows_as_many_changes_as_asked_for(workspace):
    """Twenty, so many, or every one, by the command line as by the API; the counts are those of all."""
    many(workspace, 3000)
    plans = [workspace.run("plan", "people", "--json", *limit).json["plans"][0] for limit in ([], ["--limit", "0"])]
    judge(*plans, 3000)
    (cut,) = workspace.run("plan", "people", "--json", "--limit", "5").json["plans"]
    assert (cut["inserts"], cut["changes"]) == (3000, plans[0]["changes"][:5])
    with Project.load(workspace.root) as project:
        plan = project.plan("people")
        assert [plan.to_json(limit)["changes"] for limit in (20, 0)] == [plan["changes"] for plan in plans]


def test_a_plan_for_people_says_what_it_leaves_out(workspace):
    """A line for each change, and one that tells how many more there are and how to see them."""
    many(workspace, 3000)
    lines = workspace.run("plan", "people").out.splitlines()
    assert lines[-1] == "  … and 2,980 more inserts (--limit 0 shows all)"
    assert sum(line.startswith("  + id=") for line in lines) == SHOWN
    lines = workspace.run("plan", "people", "--limit", "0").out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("  + id=")] == [f"id={n}" for n in range(3000)]


@pytest.mark.slow
def test_a_plan_of_very_many_changes_is_not_held_in_memory(workspace):
    """To show all of them takes hardly more than to show twenty."""
    many(workspace, ROWS)
    short, usual = workspace.measured("plan", "people", "--json")
    whole, peak = workspace.measured("plan", "people", "--json", "--limit", "0")
    judge(short.json["plans"][0], whole.json["plans"][0], ROWS)
    for_people, least = workspace.measured("plan", "people", "--limit", "0")
    assert for_people.out.count("\n") == ROWS + 3
    assert max(peak, least) < usual + ROOM


@pytest.mark.slow
def test_a_run_of_very_many_rows_is_on_record(workspace):
    """Its counts in the list of runs, and each batch in its own story, in JSON and for people."""
    many(workspace, ROWS)
    workspace.write("syncs/people.yml", (workspace.root / "syncs/people.yml").read_text() + "batch_size: 1000\n")
    (run,) = workspace.run("run", "people", "--json").json["runs"]
    assert (run["status"], run["acknowledged"]) == ("succeeded", ROWS)
    (listed,) = workspace.run("runs", "--json").json["runs"]
    assert (listed["run_id"], listed["inserts"], listed["acknowledged"]) == (run["run_id"], ROWS, ROWS)
    details, peak = workspace.measured("runs", run["run_id"], "--json")
    batches = details.json["batches"]
    assert [batch["number"] for batch in batches] == list(range(1, ROWS // 1000 + 1))
    assert sum(batch["acknowledged"] for batch in batches) == ROWS
    assert peak < workspace.measured("runs", "--json")[1] + ROOM
    lines = workspace.run("runs", run["run_id"]).out.splitlines()
    told = itertools.dropwhile(lambda line: not line.startswith("BATCH"), lines)
    assert len(list(told)) == 1 + ROWS // 1000
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"
