from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from tailrace.canonical.source import ModelRows
from tailrace.errors import WarehouseError
from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import PostgresConfig, SQLAlchemyConfig
from tailrace.warehouses import open_warehouse, postgres
from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse

KINDS = {
    "true": (pa.bool_(), True),
    "7::smallint": (pa.int64(), 7),
    "2.5::real": (pa.float64(), 2.5),
    "1.50::numeric(10,2)": (pa.decimal128(38, 2), Decimal("1.50")),
    "'é%s'::varchar": (pa.string(), "é%s"),
    "'x'::char(3)": (pa.string(), "x  "),
    "'\\x0aff'::bytea": (pa.binary(), b"\x0a\xff"),
    "date '2026-02-28'": (pa.date32(), date(2026, 2, 28)),
    "time '10:11:12.5'": (pa.time64("us"), time(10, 11, 12, 500_000)),
    "timestamp '2026-01-01 00:00'": (pa.timestamp("us"), datetime(2026, 1, 1)),  # noqa: DTZ001 - naive it is
    "timestamptz '2026-01-01 00:00+02'": (pa.timestamp("us", "UTC"), datetime(2025, 12, 31, 22, tzinfo=UTC)),
    "'00000000-0000-0000-0000-00000000000a'::uuid": (pa.string(), "00000000-0000-0000-0000-00000000000a"),
    "'{\"a\": 1.10}'::json": (pa.string(), '{"a": 1.10}'),
    "'{\"a\": 12345678901234567890.10}'::jsonb": (pa.string(), '{"a": 12345678901234567890.10}'),
    "interval '1 month 2 days'": (pa.string(), "1 mon 2 days"),
}
GATHERED = {
    "array[1, 2]": (pa.list_(pa.int64()), [1, 2]),
    "array['a']": (pa.list_(pa.string()), ["a"]),
    "'10.0.0.1'::inet": (pa.string(), "10.0.0.1"),
    "int4range(1, 3)": (pa.string(), "[1,3)"),
    "1.5 + 0.25": (pa.decimal128(38, 2), Decimal("1.75")),
}


def warehouse_at(tmp_path, url):
    """Open a PostgreSQL warehouse at `url`."""
    return open_warehouse("pg", PostgresConfig(type="postgres", url=SecretUrl.literal(url)), tmp_path)


@pytest.fixture
def warehouse(postgres_url, tmp_path):
    """Open the warehouse of the test server."""
    opened = warehouse_at(tmp_path, postgres_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("kinds", [KINDS, GATHERED], ids=["streamed", "gathered"])
def test_every_kind_of_column_arrives_with_its_type(warehouse, projection, rows_of, kinds):
    """Values of PostgreSQL's types arrive exactly, whether the driver declares the type or the values tell."""
    columns = ", ".join(f"{sql} as c{i}" for i, sql in enumerate(kinds))
    asked = projection(f"select 1 as id, {columns}", **{f"F{i}": f"c{i}" for i in range(len(kinds))})
    schema, rows = rows_of(warehouse, asked)
    found = {sql: (schema.field(f"f:F{i}").type, rows[0][f"f:F{i}"]) for i, sql in enumerate(kinds)}
    assert found == kinds


def test_types_hold_where_the_first_batch_is_all_null(warehouse, projection, rows_of):
    """A column that begins with NULLs has its type from the start, declared or not."""
    asked = projection(
        "select i as id, case when i > 5 then i end as a, case when i > 5 then i * 0.5 end as b "
        "from generate_series(1, 9) i",
        A="a",
        B="b",
    )
    schema, rows = rows_of(warehouse, asked, batch_rows=2)
    assert schema.field("f:A").type == pa.int64()
    assert schema.field("f:B").type == pa.decimal128(38, 1)
    assert [row["f:B"] for row in rows][4:6] == [None, Decimal("3.0")]


def test_decimals_of_mixed_scale_take_the_widest(warehouse, projection, rows_of):
    """Numbers without a declared scale keep all their digits, across batches too."""
    asked = projection("select i as id, (array[1, 1.5, 2.125])[i] as n from generate_series(1, 3) i", N="n")
    schema, rows = rows_of(warehouse, asked, batch_rows=1)
    assert schema.field("f:N").type == pa.decimal128(38, 3)
    assert [row["f:N"] for row in rows] == [Decimal("1.000"), Decimal("1.500"), Decimal("2.125")]


VALUES = ["'NaN'::numeric", "'NaN'::numeric(9, 2)", "'1e50'::numeric", "date '20000-01-01'", "'infinity'::timestamptz"]


@pytest.mark.parametrize("value", VALUES)
def test_values_without_an_equal_are_refused(warehouse, projection, value):
    """What no canonical value can hold is an error with a hint, never a wrong value."""
    with pytest.raises(WarehouseError):
        in_full(warehouse, projection(f"select 1 as id, {value} as v", V="v"))


def in_full(warehouse, asked):
    """Read as a comparison does."""
    with warehouse.read(asked) as batches:
        rows = ModelRows.from_batches(batches)
        rows.lazy.select(column.carried for column in rows.columns.values()).collect(engine="streaming")
        rows.finish()


def test_arrow_and_python_rows_are_the_same(warehouse, projection, rows_of, monkeypatch):
    """Whether ADBC is installed decides how fast rows come, and nothing else."""
    columns = ", ".join(f"case when i % 3 > 0 then {sql} end as c{i}" for i, sql in enumerate(KINDS))
    asked = projection(
        f"select i as id, {columns} from generate_series(1, 10) i",
        N={"value": None},
        B={"value": True},
        T={"value": "x"},
        H={"column": "c5", "hash": "sha256"},
        **{f"F{i}": f"c{i}" for i in range(len(KINDS))},
    )
    quick = rows_of(warehouse, asked, batch_rows=4)
    monkeypatch.setattr(postgres, "DRIVER", "no_such_module")
    assert rows_of(warehouse, asked, batch_rows=4) == quick


def test_batches_are_no_larger_than_asked_for(warehouse, projection, monkeypatch):
    """ADBC, which reads them alone, makes them as large as it likes."""
    monkeypatch.setattr(SQLAlchemyWarehouse, "read", None)
    asked = projection("select i as id, repeat('x', 100) as v from generate_series(1, 5000) i", V="v")
    with warehouse.read(asked, batch_rows=512) as batches:
        assert [batch.num_rows for batch in batches] == [512] * 9 + [392]


def test_percent_signs_and_colons_are_not_parameters(warehouse, projection, rows_of):
    """LIKE patterns, modulo, casts and constants reach the server as they are written."""
    asked = projection(
        "select 1 as id, 'a%b:c' as v where 'ab' like 'a%' and 5 % 2 = 1", V="v", C={"value": "50%s :x it's \\"}
    )
    row = rows_of(warehouse, asked)[1][0]
    assert (row["f:V"], row["f:C"]) == ("a%b:c", "50%s :x it's \\")


def test_text_forms_do_not_depend_on_the_servers_settings(warehouse, projection, rows_of):
    """Hashes are of ISO dates and UTC timestamps, so that another server default changes no row."""
    asked = projection("select 1 as id, timestamptz '2026-01-01 00:00+02' as seen", S={"sql": "cast(seen as text)"})
    assert rows_of(warehouse, asked)[1][0]["f:S"] == "2025-12-31 22:00:00+00"


def test_names_that_need_quotes_get_them(warehouse, projection, rows_of):
    """Mixed case and odd characters are quoted; plain names are folded by the server."""
    asked = projection('select 1 as ID, 2 as "Camel Case", 3 as "per%cent"', A="Camel Case", B="per%cent")
    assert rows_of(warehouse, asked)[1] == [{"k:id": 1, "m:Ext__c": 1, "f:A": 2, "f:B": 3}]


def test_an_empty_result_still_has_its_schema(warehouse, projection, rows_of):
    """A model without rows gives one empty batch with the declared types."""
    schema, rows = rows_of(warehouse, projection("select 1 as id, now() as t limit 0", T="t"))
    assert (schema.field("f:T").type, rows) == (pa.timestamp("us", "UTC"), [])


def test_a_column_lost_to_folding_names_the_folded_one(warehouse, projection, rows_of):
    """Mixed case without quotes is the classic mistake: the error names the lower-case column."""
    with pytest.raises(WarehouseError, match=r"no column 'CustomerName'\n.*did you mean 'customername'"):
        rows_of(warehouse, projection("select 1 as id, 'x' as CustomerName", N="CustomerName"))


def test_faults_are_traced_to_the_model_or_the_field(warehouse, projection, rows_of):
    """The error says whether the model, with its own line number, or a field's sql has to be mended."""
    with pytest.raises(WarehouseError, match=r'the model\'s SQL fails: relation "nope" does not exist\nLINE 2:'):
        rows_of(warehouse, projection("select 1 as id\nfrom nope", A={"sql": "1"}))
    with pytest.raises(WarehouseError, match="the source of field 'E' fails"):
        rows_of(warehouse, projection("select 1 as id", A={"sql": "id"}, E={"sql": "nope + 1"}))


def test_a_failure_in_mid_stream_is_a_warehouse_error(warehouse, projection, rows_of):
    """A division by zero at a late row is reported as the server's words."""
    asked = projection("select i as id, 1 / (i - 5000) as x from generate_series(1, 9000) i", X="x")
    with pytest.raises(WarehouseError, match="reading the model failed: division by zero"):
        rows_of(warehouse, asked, batch_rows=100)


def test_the_session_cannot_write(warehouse, projection, rows_of):
    """Even a function that writes is stopped by the read-only transaction."""
    with pytest.raises(WarehouseError, match="read-only transaction"):
        rows_of(warehouse, projection("select 1 as id, lo_create(0) as x", X="x"))


def test_check_names_the_server_and_no_password(warehouse):
    """The answer of a connection check shows the version and address alone."""
    answer = warehouse.check()
    assert answer.startswith("postgresql 1")
    assert "password" not in answer


def test_an_unreachable_server_is_named_without_its_password(tmp_path):
    """Connection errors show where, and never the password of the URL."""
    gone = warehouse_at(tmp_path, "postgresql://app:canary@127.0.0.1:1/ops")
    with pytest.raises(WarehouseError, match=r"cannot be reached at .*127\.0\.0\.1:1/ops") as caught:
        gone.check()
    assert "canary" not in str(caught.value)


def test_a_generic_url_of_postgresql_is_read_the_same_way(postgres_url, tmp_path, projection, rows_of):
    """`type: sqlalchemy` with a PostgreSQL URL gets the same session and types as `type: postgres`."""
    config = SQLAlchemyConfig(type="sqlalchemy", url=SecretUrl.literal(postgres_url))
    opened = open_warehouse("any", config, tmp_path)
    schema, _rows = rows_of(opened, projection("select 1 as id, '{}'::jsonb as j", J="j"))
    assert schema.field("f:J").type == pa.string()


def test_another_databases_url_is_refused(tmp_path):
    """`type: postgres` with a MySQL URL is a configuration error that names the way out."""
    with pytest.raises(WarehouseError, match="type: sqlalchemy"):
        warehouse_at(tmp_path, "mysql://db/ops")
