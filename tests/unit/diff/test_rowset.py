"""Rows on disk or in memory: cut into batches of exactly one size, filtered, numbered, counted."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace import rowset
from tailrace.rowset import Rows, Source

LAWS = settings(max_examples=60, deadline=None)


def frame(numbers):
    """Rows with those numbers."""
    return pl.DataFrame({"seq": list(numbers)}, schema={"seq": pl.Int64})


def rows_of(sizes):
    """Rows in so many sources, numbered through."""
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    parts = [Rows.of_frame(frame(range(start, start + size))) for start, size in zip(starts, sizes, strict=True)]
    return Rows(tuple(source for part in parts for source in part.sources))


@LAWS
@given(st.lists(st.integers(0, 9), max_size=5), st.integers(1, 8), st.integers(1, 4), st.integers(1, 9))
def test_batches_have_exactly_one_size(sizes, size, modulus, piece):
    """Whatever the sources hold and a filter leaves of them, only the last batch is smaller, and the order stays."""
    wanted = [number for number in range(sum(sizes)) if number % modulus == 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rowset, "BATCH_ROWS", piece)
        found = list(rows_of(sizes).where(pl.col("seq") % modulus == 0).batches(size))
    assert [batch["seq"].to_list() for batch in found] == [wanted[at : at + size] for at in range(0, len(wanted), size)]


@LAWS
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 12))
def test_the_first_rows(sizes, count):
    """As many as there are, but not more than asked for; none of them keep the columns."""
    found = rows_of(sizes).head(count)
    assert found["seq"].to_list() == list(range(min(count, sum(sizes))))
    assert found.columns == ["seq"]


def test_columns_and_expressions_can_be_chosen():
    """Batches and queries of some columns only."""
    rows = Rows.of_frame(frame(range(5)).with_columns(x=pl.lit("x")))
    assert [batch.rows() for batch in rows.batches(3, ["x", pl.col("seq") * 2])] == [
        [("x", 0), ("x", 2), ("x", 4)],
        [("x", 6), ("x", 8)],
    ]
    assert rows.collect(["x"]).columns == ["x"]
    assert rows.lazy([pl.col("seq").max()]).collect().item() == 4


def test_rows_by_number():
    """Those with some numbers, those without, and none of them."""
    rows = rows_of([3, 4])
    assert rows.take([5, 1, 99])["seq"].to_list() == [1, 5]
    assert rows.numbered(range(2, 4)).collect()["seq"].to_list() == [2, 3]
    assert rows.without([0, 6]).collect()["seq"].to_list() == [1, 2, 3, 4, 5]
    assert rows.without(iter([])).count() == 7
    assert rows.take([])["seq"].to_list() == []


def test_rows_are_counted():
    """All of them, or those for which something holds; nothing has none."""
    rows = rows_of([3, 0, 4])
    assert rows.count() == 7
    assert rows.count(pl.col("seq") > 4) == 2
    assert rows.where(pl.col("seq") > 9).count() == 0
    assert Rows(()).count() == 0


def test_no_rows_at_all():
    """Without a source there is no column, and still everything can be asked."""
    nothing = Rows(())
    assert (nothing.schema, list(nothing.batches(3)), nothing.collect().shape) == (pl.Schema(), [], (0, 0))
    assert nothing.head(3).shape == (0, 0)


def test_steps_are_taken_in_their_order(tmp_path):
    """Rows of a file after several steps, batch by batch as in one piece."""
    path = tmp_path / "rows.parquet"
    frame(range(10)).write_parquet(path, row_group_size=3)
    rows = Rows.of_file(path, 10).then(
        lambda lazy: lazy.with_columns(pl.col("seq") + 1), lambda lazy: lazy.filter(pl.col("seq") % 2 == 0)
    )
    rows = rows.then(lambda lazy: lazy.with_columns(double=pl.col("seq") * 2))
    assert rows.schema == {"seq": pl.Int64, "double": pl.Int64}
    assert pl.concat(list(rows.batches(2))).equals(rows.collect())
    assert rows.collect()["double"].to_list() == [4, 8, 12, 16, 20]


def test_plain_inserts_can_be_parted():
    """The sources of one kind, or of the other."""
    bulk = Source(frame([7]).lazy(), 1, bulk=True, origin="file")
    rows = Rows((*rows_of([2]).sources, bulk))
    assert rows.part(bulk=True).collect()["seq"].to_list() == [7]
    assert rows.part(bulk=False).collect()["seq"].to_list() == [0, 1]
    marked = rows.then(lambda lazy: lazy.with_columns(x=1)).part(bulk=True)
    assert (marked.sources[0].origin, marked.schema.names()) == ("file", ["seq", "x"])


def test_types_of_sources_may_differ_in_width():
    """Rows of several sources come under one type, in batches too."""
    narrow = frame([1]).with_columns(x=pl.lit(None))
    wide = frame([2]).with_columns(x=pl.lit("text"))
    rows = Rows((*Rows.of_frame(narrow).sources, *Rows.of_frame(wide).sources))
    assert rows.collect().rows() == [(1, None), (2, "text")]
    assert [batch.rows() for batch in rows.batches(2)] == [[(1, None), (2, "text")]]
