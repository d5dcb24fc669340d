"""MariaDB, by pymysql and its own server where that is installed."""

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tailrace.errors import WarehouseError
from tailrace.tagging import working

ROWS = """
select 1 as id, cast(1.50 as decimal(12, 2)) as n, cast(18446744073709551615 as unsigned) as huge, 'é%s' as name,
  cast('2026-01-02' as date) as day, timestamp '2026-01-01 10:00:00' as wall, 1.5e0 as score, json_object('a', 1) as doc
union all select 2, null, null, null, null, null, null, null
"""


@pytest.fixture
def warehouse(opened, mariadb_server):
    """A warehouse at the server."""
    return opened(type="mariadb", database="information_schema", **mariadb_server)


def test_values_arrive_with_types_that_hold(warehouse, read):
    """Unsigned numbers beyond 64 bits are decimals, JSON is text, and NULLs change no type."""
    schema, rows = read(warehouse, ROWS, "n", "huge", "name", "day", "wall", "score", "doc", batch_rows=1)
    kinds = [pa.decimal128(38, 2), pa.decimal128(38, 0), pa.string(), pa.date32(), pa.timestamp("us"), pa.float64()]
    assert [field.type for field in schema][2:] == [*kinds, pa.string()]
    assert rows[0]["f:huge"] == Decimal(18446744073709551615)
    assert (rows[0]["f:n"], rows[0]["f:name"], rows[0]["f:day"]) == (Decimal("1.50"), "é%s", date(2026, 1, 2))
    assert rows[0]["f:wall"] == datetime(2026, 1, 1, 10)  # noqa: DTZ001 - it has no zone
    assert rows[0]["f:doc"] == '{"a": 1}'
    assert rows[1]["f:n"] is None


def test_a_hash_is_that_of_the_text(warehouse, read):
    """`hash: sha256` gives the digest of the value's UTF-8, as everywhere."""
    _schema, rows = read(warehouse, "select 1 as id, 'é' as name", name={"column": "name", "hash": "sha256"})
    assert rows[0]["f:name"] == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"


def test_the_session_is_read_only_in_utc_and_limited(opened, mariadb_server, read):
    """The server itself refuses to write, and ends what takes longer than `timeout`."""
    warehouse = opened(type="mysql", database="information_schema", timeout=7.5, **mariadb_server)
    sql = (
        "select 1 as id, @@session.tx_read_only as ro, @@session.time_zone as tz, @@session.max_statement_time as most"
    )
    _schema, rows = read(warehouse, sql, "ro", "tz", "most")
    assert (rows[0]["f:ro"], rows[0]["f:tz"], float(rows[0]["f:most"])) == (1, "+00:00", 7.5)
    with pytest.raises(WarehouseError, match="READ ONLY"):
        warehouse._probe("create table mysql.tailrace_test (a int)")


def test_a_query_that_takes_too_long_is_ended_by_the_server(opened, mariadb_server, read):
    """The error says what the server said."""
    warehouse = opened(type="mariadb", database="information_schema", timeout=0.2, **mariadb_server)
    with pytest.raises(WarehouseError, match="max_statement_time") as caught:
        read(warehouse, "select sleep(60) as id")
    assert "MariaDB" not in caught.value.message


def test_the_server_knows_whose_query_it_is(warehouse, read):
    """The process list shows the comment that a query begins with."""
    sql = "select 1 as id, info from information_schema.processlist where id = connection_id()"
    with working("contacts", "run7"):
        _schema, rows = read(warehouse, sql, "info")
    assert rows[0]["f:info"].startswith("/* tailrace:contacts:run7 */ SELECT")


def test_a_missing_column_is_named(warehouse, read):
    """The nearest column of the model is in the hint."""
    with pytest.raises(WarehouseError, match="no column 'nme'") as caught:
        read(warehouse, "select 1 as id, 'a' as name", "nme")
    assert "did you mean 'name'" in caught.value.hint
