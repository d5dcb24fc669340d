"""Hundreds of scheduled runs, one after another, in a time that the test moves: nothing grows.

A run takes a fifth of a second: `TAILRACE_SERVED_RUNS=1000` makes four minutes of it.
"""

import gc
import os
import re
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.labs import CONFIG, in_memory

from tailrace import api
from tailrace.api import Project
from tailrace.project import load_project
from tailrace.serving import Scheduler
from tailrace.snapshot import store
from tailrace.state import StateDB
from tailrace.testing.plugin import plugin

SYNC = """\
model: people
destination: mem
object: people
mode: mirror
key: id
match: {id: id}
fields: {name: name}
schedule: {every: 15m}
"""
RUNS = int(os.environ.get("TAILRACE_SERVED_RUNS", "180"))
KEPT_H = 4
"""Hours that runs are kept: 16 of them."""
WARM = max(110, RUNS // 4)
"""After so many all is as large as it gets: requests are on record by the hour, for a day, which takes 104 runs."""
GROWTH_KIB = 64
"""Memory that a run may leave behind, on the average: what a library keeps grows in steps."""

POOLS = 16
"""Threads that libraries may start late: theirs are as many as the processor has cores, not as there are runs."""


class Clock:
    """The time, moved by hand."""

    def __init__(self):
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.at

    def seconds(self):
        """As the state database has it."""
        return self.at.timestamp()


def sizes(root):
    """Bytes in the state database and rows in it, files, memory in KiB, threads and open files."""
    for thread in threading.enumerate():
        if thread.name.startswith("run-"):
            thread.join(60)  # it has given its place back, and is about to end
    path = root / ".tailrace/state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = sum(connection.execute(f"select count(*) from {name}").fetchone()[0] for name in names)
    gc.collect()
    memory = int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
    files = sum(1 for path in (root / ".tailrace").rglob("*") if path.is_file())
    return {
        "bytes": path.stat().st_size,
        "rows": rows,
        "files": files,
        "memory": memory,
        # One that a library started has a name of this kind from its first call into Python on, whenever that is.
        "threads": sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("Dummy-")),
        "tasks": len(os.listdir("/proc/self/task")),  # noqa: PTH208 - as with the handles
        "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - one would be the look itself
    }


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads its memory in /proc")
def test_hundreds_of_runs_leave_nothing_behind(workspace, monkeypatch):
    """Each round runs what is due, once; database, files, memory, threads and handles are as after the first."""
    in_memory(monkeypatch)
    clock = Clock()
    monkeypatch.setattr(api, "now", clock)
    # Files that no row needs any more stay for an hour by the real time, which does not pass here.
    monkeypatch.setattr(store, "GRACE", timedelta(seconds=1))
    workspace.write("tailrace.yml", f"keep_runs: {KEPT_H}h\n{CONFIG}")
    workspace.write("syncs/people.yml", SYNC)

    def load(root):
        project = Project(load_project(root, plugins={"memory": plugin}))
        url = project.config.state.reveal()
        project._session.__dict__["state"] = StateDB.open(url, project.root, clock=clock.seconds)
        return project

    scheduler = Scheduler(workspace.root, load=load)
    seen = {}
    for number in range(1, RUNS + 1):
        workspace.people(*((key, f"Name {key + number}", None, 1) for key in range(50)))
        results = scheduler.once()
        assert [(result.sync, result.status) for result in results] == [("people", "succeeded")], number
        assert number % 100 or scheduler.once() == []
        clock.at += timedelta(minutes=15)
        if number in {WARM, RUNS}:
            seen[number] = sizes(workspace.root)
    scheduler.project.state.close()
    scheduler.stop()
    first, last = seen[WARM], seen[RUNS]
    assert last["rows"] <= first["rows"] + 5, seen
    assert last["bytes"] <= first["bytes"] * 1.25, seen
    assert last["files"] <= first["files"] * 1.25 + 20, seen
    assert len(last["threads"]) <= len(first["threads"]), seen
    assert last["tasks"] <= first["tasks"] + POOLS, seen
    assert last["handles"] <= first["handles"] + 2, seen
    assert last["memory"] <= first["memory"] + GROWTH_KIB * (RUNS - WARM), seen
