"""Addresses, descriptions, and errors before and beside the writing."""

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from tailrace.destination import Context
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    ObjectNotFound,
    Retriable,
    StopRun,
    TailraceError,
    UsageError,
)
from tailrace.project.types import SecretUrl
from tailrace.testing import RecordingCalls
from tailrace_destinations.sql import SqlConfig, connect, plugin, statements
from tailrace_destinations.sql.failures import failure


def configured(url, **more):
    """A destination's configuration."""
    return SqlConfig.model_validate({"type": "sql", "url": SecretUrl.literal(url), **more})


def opened(url):
    """An adapter over a URL."""
    return plugin.open(configured(url), Context("ops", RecordingCalls(), "."))


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("postgresql+psycopg://app:canary@db:5432/ops?sslmode=require", "postgresql://db:5432/ops"),
        ("mysql+pymysql://app:canary@db/ops?ssl_key=canary", "mysql://db/ops"),
        ("sqlite:///data/ops.db", "sqlite:///data/ops.db"),
        ("postgresql+psycopg://app:canary@/ops?host=/run/pg", "postgresql:///ops?host=%2Frun%2Fpg"),
    ],
)
def test_the_account_has_no_credentials(url, account):
    """An account is the database's address: no driver, user, password or options."""
    assert plugin.account_hint(configured(url)) == account


def test_the_default_schema_is_part_of_the_account():
    """The same table name in another schema is another table."""
    assert plugin.account_hint(configured("postgresql://db/ops", schema="crm")) == "postgresql://db/ops#crm"


def test_a_url_that_is_none_is_not_shown():
    """A mistake in the URL is told without repeating what may be a password."""
    with pytest.raises(UsageError) as caught:
        opened("postgresql://app:canary@db:p0rt/ops")
    assert "canary" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["nosuch://db/ops", "postgresql+nosuch://db/ops", "mysql+mysqldb://u:canary@db/ops"])
def test_a_missing_dialect_or_driver_says_what_to_install(url):
    """Without the dialect or its driver the error says what to do, and shows no password."""
    with pytest.raises(UsageError) as caught:
        opened(url).check()
    assert "install" in caught.value.hint
    assert "canary" not in str(caught.value)


def test_a_database_in_memory_is_refused():
    """A destination that is gone after the run is a mistake."""
    with pytest.raises(UsageError, match="memory"):
        opened("sqlite://")


def test_capabilities_follow_the_dialect():
    """SQLite has one writer; others take four batches at once; creating is not idempotent."""
    assert plugin.capabilities(configured("sqlite:///a.db")).concurrency == 1
    assert not plugin.capabilities(configured("sqlite:///a.db")).strays
    able = plugin.capabilities(configured("postgresql://db/ops", batch_size=50))
    assert (able.concurrency, able.batch_size, able.addresses) == (4, 50, "match")
    assert able.operations - able.idempotent == {"create"}


def test_describe_reads_the_table(database):
    """Types, lengths, nullability, uniqueness and what an INSERT must name come from the table itself."""
    generated = "id INTEGER PRIMARY KEY" if database.dialect == "sqlite" else "id SERIAL PRIMARY KEY"
    database.run(
        f"CREATE TABLE people ({generated}, email VARCHAR(80) NOT NULL UNIQUE, n INTEGER NOT NULL DEFAULT 0,"
        " twice INTEGER GENERATED ALWAYS AS (n * 2) STORED)"
    )
    fields = database.open().describe("people").fields
    assert {name for name, field in fields.items() if field.required} == {"email"}
    assert {name for name, field in fields.items() if field.unique} == {"id", "email"}
    assert fields["email"].length == 80
    assert "int64" in fields["n"].accepts
    assert "string" not in fields["n"].accepts
    assert not fields["n"].nullable
    assert not fields["twice"].updateable


def test_a_locked_sqlite_file_is_retriable(sqlite, monkeypatch):
    """While another process writes, the batch is told to wait, and nothing is written."""
    monkeypatch.setattr(connect, "_LOCK_WAIT", 0.01)
    sqlite.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
    other = sqlite3.connect(sqlite.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retriable) as caught:
        sqlite.push("upsert", ((1,), {"name": "a"}))
    assert caught.value.code.startswith("SQLITE_BUSY")
    other.close()
    assert sqlite.push("upsert", ((1,), {"name": "a"}))[0].status == "acknowledged"


def test_a_file_that_is_no_database_stops_the_run(tmp_path):
    """A text file in the database's place is named as such."""
    (tmp_path / "a.db").write_text("hello, this is no database at all" * 50)
    with pytest.raises(StopRun) as caught:
        opened(f"sqlite:///{tmp_path}/a.db").describe("people")
    assert "no SQLite database" in caught.value.hint


def test_writing_without_the_right_is_denied(postgres):
    """A user who may read but not write is told so."""
    postgres.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)", "DROP ROLE IF EXISTS reader")
    postgres.run("CREATE ROLE reader LOGIN", "GRANT SELECT ON people TO reader")
    url = postgres.engine.url.set(username="reader").render_as_string(hide_password=False)
    postgres.url = url
    with pytest.raises(AccessDenied, match="permission denied"):
        postgres.push("upsert", ((1,), {"name": "a"}))
    postgres.close()


def driver_error(kind, state):
    """An error as SQLAlchemy wraps one of psycopg's."""
    origin = psycopg.errors.lookup(state)("words") if state else psycopg.OperationalError("words")
    return kind("SELECT canary", {"p": "canary"}, origin)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("40001", Retriable),
        ("40P01", Retriable),
        ("55P03", Retriable),
        ("57014", Retriable),
        ("53300", Retriable),
        ("53100", StopRun),
        ("23505", BatchRejected),
        ("22003", BatchRejected),
        ("42804", BatchRejected),
        ("P0001", BatchRejected),
        ("42501", AccessDenied),
        ("28P01", AccessDenied),
        ("25006", AccessDenied),
        ("42P01", ObjectNotFound),
        ("42703", StopRun),
        ("57P01", Retriable),
    ],
)
def test_sqlstates_say_how_to_recover(state, expected):
    """Each class of SQLSTATE becomes the error that says what to do, without statement and parameters."""
    error = failure(driver_error(exc.OperationalError, state))
    assert type(error) is expected
    assert error.code == state
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("40001", Retriable), ("23505", BatchRejected), ("57P01", AnswerLost), ("08006", AnswerLost), (None, AnswerLost)],
)
def test_only_a_lost_connection_makes_a_commit_doubtful(state, expected):
    """At COMMIT an error the database answered is definite; a broken connection is not."""
    assert type(failure(driver_error(exc.OperationalError, state), committing=True)) is expected


@pytest.mark.parametrize("number", [1045, 1213, 1146, 2013])
def test_mysql_numbers_are_known(number):
    """MySQL's drivers tell errors by number."""
    origin = Exception(number, "words")
    expected = {1045: AccessDenied, 1213: Retriable, 1146: ObjectNotFound, 2013: Retriable}[number]
    assert type(failure(exc.OperationalError("x", {}, origin))) is expected


def test_every_failure_is_ours():
    """Errors without a code are grouped by their kind, and stay errors of our tree."""
    for kind in (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.InternalError, exc.InterfaceError):
        assert isinstance(failure(kind("x", {}, Exception("words"))), TailraceError)


def test_the_mysql_statement():
    """MySQL and MariaDB upsert with their own clause; checked as text, as no server is at hand."""
    table = sa.table("people", sa.column("id"), sa.column("name"))
    made = statements.prepare(statements.upsert(table, ("id", "name"), ("id",), "mysql"), mysql.dialect())
    assert (
        made.text.replace("\n", " ")
        == ("INSERT INTO people (id, name) VALUES (%s, %s) AS new ON DUPLICATE KEY UPDATE name = new.name")
        or "ON DUPLICATE KEY UPDATE name = VALUES(name)" in made.text
    )


@pytest.mark.parametrize("dialect", [sqlite.dialect(), mysql.dialect(), mssql.dialect(), postgresql.dialect()])
def test_parameters_reach_their_columns(dialect):
    """Values are given with the WHERE's last, whatever the order in which the dialect writes the columns."""
    table = sa.table("people", *(sa.column(name) for name in ("a", "b", "c")))
    for statement, names in (
        (statements.update(table, ("c", "b"), ("a",)), ("v0", "v1", "m0")),
        (statements.insert(table, ("c", "a", "b")), ("v0", "v1", "v2")),
        (statements.delete(table, ("b", "a")), ("m0", "m1")),
    ):
        made = statements.prepare(statement, dialect)
        sent = made.parameters([names])[0]
        positions = statement.compile(dialect=dialect).positiontup
        assert made.names == names
        assert sent == (dict(zip(names, names, strict=True)) if positions is None else tuple(positions))
