"""BigQuery: Google's own client, signed in as a service account, against a simulator of the REST API over DuckDB."""

import threading
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.warehouses.bigquery import BILLED, bigquery_server

from tailrace.errors import WarehouseError
from tailrace.project.config import FieldMap
from tailrace.project.types import Secret
from tailrace.project.warehouses import BigQueryConfig
from tailrace.stopping import RunStop, StopNow, heeding
from tailrace.tagging import working
from tailrace.warehouses import Projection, open_warehouse

ROWS = """
select 1 as id, cast(1.5 as numeric) as n, cast('2026-01-01 10:00:00+02' as timestamp) as at,
  cast('2026-01-01 10:00:00.123456' as datetime) as wall, date '2026-01-02' as day, time '10:11:12' as clock,
  true as ok, 2.5 / 1 as score, cast('a%' as bytes) as b, ['x', 'y'] as tags, struct(1 as a, 'z' as b) as rec,
  cast(9007199254740993 as int64) as big
union all select 2, null, null, null, null, null, null, null, null, null, null, null
union all select 3, null, null, null, null, null, null, null, null, null, null, null
"""
TYPES = {
    "id": pa.int64(),
    "n": pa.decimal128(38, 9),
    "at": pa.timestamp("us", "UTC"),
    "wall": pa.timestamp("us"),
    "day": pa.date32(),
    "clock": pa.time64("us"),
    "ok": pa.bool_(),
    "score": pa.float64(),
    "b": pa.binary(),
    "tags": pa.list_(pa.string()),
    "rec": pa.struct([("a", pa.int64()), ("b", pa.string())]),
    "big": pa.int64(),
}


@pytest.fixture
def server():
    """A simulator, until the test ends."""
    with bigquery_server() as project:
        yield project


@pytest.fixture
def opened(server, monkeypatch, tmp_path):
    """Open a warehouse there, with more settings if need be."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.host)
    (tmp_path / "key.json").write_text(server.credentials())

    def build(**settings):
        if "credentials" not in settings:
            settings["credentials_path"] = "key.json"
        return open_warehouse("bq", BigQueryConfig(type="bigquery", project="acme", **settings), tmp_path)

    return build


def projected(sql, *columns):
    """A projection of those columns, keyed and matched by `id`."""
    return Projection(sql, ("id",), {"Ext": "id"}, {name: FieldMap(column=name) for name in columns})


def read(warehouse, projection, **options):
    """The batches of a projection."""
    with warehouse.read(projection, **options) as batches:
        return list(batches)


def test_every_type_arrives_as_declared(opened):
    """Each batch has the types of the schema, whether a page holds a value or NULLs alone."""
    batches = read(opened(), projected(ROWS, *TYPES), batch_rows=1)
    assert [batch.num_rows for batch in batches] == [1, 1, 1]
    assert {str(batch.schema) for batch in batches} == {str(batches[0].schema)}
    assert {field.name[2:]: field.type for field in batches[0].schema if field.name.startswith("f:")} == TYPES
    (row,) = batches[0].to_pylist()
    assert {name: row[f"f:{name}"] for name in TYPES} == {
        "id": 1,
        "n": Decimal("1.500000000"),
        "at": datetime(2026, 1, 1, 8, tzinfo=UTC),
        "wall": datetime(2026, 1, 1, 10, 0, 0, 123456),  # noqa: DTZ001 - it has no zone
        "day": date(2026, 1, 2),
        "clock": time(10, 11, 12),
        "ok": True,
        "score": 2.5,
        "b": b"a%",
        "tags": ["x", "y"],
        "rec": {"a": 1, "b": "z"},
        "big": 9007199254740993,
    }


def test_a_bare_bignumeric_takes_the_scale_of_its_values(opened):
    """Its type has more digits than a canonical decimal, so that only the values can tell."""
    sql = "select 1 as id, cast('1.250' as bignumeric(38, 12)) as n union all select 2, null"
    batches = read(opened(), projected(sql, "n"))
    assert batches[0].schema.field("f:n").type == pa.decimal128(38, 12)
    assert [row["f:n"] for batch in batches for row in batch.to_pylist()] == [Decimal("1.250000000000"), None]


def test_no_row_has_the_types_too(opened):
    """An empty result is one batch without rows."""
    (batch,) = read(opened(), projected(f"select * from ({ROWS}) where id > 9", "n", "tags"))
    assert (batch.num_rows, batch.schema.field("f:n").type) == (0, pa.decimal128(38, 9))


def test_a_job_says_whose_it_is_and_how_much_it_may_cost(opened, server):
    """Labels are in BigQuery's alphabet; timeout and limit of bytes go with the job, and the bill comes back."""
    warehouse = opened(timeout=90.5, max_bytes_billed=10**9, location="EU", dataset="marts")
    with working("Contacts.EU", "Run7") as work:
        read(warehouse, projected("select 1 as id"))
    (asked,) = server.configurations()
    assert asked["labels"] == {"tailrace": "true", "tailrace_sync": "contacts_eu", "tailrace_run": "run7"}
    assert asked["jobTimeoutMs"] == "90500"
    assert asked["query"]["maximumBytesBilled"] == str(10**9)
    assert asked["query"]["defaultDataset"] == {"projectId": "acme", "datasetId": "marts"}
    assert next(body for _, path, body in server.asked if path.endswith("/jobs"))["jobReference"]["location"] == "EU"
    assert work.bytes_billed == BILLED


def test_what_only_asks_for_columns_is_a_dry_run(opened, server):
    """`check` and the model's columns bill nothing, and sign in with the service account."""
    warehouse = opened(credentials=Secret.literal(server.credentials()))
    assert warehouse.check() == "bigquery, bigquery://acme"
    assert warehouse.columns("select 1 as id, 'a%' as `Odd Name`") == ("id", "Odd Name")
    assert [asked["dryRun"] for asked in server.configurations()] == [True, True]
    assert "assertion" in next(body["form"] for _, path, body in server.asked if path == "/token")


def test_a_missing_column_is_named(opened):
    """The refusal of the job leads to the nearest column of the model."""
    with pytest.raises(WarehouseError, match="no column 'ltv'") as caught:
        read(opened(), projected("select 1 as id, 2 as ltw", "ltv"))
    assert "did you mean 'ltw'" in caught.value.hint


def test_percent_signs_stay_as_they_are(opened):
    """No driver halves them: a model's LIKE means what it says."""
    (batch,) = read(opened(), projected("select 1 as id, 'a%%b%' as n", "n"))
    assert batch.to_pylist()[0]["f:n"] == "a%%b%"


def test_a_run_that_is_asked_to_stop_cancels_its_job(opened, server):
    """The job is ended, so that it bills no further; the run stops at once."""
    server.endless = True
    stop = RunStop()
    asking = threading.Thread(target=lambda: server.running.wait(60) and stop.ask("no longer wanted"))
    asking.start()
    with heeding(stop), pytest.raises(StopNow):
        read(opened(), projected("select 1 as id"))
    asking.join()
    assert [path for _, path, _ in server.asked if path.endswith("/cancel")]
