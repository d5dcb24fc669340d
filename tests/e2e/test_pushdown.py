"""`snapshots: warehouse` through the command line: a table of people in each warehouse, mirrored to SQLite."""

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import threading

import pytest
import sqlalchemy as sa
from tests.e2e.sources import Big, Duck, Postgres, Red, Snow
from tests.unit.pushdown.startup import Door

CONFIG = """\
snapshots: warehouse
lease: 2s
warehouses:
  main: {warehouse}
destinations:
  app: {{type: sql, url: "sqlite:///app.db", create_table: true, settle: 0s}}
"""
SYNC = """\
model: people
destination: app
object: people
mode: mirror
key: id
match: {id: id}
guards: {max_deletes: off, on_empty: allow}
fields:
  name: name
  email: {column: email, nulls: skip}
  spent: spent
"""
FIRST = ((1, "Ann", "ann@example.com", 10.5), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0))
SECOND = ((1, "Ann", "ann@example.com", 10.5), (2, "Rob", None, 20), (4, "Dee", None, 7))
SCHEMA_TABLES = (
    "SELECT lower(table_name) FROM information_schema.tables WHERE table_schema = 'tailrace' "
    "AND substr(lower(table_name), 1, 9) = 'snapshot_'"
)
COLUMNS = "(id bigint, name text, email text, spent numeric(12, 2))"


class Lite:
    """The people in an SQLite file."""

    schema_tables = "SELECT name FROM sqlite_master WHERE name LIKE 'tailrace.snapshot\\_%' ESCAPE '\\'"

    def __init__(self, workspace):
        self.path = workspace.root / "main.db"
        self.config = '{type: sqlalchemy, url: "sqlite:///main.db"}'

    def run(self, *statements):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            found = [connection.execute(statement).fetchall() for statement in statements][-1]
            connection.commit()
            return found


class Maria(Postgres):
    """The people in a MariaDB database."""

    def __init__(self, url):
        super().__init__(url)
        self.config = f'{{type: sqlalchemy, url: "{url}"}}'


class Lab:
    """A project over one of them."""

    def __init__(self, workspace, source):
        self.workspace, self.source, self.root = workspace, source, workspace.root
        workspace.write("tailrace.yml", CONFIG.format(warehouse=source.config))
        workspace.write("syncs/people.yml", SYNC)
        workspace.write("models/people.sql", "select id, name, email, spent from people")

    def people(self, rows):
        """Have the model give these rows."""
        lines = [
            "({})".format(", ".join("NULL" if v is None else f"'{v}'" if isinstance(v, str) else str(v) for v in row))
            for row in rows
        ]
        self.source.run(
            "DROP TABLE IF EXISTS people",
            f"CREATE TABLE people {getattr(self.source, 'columns', COLUMNS)}",
            *([f"INSERT INTO people VALUES {', '.join(lines)}"] if lines else []),
        )

    def plan(self):
        """By key what a plan would do, and to which fields."""
        (plan,) = self.workspace.run("plan", "people", "--json").json["plans"]
        return {change["key"]["id"]: (change["op"], set(change["fields"])) for change in plan["changes"]}

    def ran(self, *arguments, **how):
        """What a run came to."""
        (run,) = self.workspace.run("run", "people", "--json", *arguments, **how).json["runs"]
        return run

    def table(self):
        """Id and name of all that the destination has."""
        return [(row[0], row[1]) for row in self.workspace.table()]

    def snapshot(self):
        """How many rows the snapshot has, by its table and by its manifest."""
        (name,) = {row[0] for row in self.source.run(getattr(self.source, "schema_tables", SCHEMA_TABLES))}
        (status,) = self.workspace.run("status", "--json").json["syncs"]
        return self.source.run(f"SELECT count(*) FROM {self.place(name)}")[0][0], status["snapshot_rows"]

    def place(self, name):
        """A table of ours, as the warehouse writes it."""
        if not isinstance(self.source, Lite):
            return f'"tailrace".{name}' if isinstance(self.source, Snow) else f"tailrace.{name}"
        return f'"{name}"' if name.startswith("tailrace.") else f'"tailrace.{name}"'

    def edit(self, name, old, new):
        """Change a file of the project."""
        path = self.root / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


NUMBERS = itertools.count()


UNCIPHERED = """\
import redshift_connector
connect = redshift_connector.connect
redshift_connector.connect = lambda **how: connect(**{**how, "ssl": False})
"""
"""As `sitecustomize`, lets Redshift's connector do without TLS, which there is none of here."""


@pytest.fixture
def red(postgres_database, tmp_path_factory, monkeypatch):
    """The people where Redshift's connector finds them."""
    connector = pytest.importorskip("redshift_connector", reason="redshift_connector is not installed")
    pytest.importorskip("sqlalchemy_redshift", reason="sqlalchemy_redshift is not installed")
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(UNCIPHERED)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    connect = connector.connect
    monkeypatch.setattr(connector, "connect", lambda **how: connect(**{**how, "ssl": False}))
    monkeypatch.setenv("RED_PASSWORD", "x")
    with Door(f"{sa.make_url(postgres_database).query['host']}/.s.PGSQL.5432") as door:
        yield Red(postgres_database, door.port)


QUICK, EMULATED = ("duckdb", "postgres", "sqlite", "mariadb", "redshift"), ("snowflake", "bigquery")


EMULATOR = (pytest.mark.slow, pytest.mark.emulated)


@pytest.fixture(params=[*QUICK, *(pytest.param(name, marks=EMULATOR) for name in EMULATED)])
def lab(request, workspace, monkeypatch):
    """The project over each warehouse that can run here."""
    if request.param == "duckdb":
        return Lab(workspace, Duck(workspace))
    if request.param == "sqlite":
        return Lab(workspace, Lite(workspace))
    if request.param == "snowflake":
        monkeypatch.setenv("SNOWFLAKE_PASSWORD", "x")
        return Lab(workspace, Snow(request.getfixturevalue("snowflake_server"), f"LAB{next(NUMBERS)}"))
    if request.param == "bigquery":
        server = request.getfixturevalue("local_bigquery_server")
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.host)
        return Lab(workspace, Big(server, f"lab{next(NUMBERS)}", workspace))
    if request.param == "mariadb":
        return Lab(workspace, Maria(request.getfixturevalue("mariadb_database")))
    if request.param == "redshift":
        return Lab(workspace, request.getfixturevalue("red"))
    return Lab(workspace, Postgres(request.getfixturevalue("postgres_database")))


@pytest.mark.core
def test_changes_are_found_sent_and_remembered(lab):
    """Inserts, updates and deletes; then nothing to do; and no snapshot is in a file."""
    lab.people(FIRST)
    assert {key: op for key, (op, _) in lab.plan().items()} == {1: "insert", 2: "insert", 3: "insert"}
    assert lab.ran()["acknowledged"] == 3
    assert lab.plan() == {}
    lab.people(SECOND)
    plan = lab.plan()
    assert {key: op for key, (op, _) in plan.items()} == {2: "update", 3: "delete", 4: "insert"}
    assert plan[2][1] == {"name"}
    assert lab.ran()["acknowledged"] == 3
    assert lab.table() == [(1, "Ann"), (2, "Rob"), (4, "Dee")]
    assert (lab.plan(), lab.snapshot()) == ({}, (3, 3))
    kept = {path.name for path in (lab.root / ".tailrace/snapshots/people").iterdir()}
    assert kept == {"runs"}


@pytest.mark.slow
def test_a_saved_plan_is_applied_while_it_fits(lab):
    """`apply` compares anew, in the warehouse; a plan that fits no more is refused."""
    lab.people(FIRST)
    lab.workspace.run("plan", "people", "--out", "plan.tailrace")
    lab.workspace.run("apply", "plan.tailrace")
    assert lab.table() == [(1, "Ann"), (2, "Bob"), (3, "Cid")]
    assert "no longer matches" in lab.workspace.run("apply", "plan.tailrace", code=3).out


@pytest.mark.slow
def test_a_field_that_is_new_to_the_mapping_is_sent_alone(lab):
    """For all rows, that field; when it is taken out and put back, nothing is sent."""
    lab.edit("syncs/people.yml", "  spent: spent\n", "")
    lab.people(FIRST)
    lab.ran()
    lab.edit("syncs/people.yml", "  name: name\n", "  name: name\n  spent: spent\n")
    assert lab.plan() == {key: ("update", {"spent"}) for key in (1, 2, 3)}
    assert lab.ran(code=None)["updates"] == 3


@pytest.mark.slow
def test_adopt_takes_the_models_rows_for_delivered(lab):
    """A baseline is a snapshot in the warehouse too."""
    lab.people(FIRST)
    lab.ran()
    lab.workspace.run("reset", "people", "--yes")
    assert len(lab.plan()) == 3
    lab.workspace.run("adopt", "people", "--yes")
    assert (lab.plan(), lab.snapshot()) == ({}, (3, 3))


COMMIT = ("segment.published", "manifest.ready", "manifest.replaced")
"""Within the commit, or just behind it."""
AROUND = ("changes.saved", "delivery.ended", "lease.renewed", "snapshot.saved", "outcomes.saved")
KILLS = [
    *((kind, "manifest.ready") for kind in QUICK),
    *(pytest.param(kind, "manifest.ready", marks=(*EMULATOR, pytest.mark.core)) for kind in EMULATED),
    *(
        pytest.param(kind, point, marks=EMULATOR if kind in EMULATED else pytest.mark.slow)
        for kind in (*QUICK, *EMULATED)
        # What surrounds a commit is the same in all.
        for point in (*COMMIT, *(AROUND if kind in {"duckdb", "postgres"} else ()))
        if point != "manifest.ready"
    ),
]


@pytest.mark.parametrize(("lab", "point"), KILLS, indirect=["lab"])
def test_a_run_killed_anywhere_is_mended_by_the_next_one(lab, point):
    """The old state or the new one is there, and nothing is lost or sent twice."""
    lab.people(FIRST)
    lab.ran()
    lab.people(SECOND)
    env = {"TAILRACE_FAILPOINT": f"{point}:1:kill"}
    lab.workspace.spawn("run", "people", code=-signal.SIGKILL, env=env)
    if isinstance(lab.source, Snow):
        lab.source.server.abandon()
    run = lab.ran()
    assert lab.table() == [(1, "Ann"), (2, "Rob"), (4, "Dee")]
    assert run["recovered"]
    assert (lab.plan(), lab.snapshot()) == ({}, (3, 3))
    assert lab.ran()["status"] == "nothing_to_do"


@pytest.mark.core
def test_two_runs_at_once_do_not_spoil_each_other(lab):
    """A run that was overtaken while it slept moves neither the snapshot nor anything else."""
    lab.people(FIRST)
    lab.ran()
    lab.people(SECOND)
    env = {**os.environ, "TAILRACE_FAILPOINT": "lease.renewed:1:stop"}
    slow = subprocess.Popen(
        lab.workspace.command("run", "people"), cwd=lab.root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _stopped(slow.pid)
        for _ in range(60):  # until the lease of the one that sleeps has ended
            if lab.ran(code=None)["status"] in {"nothing_to_do", "succeeded"}:
                break
            threading.Event().wait(0.2)
        before = lab.snapshot()
    finally:
        os.kill(slow.pid, signal.SIGCONT)
        _, said = slow.communicate(timeout=60)
    assert slow.returncode != 0, said
    assert (lab.plan(), lab.snapshot(), before) == ({}, (3, 3), (3, 3))
    assert lab.table() == [(1, "Ann"), (2, "Rob"), (4, "Dee")]


def test_moving_a_snapshot_sends_nothing(lab):
    """Rows, generation and record ids go there and back; what is configured otherwise is told, and sends nothing."""
    lab.edit("tailrace.yml", "snapshots: warehouse\n", "")
    lab.people(FIRST)
    lab.ran()
    lab.edit("tailrace.yml", "lease: 2s", "lease: 2s\nsnapshots: warehouse")
    assert "snapshot move people --to warehouse" in lab.workspace.run("plan", "people", code=1).err
    (moved,) = lab.workspace.run("snapshot", "move", "--to", "warehouse", "--json").json["moved"]
    assert moved == {"sync": "people", "to": "warehouse", "rows": 3, "moved": True}
    assert (lab.plan(), lab.snapshot()) == ({}, (3, 3))
    lab.people(SECOND)
    assert lab.ran()["acknowledged"] == 3
    lab.edit("tailrace.yml", "\nsnapshots: warehouse", "")
    assert "was moved to the warehouse" in lab.workspace.run("plan", "people", code=1).err
    lab.workspace.run("snapshot", "move", "people", "--to", "local")
    assert lab.plan() == {}
    lab.people(FIRST)
    assert {key: op for key, (op, _) in lab.plan().items()} == {2: "update", 3: "insert", 4: "delete"}
    assert lab.ran()["acknowledged"] == 3
    assert "nothing to move" in lab.workspace.run("snapshot", "move", "people", "--to", "local").out
    lab.workspace.run("snapshot", "move", "people", "--to", "warehouse")
    lab.edit("tailrace.yml", "lease: 2s", "lease: 2s\nsnapshots: {warehouse: {schema: tailrace}}")
    assert (lab.plan(), lab.snapshot()) == ({}, (3, 3))


def test_what_runs_did_can_be_asked_for_by_sql(lab):
    """With `audit: true` each run and each of its rows is in a table; a run that had nothing to do has no rows."""
    lab.edit("tailrace.yml", "lease: 2s", "lease: 2s\naudit: true")
    lab.people(FIRST)
    first = lab.ran()
    lab.people(SECOND)
    second = lab.ran()
    lab.ran()
    runs = lab.source.run(f"SELECT run_id, status, acknowledged FROM {lab.place('tailrace_runs')} ORDER BY started_at")
    assert [row[1:] for row in runs] == [("succeeded", 3), ("succeeded", 3), ("nothing_to_do", 0)]
    assert [row[0] for row in runs[:2]] == [first["run_id"], second["run_id"]]
    key = "`key`" if isinstance(lab.source, Maria) else "key"
    rows = lab.source.run(
        f"SELECT {key}, operation, outcome, error FROM {lab.place('tailrace_rows')} "
        f"WHERE run_id = '{second['run_id']}' ORDER BY 1"
    )
    assert rows == [
        ('{"id":2}', "update", "acknowledged", None),
        ('{"id":3}', "delete", "acknowledged", None),
        ('{"id":4}', "insert", "acknowledged", None),
    ]


def test_check_says_what_may_be_kept_there(lab):
    """With all rights, that it can be; of what was never tried for real, that it was not."""
    lab.people(FIRST)
    names = {Snow: "account of Snowflake", Red: "cluster of Redshift", Big: "project of BigQuery"}
    name = names.get(type(lab.source))
    untried = f" (not tried on a live {name} yet)" if name else "\n"
    assert f"snapshots can be kept there{untried}" in lab.workspace.run("check").out


def test_check_prints_the_rights_that_are_missing(workspace, postgres_database):
    """As statements that grant them; with those it is well, and a run goes through."""
    source = Postgres(postgres_database)
    source.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    url = sa.make_url(postgres_database).set(username="reader").render_as_string(hide_password=False)
    lab = Lab(workspace, source)
    lab.edit("tailrace.yml", postgres_database, url)
    lab.people(FIRST)
    source.run("GRANT SELECT ON people TO reader")
    try:
        assert 'CREATE SCHEMA "tailrace" AUTHORIZATION "reader";' in lab.workspace.run("check", code=2).out
        source.run("CREATE SCHEMA tailrace")
        said = lab.workspace.run("check", code=2).out
        grants = [line.strip() for line in said.splitlines() if "GRANT" in line]
        assert len(grants) == 2
        source.run(*grants)
        lab.workspace.run("check")
        assert lab.ran()["acknowledged"] == 3
    finally:
        source.run("DROP OWNED BY reader", "DROP ROLE reader")


def test_check_prints_the_rights_that_are_missing_in_mariadb(workspace, mariadb_database):
    """As one statement that grants them; with those it is well, and a run goes through."""
    source = Maria(mariadb_database)
    source.run("DROP USER IF EXISTS reader", "CREATE USER reader")
    lab = Lab(workspace, source)
    lab.edit("tailrace.yml", mariadb_database, mariadb_database.replace("root@", "reader@"))
    lab.people(FIRST)
    source.run(f"GRANT SELECT ON {sa.make_url(mariadb_database).database}.* TO reader")
    try:
        said = lab.workspace.run("check", code=2).out
        grants = [line.strip() for line in said.splitlines() if "GRANT" in line]
        assert grants == ["GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX ON `tailrace`.* TO 'reader'@'%';"]
        source.run(*(grant.replace("%", "%%") for grant in grants))  # which the driver would fill
        lab.workspace.run("check")
        assert lab.ran()["acknowledged"] == 3
    finally:
        source.run("DROP USER reader")


def test_what_cannot_hold_snapshots_says_so(workspace):
    """A DuckDB in memory would forget them; digests cannot be compared there."""
    workspace.write("tailrace.yml", "snapshots: warehouse\n" + (workspace.root / "tailrace.yml").read_text())
    assert "in memory, which cannot hold snapshots" in workspace.run("plan", "people", code=1).err
    workspace.write("tailrace.yml", "snapshot: {values: hashed}\n" + (workspace.root / "tailrace.yml").read_text())
    assert "digests of values cannot be compared" in workspace.run("plan", "people", code=2).err


def _stopped(pid):
    """Wait until a child is stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status
