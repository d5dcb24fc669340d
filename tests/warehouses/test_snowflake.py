"""Snowflake: its own connector and dialect, against fakesnow's server, which runs the SQL on DuckDB."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from tailrace.errors import WarehouseError
from tailrace.project.types import Secret
from tailrace.tagging import working

pytestmark = pytest.mark.slow
# No arrays or offsets: of these fakesnow makes something else.
ROWS = """
select column1 as id, column2::number(12, 2) as n, column3 as name, column4::timestamp_ntz as wall,
  column5::timestamp_tz as at, column6::date as day, column7::boolean as ok, column8::float as score,
  parse_json(column9) as doc, column10::time as clock, to_binary('00ff', 'HEX') as b
from values
  (1, 1.50, 'é%s', '2026-01-01 10:00:00.123456', '2026-01-01 10:00:00', '2026-01-02', true, 1.5, '{"a":1}', '10:11:12'),
  (2, null, null, null, null, null, null, null, null, null)
"""
TYPES = {
    "n": pa.decimal128(38, 2),
    "name": pa.string(),
    "wall": pa.timestamp("us"),
    "at": pa.timestamp("us", "UTC"),
    "day": pa.date32(),
    "ok": pa.bool_(),
    "score": pa.float64(),
    "doc": pa.string(),
    "clock": pa.time64("us"),
    "b": pa.binary(),
}


@pytest.fixture
def warehouse(snowflake_server, opened):
    """A warehouse there."""
    return opened(**snowflake_server.entry(), password=Secret.literal("x"))


def test_every_type_arrives_as_declared(warehouse, read):
    """Arrow from the connector has the declared types, whether a batch holds values or NULLs."""
    schema, rows = read(warehouse, ROWS, *TYPES, batch_rows=1)
    assert {field.name[2:]: field.type for field in schema if field.name[0] == "f"} == TYPES
    assert {name: rows[0][f"f:{name}"] for name in TYPES} == {
        "n": Decimal("1.50"),
        "name": "é%s",
        "wall": datetime(2026, 1, 1, 10, 0, 0, 123456),  # noqa: DTZ001 - it has no zone
        "at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "ok": True,
        "score": 1.5,
        "doc": '{"a":1}',
        "clock": time(10, 11, 12),
        "b": b"\x00\xff",
    }
    assert [rows[1][f"f:{name}"] for name in TYPES if name != "b"] == [None] * (len(TYPES) - 1)


def test_many_rows_come_in_batches(warehouse, read):
    """A result of several chunks has each row once, and no batch is larger than asked for."""
    sql = "select seq4() as id from table(generator(rowcount => 300000))"
    _schema, rows = read(warehouse, sql, batch_rows=65_536)
    assert sorted(row["k:id"] for row in rows) == list(range(300_000))


def test_no_row_has_the_types_too(warehouse, read):
    """An empty result is one batch without rows."""
    schema, rows = read(warehouse, f"select * from ({ROWS}) where id > 9", "n", "doc")
    assert (rows, schema.field("f:n").type, schema.field("f:doc").type) == ([], pa.decimal128(38, 2), pa.string())


def test_columns_and_a_missing_one_are_named(warehouse, read):
    """Plain names are shown as people write them, quoted ones as they are."""
    assert warehouse.columns('select 1 as id, 2 as "Odd"') == ("id", "Odd")
    with pytest.raises(WarehouseError, match="no column 'nme'") as caught:
        read(warehouse, "select 1 as id, 'a' as name", "nme")
    assert "did you mean 'name'" in caught.value.hint


def test_sessions_are_told_the_sync_and_utc(warehouse, snowflake_server, read):
    """The tag of each session is that of the work it is opened for."""
    before = len(snowflake_server.logins())  # of other tests, too, some of which sign in by themselves
    assert warehouse.check().startswith("snowflake ")
    with working("contacts", "run7"):
        read(warehouse, "select 1 as id")
    told = [login["SESSION_PARAMETERS"] for login in snowflake_server.logins()[before:]]
    assert [each["QUERY_TAG"] for each in told][-2:] == ["tailrace", "tailrace:contacts:run7"]
    assert {each["TIMEZONE"] for each in told} == {"UTC"}
