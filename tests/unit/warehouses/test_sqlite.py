import hashlib
import sqlite3
from decimal import Decimal

import pyarrow as pa
import pytest

from tailrace.errors import WarehouseError
from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import SQLAlchemyConfig
from tailrace.warehouses import open_warehouse
from tailrace.warehouses.rows import batches


def warehouse_at(root, url):
    """Open a warehouse by its URL."""
    return open_warehouse("lite", SQLAlchemyConfig(type="sqlalchemy", url=SecretUrl.literal(url)), root)


@pytest.fixture
def warehouse(tmp_path):
    """Open an SQLite file of three rows."""
    with sqlite3.connect(tmp_path / "w.db") as connection:
        connection.execute("create table t (id integer, name text, amount real, odd)")
        connection.executemany(
            "insert into t values (?, ?, ?, ?)", [(1, None, 1, 1), (2, "Ann", 2.5, "x"), (3, None, None, b"y")]
        )
    connection.close()
    opened = warehouse_at(tmp_path, "sqlite:///w.db")
    yield opened
    opened.close()


def test_types_come_from_all_the_values(warehouse, projection, rows_of):
    """SQLite declares nothing, so the values of the whole result decide: no batch can differ."""
    asked = projection("select * from t", Name="name", Amount="amount", Yes={"value": True})
    schema, rows = rows_of(warehouse, asked, batch_rows=1)
    assert [field.type for field in schema] == [pa.int64(), pa.int64(), pa.string(), pa.float64(), pa.bool_()]
    assert [row["f:Amount"] for row in rows] == [1.0, 2.5, None]


def test_a_column_of_several_types_is_refused(warehouse, projection, rows_of):
    """A column holding numbers and text has no one type; the error names the field and the types."""
    with pytest.raises(WarehouseError, match="field 'Odd' holds values of several types"):
        rows_of(warehouse, projection("select * from t", Odd="odd"), batch_rows=1)


def test_an_unknown_column_is_no_string(warehouse, projection, rows_of):
    """SQLite takes an unknown quoted name for a string; the projection must not let it."""
    with pytest.raises(WarehouseError, match="no column 'Some Name'"):
        rows_of(warehouse, projection("select * from t", A="Some Name"))


def test_sqlite_hashes_like_the_others(warehouse, projection, rows_of):
    """The registered function hashes text and leaves NULL alone."""
    asked = projection("select * from t order by id", H={"column": "name", "hash": "sha256"})
    hashes = [row["f:H"] for row in rows_of(warehouse, asked)[1]]
    assert hashes[0] is None
    assert hashes[1] == hashlib.sha256(b"Ann").hexdigest()


def test_the_file_cannot_be_written(warehouse):
    """The connection refuses every write."""
    with pytest.raises(WarehouseError, match="readonly"):
        warehouse._probe("delete from t")


def test_a_missing_file_is_not_created(tmp_path):
    """A wrong path is an error, not a new empty database."""
    with pytest.raises(WarehouseError, match="there is no SQLite file"):
        warehouse_at(tmp_path, "sqlite:///nope.db")
    assert not (tmp_path / "nope.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "not a SQLAlchemy URL"),
        ("nosuch://db/x", "install the SQLAlchemy driver for nosuch"),
        ("mysql+mysqldb://db/x", "needs MySQLdb, which is not installed"),
    ],
)
def test_urls_that_cannot_work_say_why(tmp_path, url, message):
    """A malformed URL, an unknown dialect and a missing driver each tell what to do."""
    with pytest.raises(WarehouseError, match=message):
        warehouse_at(tmp_path, url)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([[(None,)], [(1,)]], pa.int64()),
        ([[(2**64 - 1,)]], pa.decimal128(38, 0)),
        ([[(1,)], [(2**63,)], [(None,)]], pa.decimal128(38, 0)),
        ([[(1,)], [(2.5,)]], pa.float64()),
        ([[(1,)], [(Decimal("2.50"),)]], pa.decimal128(38, 2)),
        ([[(Decimal("1e3"),)]], pa.decimal128(38, 0)),
        ([[(None,)], [(None,)]], pa.null()),
        ([[([1],)], [([None],)], [([2.5],)]], pa.list_(pa.float64())),
        ([[({"a": 1},)], [({"b": "x"},)]], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ([[(memoryview(b"a"),)], [(b"b",)]], pa.binary()),
        ([], pa.null()),
    ],
)
def test_chunks_of_different_types_take_the_common_one(chunks, kind):
    """Where nothing is declared, a column's type is the one that holds the values of all chunks."""
    found = list(batches(chunks, ["f:A"], [None]))
    assert {batch.schema.field("f:A").type for batch in found} == {kind}
    assert sum(batch.num_rows for batch in found) == sum(map(len, chunks))


@pytest.mark.parametrize(
    "chunks", [[[("a",)], [(1,)]], [[(True,)], [(1,)]], [[(2**70,)]], [[([1],)], [(["a"],)]], [[(Decimal("1e-40"),)]]]
)
def test_values_without_a_common_type_are_refused(chunks):
    """Mixed or too long values are an error that names the field."""
    with pytest.raises(WarehouseError, match="field 'A'"):
        list(batches(chunks, ["f:A"], [None]))
