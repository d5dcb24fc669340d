"""A project in a temporary folder, driven through the real command line as a subprocess."""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tailrace.cli import main
from tailrace.destination import ENTRY_POINT_GROUP
from tailrace.project import adapters
from tailrace.running import session
from tailrace.sandbox import SandboxServer
from tailrace.testing.plugin import forget_stores, store

PROJECT = """\
warehouses:
  main: {type: duckdb, path: ":memory:"}
destinations:
  app: {type: sql, url: "sqlite:///app.db", create_table: true}
"""
SYNC = """\
model: people
destination: app
object: people
mode: mirror
key: id
match: {id: id}
fields:
  name: name
  email: {column: email, nulls: skip}
  spent: {sql: "round(spent, 2)"}
  source: {value: warehouse}
"""
MODEL = """\
select id, name, email, spent::decimal(12, 3) as spent
from read_csv('people.csv', header = true,
  columns = {'id': 'bigint', 'name': 'varchar', 'email': 'varchar', 'spent': 'double'})
"""


HOOKED = """\
model: people
destination: hook
object: people
mode: upsert
key: id
match: {id: id}
fields: {name: name}
"""


MEASURED = """
import re, sys
from pathlib import Path
from tailrace.cli import main
try:
    main(sys.argv[1:])
finally:
    # Not `ru_maxrss`: that knows of the process that this one was forked from.
    sys.stderr.write(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@dataclass
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Workspace:
    """A project folder with a people model over a CSV file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def people(self, *rows) -> None:
        """Each row: id, name, email, spent; None is an empty cell."""
        lines = ["id,name,email,spent"]
        lines += [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        self.write("people.csv", "\n".join(lines) + "\n")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tailrace", *arguments]

    def run(self, *arguments: str, code: int | None = 0) -> Answer:
        """The command line in this process, in this folder: many times faster than a process of its own."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(arguments)
                ended = 0
            except SystemExit as end:
                ended = int(end.code or 0)
        return _judged(Answer(ended, out.getvalue(), err.getvalue()), code)

    def spawn(self, *arguments: str, code: int | None = 0, env=None, timeout: float = 120) -> Answer:
        """The command line as a user has it: a process of its own."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return _judged(Answer(done.returncode, done.stdout, done.stderr), code)

    def begin(self, *arguments: str) -> subprocess.Popen:
        """The command line as a process of its own that goes on."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command(*arguments), cwd=self.root, **pipes)

    def measured(self, *arguments: str, timeout: float = 300) -> tuple[Answer, int]:
        """As a process of its own; with the most memory that it ever had, in MiB."""
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *arguments],
            cwd=self.root,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        answer = _judged(Answer(done.returncode, done.stdout, done.stderr), 0)
        return answer, int(done.stderr.splitlines()[-1]) // 1024

    def table(self, name: str = "people", database: str = "app.db") -> list[tuple]:
        with sqlite3.connect(self.root / database) as connection:
            return connection.execute(f"select * from {name} order by 1").fetchall()


def _judged(answer: Answer, code: int | None) -> Answer:
    assert "Traceback" not in answer.err, answer.err
    if code is not None:
        assert answer.code == code, f"exit {answer.code}\n{answer.out}\n{answer.err}"
    return answer


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A project that mirrors a CSV file of people into an SQLite table."""
    made = Workspace(tmp_path)
    made.write("tailrace.yml", PROJECT)
    made.write("syncs/people.yml", SYNC)
    made.write("models/people.sql", MODEL)
    made.people((1, "Ann", "ann@example.com", 10.5), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0))
    return made


@pytest.fixture
def memory_store(monkeypatch):
    """Gives stores of the in-memory adapter, which is installed as the only one: for commands in this process."""
    forget_stores()
    entry = EntryPoint("memory", "tailrace.testing.plugin:plugin", ENTRY_POINT_GROUP)
    monkeypatch.setattr(adapters, "_entries", lambda: [entry])
    monkeypatch.setattr(session, "plugins", lambda: {"memory": entry.load()})
    return store


class Hook(ThreadingHTTPServer):
    """A webhook that keeps what it is sent. From a request on it may wait with its answers until it is let go."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Hooked)
        self.names = {}
        self.waiting = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.left = 0
        """Requests to be answered at once."""
        self.serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.serving.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def hold(self, *, after=0):
        """Let the next request but so many wait for `go`; `waiting` tells that it does."""
        self.left = after
        self.waiting.clear()
        self.go.clear()

    def stop(self):
        """Answer whoever waits, and stop serving."""
        self.go.set()
        self.shutdown()
        self.serving.join()
        self.server_close()


class _Hooked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self._answer()

    def do_POST(self):
        batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.left:
            self.server.left -= 1
        elif not self.server.go.is_set():
            self.server.waiting.set()
            self.server.go.wait(60)
        self.server.names |= {row["match"]["id"]: row["values"].get("name") for row in batch["rows"]}
        with contextlib.suppress(OSError):  # who asked may be gone
            self._answer()

    def _answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook(workspace):
    """A webhook that the workspace's people go to, one row a request."""
    server = Hook()
    entry = f"  hook: {{type: webhook, url: '{server.url}', batch_size: 1, settle: 0s}}\n"
    workspace.write("tailrace.yml", PROJECT + entry)
    workspace.write("syncs/people.yml", HOOKED)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def salesforce_server():
    """A Salesforce-like org."""
    with SandboxServer(hubspot=False) as running:
        yield running


@pytest.fixture(scope="module")
def hubspot_server():
    """A HubSpot-like account."""
    with SandboxServer(salesforce=False) as running:
        yield running
