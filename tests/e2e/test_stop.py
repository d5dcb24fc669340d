"""Ctrl-C and SIGTERM in the middle of a run, as a supervisor sends them, to a process that waits for a receiver."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROWS, BATCH = 100, 10
CONFIG = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hook: {{type: webhook, url: "{url}", batch_size: 10, settle: 0s, {settings}}}
"""
SYNC = """\
model: people
destination: hook
object: people
mode: upsert
key: id
match: {id: id}
fields: {name: name}
"""
SLOW = "select count(*) as id, 'x' as name from range(10000000) a, range(10000000) b where a.range + b.range > 0"
PATIENT = [sys.executable, "-m", "tailrace"]
HASTY = [
    sys.executable,
    "-c",
    "import tailrace.cli.common as common; common.GRACE_S = 0.2; from tailrace.cli import run; run()",
]
"""The program, with less patience for what is in flight."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Receiver:
    """Takes batches; answers them when it may, and in the way it is told."""

    def __init__(self):
        self.rows = Counter()
        self.answered = Counter()
        self.arrived = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.free = 0
        self.refusal = None
        self._lock = threading.Lock()

    def take(self, body):
        """Note the rows; gives whether they may be answered at once."""
        ids = [row["key"][0] for row in body["rows"]]
        with self._lock:
            self.rows.update(ids)
            self.free -= 1
            at_once = self.free >= 0
        self.arrived.release()
        if at_once or self.may_answer.wait(120):
            self.answered.update(ids)

    def wait_for(self, batches):
        """Return when so many batches have come."""
        for _ in range(batches):
            assert self.arrived.acquire(timeout=120)


@pytest.fixture
def receiver():
    """A receiver behind `receiver.url`, which answers the first batches, and then none until it may."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_HEAD(self):
            self._answer(204)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.refusal is not None:
                made.arrived.release()
                self._answer(*made.refusal)
                return
            made.take(body)
            self._answer(204)

        def _answer(self, status, headers=()):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

        def handle(self):
            with suppress(OSError):  # the run gave up
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield made
    finally:
        made.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def project(workspace, receiver):
    """A sync of a hundred rows, in ten batches, to the receiver."""

    def settings(text="concurrency: 1"):
        workspace.write("tailrace.yml", CONFIG.format(url=receiver.url, settings=text))
        return workspace

    workspace.write("syncs/people.yml", SYNC)
    workspace.write("models/people.sql", f"select range as id, 'P' || range as name from range({ROWS})")
    return settings


@contextmanager
def running(workspace, *arguments, program=PATIENT):
    """A command of its own process."""
    process = subprocess.Popen(
        [*program, *arguments], cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def heard(process):
    """Return when the process has said that it stops."""
    for line in process.stderr:
        if "stopping" in line:
            return line
    raise AssertionError("it ended without a word")


def ended(process):
    """Exit code and the run's result."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out)["runs"][0] if out.strip() else None


def rest(workspace):
    """The next run, and the one after it."""
    following = workspace.run("run", "people", "--json").json["runs"][0]
    assert workspace.run("run", "people", "--json").json["runs"][0]["status"] == "nothing_to_do"
    return following


def snapshot_rows(workspace):
    return workspace.run("status", "--json").json["syncs"][0]["snapshot_rows"]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_batches_in_flight_end_and_are_saved(project, receiver, number, concurrency):
    """What was acknowledged is in the snapshot, the next run sends the rest, and nothing goes twice."""
    workspace = project(f"concurrency: {concurrency}")
    receiver.free = 2
    with running(workspace, "run", "people", "--json") as process:
        receiver.wait_for(2 + concurrency)
        process.send_signal(number)
        assert "in 30 s at the latest" in heard(process)
        receiver.may_answer.set()
        code, result = ended(process)
    sent = (2 + concurrency) * BATCH
    assert (code, result["status"], result["acknowledged"]) == (CODES[number], "interrupted", sent)
    assert (len(receiver.rows), snapshot_rows(workspace)) == (sent, sent)
    following = rest(workspace)
    assert (following["acknowledged"], following["recovered"]) == (ROWS - sent, [])
    assert receiver.rows == Counter(range(ROWS))


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_second_signal_stops_at_once(project, receiver, number, concurrency):
    """Though no answer comes: the next run recovers, and sends again what was in flight, and nothing else."""
    workspace = project(f"concurrency: {concurrency}")
    receiver.free = 2
    with running(workspace, "run", "people", "--json") as process:
        receiver.wait_for(2 + concurrency)
        process.send_signal(number)
        heard(process)
        process.send_signal(number)
        code, result = ended(process)
    assert (code, result["status"]) == (CODES[number], "interrupted")
    assert "the next run of this sync recovers it" in result["message"]
    again_after(workspace, receiver, concurrency)


def again_after(workspace, receiver, concurrency):
    """The next run knows what was answered, and sends what was in flight and the rest."""
    in_flight = set(receiver.rows) - set(receiver.answered)
    receiver.may_answer.set()
    following = rest(workspace)
    assert len(in_flight) == concurrency * BATCH
    assert following["recovered"][0].endswith(f": {2 * BATCH} acknowledged, {concurrency * BATCH} sent again")
    assert following["acknowledged"] == ROWS - 2 * BATCH
    assert receiver.rows == Counter(range(ROWS)) + Counter(in_flight)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_the_patience_for_what_is_in_flight_ends(project, receiver, number, concurrency):
    """Asked once: when no answer comes in time the run ends anyhow, with the same code, and the next one recovers."""
    workspace = project(f"concurrency: {concurrency}")
    receiver.free = 2
    with running(workspace, "run", "people", "--json", program=HASTY) as process:
        receiver.wait_for(2 + concurrency)
        process.send_signal(number)
        code, result = ended(process)
    assert (code, result["status"]) == (CODES[number], "interrupted")
    assert "before the batches in flight had ended" in result["message"]
    again_after(workspace, receiver, concurrency)


def test_a_wait_for_the_rate_limit_ends_at_once(project, receiver):
    """A run that may send its next batch in ten minutes is not in flight: it saves what it has, and ends."""
    workspace = project("rate: [{calls: 2, per: 10m}]")
    receiver.free = ROWS
    with running(workspace, "run", "people", "--json") as process:
        receiver.wait_for(1)
        process.send_signal(signal.SIGTERM)
        code, result = ended(process)
    assert (code, result["status"]) == (143, "interrupted")
    assert snapshot_rows(workspace) == result["acknowledged"] == len(receiver.rows)
    assert len(receiver.rows) < ROWS


def test_a_wait_before_another_try_ends_at_once(project, receiver):
    """A receiver that asks for five minutes of patience: nothing was written, and nothing is in doubt."""
    workspace = project()
    receiver.refusal = (503, [("Retry-After", "300")])
    with running(workspace, "run", "people", "--json") as process:
        receiver.wait_for(1)
        process.send_signal(signal.SIGTERM)
        code, result = ended(process)
    assert (code, result["status"], result["acknowledged"]) == (143, "interrupted", 0)
    assert [run["status"] for run in workspace.run("runs", "--json").json["runs"]] == ["interrupted"]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_run_that_still_reads_is_ended_at_once(project, receiver, number):
    """A query of hours is not waited for: nothing was sent, and the run says so."""
    workspace = project()
    workspace.write("models/people.sql", SLOW)
    with running(workspace, "--log-level", "info", "run", "people", "--json") as process:
        assert any("begins" in line for line in process.stderr)
        process.send_signal(number)
        code, result = ended(process)
    assert (code, result["status"]) == (CODES[number], "interrupted")
    assert "before anything was sent" in result["message"]
    assert [run["status"] for run in workspace.run("runs", "--json").json["runs"]] == ["interrupted"]
    assert receiver.rows == Counter()


def test_apply_ends_with_the_signal_s_code_too(project, receiver):
    """As `run` does."""
    workspace = project()
    workspace.run("plan", "people", "--out", "people.plan")
    receiver.free = 1
    with running(workspace, "apply", "people.plan", "--json") as process:
        receiver.wait_for(2)
        process.send_signal(signal.SIGTERM)
        heard(process)
        receiver.may_answer.set()
        assert ended(process)[0] == 143


def busy(process, seconds):
    """Return when the process has had the processor for so long: then it is past its start, and in the query."""
    ticks = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        if sum(map(int, fields[11:13])) / ticks >= seconds:
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_query_that_is_under_way_is_broken_off(project, command):
    """What DuckDB makes of a signal, an error of its own, is not left to it: a run is recorded as what it is."""
    workspace = project()
    workspace.write("models/people.sql", SLOW)
    with running(workspace, command, "people") as process:
        busy(process, 4)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    runs = workspace.run("runs", "--json").json["runs"]
    assert [run["status"] for run in runs] == (["interrupted"] if command == "run" else [])


def test_a_command_that_only_looks_ends_with_ctrl_c_s_code(project):
    """A plan that is interrupted is no failure."""
    workspace = project()
    workspace.write("models/people.sql", SLOW)
    workspace.write("syncs/slow.yml", SYNC)
    with running(workspace, "plan", "people") as process:
        while not (workspace.root / ".tailrace/state.db").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (130, False)
