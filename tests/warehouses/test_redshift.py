"""Redshift's way of reading, by a cursor in the warehouse, on PostgreSQL, whose statements for it are the same."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tailrace.errors import WarehouseError
from tailrace.warehouses.redshift import RedshiftWarehouse

ROWS = (
    "select n as id, n * 1.50 as v, 'a%' as t, timestamptz '2026-01-01 00:00+00' as at from generate_series(1, 5) s(n)"
)


@pytest.fixture
def warehouse(postgres_url):
    """The adapter above PostgreSQL; the log of its statements is in `statements`."""
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    opened = RedshiftWarehouse("red", engine)
    opened.statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, *_rest: opened.statements.append(sql))
    yield opened
    opened.close()


def test_rows_come_as_many_as_asked_for_at_once(warehouse, read):
    """No statement asks for more than a batch, and each batch has the declared types."""
    schema, rows = read(warehouse, ROWS, "v", "t", "at", batch_rows=2)
    assert [row["k:id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[4]["f:v"] == Decimal("7.50")
    assert rows[0]["f:at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert [field.type for field in schema][-2:] == [pa.string(), pa.timestamp("us", "UTC")]
    declared, *fetched = warehouse.statements
    assert declared.startswith("DECLARE tailrace_rows CURSOR FOR SELECT\n")
    assert fetched == ["FETCH FORWARD 2 FROM tailrace_rows"] * 4


def test_no_row_has_the_types_too(warehouse, read):
    """An empty result is one batch without rows."""
    schema, rows = read(warehouse, f"select * from ({ROWS}) x where id > 9", "t")
    assert (rows, schema.field("f:t").type) == ([], pa.string())


def test_a_missing_column_is_named(warehouse, read):
    """Failures of the cursor's query lead to the model's columns."""
    with pytest.raises(WarehouseError, match="no column 'vv'"):
        read(warehouse, ROWS, "vv")


def test_a_failure_half_way_is_told(warehouse, read):
    """A division by zero in a later row is a fault of reading."""
    with pytest.raises(WarehouseError, match="reading the model failed"):
        read(warehouse, "select n as id, 6 / (3 - n) as v from generate_series(1, 5) s(n)", "v", batch_rows=1)
