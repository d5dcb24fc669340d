"""Folders for files in the making: what a killed program leaves goes, what a living one needs stays."""

import signal
import subprocess

import pytest


@pytest.fixture
def begun(workspace, hook):
    """A run as a process of its own that waits for the answer to its second row."""
    hook.hold(after=1)
    process = subprocess.Popen(
        workspace.command("run", "people", "--json"),
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hook.waiting.wait(60)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def folders(workspace):
    """Those of all programs that are or were at work."""
    return {path.name for path in (workspace.root / ".tailrace/work").iterdir()}


def files(workspace):
    """All that is in the making."""
    return {path for path in (workspace.root / ".tailrace/work").rglob("*") if path.is_file()}


def test_what_a_killed_run_left_is_removed_by_the_next(workspace, hook, begun):
    """Its files stay behind, private to their owner; the next command that works there removes them."""
    (left,) = folders(workspace)
    assert files(workspace)
    assert (workspace.root / ".tailrace/work" / left).stat().st_mode & 0o777 == 0o700
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    assert folders(workspace) == {left}
    hook.go.set()
    (run,) = workspace.run("run", "people", "--json").json["runs"]
    assert len(run["recovered"]) == 1
    assert folders(workspace) == set()
    assert hook.names == {1: "Ann", 2: "Bob", 3: "Cid"}


def test_what_a_living_run_needs_stays(workspace, hook, begun):
    """Others plan, and even try to run, in the same project meanwhile; the run goes on and ends well."""
    (own,) = folders(workspace)
    needed = files(workspace)
    workspace.run("plan", "people")
    workspace.spawn("plan", "people", "--out", "people.plan")
    said = workspace.run("run", "people", code=1).out
    assert "people: another run holds this sync (process " in said
    assert folders(workspace) == {own}
    assert files(workspace) == needed
    hook.go.set()
    out, err = begun.communicate(timeout=60)
    assert begun.returncode == 0, out + err
    assert '"acknowledged": 3' in out
    assert folders(workspace) == set()


def test_a_command_that_fails_leaves_nothing(workspace):
    """Neither a model that does not run nor a guard that trips."""
    workspace.run("run", "people")
    workspace.people()
    workspace.run("run", "people", code=3)
    workspace.write("models/people.sql", "select 1 as id, error('no') as name, '' as email, 1 as spent")
    workspace.run("plan", "people", code=1)
    workspace.run("run", "people", code=1)
    assert folders(workspace) == set()
