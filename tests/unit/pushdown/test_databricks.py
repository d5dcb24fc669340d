"""Snapshots in Databricks, which has no transaction for them: what its desk says to the connector, and hears of it.

No workspace has answered any of it: the connector's part is played by the tests, over DuckDB where rows matter.
"""

import datetime as dt
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
from databricks.sql.exc import ServerOperationError
from tests.unit.pushdown.delta import Connection
from tests.unit.pushdown.test_bigquery import between, values
from tests.unit.pushdown.test_words import IDENTITY, SPEC, Bench, delivered

from tailrace.errors import SnapshotError, WarehouseError
from tailrace.pushdown.databricks import DatabricksDesk
from tailrace.pushdown.databricks_words import sort
from tailrace.pushdown.rights import missing
from tailrace.pushdown.store import WarehouseStore
from tailrace.pushdown.words import OTHER, Sort
from tailrace.running.check import _writable
from tailrace.values import LogicalType
from tailrace.warehouses.dialects import Dialect

OVERTAKEN = "changed by another run"


@pytest.fixture
def bench(databricks, tmp_path):
    """A sync whose first run is in its snapshot."""
    made = Bench(databricks, tmp_path)
    made.run("SELECT 1 AS id, 'a' AS v")
    return made


def failing(monkeypatch, session, beginning, error):
    """Have statements that begin so fail."""
    asked = session.asked

    def answer(sql, parameters):
        if sql.startswith(beginning):
            raise error
        return asked(sql, parameters)

    monkeypatch.setattr(session, "asked", answer)


def test_of_two_that_write_at_once_the_second_is_refused(bench, monkeypatch):
    """Though both saw the same revision when they began to write: its UPDATE finds no such manifest."""
    known = bench.store.open(IDENTITY)
    mine, _ = bench.compare("SELECT 1 AS id, 'mine' AS v")
    theirs, _ = bench.compare("SELECT 1 AS id, 'theirs' AS v")
    between(monkeypatch, lambda: bench.store.commit(known, delivered(theirs, SPEC), "theirs"))
    with pytest.raises(SnapshotError, match=OVERTAKEN):
        bench.store.commit(known, delivered(mine, SPEC), "mine")
    assert values(bench) == ["theirs"]


@pytest.mark.parametrize(
    "said",
    [
        "[DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES] ConcurrentAppendException: Files were added by another",
        "com.databricks.sql.transaction.tahoe.ConcurrentDeleteReadException: This transaction read files that",
        "[DELTA_CONCURRENT_DELETE_DELETE] …",
    ],
)
def test_what_delta_refuses_since_another_has_written_was_overtaken(bench, monkeypatch, said):
    """Of two UPDATEs that run at the same time it fails one, which has moved nothing."""
    found, _ = bench.compare("SELECT 1 AS id, 'b' AS v")
    failing(monkeypatch, bench.warehouse.session, "UPDATE", ServerOperationError(said))
    with pytest.raises(SnapshotError, match=OVERTAKEN):
        bench.store.commit(bench.store.open(IDENTITY), delivered(found, SPEC), "run")
    monkeypatch.undo()
    assert values(bench) == ["a"]


@pytest.mark.parametrize(
    ("beginning", "said"), [("UPDATE", "[DIVIDE_BY_ZERO]"), ("MERGE", "[DELTA_CONCURRENT_APPEND]")]
)
def test_other_failures_are_told_as_what_they_are(bench, monkeypatch, beginning, said):
    """And leave the snapshot as it was."""
    found, _ = bench.compare("SELECT 1 AS id, 'b' AS v")
    failing(monkeypatch, bench.warehouse.session, beginning, ServerOperationError(said))
    with pytest.raises(WarehouseError, match="writing the snapshot failed"):
        bench.store.commit(bench.store.open(IDENTITY), delivered(found, SPEC), "run")
    monkeypatch.undo()
    assert values(bench) == ["a"]


def test_a_manifest_of_the_same_revision_is_told_by_its_table(bench):
    """The statement that makes rows known looks for the very manifest that was planned on."""
    known = bench.store.open(IDENTITY)
    bench.store.forget(IDENTITY)
    bench.run("SELECT 2 AS id, 'anew' AS v")
    assert bench.store.open(IDENTITY).revision == known.revision
    with bench.warehouse.desk(write=True) as desk, pytest.raises(SnapshotError, match=OVERTAKEN):
        bench.store.save(desk, known, known.manifest)
    assert values(bench) == ["anew"]


def test_a_table_that_was_replaced_stays_for_a_day_from_then_on(bench, monkeypatch):
    """Though it was made long before; a commit after that day drops it, and whoever reads it meanwhile reads on."""
    now, session = dt.datetime.now(dt.UTC), bench.warehouse.session
    moments = {days: now + dt.timedelta(days=days) for days in (7, 7.5, 9)}
    known = bench.store.open(IDENTITY)
    for days, value in ((7, "b"), (7.5, "c")):
        monkeypatch.setattr(session, "clock", lambda days=days: moments[days])
        bench.store = WarehouseStore(
            bench.warehouse, "values", work=bench.root / "work", clock=lambda days=days: moments[days]
        )
        bench.run(f"SELECT 1 AS id, '{value}' AS v")
        assert known.frame()["f:v"].to_list() == ["a"]
    second = bench.store.open(IDENTITY)
    bench.store = WarehouseStore(bench.warehouse, "values", work=bench.root / "work", clock=lambda: moments[9])
    bench.run("SELECT 1 AS id, 'd' AS v")
    assert values(bench) == ["d"]
    with bench.warehouse.desk(write=False) as desk:
        assert not desk.has_table("values", known.manifest.table)
        assert desk.has_table("values", second.manifest.table)


def desk(answer, *, write=True, rowcount=-1):
    """A desk over a connector that keeps the statements, and answers as it is told."""
    said = []

    def asked(sql, parameters):
        said.append((sql, parameters))
        return answer(sql)

    raw = Connection(SimpleNamespace(answer=asked))
    cursor = raw.cursor

    def counting():
        made = cursor()
        made.rowcount = rowcount
        return made

    raw.cursor = counting
    fault = lambda what, error: WarehouseError(f"{what}: {error}")  # noqa: E731 - as a warehouse would
    made = DatabricksDesk(raw, Dialect("databricks", lambda name: name), fault, write=write)
    made.said = said
    return made


def refusing(error):
    """What fails always."""

    def answer(_sql):
        raise ServerOperationError(error)

    return answer


def test_what_is_not_there_is_told_from_what_may_not_be_seen():
    """Else a user who lost a right would have every row taken for new."""
    gone = desk(refusing("[TABLE_OR_VIEW_NOT_FOUND] The table or view `s`.`t` cannot be found. SQLSTATE: 42P01"))
    assert not gone.has_table("s", "t")
    assert not desk(refusing("[SCHEMA_NOT_FOUND] …"), write=False).has_schema("s")
    hidden = desk(refusing("[INSUFFICIENT_PERMISSIONS] User does not have USE SCHEMA on Schema 'main.s'."))
    with pytest.raises(WarehouseError, match="USE SCHEMA"):
        hidden.has_table("s", "t")
    assert [sql for sql, _ in hidden.said] == ["DESCRIBE TABLE `s`.t"]


def test_rows_that_were_written_are_told_by_the_result_or_else_by_the_connector():
    """And where neither tells, nothing is taken for done."""
    update = "UPDATE t SET a = 1"
    told = pa.table({"num_affected_rows": [3]})
    assert desk(lambda _: told, rowcount=7).run(update) == 3
    assert desk(lambda _: pa.table({}), rowcount=7).run(update) == 7
    with pytest.raises(WarehouseError, match="does not say how many rows"):
        desk(lambda _: pa.table({})).run(update)
    # A clone's result tells of files.
    assert desk(lambda _: pa.table({"source_num_of_files": [12]})).run("CREATE TABLE a DEEP CLONE b") == 0


def test_rows_that_are_lost_on_the_way_stop_the_run():
    """One statement for each part, whose values are one parameter."""
    frame, columns = (
        pl.DataFrame({"a": ["x", None], "b": [1, 2]}),
        {"a": LogicalType("string"), "b": LogicalType("int64")},
    )
    right = desk(lambda _: pa.table({"num_affected_rows": [2], "num_inserted_rows": [2]}))
    right.load("`s`.t", ["k0", "f0"], frame, columns)
    ((sql, parameters),) = right.said
    assert sql.startswith("INSERT INTO `s`.t (k0, f0) SELECT v.v0, v.v1 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS")
    assert parameters == ['[["x","1"],[null,"2"]]']
    with pytest.raises(WarehouseError, match="of 2 rows Databricks has written 0"):
        desk(lambda _: pa.table({"num_affected_rows": [0]})).load("`s`.t", ["k0", "f0"], frame, columns)


def test_values_that_are_too_long_for_one_statement_go_in_several():
    """None of which is longer than a statement may be."""
    frame = pl.DataFrame({"a": ["x" * 1_000_000] * 6})
    made = desk(lambda _: pa.table({}))
    made.load("t", ["k0"], frame, {"a": LogicalType("string")})
    assert len(made.said) > 1
    assert max(len(parameters[0]) for _, parameters in made.said) < 16 * 2**20 / 6


def test_times_of_day_are_texts_there_and_times_again_here(databricks):
    """Whatever else a column may be that has a type of its own."""
    frame = pl.DataFrame({"t": [dt.time(12, 30, 0, 5), None], "n": [1, 2]})
    with databricks.desk(write=True) as made:
        made.run("CREATE SCHEMA IF NOT EXISTS `times`")
        made.run("DROP TABLE IF EXISTS `times`.t")
        made.run(f"CREATE TABLE `times`.t (t {made.words.column(LogicalType('time'))}, n BIGINT)")
        made.load("`times`.t", ["t", "n"], frame, {"t": LogicalType("time"), "n": LogicalType("int64")})
        known = {0: pa.time64("us"), 1: pa.int64()}
        found = pa.Table.from_batches(made.stream("SELECT t, n FROM `times`.t ORDER BY n", ["t", "n"], known, 1))
        assert made.rows("SELECT t FROM `times`.t WHERE n = ?", [1]) == [("12:30:00.000005",)]
    assert found.to_pydict() == frame.to_dict(as_series=False)


def test_a_catalogue_that_does_not_tell_ages_holds_no_snapshots():
    """It would keep every copy for good."""
    old = desk(lambda sql: pa.table({"current_catalog()": ["hive_metastore"]}) if "CATALOG" in sql else pa.table({}))
    (sentence,) = missing(old, "tailrace")
    assert "catalog hive_metastore" in sentence
    with pytest.raises(WarehouseError, match=r"cannot be kept in schema 'tailrace'.*Unity Catalog"):
        old.has_schema("tailrace")


def test_check_says_that_it_was_never_tried(databricks):
    """Where nothing else stands against it."""
    session = SimpleNamespace(warehouse=lambda _name: databricks, schema="tailrace")
    assert _writable(session, "bricks") == "snapshots can be kept there (not tried on a workspace of Databricks yet)"


def test_a_refusal_for_want_of_rights_says_which_are_needed(databricks):
    """And what it says is no secret; other refusals may quote a row."""
    refused = ServerOperationError("[INSUFFICIENT_PERMISSIONS] User does not have CREATE TABLE on Schema 'main.s'.")
    told = databricks._told("writing the snapshot failed", refused)
    assert "CREATE TABLE on Schema" in str(told.discreet)
    assert "USE CATALOG" in told.hint
    assert "42" not in str(databricks._told("it failed", ServerOperationError("[CAST_INVALID_INPUT] '42'")).discreet)


def test_statements_say_whose_work_they_are(databricks, monkeypatch):
    """By a comment, as others there do."""
    said = []
    cursor = SimpleNamespace(
        execute=lambda sql, *_: said.append(sql), fetchall=list, description=[("a",)], close=lambda: None, cancel=None
    )
    monkeypatch.setattr(Connection, "cursor", lambda _self: cursor)
    with databricks.desk(write=False) as made:
        made.rows("SELECT 1")
    assert said == ["/* tailrace */ SELECT 1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("decimal(10,2)", Sort("decimal", 2)),
        ("smallint", Sort("int")),
        ("float", Sort("float")),
        ("string", Sort("text")),
        ("string collate UNICODE_CI", Sort("text")),
        ("varchar(20)", Sort("text")),
        ("char(3)", OTHER),
        ("timestamp", Sort("timestamptz")),
        ("timestamp_ntz", Sort("timestamp")),
        ("array<bigint>", Sort("list")),
        ("array<double>", OTHER),
        ("array<string collate UNICODE>", OTHER),
        ("struct<a:int>", OTHER),
        ("map<string,int>", OTHER),
        ("interval day to second", OTHER),
        ("variant", OTHER),
        ("void", OTHER),
    ],
)
def test_what_columns_are(name, expected):
    """By what DESCRIBE QUERY calls their types; what JSON is written of otherwise comes out."""
    assert sort(name) == expected
