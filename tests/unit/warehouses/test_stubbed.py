"""Snowflake, Databricks and BigQuery: what their drivers would give, from stubs where the network would begin."""

import threading
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import ARRAY, Integer, create_engine, func, literal_column, select

from tailrace.errors import WarehouseError
from tailrace.project.types import Secret, SecretUrl
from tailrace.project.warehouses import BigQueryConfig, SnowflakeConfig
from tailrace.stopping import RunStop, StopNow, heeding
from tailrace.warehouses import engines, open_warehouse
from tailrace.warehouses.databricks import DatabricksWarehouse
from tailrace.warehouses.snowflake import Cancel

SNOWFLAKE_COLUMNS = [  # name, type code, display size, internal size, precision, scale, may be null
    ("C0", 0, None, None, 38, 0, True),
    ("C1", 0, None, None, 38, 0, True),
    ("C2", 0, None, None, 12, 2, True),
    ("C3", 2, None, 255, None, None, True),
    ("C4", 6, None, None, 0, 9, True),
    ("C5", 5, None, None, None, None, True),
]
SNOWFLAKE_ROWS = [
    (1, 1, Decimal("1.50"), None, datetime(2026, 1, 1, tzinfo=UTC), '{"a": 1}'),
    (2, 2, None, "b", None, None),
]


class SnowflakeCursor:
    """Answers the dialect's own questions and one model's query."""

    rowcount = -1
    arraysize = 1

    def __init__(self, log):
        self.log, self.rows, self.description = log, [], None

    def execute(self, command, params=None, **_options):
        """Log a statement and prepare its answer."""
        self.log.append((command, params))
        if "CURRENT_VERSION" in command:
            self.description, self.rows = [("V", 2, None, None, None, None, True)], [("9.1.0",)]
        elif "current_schema" in command:
            self.description, self.rows = [(n, 2, None, None, None, None, True) for n in "DS"], [("DB", "PUBLIC")]
        elif "AS c0" in command:
            self.description, self.rows = SNOWFLAKE_COLUMNS, list(SNOWFLAKE_ROWS)
        else:
            self.description = [("CUSTOMER_ID", 0, None, None, 38, 0, True), ("Odd", 2, None, None, None, None, True)]
        return self

    def fetchone(self):
        """Give the next row."""
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size):
        """Give the next rows."""
        taken, self.rows = self.rows[:size], self.rows[size:]
        return taken

    def fetchall(self):
        """Give all rows left."""
        return self.fetchmany(len(self.rows))

    def close(self):
        """Do nothing."""


class ArrowCursor(SnowflakeCursor):
    """Answers as Snowflake does by default: in chunks whose numbers are as wide as they need to be."""

    _query_result_format = "arrow"

    def fetch_arrow_batches(self, *, force_microsecond_precision):
        """Give a narrow chunk of two rows, then a wide one."""
        assert force_microsecond_precision
        stamp = pa.timestamp("us", "America/New_York")
        for whole, scaled, key in (
            (pa.int8(), pa.decimal128(3, 2), 1),
            (pa.decimal128(38, 0), pa.decimal128(12, 2), 3),
        ):
            values = {
                "C0": pa.array([Decimal(key), Decimal(key + 1)]).cast(whole),
                "C1": pa.array([1, 2], whole),
                "C2": pa.array([Decimal("1.50"), None], scaled),
                "C3": pa.array([None, None], pa.string()),
                "C4": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None], stamp),
                "C5": pa.array(['{"a": 1}', None]),
            }
            yield pa.table(values)


class SnowflakeConnection:
    """What `snowflake.connector.connect` would give."""

    session_id = 77
    cursors = SnowflakeCursor

    def __init__(self, log):
        self.log = log

    def cursor(self, *_args):
        """Give a cursor that writes to the same log."""
        return self.cursors(self.log)

    def close(self):
        """Do nothing."""

    def __getattr__(self, _name):
        return lambda *_args, **_options: None


@pytest.fixture
def snowflake(monkeypatch, tmp_path):
    """Open a Snowflake warehouse of the configuration given; the log holds connect options and statements."""
    log = []

    def connect(*_args, **options):
        log.append(options)
        return SnowflakeConnection(log)

    monkeypatch.setattr("snowflake.connector.connect", connect)
    monkeypatch.setattr("snowflake.connector.Connect", connect, raising=False)

    def opened(**config):
        return open_warehouse("sf", SnowflakeConfig(type="snowflake", **config), tmp_path), log

    return opened


def test_snowflake_rows_take_the_types_of_its_driver(snowflake, projection, rows_of):
    """Type codes of the connector decide the Arrow types; percent signs stay as they are written."""
    warehouse, log = snowflake(account="acme-x", user="app", password=Secret.literal("p@ss/word"))
    asked = projection(
        "select id, ltv from customers where name like 'a%';",
        Ltv="ltv",
        Name={"sql": "name"},
        Seen={"sql": "seen"},
        Extra={"sql": "extra"},
    )
    schema, rows = rows_of(warehouse, asked, batch_rows=1)
    assert [field.type for field in schema] == [
        pa.int64(),
        pa.int64(),
        pa.decimal128(38, 2),
        pa.string(),
        pa.timestamp("us", "UTC"),
        pa.string(),
    ]
    assert [row["f:Ltv"] for row in rows] == [Decimal("1.50"), None]
    command, params = next(entry for entry in log if isinstance(entry, tuple) and "AS c0" in entry[0])
    assert "like 'a%'" in command
    assert not params


def test_snowflake_chunks_take_the_declared_types(snowflake, projection, rows_of, monkeypatch):
    """Chunks of the connector differ in width; batches do not, and none has more rows than asked for."""
    monkeypatch.setattr(SnowflakeConnection, "cursors", ArrowCursor)
    warehouse, log = snowflake(account="acme-x", user="app", password=Secret.literal("x"))
    asked = projection("select 1", Ltv="ltv", Name="name", Seen="seen", Extra="extra")
    schema, rows = rows_of(warehouse, asked, batch_rows=1)
    wanted = [pa.int64(), pa.int64(), pa.decimal128(38, 2), pa.string(), pa.timestamp("us", "UTC"), pa.string()]
    assert [field.type for field in schema] == wanted
    assert [row["k:id"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["f:Seen"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert log[0]["arrow_number_to_decimal"] is True


def test_snowflake_is_told_to_end_what_the_session_runs():
    """Cancelling asks once, in a statement of its own, and again only where that failed."""

    def fail():
        raise OSError("no network")

    log = []
    connection = SnowflakeConnection(log)
    cancel = Cancel(connection)
    connection.cursors = lambda _log: fail()
    cancel()
    connection.cursors = SnowflakeCursor
    cancel()
    cancel()
    assert [command for command, _ in log] == ["SELECT SYSTEM$CANCEL_ALL_QUERIES(77)"]


class DatabricksCursor:
    """Gives tables as Databricks' cursor does, the last one without rows."""

    description = (("c0", "bigint"), ("c1", "bigint"), ("c2", "array"))

    def __init__(self, pieces, log):
        self.pieces, self.log = pieces, log

    def execute(self, sql):
        """Log the statement."""
        self.log.append(sql)

    def fetchmany_arrow(self, size):
        """Give the next rows, at most so many."""
        self.log.append(size)
        table, self.pieces = self.pieces.slice(0, size), self.pieces.slice(size)
        return table

    def cancel(self):
        """Do nothing."""

    def close(self):
        """Log it."""
        self.log.append("closed")


@pytest.fixture
def databricks(monkeypatch):
    """A Databricks warehouse above a stub of its connection, and the log of what that is asked."""
    log = []

    def opened(rows):
        engine = create_engine("sqlite://")
        engine.dialect.name = "databricks"
        warehouse = DatabricksWarehouse("dbx", engine)
        stub = SimpleNamespace(cursor=lambda: DatabricksCursor(rows, log))
        monkeypatch.setattr(warehouse, "_driver", lambda: nullcontext(stub))
        return warehouse, log

    return opened


@pytest.mark.parametrize("count", [0, 3])
def test_databricks_gives_arrow_a_piece_at_a_time(databricks, projection, rows_of, count):
    """Rows are fetched as many as asked for at once; lists stay lists, an empty result has its types."""
    rows = pa.table({"c0": range(count), "c1": range(count), "c2": [["a", None]] * count}).cast(
        pa.schema([("c0", pa.int64()), ("c1", pa.int64()), ("c2", pa.list_(pa.string()))])
    )
    warehouse, log = databricks(rows)
    schema, found = rows_of(warehouse, projection("select 1", Tags="tags"), batch_rows=2)
    assert [field.type for field in schema] == [pa.int64(), pa.int64(), pa.list_(pa.string())]
    assert [row["f:Tags"] for row in found] == [["a", None]] * count
    assert log[0].startswith("/* tailrace */ SELECT\n")
    assert (set(log[1:-1]), log[-1]) == ({2}, "closed")


def test_databricks_query_is_cancelled_when_the_run_is_asked_to_stop(databricks, projection, rows_of, monkeypatch):
    """The cursor is told so from another thread, and the run stops."""
    cancelled = threading.Event()
    monkeypatch.setattr(DatabricksCursor, "execute", lambda _self, _sql: cancelled.wait(60))
    monkeypatch.setattr(DatabricksCursor, "cancel", lambda _self: cancelled.set())
    warehouse, _log = databricks(pa.table({"c0": [1], "c1": [1]}))
    stop = RunStop()
    stop.ask("no longer wanted")
    with heeding(stop), pytest.raises(StopNow):
        rows_of(warehouse, projection("select 1"))
    assert cancelled.is_set()


def test_databricks_failures_are_warehouse_errors(databricks, projection, rows_of, monkeypatch):
    """Whatever the connector raises half way is told as a fault of reading."""

    def fail(_self, _size):
        raise RuntimeError("connection reset")

    monkeypatch.setattr(DatabricksCursor, "fetchmany_arrow", fail)
    warehouse, _log = databricks(pa.table({"c0": [1], "c1": [1]}))
    with pytest.raises(WarehouseError, match="reading the model failed"):
        rows_of(warehouse, projection("select 1"))


def test_snowflake_is_reached_by_its_parts(snowflake):
    """Account, user, password, database, schema, warehouse and role reach the driver unharmed, in a UTC session."""
    warehouse, log = snowflake(
        account="acme-x",
        user="app",
        password=Secret.literal("p@ss/word"),
        database="DB",
        schema="PUBLIC",
        warehouse="WH",
        role="READER",
    )
    assert warehouse.check().startswith("snowflake 9.1.0")
    wanted = {"account": "acme-x", "user": "app", "password": "p@ss/word", "database": "DB", "schema": "PUBLIC"}
    wanted |= {"warehouse": "WH", "role": "READER", "session_parameters": {"TIMEZONE": "UTC", "QUERY_TAG": "tailrace"}}
    assert {name: log[0][name] for name in wanted} == wanted


def test_a_schema_without_its_database_is_refused(snowflake):
    """A URL would take the lone schema for the database."""
    with pytest.raises(WarehouseError, match="no database"):
        snowflake(account="acme-x", user="app", password=Secret.literal("x"), schema="PUBLIC")


def test_snowflake_is_reached_by_url(snowflake):
    """A SQLAlchemy URL gives the same connection as the parts."""
    warehouse, log = snowflake(url=SecretUrl.literal("snowflake://app:pw@acme-x/DB/PUBLIC?warehouse=WH"))
    warehouse.check()
    assert (log[0]["account"], log[0]["schema"], log[0]["warehouse"]) == ("acme-x", "PUBLIC", "WH")


def test_snowflake_takes_a_private_key(snowflake):
    """A PEM key becomes the DER bytes that the connector wants."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = key.private_bytes(serialization.Encoding.PEM, *form).decode()
    warehouse, log = snowflake(account="acme-x", user="app", private_key=Secret.literal(pem))
    warehouse.check()
    assert log[0]["private_key"] == key.private_bytes(serialization.Encoding.DER, *form)


def test_a_private_key_that_is_none_is_refused_without_showing_it(snowflake):
    """A wrong key is an error that says how to make one and repeats nothing of it."""
    with pytest.raises(WarehouseError, match="unencrypted private key") as caught:
        snowflake(account="acme-x", user="app", private_key=Secret.literal("canary"))
    assert "canary" not in str(caught.value)


def test_snowflake_columns_are_folded_back(snowflake):
    """Upper-case names of Snowflake's own are shown as people write them; quoted ones as they are."""
    warehouse, _log = snowflake(account="acme-x", user="app", password=Secret.literal("x"))
    assert warehouse.columns("select * from customers") == ("customer_id", "Odd")


def test_bigquery_credentials_that_are_no_json_are_refused(tmp_path):
    """A path instead of the file's content is the usual mistake: the error shows the reference to write."""
    config = BigQueryConfig(type="bigquery", project="acme", credentials=Secret.literal("key.json"))
    with pytest.raises(WarehouseError, match=r"\$\{file:key\.json\}"):
        open_warehouse("bq", config, tmp_path)


def test_bigquery_without_credentials_is_a_warehouse_error(tmp_path, monkeypatch):
    """Where no default credentials are found, the vendor's words come as a Tailrace error."""
    import google.auth  # noqa: PLC0415 - only to make it fail
    import google.auth.exceptions  # noqa: PLC0415

    def fail(*_args, **_options):
        raise google.auth.exceptions.DefaultCredentialsError("no credentials")

    monkeypatch.setattr("google.auth.default", fail)
    with pytest.raises(WarehouseError, match="no credentials"):
        open_warehouse("bq", BigQueryConfig(type="bigquery", project="acme"), tmp_path).check()


def test_a_missing_extra_names_the_install_command(monkeypatch, tmp_path):
    """Without the driver the error is the pip command, not an import error."""
    import builtins  # noqa: PLC0415 - replaced for the length of the test

    real = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("psycopg"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    from tailrace.project.warehouses import PostgresConfig  # noqa: PLC0415 - under the patched import

    config = PostgresConfig(type="postgres", url=SecretUrl.literal("postgresql://db/ops"))
    with pytest.raises(WarehouseError, match=r"pip install 'tailrace\[postgres\]'"):
        open_warehouse("pg", config, tmp_path)


def test_bigquerys_dialect_has_no_query_of_postgresqls_warn():
    """It registers an `unnest` for all dialects, which SQLAlchemy would say it cannot cache: an error here."""
    pytest.importorskip("sqlalchemy_bigquery")
    engines._let_unnest_be_cached()
    made = select(func.unnest(literal_column("x", ARRAY(Integer))))
    assert made._generate_cache_key() is not None
