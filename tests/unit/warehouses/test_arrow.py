"""What drivers give as Arrow, under the types that hold for the whole result."""

from decimal import Decimal

import pyarrow as pa
import pytest

from tailrace.errors import WarehouseError
from tailrace.warehouses.arrow import pieced

NAMES = ["k:id", "f:A"]


def read(pieces, kinds, rows=10):
    """The batches of some pieces."""
    return list(pieced(pieces, NAMES, kinds, rows))


def table(kind, *values):
    """A piece whose second column has that type."""
    return pa.table({"x": pa.array(range(len(values)), pa.int64()), "y": pa.array(values, kind)})


def test_no_batch_has_more_rows_than_asked_for():
    """Large pieces are cut, and empty ones left out."""
    pieces = [table(pa.int8(), 1, 2, 3), table(pa.int16()), table(pa.int32(), 4)]
    batches = read(pieces, [None, pa.int64()], rows=2)
    assert [batch.num_rows for batch in batches] == [2, 1, 1]
    assert [value for batch in batches for value in batch.column(1).to_pylist()] == [1, 2, 3, 4]
    assert {batch.schema.field("f:A").type for batch in batches} == {pa.int64()}


def test_where_nothing_is_declared_the_first_piece_decides():
    """Though it has no row: later pieces take its type."""
    batches = read([table(pa.list_(pa.int64())), table(pa.list_(pa.int8()), [1])], [None, None])
    assert [batch.schema.field("f:A").type for batch in batches] == [pa.list_(pa.int64())]


@pytest.mark.parametrize(("pieces", "kind"), [([], pa.null()), ([table(pa.bool_())], pa.bool_())])
def test_no_row_is_one_batch_that_has_the_types(pieces, kind):
    """Those of an empty piece, or none."""
    (batch,) = read(pieces, [pa.int64(), None])
    assert (batch.num_rows, batch.schema.field("f:A").type) == (0, kind)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.time64("us")])
def test_what_is_finer_than_a_microsecond_is_cut_off(kind):
    """Not refused: no destination would take it."""
    fine = pa.timestamp("ns") if pa.types.is_timestamp(kind) else pa.time64("ns")
    (batch,) = read([table(fine, 1_234_567)], [None, kind])
    assert batch.column(1).cast(pa.int64()).to_pylist() == [1234]


@pytest.mark.parametrize(
    ("given", "value", "kind"),
    [
        (pa.decimal128(38, 0), Decimal(2**63), pa.int64()),
        (pa.decimal128(38, 2), Decimal("1.25"), pa.decimal128(38, 1)),
        (pa.float64(), 1.5, pa.int64()),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(given, value, kind):
    """No digit is lost in silence; the error names the field."""
    with pytest.raises(WarehouseError, match="field 'A' holds"):
        read([table(given, value)], [None, kind])
