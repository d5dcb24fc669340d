"""Every statement of snapshots in warehouses that cannot run here, letter by letter, and as its dialect reads it.

`RENEW_GOLDEN=1 pytest tests/unit/pushdown/test_golden.py` writes the files anew; look at what has changed.
"""

import datetime as dt
import itertools
import json
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
import sqlglot
from databricks.sql.exc import ServerOperationError
from google.cloud.bigquery import QueryJobConfig, SchemaField
from sqlglot import exp
from tests.unit.pushdown.delta import Connection
from tests.unit.pushdown.google import Client
from tests.unit.pushdown.test_audit import record
from tests.unit.pushdown.test_words import Bench

from tailrace.changes import DiffSpec
from tailrace.pushdown import audit, tables
from tailrace.pushdown.bigquery import BigQueryDesk
from tailrace.pushdown.databricks import DatabricksDesk
from tailrace.pushdown.dbapi import ending
from tailrace.pushdown.mssql import MSSQLDesk
from tailrace.pushdown.mysql import MySQLDesk
from tailrace.pushdown.redshift import RedshiftDesk
from tailrace.pushdown.snowflake import SnowflakeDesk
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.mark import Mark
from tailrace.values import KINDS, LogicalType
from tailrace.warehouses.dialects import Dialect

FOLDER = Path(__file__).parent / "golden"
IDENTITY = Identity("people", "crm", "00D1", "Contact", ("id", "no"), ("mail",))
MARK = Mark("at", 7, 5, "0123abcd")
SPEC = DiffSpec(
    ("id", "no"), ("mail",), ("age", "born", "name", "pay"), frozenset({"name"}), frozenset(), frozenset({"pay"})
)
MODEL = "SELECT id, no, mail, age, born, name, pay FROM people -- theirs"
FIRST = pa.table(
    {
        "k:id": pa.array(["a", "b"]),
        "k:no": pa.array([1, 2]),
        "m:mail": pa.array(["a@x.io", "b@x.io"]),
        "f:age": pa.array([1.5, None]),
        "f:born": pa.array([None, None], pa.date32()),
        "f:name": pa.array(["Ann", "Bob"]),
        "f:pay": pa.array([None, None], pa.decimal128(38, 2)),
    }
)
AGED = FIRST.set_column(3, "f:age", pa.array(["old", "young"]))


class Cursor:
    """Answers what a warehouse would whose snapshot is as the model is."""

    def __init__(self, server):
        self.server, self.found, self.rowcount = server, [], 1
        self.description = [("c", code, None, None, None, scale, True) for code, scale in server.codes]
        fields = [SimpleNamespace(type_code=code, charsetnr=45, scale=scale) for code, scale in server.codes]
        self._result = SimpleNamespace(fields=fields)

    def execute(self, sql, parameters=()):
        self.server.said.append(sql)
        self.found = self.server.answer(sql, list(parameters))

    def fetchall(self):
        return self.found

    def fetchmany(self, _size):
        return []

    def close(self):
        """Nothing is held."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """As above."""


class Server:
    """A driver's connection that keeps the statements, and a warehouse over it."""

    def __init__(self, desk, dialect, codes, version=""):
        self.made, self.dialect, self.codes, self.version = desk, dialect, codes, version
        self.said, self.model, self.counted = [], FIRST, 2
        self.manifest, self.there = (0, ""), False

    def answer(self, sql, parameters):
        if sql.startswith("CREATE TABLE") and "snapshot_" not in sql:
            self.there = True
        if sql.startswith("UPDATE") and len(parameters) > 1:
            self.manifest = tuple(parameters[:2])
        if sql.startswith(("SELECT 1 FROM information_schema", "SELECT 1 FROM pg_catalog", "SELECT 1 FROM sys.")):
            return [(1,)] if self.there else []
        if sql.startswith("SELECT revision, body"):
            return [self.manifest]
        if sql.startswith("SELECT d.system_type_name"):
            return self.codes
        if sql.startswith(("SELECT table_name", "SELECT tablename", "SELECT t.name")):
            return [("snapshot_" + IDENTITY.digest + "_0",)]
        if "coalesce(sum(n)" in sql:
            return [(0, 0, 0)]
        return [(self.counted,)] if sql.startswith("SELECT count(*)") else []

    def cursor(self, *_kind):
        return Cursor(self)

    def autocommit(self, _on):
        """As the desk wants it."""

    def get_server_info(self):
        return self.version

    @contextmanager
    def desk(self, *, write):
        with ending(self.made(self, self.dialect, None, write=write)) as desk:
            yield desk

    @contextmanager
    def read(self, _projection, **_how):
        yield iter(self.model.to_batches())


class BigQueryServer(Server):
    """The same behind Google's client, which has no cursor."""

    def __init__(self):
        super().__init__(None, Dialect("bigquery", quoted("`")), ())
        fields = [SchemaField(f"c{at}", kind) for at, kind in enumerate(BIGQUERY)]
        self.client = Client(self._asked, fields, self._tables)
        self.client.there = lambda: self.there

    def _asked(self, sql, parameters):
        self.said.append(sql)
        return self.answer(sql, parameters)

    def _tables(self):
        """One that an attempt has left long ago."""
        name = f"snapshot_{IDENTITY.digest}_0ld"
        return [SimpleNamespace(table_id=name, created=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))] if self.there else []

    @contextmanager
    def desk(self, *, write):
        yield BigQueryDesk(self.client, None, self.dialect, None, QueryJobConfig, write=write)


class DatabricksServer(Server):
    """The same behind Databricks' connector, whose cursor gives Arrow."""

    def __init__(self):
        super().__init__(None, Dialect("databricks", quoted("`")), ())

    def _asked(self, sql, parameters):
        self.said.append(sql)
        if sql.startswith("DESCRIBE QUERY "):
            return pa.table({"col_name": DATABRICKS, "data_type": DATABRICKS})
        if sql.startswith("DESCRIBE ") and not self.there:
            raise ServerOperationError("[TABLE_OR_VIEW_NOT_FOUND] There is none.")
        if sql.startswith(("INSERT", "MERGE", "UPDATE", "DELETE")):
            self.answer(sql, parameters)
            given = json.loads(parameters[0]) if sql.startswith("INSERT") and parameters else [None]
            return pa.table({"num_affected_rows": [len(given)]})
        rows = [("main",)] if sql == "SELECT CURRENT_CATALOG()" else self.answer(sql, parameters)
        if "information_schema" in sql:
            rows = [(f"snapshot_{IDENTITY.digest}_0ld", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))]
        number = len(sqlglot.parse_one(sql, dialect="databricks").selects) if sql.startswith("SELECT") else 0
        return pa.table({f"c{at}": [row[at] for row in rows] for at in range(number)})

    @contextmanager
    def desk(self, *, write):
        raw = Connection(SimpleNamespace(answer=self._asked))
        yield DatabricksDesk(raw, self.dialect, None, write=write)


def quoted(mark):
    """Names as SQLAlchemy would write those that need no quotes."""
    return lambda name: name if name.isidentifier() else f"{mark}{name}{mark}"


SNOWFLAKE = [(2, 0), (0, 0), (2, 0), (1, 0), (3, 0), (2, 0), (0, 2)]
REDSHIFT = [(1043, 0), (20, 0), (1043, 0), (701, 0), (1082, 0), (1043, 0), (1700, None)]
MSSQL = [
    (name, None) for name in ("nvarchar(50)", "bigint", "varchar(max)", "float", "date", "nchar(9)", "numeric(9,2)")
]
MYSQL = [(253, 0), (8, 0), (253, 0), (5, 0), (10, 0), (253, 0), (246, 2)]
BIGQUERY = ["STRING", "INTEGER", "STRING", "FLOAT", "DATE", "STRING", "BIGNUMERIC"]
DATABRICKS = ["string", "bigint", "string", "double", "date", "string", "decimal(38,2)"]
SERVERS = {
    "bigquery": BigQueryServer,
    "databricks": DatabricksServer,
    "snowflake": lambda: Server(SnowflakeDesk, Dialect("snowflake", quoted('"')), SNOWFLAKE),
    "redshift": lambda: Server(RedshiftDesk, Dialect("redshift", quoted('"')), REDSHIFT),
    "mssql": lambda: Server(
        partial(MSSQLDesk, driver="pymssql"), Dialect("mssql", lambda name: name, booleans=False), MSSQL
    ),
    "mysql": lambda: Server(MySQLDesk, Dialect("mysql", quoted("`")), MYSQL, "8.4.0"),
    "mariadb": lambda: Server(MySQLDesk, Dialect("mysql", quoted("`")), MYSQL, "11.4.2-MariaDB"),
}


def story(server, root, monkeypatch):
    """All that is ever asked of a warehouse, by what it is for."""
    numbers = itertools.count()
    for module in ("commit", "tables"):
        name = f"tailrace.pushdown.{module}.fresh_name"
        monkeypatch.setattr(name, lambda identity: f"{tables.table_name(identity)}_{next(numbers)}")
    bench, told = Bench(server, root, SPEC, IDENTITY), {}

    def chapter(name, act):
        server.said.clear()
        act()
        told[name] = list(server.said)

    chapter("a first run", lambda: bench.run(MODEL))
    chapter("nothing has changed", lambda: bench.compare(MODEL))
    server.counted = 3
    chapter("a key comes twice, and then all is fetched", lambda: bench.compare(MODEL))
    server.model = AGED
    chapter("a column is of another type", lambda: bench.run(MODEL))
    snapshot = bench.store.open(IDENTITY)
    keys = pl.DataFrame({"k:id": ["a"], "k:no": [1]})
    types = {"k:id": LogicalType("string"), "k:no": LogicalType("int64")}
    chapter("rows are looked up", lambda: bench.store.open(IDENTITY).held(keys, types))
    chapter("records are looked up", lambda: bench.store.open(IDENTITY).owned(["r1", "r2"]))
    chapter("how far it was read", lambda: bench.store.set_mark(bench.store.open(IDENTITY), MARK, "run"))
    chapter("rows are taken out", lambda: bench.store.without(bench.store.open(IDENTITY), keys, types, "run"))
    chapter("records and match values of others", lambda: _others(server, snapshot))
    everything = {f"f:{kind}": LogicalType(kind, 2 if kind == "decimal" else None) for kind in KINDS}
    whole = replace(snapshot.manifest, types={}, columns={}).typed({"k:id": LogicalType("string"), **everything})
    frame = pl.DataFrame(schema={name: tables.dtype(kind) for name, kind in whole.types.items()})
    frame = frame.clear(1).with_columns(pl.lit("r").alias("record_id"), pl.lit([], tables.UNKNOWN).alias("unknown"))
    chapter("moved there", lambda: bench.store.fill(bench.store.open(IDENTITY), whole, iter([frame])))
    chapter("moved away", lambda: bench.store.leave(bench.store.open(IDENTITY), "local"))
    chapter("what is known of others", lambda: bench.store.others(IDENTITY))
    chapter("forgotten", lambda: bench.store.forget(IDENTITY))
    server.there = False
    chapter("what runs did", lambda: _audited(server))
    return told


def _others(server, snapshot):
    table, manifest = snapshot.table, snapshot.manifest
    mails = pl.DataFrame({"m:mail": ["a@x.io"]})
    with server.desk(write=True) as desk:
        desk.begin()
        tables.remove_ids(desk, table, pl.Series(["r1"]), 7)
        for fold in ((), ("m:mail",)):
            tables.read_near(desk, table, manifest, mails, ["m:mail"], fold)
            tables.read_twins(desk, table, manifest, ["m:mail"], fold)


def _audited(server):
    with server.desk(write=True) as desk:
        audit.write(desk, "values", record("run"), iter(()))


def written(told):
    """A story as a file has it."""
    parts = [f"-- {name}\n\n" + "".join(f"{sql.strip()};\n\n" for sql in said) for name, said in told.items()]
    return "\n".join(parts).rstrip() + "\n"


@pytest.fixture(params=SERVERS)
def told(request, tmp_path, monkeypatch):
    """The dialect, and its story."""
    return request.param, story(SERVERS[request.param](), tmp_path, monkeypatch)


def test_statements_are_those_that_were_looked_at(told):
    """Whoever changes one sees what it becomes in each dialect."""
    name, said = told
    path = FOLDER / f"{name}.sql"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(written(said))
    assert written(said) == path.read_text()


UNREAD = {
    "BEGIN READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    "FETCH FORWARD 65536 FROM tailrace_stream",
    "CLOSE tailrace_stream",
}
"""sqlglot has no words for these; MariaDB and PostgreSQL run them in the other tests."""


def test_statements_are_read_by_their_dialect(told):
    """None is so strange to it that only its first word is understood; the drivers' marks stand for values."""
    name, said = told
    dialect = {"mariadb": "mysql", "mssql": "tsql"}.get(name, name)
    statements = [sql for each in said.values() for sql in each]
    assert len(statements) > 40
    for sql in statements:
        if sql in UNREAD or sql.startswith("LOCK TABLE"):
            continue
        # Nor has it one for the character set of what is read from JSON.
        plain = re.sub(r"(t\d+ LONGTEXT) CHARACTER SET utf8mb4 COLLATE \w+ PATH", r"\1 PATH", sql.replace("%s", "?"))
        plain = plain.removeprefix("DECLARE tailrace_stream CURSOR FOR ").removeprefix("DESCRIBE QUERY ")
        plain = plain.replace(" DEEP CLONE ", " CLONE ")  # by Databricks' own words the same
        trees = sqlglot.parse(plain, dialect=dialect)
        assert len(trees) == 1 + (plain.count(";") if plain.startswith("SET ") else 0), sql
        assert not [found for tree in trees for found in tree.find_all(exp.Command)], sql


def test_none_makes_a_table_within_a_transaction(told):
    """It would end it, and make known what is half done; nor is any row of ours written outside of one."""
    name, said = told
    if name in {"bigquery", "databricks"}:
        pytest.skip("there are none")
    for chapter, statements in said.items():
        begun = False
        for sql in statements:
            if sql.startswith(("BEGIN", "START TRANSACTION")):
                begun = True
            elif sql in {"COMMIT", "ROLLBACK"}:
                begun = False
            elif sql.startswith(("CREATE", "ALTER", "DROP")):
                assert not begun, (chapter, sql)
            elif sql.startswith(("INSERT", "UPDATE", "DELETE")):
                assert begun or chapter == "forgotten", (chapter, sql)
            assert "MERGE" not in sql


CHANGES = ["a first run", "a column is of another type", "rows are taken out", "moved there"]


@pytest.mark.parametrize("server", [BigQueryServer, DatabricksServer])
@pytest.mark.parametrize("chapter", CHANGES)
def test_where_there_are_no_transactions_tables_are_written_that_nobody_knows_of(
    chapter, server, tmp_path, monkeypatch
):
    """All rows go to a table that was made for this change; one statement after them makes it known."""
    said = story(server(), tmp_path, monkeypatch)[chapter]
    made = {match[1] for sql in said if (match := re.match(r"CREATE TABLE (`values`\.snapshot_\w+)", sql))}
    written = [(at, match[2]) for at, sql in enumerate(said) if (match := WRITES.match(sql))]
    moves = [at for at, sql in enumerate(said) if sql.startswith("UPDATE `values`.tailrace_snapshots_")]
    assert written
    assert {table for _, table in written} <= made
    assert len(moves) == 1
    assert max(at for at, _ in written) < moves[0]
    assert not any("BEGIN" in sql for sql in said)


WRITES = re.compile(r"(INSERT INTO|DELETE FROM|MERGE INTO) (`values`\.snapshot_\w+)")
