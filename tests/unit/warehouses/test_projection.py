import datetime as dt
import hashlib
from dataclasses import replace
from types import SimpleNamespace

import duckdb
import pytest
import sqlglot
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from tailrace.errors import WarehouseError
from tailrace.project.warehouses import DuckDBConfig
from tailrace.warehouses import open_warehouse
from tailrace.warehouses.base import Window
from tailrace.warehouses.dialects import duckdb_dialect, sqlalchemy_dialect
from tailrace.warehouses.literals import literal
from tailrace.warehouses.projection import compile_projection, used_columns

GOLDEN = """\
SELECT
  model."id" AS c0,
  model."id" AS c1,
  model."Last ""Name""!" AS c2,
  (
round(ltv, 2) -- cents
) AS c3,
  'it''s' AS c4,
  sha256(CAST(model."email" AS VARCHAR)) AS c5,
  TRUE AS c6,
  NULL AS c7,
  -1.5 AS c8
FROM (
select * from customers -- all
) AS model"""


def test_the_duckdb_projection_is_a_select_around_the_model(projection):
    """Columns, sql, constants and hashes become positional columns around the model's own text."""
    compiled = compile_projection(
        projection(
            "select * from customers -- all",
            LastName='Last "Name"!',
            LTV={"sql": "round(ltv, 2) -- cents"},
            Source={"value": "it's"},
            Hash={"column": "email", "hash": "sha256"},
            Yes={"value": True},
            Nothing={"value": None},
            Half={"value": -1.5},
        ),
        duckdb_dialect(),
    )
    assert compiled == GOLDEN


@pytest.mark.parametrize(
    ("dialect", "plain", "odd", "text", "yes", "digest"),
    [
        (
            postgresql,
            "email",
            '"Odd%1"',
            "'a\\b''c'",
            "TRUE",
            "encode(sha256(convert_to(CAST(model.email AS TEXT), 'UTF8')), 'hex')",
        ),
        (mysql, "email", "`Odd%1`", "'a\\\\b\\'c'", "TRUE", "SHA2(CONVERT(model.email USING utf8mb4), 256)"),
        (
            mssql,
            "email",
            "[Odd%1]",
            "N'a\\b''c'",
            "1",
            "LOWER(CONVERT(VARCHAR(64), HASHBYTES('SHA2_256', CAST(model.email AS VARCHAR(MAX))), 2))",
        ),
        (sqlite, "email", '"Odd%1"', "'a\\b''c'", "1", "tailrace_sha256(CAST(model.email AS TEXT))"),
    ],
)
def test_each_dialect_writes_names_literals_and_hashes_its_own_way(projection, dialect, plain, odd, text, yes, digest):
    """Plain names stay bare so that the warehouse folds them; literals follow the dialect's escapes."""
    compiled = compile_projection(
        projection(
            "select 1 as id",
            A="email",
            B="Odd%1",
            C={"value": "a\\b'c"},
            D={"value": True},
            E={"column": "email", "hash": "sha256"},
        ),
        sqlalchemy_dialect(dialect.dialect()),
    )
    wanted = [f"model.{plain} AS c2", f"model.{odd} AS c3", f"{text} AS c4", f"{yes} AS c5", f"{digest} AS c6"]
    assert compiled.split("\n")[3:8] == [f"  {line}" + ("," if line != wanted[-1] else "") for line in wanted]


@pytest.mark.parametrize(
    ("name", "parser", "text", "digest"),
    [
        ("redshift", "redshift", "'a\\\\b\\'c'", "SHA2(CAST(model.email AS VARCHAR(MAX)), 256)"),
        ("databricks", "databricks", "'a\\\\b\\'c'", "SHA2(CAST(model.email AS STRING), 256)"),
        ("clickhousedb", "clickhouse", "'a\\\\b\\'c'", "lower(hex(SHA256(toString(model.email))))"),
        ("trino", "trino", "'a\\b''c'", "LOWER(TO_HEX(SHA256(TO_UTF8(CAST(model.email AS VARCHAR)))))"),
    ],
)
def test_dialects_that_are_not_installed_write_what_their_parsers_read(projection, name, parser, text, digest):
    """Literals and hashes follow each warehouse's own rules, and another program reads the literal as it was meant."""
    engine = SimpleNamespace(name=name, identifier_preparer=postgresql.dialect().identifier_preparer)
    asked = projection("select 1 as id", C={"value": "a\\b'c"}, E={"column": "email", "hash": "sha256"})
    compiled = compile_projection(asked, sqlalchemy_dialect(engine))
    assert f"  {text} AS c2,\n  {digest} AS c3\n" in compiled
    parsed = sqlglot.parse_one(compiled, read=parser)
    assert parsed.selects[2].this.this == "a\\b'c"


def test_a_hash_that_a_dialect_lacks_is_a_clear_error(projection):
    """A warehouse without a known SHA-256 refuses the field by name instead of guessing a function."""
    asked = projection("select 1 as id", Secret__c={"column": "email", "hash": "sha256"})
    with pytest.raises(WarehouseError, match=r"Secret__c.*oracle"):
        compile_projection(asked, sqlalchemy_dialect(oracle.dialect()))


def test_a_constant_that_sql_cannot_write_is_refused(projection):
    """Infinity in a sync file is reported, not written into the query as a word."""
    with pytest.raises(WarehouseError, match="inf"):
        compile_projection(projection("select 1 as id", A={"value": float("inf")}), duckdb_dialect())


def test_used_columns_are_named_once_and_in_order(projection):
    """Keys, match columns and field columns count; sql and constants name none."""
    assert used_columns(projection("select 1", A="b", B={"sql": "c"}, C="id", D={"value": 1})) == ("id", "b")


def test_hashes_are_the_sha256_of_the_text():
    """The SQLite stand-in gives the same digest as the other warehouses' functions, and keeps NULL."""
    from tailrace.warehouses.engines import _sha256  # noqa: PLC0415 - needs SQLAlchemy, as the warehouse does

    assert _sha256("ann@x.io") == hashlib.sha256(b"ann@x.io").hexdigest()
    assert _sha256(None) is None


def test_an_emptied_projection_has_the_columns_and_no_row(projection, rows_of, tmp_path):
    """Its types are those of the projection it was made from."""
    warehouse = open_warehouse("main", DuckDBConfig(type="duckdb", path=":memory:"), tmp_path)
    asked = projection("select 1 as id, 1.5::decimal(4, 2) as ltv -- all", Ltv="ltv")
    schema, rows = rows_of(warehouse, asked)
    assert len(rows) == 1
    assert rows_of(warehouse, asked.emptied()) == (schema, [])


def windowed(made, since, *keys, key=("id",)):
    """The condition of a window, on its lines."""
    window = Window('up"dated', since, keys)
    compiled = compile_projection(replace(made, key=key, window=window), duckdb_dialect())
    assert 'model."up""dated" AS c' in compiled.partition("FROM")[0]
    return compiled.partition(") AS model")[2].strip().splitlines()


def test_a_window_is_a_condition_around_the_model(projection):
    """Rows from a value on, those without any, and those of certain keys; without a value there is no condition."""
    made = projection("select * from customers -- all", Name="name")
    assert windowed(made, None) == []
    assert windowed(made, 7) == ['WHERE model."up""dated" >= 7', '   OR model."up""dated" IS NULL']
    assert windowed(made, 7, (1,), ("it's",))[2:] == ["   OR model.\"id\" IN (1, 'it''s')"]
    assert windowed(made, 7, (1, "a"), (2, "b"), key=("id", "no"))[2:] == [
        '   OR (model."id" = 1 AND model."no" = \'a\')',
        '   OR (model."id" = 2 AND model."no" = \'b\')',
    ]
    assert used_columns(replace(made, window=Window("updated_at")))[-1] == "updated_at"


MOMENT = dt.datetime(2026, 11, 1, 2, 3, 4, 5)  # noqa: DTZ001 - without a zone is meant


@pytest.mark.parametrize(
    ("dialect", "day", "naive", "zoned"),
    [
        (
            postgresql,
            "DATE '2026-11-01'",
            "TIMESTAMP '2026-11-01 02:03:04.000005'",
            "CAST('2026-11-01 02:03:04.000005+00:00' AS TIMESTAMP WITH TIME ZONE)",
        ),
        (
            mssql,
            "CAST('2026-11-01' AS DATE)",
            "CAST('2026-11-01 02:03:04.000005' AS DATETIME2)",
            "CAST('2026-11-01 02:03:04.000005+00:00' AS DATETIMEOFFSET)",
        ),
        (
            mysql,
            "DATE '2026-11-01'",
            "TIMESTAMP '2026-11-01 02:03:04.000005'",
            "TIMESTAMP '2026-11-01 02:03:04.000005'",
        ),
        (sqlite, "'2026-11-01'", "'2026-11-01 02:03:04.000005'", "'2026-11-01 02:03:04.000005'"),
    ],
)
def test_moments_are_written_as_each_warehouse_reads_them(dialect, day, naive, zoned):
    """To the microsecond; those with a zone in UTC, whatever zone they came in."""
    known = sqlalchemy_dialect(dialect.dialect())
    east = dt.timezone(dt.timedelta(hours=2))
    assert literal(MOMENT.date(), known) == day
    assert literal(MOMENT, known) == naive
    assert literal((MOMENT + dt.timedelta(hours=2)).replace(tzinfo=east), known) == zoned


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MOMENTS = st.dates() | st.datetimes() | st.datetimes(timezones=st.just(dt.UTC))


@given(st.integers() | MOMENTS | st.decimals(-10, 10, places=3) | TEXTS | st.booleans())
def test_a_literal_is_the_value(value):
    """DuckDB reads back what was written, text of any kind too."""
    assume(not isinstance(value, int) or abs(value) < 2**120)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        (found,) = connection.execute(f"SELECT {literal(value, duckdb_dialect())}").fetchone()
    assert found == value
