"""Which warehouses can hold snapshots, and what those are told that cannot."""

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tailrace.errors import WarehouseError
from tailrace.pushdown.mysql import sort
from tailrace.pushdown.offered import holds
from tailrace.pushdown.words import Sort


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///main.db",
        "mysql+pymysql://u@h/d",
        "mariadb+pymysql://u@h/d",
        "snowflake://u:p@a/d",
        "redshift+redshift_connector://h/d",
        "mssql+pymssql://h/d",
        "mssql+pyodbc://h/d",
        "bigquery://p/d",
        "databricks://token:x@h?http_path=/p",
    ],
)
def test_these_can(url):
    """By the drivers that it was made for."""
    holds("main", sa.make_url(url))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("clickhousedb://h/d", "ClickHouse has no transactions of several statements"),
        ("trino://h/d", "Trino has no transactions of several statements"),
        ("mssql+aioodbc://h/d", "that has not been tried with mssql+aioodbc"),
        ("redshift+psycopg2://h/d", "that has not been tried with redshift+psycopg2"),
        ("mysql+mysqldb://h/d", "that has not been tried with mysql+mysqldb"),
        ("sqlite://", "SQLite in memory"),
    ],
)
def test_those_cannot_and_say_why(url, why):
    """And what to do instead."""
    with pytest.raises(WarehouseError) as told:
        holds("main", sa.make_url(url))
    assert why in str(told.value)
    assert "snapshots: warehouse" in str(told.value.hint)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ((253, 45, 0), Sort("text", arrow=pa.string())),
        ((253, 63, 0), Sort("bytes", arrow=pa.binary())),
        ((252, 63, 0), Sort("bytes", arrow=pa.binary())),
        ((245, 63, 0), Sort("text", arrow=pa.string())),
        ((246, 63, 2), Sort("decimal", 2, pa.decimal128(38, 2))),
        ((246, 63, 40), Sort("other")),
        ((4, 63, 31), Sort("other")),
        ((11, 63, 0), Sort("other")),
    ],
    ids=["text", "bytes", "blob", "JSON", "decimal", "a longer decimal", "FLOAT", "TIME"],
)
def test_what_columns_of_mysql_are(column, expected):
    """By the protocol's codes; what is read otherwise than it is stored is not compared there."""
    assert sort(*column) == expected
