"""Snowflake and BigQuery: their own dialects and drivers above a stub where the network would begin."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.bigquery import SchemaField
from google.cloud.bigquery.table import Row

from tailrace.errors import WarehouseError
from tailrace.project.types import Secret, SecretUrl
from tailrace.project.warehouses import BigQueryConfig, SnowflakeConfig
from tailrace.warehouses import open_warehouse

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


class SnowflakeConnection:
    """What `snowflake.connector.connect` would give."""

    def __init__(self, log):
        self.log = log

    def cursor(self, *_args):
        """Give a cursor that writes to the same log."""
        return SnowflakeCursor(self.log)

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


class BigQueryRows(list):
    """A row iterator as the client gives it."""

    def __init__(self, schema, values):
        names = {field.name: i for i, field in enumerate(schema)}
        super().__init__(Row(value, names) for value in values)
        self.schema = schema
        self.total_rows = len(values)
        self.num_dml_affected_rows = None

    def _should_use_bqstorage(self, *_args, **_options):
        return False


class BigQueryClient:
    """A client that answers one query and keeps what it was asked."""

    project = "acme"
    default_query_job_config = None

    def __init__(self, schema, values):
        self.schema, self.values, self.asked = schema, values, []

    def query_and_wait(self, query, **_options):
        """Keep the query and answer with the rows."""
        self.asked.append(query)
        return BigQueryRows(self.schema, self.values)

    def _ensure_bqstorage_client(self, *_args):
        return None

    def close(self):
        """Do nothing."""


@pytest.fixture
def bigquery(monkeypatch, tmp_path):
    """Open a BigQuery warehouse whose client is a stub; the driver and dialect are the real ones."""

    def opened(schema, values, **config):
        client = BigQueryClient(schema, values)
        given = []
        monkeypatch.setattr(
            "sqlalchemy_bigquery._helpers.create_bigquery_client", lambda **options: given.append(options) or client
        )
        config = BigQueryConfig(type="bigquery", project="acme", **config)
        return open_warehouse("bq", config, tmp_path), client, given

    return opened


def test_bigquery_rows_take_the_types_of_its_schema(bigquery, projection, rows_of):
    """Field types decide the Arrow types; arrays are told by their values."""
    schema = [
        SchemaField("c0", "INTEGER"),
        SchemaField("c1", "INTEGER"),
        SchemaField("c2", "NUMERIC"),
        SchemaField("c3", "STRING", mode="REPEATED"),
        SchemaField("c4", "TIMESTAMP"),
        SchemaField("c5", "DATE"),
    ]
    stamp = datetime(2026, 1, 1, tzinfo=UTC)
    warehouse, client, _given = bigquery(
        schema, [(1, 1, None, ["a"], stamp, date(2026, 1, 2)), (2, 2, Decimal("1.5"), [], None, None)]
    )
    asked = projection(
        "select * from `acme.crm.customers` where name like '50%%' or name like 'a%' # all",
        Ltv="ltv",
        Tags="tags",
        Seen="seen",
        Day="day",
    )
    result, rows = rows_of(warehouse, asked)
    assert [field.type for field in result][2:] == [
        pa.decimal128(38, 9),
        pa.list_(pa.string()),
        pa.timestamp("us", "UTC"),
        pa.date32(),
    ]
    assert rows[0]["f:Tags"] == ["a"]
    assert rows[0]["f:Seen"] == stamp
    assert "like '50%%' or name like 'a%' # all\n) AS model" in client.asked[-1]


def test_bigquery_gets_its_credentials_and_location(bigquery):
    """The service account's JSON and the location reach the client's constructor."""
    warehouse, _client, given = bigquery(
        [SchemaField("id", "INTEGER")], [], location="EU", credentials=Secret.literal('{"type": "service_account"}')
    )
    assert warehouse.columns("select 1 as id") == ("id",)
    assert (given[0]["location"], given[0]["credentials_info"]) == ("EU", {"type": "service_account"})


def test_bigquery_credentials_that_are_no_json_are_refused(bigquery):
    """A path instead of the file's content is the usual mistake: the error shows the reference to write."""
    with pytest.raises(WarehouseError, match=r"\$\{file:key\.json\}"):
        bigquery([], [], credentials=Secret.literal("key.json"))


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
