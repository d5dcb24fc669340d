"""Two machines serve one project over one PostgreSQL state: they share the work, and one takes over from the other."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tailrace.api import Project
from tailrace.state import Journal

ROWS = 200
CONFIG = """\
state: "{state}"
lease: 5s
serve: {{runs: 2, runs_per_destination: 2}}
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hook: {{type: webhook, url: "{url}", batch_size: 5, settle: 0s, concurrency: 1}}
"""
SYNC = """\
model: people
destination: hook
object: {name}
mode: upsert
key: id
match: {{id: id}}
fields: {{name: name}}
schedule: {{every: 1h}}
"""
ELSEWHERE = """
import os, sys
from tailrace.state import machine
machine.is_dead.__globals__["this_machine"] = lambda: f"machine {os.getpid()} boot"
from tailrace.state import leases, controls
leases.this_machine = controls.this_machine = machine.this_machine
from tailrace.cli import run
run()
"""
"""The program, on what it takes for a machine of its own: so another cannot see that its process is gone."""


class Receiver(ThreadingHTTPServer):
    """Counts what comes and is answered for each sync; may hold its answers back from some request on."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows, self.senders = Counter(), {}
        self.left, self.go, self.waiting = 10**9, threading.Event(), threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, *_):
        """Who asked may be dead."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self._answer()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.left -= 1
            hold = server.left < 0 and not server.go.is_set()
            server.rows.update((body["object"], row["key"][0]) for row in body["rows"])
        if hold:
            server.waiting.set()
            server.go.wait(60)
        self._answer()

    def _answer(self):
        with suppress(OSError):
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """A receiver, stopped afterwards."""
    server = Receiver()
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def shared(workspace, receiver, postgres_database):
    """A project of four syncs whose state is in PostgreSQL."""
    (workspace.root / "syncs/people.yml").unlink()
    workspace.write("tailrace.yml", CONFIG.format(state=postgres_database, url=receiver.url))
    workspace.write("models/people.sql", f"select range as id, 'x' || range as name from range({ROWS})")
    for name in ("a", "b", "c", "d"):
        workspace.write(f"syncs/{name}.yml", SYNC.format(name=name))
    return workspace


@pytest.fixture
def serve(shared):
    """Starts `tailrace serve` on a machine of its own; all are ended afterwards."""
    started = []

    def start():
        command = [sys.executable, "-c", ELSEWHERE, "--log-level", "info", "serve", "--no-web", "--tick", "0.2"]
        log = (shared.root / f"log-{len(started)}").open("w")
        process = subprocess.Popen(command, cwd=shared.root, stdout=log, stderr=log, env=os.environ)
        log.close()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)


def wait_for(happened, what):
    """Return when it has happened."""
    pause = threading.Event()
    for _ in range(1_200):
        if happened():
            return
        pause.wait(0.05)
    raise AssertionError(f"{what} did not happen")


def done(project):
    """Syncs whose last run got through."""
    found = [project.state.last_run(name) for name in "abcd"]
    return {run.sync for run in found if run is not None and run.status in {"succeeded", "nothing_to_do"}}


def left_behind(project):
    """How many rows of runs that broke off have an outcome in the journal, and how many were in flight."""
    settled = in_doubt = 0
    for name in "abcd":
        for run in project.state.unfinished_runs(name):
            journal = Journal(project.state, run.run_id, run.token)
            settled += journal.outcomes().height
            in_doubt += sum(len(doubt.seqs) for doubt in journal.doubts())
            journal.close()
    return settled, in_doubt


@pytest.mark.slow
def test_two_processes_share_the_work_and_send_nothing_twice(shared, receiver, serve):
    """Each row arrives once, whoever of them runs a sync; SIGTERM ends both well."""
    processes = [serve(), serve()]
    with Project.load(shared.root) as project:
        wait_for(lambda: done(project) == set("abcd"), "all runs")
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(receiver.rows) == 4 * ROWS
    assert set(receiver.rows.values()) == {1}


@pytest.mark.slow
def test_one_takes_over_from_another_that_was_killed(shared, receiver, serve):
    """After its lease has run out: what is journaled is not sent again, what was in flight is, and all arrive."""
    receiver.left = 50
    first = serve()
    assert receiver.waiting.wait(60)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    with Project.load(shared.root) as project:
        settled, in_doubt = left_behind(project)
        before = Counter(receiver.rows)  # with what other threads sent while the first of them waited
        assert settled
        assert in_doubt
        second = serve()
        receiver.go.set()
        wait_for(lambda: done(project) == set("abcd"), "all runs")
        broken = [run.record for run in project.runs() if run.record.status == "interrupted"]
        assert broken
        for run in broken:
            assert project.state.last_run(run.sync).run_id != run.run_id
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert len(receiver.rows) == 4 * ROWS
    twice = {row for row, times in receiver.rows.items() if times > 1}
    assert twice <= set(before)
    assert len(twice) <= in_doubt
    assert max(receiver.rows.values()) <= 2


@pytest.mark.slow
def test_a_run_is_cancelled_from_another_machine(shared, receiver, serve):
    """It stops as by Ctrl-C: what was in flight is saved, and its sync is free; the process goes on."""
    receiver.left = 10
    process = serve()
    assert receiver.waiting.wait(60)
    with Project.load(shared.root) as project:
        (sync, *_) = sorted(project.running())
        project.cancel(sync, by="ann")
        seen = threading.Event()
        threading.Timer(3.0, lambda: (receiver.go.set(), seen.set())).start()
        assert seen.wait(60)
        wait_for(lambda: project.state.last_run(sync).finished_at is not None, "the end of the run")
        run = project.state.last_run(sync)
        assert (run.status, run.message) == (
            "interrupted",
            "stopped by ann, who cancelled the run; what was not sent stays for the next run",
        )
        assert run.tallies.acknowledged == sum(1 for name, _ in receiver.rows if name == sync) < ROWS
        wait_for(lambda: len(done(project)) == 3, "the other runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
