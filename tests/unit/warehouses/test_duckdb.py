import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from tailrace.errors import WarehouseError
from tailrace.project.warehouses import DuckDBConfig
from tailrace.warehouses import open_warehouse
from tailrace.warehouses.duckdb import DuckDBWarehouse


def warehouse_at(root, path=":memory:"):
    """Open a DuckDB warehouse of the project at `root`."""
    return open_warehouse("main", DuckDBConfig(type="duckdb", path=path), root)


@pytest.fixture
def memory(tmp_path):
    """Open a warehouse without a file."""
    warehouse = warehouse_at(tmp_path)
    yield warehouse
    warehouse.close()


@pytest.fixture
def file(tmp_path):
    """Open a warehouse file of 200,000 customers."""
    with duckdb.connect(tmp_path / "w.duckdb") as connection:
        connection.execute("create table customers as select i as id, 'c' || i as name from range(200000) t(i)")
    warehouse = warehouse_at(tmp_path, "w.duckdb")
    yield warehouse
    warehouse.close()


def test_batches_carry_the_projections_names_and_types(memory, projection, rows_of):
    """One row of every kind of source comes back under role names with DuckDB's own types."""
    asked = projection(
        "select 1 as id, 1.50::decimal(10,2) as ltv, 'ann@x.io' as email, timestamptz '2026-01-01 00:00+01' as seen;",
        LTV={"sql": "ltv * 2"},
        Email={"column": "EMAIL", "hash": "sha256"},
        Seen="seen",
        Source={"value": "x"},
    )
    schema, rows = rows_of(memory, asked)
    assert schema.names == ["k:id", "m:Ext__c", "f:LTV", "f:Email", "f:Seen", "f:Source"]
    assert rows[0]["f:LTV"] == Decimal("3.00")
    assert rows[0]["f:Email"] == hashlib.sha256(b"ann@x.io").hexdigest()
    assert rows[0]["f:Seen"] == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert schema.field("f:Seen").type == pa.timestamp("us", "UTC")


def test_a_large_result_comes_in_batches(file, projection, rows_of):
    """Rows stream in batches of the asked size, and none is lost between them."""
    asked = projection("select * from customers", Name="name")
    with file.read(asked, batch_rows=10_000) as batches:
        sizes = [batch.num_rows for batch in batches]
    assert max(sizes) <= 10_000
    assert sum(sizes) == 200_000


def test_an_empty_result_still_has_its_schema(memory, projection, rows_of):
    """A model without rows gives one empty batch, so that the types are known."""
    schema, rows = rows_of(memory, projection("select 1 as id, 'a' as b where false", B="b"))
    assert (schema.field("f:B").type, rows) == (pa.string(), [])


def test_a_null_hash_stays_null(memory, projection, rows_of):
    """Hashing a missing value must not invent a digest for it."""
    asked = projection("select 1 as id, null::varchar as email", E={"column": "email", "hash": "sha256"})
    assert rows_of(memory, asked)[1][0]["f:E"] is None


def test_models_read_files_relative_to_the_project(tmp_path, memory, projection, rows_of, monkeypatch):
    """A CSV named in a model is found from any working directory, globs included."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("id,name\n1,Ann\n")
    monkeypatch.chdir("/")
    for name in ("data/x.csv", "data/*.csv"):
        assert rows_of(memory, projection(f"select * from '{name}'", N="name"))[1][0]["f:N"] == "Ann"


def test_variables_of_the_process_are_no_tables(memory, projection, rows_of):
    """DuckDB's lookup of Python variables by table name is off: a model cannot read the program."""
    with pytest.raises(WarehouseError, match="projection"):
        rows_of(memory, projection("select 1 as id from projection"))


def test_a_missing_column_names_the_nearest(memory, projection, rows_of):
    """A misspelt column is reported with the model's nearest one."""
    with pytest.raises(WarehouseError, match=r"no column 'email_adr'\n.*did you mean 'email_addr'\?.*id, email_addr"):
        rows_of(memory, projection("select 1 as id, 'a' as email_addr", E="email_adr"))


def test_a_fault_in_the_model_is_told_from_one_in_a_field(memory, projection, rows_of):
    """The error says whether the model, with its own line number, or a field's sql has to be mended."""
    with pytest.raises(WarehouseError, match=r"the model's SQL fails: (?s:.*)LINE 2:"):
        rows_of(memory, projection("select 1 as id,\n selct 2 from", E={"sql": "1"}))
    with pytest.raises(WarehouseError, match=r"the source of field 'E' fails.*nope"):
        rows_of(memory, projection("select 1 as id", A={"sql": "id"}, E={"sql": "nope + 1"}))


def test_a_failure_in_mid_stream_is_a_warehouse_error(file, projection, rows_of):
    """A cast that fails at a late row is reported as such, not as a foreign exception."""
    asked = projection("select id, case id when 150000 then 'x' else '1' end as v from customers", V={"sql": "v::int"})
    with pytest.raises(WarehouseError, match=r"reading the model failed.*Could not convert"):
        rows_of(file, asked)


def test_the_file_is_opened_read_only(file, tmp_path):
    """Nothing can be written to a warehouse file, and reading leaves its bytes as they were."""
    before = (tmp_path / "w.duckdb").read_bytes()
    assert file.check() == f"DuckDB {duckdb.__version__}, w.duckdb"
    with pytest.raises(duckdb.Error, match="read-only"):
        file._connection().execute("create table x (a int)")
    assert (tmp_path / "w.duckdb").read_bytes() == before


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    """A path that leads nowhere is named in full, and no empty database is made in its place."""
    with pytest.raises(WarehouseError, match=r"there is no DuckDB file .*nope\.duckdb"):
        warehouse_at(tmp_path, "nope.duckdb").check()
    assert not (tmp_path / "nope.duckdb").exists()


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A CSV given as a database is an error that points to `:memory:`."""
    for name in ("x.csv", "x.duckdb"):
        (tmp_path / name).write_text("id\n1\n" * 1000)
        with pytest.raises(WarehouseError, match=":memory:"):
            warehouse_at(tmp_path, name).check()


def test_a_locked_file_says_who_holds_it(tmp_path):
    """While another process writes to the file, the error says that and what to do."""
    path = tmp_path / "w.duckdb"
    holder = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(WarehouseError, match="another connection holds the file"):
            warehouse_at(tmp_path, "w.duckdb").check()
    finally:
        process.communicate()


def test_columns_come_without_running_the_model(memory):
    """The columns of a model that could never be run in time are known at once."""
    assert memory.columns("select i as a, i as b from range(1000000000000) t(i) order by hash(i)") == ("a", "b")


def test_a_limited_warehouse_gives_memory_back_when_the_last_batch_was_read(tmp_path, projection, monkeypatch):
    """It sets the limit again, once, before the read ends; that another query needs all of it then is no fault."""
    told = []

    def limit(connection, memory):
        told.append((connection.execute("select 1").fetchone(), memory))
        if len(told) > 1:
            raise duckdb.OutOfMemoryException("there is no room")

    monkeypatch.setattr(DuckDBWarehouse, "_limit", staticmethod(limit))
    config = DuckDBConfig(type="duckdb", path=":memory:")
    warehouse = open_warehouse("main", config, tmp_path, memory=100 * 1024**2)
    with warehouse.read(projection("select range as id, 'x' as name from range(10)", Name="name")) as batches:
        assert sum(batch.num_rows for batch in batches) == 10
        assert told == [((1,), 100 * 1024**2)] * 2
    warehouse.close()
    assert len(told) == 2
