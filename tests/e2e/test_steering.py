"""The commands that steer syncs: pause, unpause, cancel; and what they leave in the audit log."""

import pytest

from tailrace.api import Project
from tailrace.errors import UsageError


@pytest.fixture
def scheduled(workspace):
    """A project whose sync is due."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "schedule: {every: 1h}\n")
    return workspace


def due(workspace):
    """What a round runs."""
    return [run["sync"] for run in workspace.run("run", "--due", "--json").json["runs"]]


def test_a_paused_sync_is_not_run_until_it_is_unpaused(scheduled):
    """Not by its schedule; by hand it is. Status says so, and who did it is on record."""
    assert "people is paused" in scheduled.run("pause", "people").out
    assert "paused already, by" in scheduled.run("pause", "people").out
    assert due(scheduled) == []
    assert scheduled.run("run", "--due").out == "nothing is due\n"
    (status,) = scheduled.run("status", "--json").json["syncs"]
    assert (status["paused"], status["next_run"]) == (True, None)
    assert "paused" in scheduled.run("status").out
    scheduled.run("run", "people")
    assert "no longer paused" in scheduled.run("unpause", "people").out
    assert "is not paused" in scheduled.run("unpause", "people").out
    (status,) = scheduled.run("status", "--json").json["syncs"]
    assert (status["paused"], status["next_run"] is None) == (False, False)
    with Project.load(scheduled.root) as project:
        assert [(line.action, line.subject) for line in project.audit_log()] == [
            ("unpause", "people"),
            ("pause", "people"),
        ]
        assert " on " in project.audit_log()[0].who


def test_a_pause_of_the_file_is_taken_back_in_the_file(scheduled):
    """The command says where."""
    sync = scheduled.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "paused: true\n")
    assert due(scheduled) == []
    answer = scheduled.run("unpause", "people", code=2)
    assert "people is paused by its file" in answer.err
    assert "syncs/people.yml" in answer.err


@pytest.mark.parametrize("command", ["pause", "unpause", "cancel"])
def test_a_sync_that_does_not_exist_is_named(scheduled, command):
    """With one that sounds like it."""
    assert "did you mean people?" in scheduled.run(command, "peopel", code=2).err


def test_nothing_is_cancelled_where_nothing_runs(scheduled):
    """And nothing of it is on record."""
    assert "no run of people goes on" in scheduled.run("cancel", "people", code=2).err
    with Project.load(scheduled.root) as project:
        assert project.audit_log() == []


def test_requests_that_make_no_sense_are_refused(scheduled):
    """A plan says itself what is to be done, and guards are overridden for a plan alone, of the sync it is of."""
    scheduled.write("syncs/other.yml", (scheduled.root / "syncs/people.yml").read_text())
    with Project.load(scheduled.root) as project:
        path = scheduled.root / "people.plan"
        project.save_plan(project.plan("people"), path)
        with pytest.raises(UsageError, match="carries out that plan"):
            project.request("people", plan=path, full=True, by="ann")
        with pytest.raises(UsageError, match="for a saved plan alone"):
            project.request("people", overrides=["max_deletes"], by="ann")
        with pytest.raises(UsageError, match="is a plan of people, not of other"):
            project.request("other", plan=path, by="ann")
        with pytest.raises(UsageError, match="no sync nobody"):
            project.request("nobody", by="ann")
        assert project.requests() == []
        made = project.request("people", by="ann")
        assert project.withdraw(made, by="ann")
        assert not project.withdraw(made, by="ann")
    assert sorted(due(scheduled)) == ["other", "people"]
