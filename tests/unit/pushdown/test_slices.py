"""Values in parts that a statement can take."""

from dataclasses import replace

import polars as pl
import pytest
from tests.unit.pushdown.test_words import IDENTITY, Bench

from tailrace.pushdown import mysql
from tailrace.pushdown.mysql import MySQLDesk
from tailrace.pushdown.slices import sliced
from tailrace.values import LogicalType

FRAME = pl.DataFrame(
    {"k:id": range(10), "f:text": [None, "é" * 30, *["x" * 10] * 7, "y" * 500], "f:bytes": [b"\0" * 5] * 10}
)


@pytest.mark.parametrize(
    ("rows", "size", "heights"),
    [
        (0, 0, [10]),
        (4, 0, [4, 4, 2]),
        (0, 10_000, [10]),
        (0, 1, [1] * 10),
        (0, 200, [3, 5, 1, 1]),
        (2, 200, [2, 2, 2, 2, 1, 1]),
    ],
)
def test_each_part_is_as_small_as_asked_for(rows, size, heights):
    """By rows, by bytes or by both; a row that is longer is a part by itself, and none is lost or moved."""
    parts = list(sliced(FRAME, rows, size))
    assert [part.height for part in parts] == heights
    assert pl.concat(parts).equals(FRAME)


@pytest.mark.parametrize("size", [0, 5])
def test_no_rows_are_one_part(size):
    """So that whoever asks for none gets an answer too."""
    assert [part.shape for part in sliced(FRAME.clear(), 3, size)] == [(0, 3)]


def test_long_rows_are_saved_statement_by_statement(mariadb, tmp_path, monkeypatch):
    """Whatever a statement takes at once: all rows are there, and found again by their keys."""
    given, values = [], MySQLDesk.values
    monkeypatch.setattr(
        MySQLDesk, "values", lambda desk, frame, columns: given.append(frame) or values(desk, frame, columns)
    )
    monkeypatch.setattr(mysql, "MARIADB", replace(mysql.MARIADB, size=100))
    bench = Bench(mariadb, tmp_path)
    model = "SELECT seq AS id, lpad(seq, 90, 'x') AS v FROM seq_1_to_5"
    bench.run(model)
    assert [frame.height for frame in given] == [1] * 5
    snapshot = bench.store.open(IDENTITY)
    keys = pl.DataFrame({"k:id": [1, 2, 3, 4, 5]})
    assert snapshot.held(keys, {"k:id": LogicalType("int64")}).height == 5
    assert sum(bench.compare(model)[0].counts.values()) == 0


def test_numbers_alone_are_cut_too():
    """As where rows are looked up by such keys."""
    assert [part.height for part in sliced(pl.DataFrame({"k:id": range(5)}), 0, 50)] == [2, 2, 1]
