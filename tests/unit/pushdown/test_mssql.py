"""What SQL Server's desk says to its driver, and in which order; no SQL Server has answered any of it."""

import json
import sys
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp
from tests.unit.pushdown.test_golden import IDENTITY, MODEL, SERVERS, SPEC
from tests.unit.pushdown.test_words import Bench, delivered

from tailrace.errors import SnapshotError, WarehouseError
from tailrace.pushdown import tables
from tailrace.pushdown.dbapi import ending
from tailrace.pushdown.mssql import WORDS, MSSQLDesk, sort
from tailrace.pushdown.rights import missing
from tailrace.pushdown.words import OTHER, Sort
from tailrace.running.check import _writable
from tailrace.values import LogicalType

pymssql = pytest.importorskip("pymssql", reason="pymssql is not installed")
LATE = "UPDATE [values].tailrace_snapshots"


@pytest.fixture
def server():
    """A driver's connection that keeps the statements."""
    made = SERVERS["mssql"]()
    made._fault = lambda what, error: WarehouseError(f"{what}: {error}")
    desk = made.made
    made.made = lambda connection, dialect, _fault, *, write: desk(connection, dialect, made._fault, write=write)
    return made


@pytest.fixture
def bench(server, tmp_path):
    """A sync over it that has run once."""
    made = Bench(server, tmp_path, SPEC, IDENTITY)
    made.run(MODEL)
    server.said.clear()
    return made


def kinds(said):
    """The first words of statements, and what they write to."""
    return [sql.split(" (")[0] for sql in said if not sql.startswith(("SELECT", "SET"))]


def test_tables_are_made_before_and_the_manifest_moves_at_the_end(server, tmp_path):
    """Begin, claim, rows, manifest, commit: whoever comes meanwhile waits at the claim."""
    bench = Bench(server, tmp_path, SPEC, IDENTITY)
    found, _ = bench.compare(MODEL)
    server.said.clear()
    bench.store.commit(bench.store.open(IDENTITY), delivered(found, SPEC), "run")
    (table,) = (sql.split()[2] for sql in server.said if sql.startswith("CREATE TABLE [values].snapshot_"))
    begun, done = server.said.index("ROLLBACK"), server.said.index("COMMIT")
    assert kinds(server.said[begun + 1 : done + 1]) == [
        "EXEC sp_getapplock @Resource = N'tailrace', @LockMode = N'Exclusive', @LockOwner = N'Session'",
        "CREATE SCHEMA [values]",
        "CREATE TABLE [values].tailrace_snapshots",
        f"CREATE TABLE {table}",
        "BEGIN TRANSACTION",
        "INSERT INTO [values].tailrace_snapshots",
        f"INSERT INTO {table}",
        "UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s",
        "COMMIT",
    ]
    claim = next(sql for sql in server.said if sql.startswith("INSERT INTO [values].tailrace_snapshots"))
    assert "WITH (UPDLOCK, HOLDLOCK, ROWLOCK)" in claim


def test_a_session_takes_all_back_at_an_error_and_counts_what_it_writes(server):
    """Whatever the server's own settings are, and before anything else."""
    with server.desk(write=False):
        pass
    first, *rest = server.said
    assert {"SET XACT_ABORT ON", "SET NOCOUNT OFF"} <= set(first.split("; "))
    assert rest == ["BEGIN TRANSACTION", "ROLLBACK"]


@pytest.mark.parametrize("error", [pymssql.OperationalError("deadlock victim"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["INSERT INTO [values].snapshot_", LATE])
def test_what_was_written_is_taken_back(server, bench, monkeypatch, where, error):
    """At an error, which is told without the driver's class, and when somebody stops the run; then nothing follows."""
    server.counted, answer = 3, server.answer
    server.model = server.model.append_column("extra", pa.array(["x", "y"])).select(server.model.column_names)
    found, _ = bench.compare(MODEL, full=True)
    known = bench.store.open(IDENTITY)

    def failing(sql, parameters):
        if sql.startswith(where):
            raise error
        return answer(sql, parameters)

    monkeypatch.setattr(server, "answer", failing)
    server.said.clear()
    with pytest.raises(WarehouseError if isinstance(error, Exception) else KeyboardInterrupt):
        bench.store.commit(known, delivered(found, SPEC), "run")
    assert server.said[-1] == "ROLLBACK"
    assert server.said[-2].startswith(where)
    assert "BEGIN TRANSACTION" in server.said


def test_a_run_that_was_overtaken_takes_back_its_rows(server, bench):
    """Where the manifest has moved on before its turn came, nothing is saved."""
    found, _ = bench.compare(MODEL, full=True)
    known = bench.store.open(IDENTITY)
    server.manifest = (known.revision + 1, server.manifest[1])
    server.said.clear()
    with pytest.raises(SnapshotError, match="changed by another run"):
        bench.store.commit(known, delivered(found, SPEC), "run")
    assert server.said[-1] == "ROLLBACK"
    assert not [sql for sql in server.said if sql.startswith((LATE, "INSERT INTO [values].snapshot_"))]


def test_an_error_at_the_very_beginning_is_told(server):
    """Such as that the connection has gone, which pymssql tells by an error of another kind."""
    gone = pymssql._mssql.MSSQLDriverException("not connected")

    def autocommit(_on):
        raise gone

    server.autocommit = autocommit
    with pytest.raises(WarehouseError, match="a session could not begin"), server.desk(write=True):
        pass


def test_columns_are_what_the_server_says(server):
    """The query goes there as bytes: a text loses line ends that follow a backslash."""
    asked, sql = [], "SELECT 'a\\\nb' AS é"
    answer = server.answer
    server.answer = lambda sql, parameters: asked.append((sql, parameters)) or answer(sql, parameters)
    with server.desk(write=False) as desk:
        found = desk.sorts(sql)
    assert [each.kind for each in found] == ["text", "int", "text", "float", "date", "text", "decimal"]
    ((_, parameters),) = [each for each in asked if each[1]]
    assert parameters == [sql.encode("utf-16-le")]


def test_what_cannot_be_described_is_read_all_the_same(server):
    """Nothing is known of its columns then, but how many there are."""
    server.codes = [(None, "cannot be described")]
    with server.desk(write=False) as desk:
        assert desk.sorts("SELECT c FROM OPENQUERY(other, 'SELECT 1')") == [OTHER]
    assert "WHERE 1 = 0" in server.said[-2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("decimal(10,2)", Sort("decimal", 2, pa.decimal128(38, 2))),
        ("numeric(5)", Sort("decimal", 0, pa.decimal128(38, 0))),
        ("money", Sort("decimal", 4, pa.decimal128(38, 4))),
        ("nvarchar(max)", Sort("text", arrow=pa.string())),
        ("timestamp", Sort("bytes", arrow=pa.binary())),
        ("datetime", Sort("milliseconds", arrow=pa.timestamp("us"))),
        ("datetime2(7)", Sort("timestamp", arrow=pa.timestamp("us"))),
        ("xml", OTHER),
        ("sql_variant", OTHER),
        (None, OTHER),
    ],
)
def test_what_columns_are(name, expected):
    """By the server's names of types; what has no certain form as text is not compared there."""
    assert sort(name) == expected


@pytest.mark.parametrize(
    ("driver", "form"), [("pymssql", "LOWER(CAST(m AS NVARCHAR(36)))"), ("pyodbc", "CAST(m AS NVARCHAR(36))")]
)
def test_ids_are_written_as_the_driver_does(driver, form):
    """One gives objects, whose text is in small letters; the other the server's own text, in capitals."""
    terms = WORDS[driver].equal("m", Sort("uuid"), "s", LogicalType("string"))
    assert terms.model == f"(CAST({form} AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.')"


def test_moments_are_compared_to_their_last_digit():
    """A cast to fewer digits would round what drivers cut off."""
    terms = WORDS["pymssql"].equal("m", Sort("timestamptz"), "s", LogicalType("timestamptz"))
    assert (terms.model, terms.stored) == ("CAST(m AS DATETIMEOFFSET(7))", "CAST(s AS DATETIMEOFFSET(7))")


ODD = ["a\0b", "it's", "%s %d %(x)s", "\\\n", "\\", "\u2028", "😀", "[^!-~]", None, ""]


def test_values_reach_the_server_whole(server):
    """The driver writes them into the statement, which ends at a NUL, and loses a line's end behind a backslash."""
    frame = pl.DataFrame({"t": ODD, "f": [0.1, -0.0, 5e300, *[None] * 7]}, schema={"t": pl.String, "f": pl.Float64})
    columns = {"t": LogicalType("string"), "f": LogicalType("float64")}
    with server.desk(write=False) as desk, desk.values(frame, columns) as (given, parameters):
        statement = pymssql._mssql.substitute_params(f"SELECT v.v0 FROM {given} AS v", tuple(parameters))
    assert b"\0" not in statement
    assert b"\\\n" not in statement
    (document,) = sqlglot.parse_one(statement.decode(), dialect="tsql").find_all(exp.National)
    assert [row[0] for row in json.loads(document.this)] == ODD
    assert [row[1] for row in json.loads(document.this)][:3] == [
        "1.0000000000000001e-01",
        "-0.0000000000000000e+00",
        "5.0000000000000003e+300",
    ]


def test_numbers_that_no_column_holds_count_as_unknown():
    """As only a destination can have them; zero is none of them."""
    values = [
        0.0,
        -0.0,
        2.2250738585072014e-308,
        -1.5,
        None,
        2.2250738585072009e-308,
        -5e-324,
        float("nan"),
        float("inf"),
    ]
    frame = pl.DataFrame(
        {"f:v": values, "unknown": [[]] * len(values)}, schema={"f:v": pl.Float64, "unknown": tables.UNKNOWN}
    )
    kept = tables._without_odd(frame, ["f:v"], WORDS["pymssql"])
    assert kept["f:v"].to_list() == [*values[:5], None, None, None, None]
    assert kept["unknown"].to_list() == [[]] * 5 + [["v"]] * 4


def test_check_says_that_it_was_never_tried(server):
    """Whoever keeps snapshots there is told."""
    server.answer = lambda sql, parameters: [("etl",)] if "USER_NAME" in sql else [(1,)]
    session = SimpleNamespace(warehouse=lambda _name: server, schema="tailrace")
    assert _writable(session, "main") == "snapshots can be kept there (not tried on a SQL Server yet)"


class Error(Exception):
    """As pyodbc's."""


def test_pyodbc_is_told_by_an_attribute_and_marks(server, monkeypatch):
    """Its connection's autocommit is no method, and it takes question marks."""
    monkeypatch.setitem(sys.modules, "pyodbc", SimpleNamespace(Error=Error))
    server.autocommit = False
    desk = MSSQLDesk(server, server.dialect, server._fault, driver="pyodbc", write=False)
    with ending(desk):
        assert server.autocommit is True
        desk.sorts("SELECT 1 AS c")
    assert "CAST(? AS NVARCHAR(MAX))" in server.said[-2]


@pytest.mark.parametrize(
    ("there", "may", "expected"),
    [
        (True, {"CREATE TABLE", "ALTER", "SELECT", "INSERT", "UPDATE", "DELETE"}, []),
        (
            True,
            {"SELECT"},
            ["GRANT CREATE TABLE TO [etl]];];", "GRANT ALTER, INSERT, UPDATE, DELETE ON SCHEMA::[x] TO [etl]];];"],
        ),
        (False, {"CREATE TABLE"}, ["GRANT CREATE SCHEMA TO [etl]];];"]),
    ],
)
def test_rights_that_are_missing_are_told_as_statements(server, there, may, expected):
    """By what the server says of each."""

    def answer(sql, parameters):
        if "USER_NAME" in sql:
            return [("etl];",)]
        if "sys.schemas" in sql:
            return [(1,)] if there else []
        return [(int(parameters[-1] in may),)] if parameters else []

    server.answer = answer
    with server.desk(write=False) as desk:
        assert missing(desk, "x") == expected
