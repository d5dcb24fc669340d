"""Schedules: `run --due` for cron and CI, `serve` for a process that stays."""

import signal
import subprocess
import time

CHILD = """\
model: people
destination: app
object: copies
mode: upsert
key: id
match: {id: id}
fields: {name: name}
schedule: {after: [people]}
"""


def scheduled(workspace, schedule="{every: 1h}"):
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + f"schedule: {schedule}\n")


def ran(workspace):
    return [run["sync"] for run in workspace.run("run", "--due", "--json").json["runs"]]


def test_due_runs_what_its_schedule_asks_for_and_then_waits(workspace):
    """A sync that never ran is due at once, and then not for an hour; one without schedule never is."""
    assert ran(workspace) == []
    scheduled(workspace)
    assert ran(workspace) == ["people"]
    assert ran(workspace) == []
    status = workspace.run("status", "--json").json["syncs"][0]
    assert status["next_run"] is not None
    assert status["freshness_s"] >= 0


def test_a_child_runs_after_its_parent(workspace):
    """`after` is due once the parent has succeeded since the child's own last run."""
    workspace.write("syncs/copies.yml", CHILD)
    scheduled(workspace)
    assert ran(workspace) == ["people"]
    assert ran(workspace) == ["copies"]
    assert ran(workspace) == []
    workspace.run("run", "people")
    assert ran(workspace) == ["copies"]


def test_all_runs_parents_first(workspace):
    """`run --all` keeps the order the schedules imply."""
    workspace.write("syncs/a_copies.yml", CHILD)
    assert [run["sync"] for run in workspace.run("run", "--all", "--json").json["runs"]] == ["people", "a_copies"]


def test_serve_runs_what_is_due_until_it_is_stopped(workspace):
    """The loop picks the sync up, and SIGTERM ends it cleanly."""
    scheduled(workspace)
    process = subprocess.Popen(
        workspace.command("serve", "--no-web", "--tick", "0.1"),
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (workspace.root / "app.db").exists() or len(workspace.table("sqlite_master")) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] in {"nothing_to_do", "succeeded"}
    assert len(workspace.table()) == 3
