"""Saved plans while the snapshot lives on: merged, moved, and tidied up."""

import datetime as dt
import json
from unittest import mock

import pytest

from tailrace import Project
from tailrace.planning.planfile import load_plan
from tailrace.snapshot import compaction, store

OLD = [(n, f"P{n}", f"p{n}@example.com", n) for n in range(1, 31)]
FIRST = [(n, name, email, spent + (n % 10 == 0)) for n, name, email, spent in OLD]
PLANNED = [
    *((n, name.lower() if n in {3, 10} else name, email, spent) for n, name, email, spent in FIRST[1:]),
    (99, "New", None, 1),
]
CHANGES = {
    ("update", 3): {"name"},
    ("update", 10): {"name"},
    ("delete", 1): set(),
    ("insert", 99): {"name", "spent", "source"},
}


@pytest.fixture
def planned(workspace):
    """A snapshot of two segments that could be merged, and a plan of a few changes, saved."""
    for people in (OLD, FIRST):
        workspace.people(*people)
        workspace.run("run", "people")
    workspace.people(*PLANNED)
    workspace.run("plan", "people", "--out", "people.plan")
    assert len(manifest(workspace)["segments"]) == 2
    return workspace


def manifest(workspace):
    """What the snapshot consists of."""
    (path,) = workspace.root.glob(".tailrace/snapshots/people/*/manifest.json")
    return json.loads(path.read_text())


def files(workspace):
    """Names of the snapshot's files."""
    return {path.name for path in workspace.root.glob(".tailrace/snapshots/people/*/*.*") if path.parent.name != "runs"}


def later(monkeypatch):
    """From now on what is no longer needed has been so for long enough."""
    monkeypatch.setattr(store, "GRACE", dt.timedelta(seconds=-1))


def merged(workspace):
    """A run that has nothing to do merges the segments: other files, the same content."""
    before = manifest(workspace)
    workspace.people(*FIRST)
    with mock.patch.object(compaction, "DEAD", 0):
        assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"
    after = manifest(workspace)
    assert (after["generation"], len(after["segments"])) == (before["generation"], 1)
    assert after["revision"] > before["revision"]


def shown(changes):
    """Operation and fields by key."""
    return {(change.op, change.key["id"]): set(change.fields) for change in changes}


def saved(workspace, tmp_path):
    """What the saved plan says would be done."""
    work = tmp_path / "unpacked"
    work.mkdir()
    return shown(load_plan(workspace.root / "people.plan", work).changes())


def test_a_plan_is_applied_after_the_snapshot_was_merged(planned):
    """What it stands on is the same, in other files: exactly what was planned is written."""
    merged(planned)
    planned.people(*PLANNED)
    (run,) = planned.run("apply", "people.plan", "--json").json["runs"]
    assert (run["status"], run["inserts"], run["updates"], run["deletes"]) == ("succeeded", 1, 2, 1)
    assert [row[:2] for row in planned.table()] == [row[:2] for row in PLANNED]
    assert planned.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"


def test_a_plan_is_applied_when_the_files_it_was_made_from_are_gone(planned, monkeypatch, tmp_path):
    """It holds its rows itself: they can be looked at, and carried out."""
    before = files(planned)
    later(monkeypatch)
    merged(planned)
    left = {file["name"] for segment in manifest(planned)["segments"] for file in segment["files"].values()}
    assert files(planned) == {"manifest.json", *left}
    assert before - files(planned) >= before - {"manifest.json"}
    assert saved(planned, tmp_path) == CHANGES
    planned.people(*PLANNED)
    planned.run("apply", "people.plan")
    assert [row[0] for row in planned.table()] == [row[0] for row in PLANNED]


@pytest.mark.parametrize("collected", [False, True])
def test_a_plan_is_stale_when_another_run_moved_the_snapshot(planned, monkeypatch, tmp_path, collected):
    """Even where the model is again what it was: the error says so, nothing is written, and the plan still shows."""
    if collected:
        later(monkeypatch)
    planned.people(*FIRST[:-1], (30, "P30", "other@example.com", 31))
    planned.run("run", "people")
    planned.run("run", "people")
    planned.people(*PLANNED)
    before = planned.table()
    answer = planned.run("apply", "people.plan", code=3)
    assert "the world no longer matches the plan: another run has moved the snapshot" in answer.out
    assert "make a new plan" in answer.out
    assert planned.table() == before
    assert saved(planned, tmp_path) == CHANGES


def test_a_plan_is_stale_when_the_model_moved_on_meanwhile(planned):
    """Merged or not, other rows are other rows."""
    merged(planned)
    planned.people(*PLANNED[:-1])
    before = planned.table()
    answer = planned.run("apply", "people.plan", code=3)
    assert "the model's rows changed since: now + 0 ~ 2 - 1, in the plan + 1 ~ 2 - 1" in answer.out
    assert planned.table() == before


def test_a_plan_in_hand_outlives_the_files_it_was_made_from(planned, monkeypatch):
    """Its rows are the program's own, whatever others do to the snapshot; saved afterwards, it is still applied."""
    with Project.load(planned.root) as project:
        plan = project.plan("people")
        later(monkeypatch)
        merged(planned)
        assert shown(plan.changes()) == CHANGES
        project.save_plan(plan, planned.root / "again.plan")
    planned.people(*PLANNED)
    assert planned.run("apply", "again.plan", "--json").json["runs"][0]["acknowledged"] == 4


def test_the_hash_of_a_plan_is_the_same_after_merging(planned):
    """It names the changes and what they stand on, not the files."""
    before = planned.run("plan", "people", "--json").json["plans"][0]["hash"]
    merged(planned)
    planned.people(*PLANNED)
    assert planned.run("plan", "people", "--json").json["plans"][0]["hash"] == before
