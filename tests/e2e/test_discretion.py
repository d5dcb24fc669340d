"""Personal data stays out of logs: keys, names of fields and codes alone, values where asked for, secrets never.

Each row has a word of its own in each field. The servers repeat such words in what they answer, as vendors do, and so
do the warehouse and an adapter that fails.
"""

import contextlib
import io
import json
import re
import sqlite3
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint

import polars as pl
import pytest

from tailrace.cli import main
from tailrace.destination import ENTRY_POINT_GROUP, plugins
from tailrace.project import adapters
from tailrace.running import session
from tailrace.sandbox import SandboxServer
from tailrace.testing.memory import MemoryDestination
from tailrace.testing.plugin import forget_stores, store
from tailrace.testing.plugin import plugin as memory

FIELDS = ("name", "email", "phone", "note", "token")
CANARY = r"(?i)zq[a-z]*\d+"
"""What no log may hold: `zqname7`, `zqemail7@example.com`, `+49 zqphone7` and so on, for each row and field."""
SECRETS = {
    "SF_ID": "sf-client-secretcanary0",
    "SF_SECRET": "sf-secretcanary1",
    "HUB_TOKEN": "hub-secretcanary2",
    "HOOK_SECRET": "hook-secretcanary3",
    "HOOK_TOKEN": "path-secretcanary4",
}
PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth:
      flow: client_credentials
      login_url: "{sf}"
      client_id: "${{env:SF_ID}}"
      client_secret: "${{env:SF_SECRET}}"
    settle: 0s
  hub: {{type: hubspot, access_token: "${{env:HUB_TOKEN}}", base_url: "{hub}", settle: 0s}}
  app: {{type: sql, url: "sqlite:///app.db"}}
  hook:
    type: webhook
    url: "{hook}${{env:HOOK_TOKEN}}"
    secret: "${{env:HOOK_SECRET}}"
    headers: {{Authorization: "Bearer ${{env:HOOK_SECRET}}"}}
  own: {{type: memory, store: own, settle: 0s}}
"""
MAPPED = {
    "crm": (
        "Contact",
        "External_Id__c",
        {"LastName": "name", "Email": "email", "Phone": "phone", "Description": "note"},
    ),
    "hub": ("contacts", "warehouse_id", {"lastname": "name", "email": "email", "phone": "phone", "company": "note"}),
    "app": ("people", "id", {field: field for field in FIELDS}),
    "hook": ("people", "id", {field: field for field in FIELDS}),
    "own": ("people", "id", {field: field for field in FIELDS}),
}
MODEL = "select * from read_csv('people.csv', header = true, columns = {'id': 'bigint', %s})"
QUOTING = "zqname1 is no field"
"""Not in the line that raises it: a traceback shows lines of code."""
LEVELS = [("info", "json"), ("debug", "text")]


class Echo(BaseHTTPRequestHandler):
    """A receiver that repeats what it was sent: per row, or with a status for the whole request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self._answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = f"{self.headers['Authorization']} at {self.path} may not send {body.decode()}"
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 0:  # no answer at all
            self.close_connection = True
            return
        if status != 200:
            self._answer(status, said.encode())
            return
        results = [
            {"marker": row["marker"], "status": "error", "code": "BAD", "error": f"cannot take {row}"}
            if row["key"][0] in self.server.refused
            else {"marker": row["marker"], "status": "ok"}
            for row in json.loads(body)["rows"]
        ]
        self._answer(200, json.dumps({"results": results}).encode())

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Faulty(MemoryDestination):
    """An adapter with a fault of its own, whose error quotes a row."""

    def push(self, batch):
        """Fail as a careless parser would."""
        if store("own").account == "faulty":
            raise ValueError(f"invalid literal for int() with base 10: {dict(batch.rows[0].values)}")
        return super().push(batch)

    def describe(self, object):
        """Fail where the engine does not expect it."""
        if store("own").account == "unforeseen":
            raise KeyError(QUOTING)
        return super().describe(object)


@pytest.fixture(scope="module")
def sandbox():
    """Both simulated CRMs."""
    with SandboxServer() as running:
        yield running


@pytest.fixture
def echo():
    """The receiver; `statuses` are those of the next requests (0: none), `refused` the ids it refuses."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.statuses, server.refused = [], set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Told:
    """What commands put out: `log` is all of stderr, and stdout where nobody is meant to watch."""

    def __init__(self, workspace, level, form, *more):
        self.workspace = workspace
        self.options = ["--log-level", level, "--log-format", form, *more]
        self.out, self.log = "", ""

    def run(self, *arguments, logged=False):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.workspace.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([*self.options, "--yes", *arguments])
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        self.out += out.getvalue()
        self.log += err.getvalue() + (out.getvalue() if logged else "")
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def project(workspace, sandbox, echo, monkeypatch):
    """A project that sends five people to each kind of destination."""
    sandbox.control.reset()
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    forget_stores()
    own = replace(memory, open=lambda config, context: Faulty(store(config.store), context))
    known = {**plugins(), "memory": own}
    entries = [*adapters._entries(), EntryPoint("memory", "tailrace.testing.plugin:plugin", ENTRY_POINT_GROUP)]
    monkeypatch.setattr(session, "plugins", lambda: known)
    monkeypatch.setattr(adapters, "_entries", lambda: entries)
    for name in ("syncs/people.yml", "models/people.sql"):
        (workspace.root / name).unlink()
    config = PROJECT.format(
        sf=sandbox.salesforce_url, hub=sandbox.hubspot_url, hook=f"http://127.0.0.1:{echo.server_address[1]}/"
    )
    workspace.write("tailrace.yml", config)
    columns = ", ".join(f"'{field}': 'varchar'" for field in FIELDS)
    workspace.write("models/people.sql", MODEL % columns)
    for name in MAPPED:
        sync(workspace, name)
    with sqlite3.connect(workspace.root / "app.db") as table:
        table.execute("create table people (id integer primary key, name, email, phone, note, token)")
        table.execute(
            "create trigger picky before insert on people when new.id = 3 "
            "begin select raise(abort, 'zqname3 is not welcome'); end"
        )
    people(workspace, range(1, 6))
    return workspace


def sync(workspace, name, mode="mirror", *, called=None, **more):
    target, match, fields = MAPPED[name]
    settings = {"model": "people", "destination": name, "object": target, "mode": mode, "key": "id"}
    settings |= {"match": {match: "id"}, "fields": fields, **more}
    workspace.write(f"syncs/{called or f'to_{name}'}.yml", json.dumps(settings))


def people(workspace, ids, version=""):
    """Rows with a word for each field; an e-mail address that no vendor takes in the third."""
    lines = [",".join(("id", *FIELDS))]
    for n in ids:
        mail = f"zqemail{version}{n}@example.com" if n != 3 else "zqemail3 is none"
        lines.append(f"{n},zqname{version}{n},{mail},+49 zqphone{version}{n},zqnote{version}{n},zqtoken{version}{n}")
    workspace.write("people.csv", "\n".join(lines) + "\n")


def adventures(project, sandbox, echo, told):
    """All that may go wrong, one after the other; rows 1 to 5, of which vendors refuse the third."""
    echo.refused = {3}
    told.run("check")
    told.run("run", "--all")
    told.run("adopt", "to_crm")
    people(project, [1, 2, 3, 4, 6], "b")
    sandbox.control.salesforce.fail(
        "composite", status=503, body=[{"message": f"zqname1 of {SECRETS['SF_SECRET']} is too much"}]
    )
    sandbox.control.hubspot.fail(
        "batch/", status=500, body={"message": f"zqname1 of {SECRETS['HUB_TOKEN']} is too much"}
    )
    echo.statuses = [500, 422]
    told.run("run", "--all")
    people(project, [1, 2, 3, 4, 6, 7], "c")
    sandbox.control.salesforce.fail("composite", drop=True, commit=True)
    sandbox.control.hubspot.fail("batch/", drop=True, commit=False)
    echo.statuses = [0, 403]
    told.run("run", "--all")
    echo.statuses = [404]
    told.run("run", "to_hook")
    for name in MAPPED:
        told.run("explain", f"to_{name}", "--key", "3")
        told.run("retry", f"to_{name}", "--now")
        told.run("rejected", f"to_{name}")
        told.run("resolve", f"to_{name}", "--look-up")
    told.run("status")
    told.run("runs")
    told.run("plan", "--all", "--out", "refused")
    told.run("plan", "to_app", "--out", "app.plan")
    people(project, [1, 2, 3, 4, 7], "d")
    told.run("apply", "app.plan")
    held(project, told, echo)
    broken(project, told)


def held(project, told, echo):
    """Rows that may be there or not, as no answer came to what created them."""
    sync(project, "hook", "append", match={}, on_unknown="hold")
    echo.statuses = [0] * 20
    told.run("run", "to_hook")
    echo.statuses = []
    told.run("resolve", "to_hook")
    told.run("resolve", "to_hook", "--resend")
    told.run("run", "to_hook")


def broken(project, told):
    """A warehouse that quotes, an adapter that fails, and one whose fault nobody foresaw; by hand and by schedule."""
    forget_stores()
    for account in ("faulty", "unforeseen"):
        store("own").account = account
        told.run("run", "to_own")
        serve(project, told, "own", f"due_{account}")
    model = (project.root / "models/people.sql").read_text()
    for number, wrong in enumerate(("note::integer as note", "strptime(note, '%Y')::varchar as note")):
        project.write("models/people.sql", f"select * replace ({wrong}) from ({model})")
        told.run("run", "to_app")
        told.run("plan", "to_app")
        told.run("check", "to_app")
        serve(project, told, "app", f"due_{number}")
    project.write("models/people.sql", model.replace("'note': 'varchar'", "'note': 'integer'"))
    told.run("run", "to_app")


def serve(project, told, name, called):
    """A round of the scheduler, in which one sync is due, as it never ran."""
    sync(project, name, called=called, schedule={"every": "1h"})
    _, out, err = told.run("serve", "--once", logged=True)
    assert f"{called}  failed" in out + err or f"{called}: a fault of Tailrace itself" in err
    (project.root / f"syncs/{called}.yml").unlink()


def kept(root):
    """All that can be read below a project: bytes of files, and values of the tables in them."""
    for path in root.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            for column in pl.read_parquet(path).iter_columns():
                plain = column if column.dtype.is_nested() else column.cast(pl.String)
                yield path, repr(plain.to_list())


def lines_with(pattern, text):
    return [line[:400] for line in text.splitlines() if re.search(pattern, line)]


@pytest.mark.parametrize(("level", "form"), LEVELS)
def test_no_log_has_a_value_and_nothing_has_a_secret(project, sandbox, echo, level, form):
    """Whatever happens: rows by their keys, fields by their names, errors by their codes."""
    told = Told(project, level, form)
    adventures(project, sandbox, echo, told)
    assert lines_with(CANARY, told.log) == []
    assert re.search(CANARY, told.out), "people are shown what was said of their rows"
    assert lines_with("(?i)secretcanary", told.log + told.out) == []
    assert {str(path) for path, text in kept(project.root) if "secretcanary" in text.lower()} == set()
    assert "run 2" in told.log
    if level == "debug":
        assert '{"id":3}' in told.log.replace('\\"', '"')
        for word in ("INVALID_EMAIL_ADDRESS", "BAD", "Email", "Description", "lastname", "token"):
            assert word in told.log
    if form == "json":
        ours = [line for line in told.log.splitlines() if line.startswith("{")]
        assert len(ours) > 20
        assert all(json.loads(line)["message"] for line in ours)


def test_values_are_logged_where_that_was_asked_for(project, sandbox, echo):
    """With --log-values a debug log tells what was sent and what was answered, and no secret even then."""
    told = Told(project, "debug", "text", "--log-values")
    adventures(project, sandbox, echo, told)
    for word in ("zqname", "zqemail3 is none", "zqphone", "zqnote", "zqtoken"):
        assert word in told.log
    assert lines_with("(?i)secretcanary", told.log + told.out) == []


def test_values_need_a_debug_log(project):
    """The flag alone is refused, so that nobody has them in a log by habit."""
    told = Told(project, "info", "text", "--log-values")
    code, _, err = told.run("run", "--all")
    assert code == 2
    assert "--log-level debug" in err


def test_a_program_that_is_passed_a_canary_finds_it(project, sandbox, echo):
    """The search would find what it looks for: plans show values to people."""
    told = Told(project, "info", "text")
    told.run("plan", "to_app")
    assert len(lines_with(CANARY, told.out)) == 5
