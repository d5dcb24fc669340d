"""Snapshots that hold digests in place of values: nothing can be read from them, and yet changes are exact."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from tailrace.diff import engine
from tailrace.diff.digests import Digests
from tailrace.errors import SnapshotError
from tailrace.snapshot.store import GRACE

KEY = b"a key of some length"
TELLING = ["telling-value-one", None, "telling-value-three", ""]
ROWS = {"k_id": [1, 2, 3, 4], "m_ext": ["x", "y", "z", "w"], "f_a": [1_234_567_891, None, 3, 0], "f_b": TELLING}
WORDS = ["telling-value", "1234567891"]


@pytest.fixture
def hashed(make_sync, tmp_path):
    """A sync whose snapshot may not hold values."""
    return make_sync(tmp_path, secret=KEY, hashed=True)


def hide(sync):
    """From the next commit on the sync keeps digests."""
    sync.hashed, sync.options = True, replace(sync.options, secret=KEY)


def texts(folder):
    """Everything that can be read from a folder's files: their bytes, and every value of the tables in them."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            for column in pl.read_parquet(path).iter_columns():
                plain = column if column.dtype.is_nested() else column.cast(pl.String)
                yield path.name, repr(plain.to_list())


def told(folder):
    """The files in which a telling value can be found."""
    return {name for name, text in texts(folder) if any(word in text for word in WORDS)}


def test_in_clear_the_values_are_there(sync):
    """What is looked for would be found."""
    sync.run(**ROWS)
    (segment,) = sync.open().manifest.segments
    assert told(sync.folder) == {segment.values.name}


def test_no_value_is_kept(hashed):
    """No file of the snapshot holds a value of a field, whatever was inserted, updated, refused or deleted."""
    hashed.run(**ROWS)
    assert told(hashed.folder) == set()
    model = {
        **ROWS,
        "k_id": [1, 2, 3, 5],
        "f_b": ["p", "telling-value-two", "telling-value-three", "telling-value-five"],
    }
    hashed.run(**model, refused={2})
    hashed.run(**model, origin=False)
    assert told(hashed.folder) == set()
    snapshot = hashed.open()
    assert snapshot.values == "hashed"
    frame = snapshot.frame()
    assert frame["k:id"].to_list() == [1, 2, 3, 5]
    assert frame.schema["f:a"] == frame.schema["f:b"] == pl.String
    assert {len(value) for value in frame["f:b"].drop_nulls()} == {32}
    assert str(snapshot.types["f:a"]) == "int64"


def test_equal_values_of_other_columns_do_not_show(hashed):
    """The same value in two columns, or of two types, has two digests; NULL is NULL in all of them."""
    hashed.run(k_id=[1, 2], m_ext=["x", "y"], f_a=["p", None], f_b=["p", None])
    frame = hashed.open().frame()
    assert frame["f:a"][0] != frame["f:b"][0]
    assert frame.select("f:a", "f:b").row(1) == (None, None)


@pytest.mark.parametrize("origin", [True, False])
def test_changes_are_exact_field_by_field(hashed, origin):
    """Only what differs is sent, with its new value; what was there before is not shown."""
    hashed.run(**ROWS, origin=origin)
    same = hashed.run(**ROWS, origin=origin)
    assert (same.said, same.events) == ({}, [])
    run = hashed.run(
        k_id=[1, 2, 3, 5],
        m_ext=["x", "y", "z", "v"],
        f_a=[1_234_567_891, 2, 4, 5],
        f_b=[None, None, "telling-value-three", ""],
        refused={3},
        origin=origin,
    )
    assert run.said == {
        1: ("update", {"b"}),
        2: ("update", {"a"}),
        3: ("update", {"a"}),
        5: ("insert", {"a", "b"}),
        4: ("delete", set()),
    }
    changes = run.changes
    assert changes.select("n:a", "n:b").rows() == [
        (1_234_567_891, None),
        (2, None),
        (4, "telling-value-three"),
        (5, ""),
        (None, None),
    ]
    assert changes.select("o:a", "o:b").null_count().row(0) == (5, 5)
    assert (changes.schema["o:a"], changes.schema["o:b"]) == (pl.Int64, pl.String)
    assert changes["record_id"].to_list() == ["R1", "R2", "R3", None, "R4"]
    again = hashed.run(
        k_id=[1, 2, 3, 5], m_ext=["x", "y", "z", "v"], f_a=[1_234_567_891, 2, 4, 5], f_b=[None, None, TELLING[2], ""]
    )
    assert again.said == {3: ("update", {"a"})}


def test_known_rows_are_known_by_name(hashed):
    """A second look at a row that did not change is not needed."""
    hashed.run(**ROWS)
    assert hashed.run(**ROWS).misses == 0


def test_a_row_that_needs_nothing_is_compared_once(hashed):
    """Its new name is kept, though its values are not."""
    hashed.spec = replace(hashed.spec, fill_empty=frozenset({"b"}))
    hashed.run(**ROWS)
    model = {**ROWS, "f_b": ["telling-value-1", None, "telling-value-3", ""]}
    assert [(run.said, run.misses) for run in (hashed.run(**model), hashed.run(**model))] == [({}, 2), ({}, 0)]
    assert told(hashed.folder) == set()


TYPES = {
    "floats": (pa.float64(), [1.5, float("nan"), -0.0], [1.5, float("nan"), 1.0]),
    "decimals": (pa.decimal128(10, 2), [Decimal("1.50"), Decimal(0), None], [Decimal("1.50"), Decimal(0), Decimal(1)]),
    "days": (pa.date32(), [dt.date(1, 1, 1), None, dt.date(2026, 1, 1)], [dt.date(1, 1, 1), None, dt.date(2026, 1, 2)]),
    "moments": (pa.timestamp("us", "UTC"), [0, None, 1], [0, None, 2]),
    "bytes": (pa.binary(), [b"", None, b"\0"], [b"", None, b"\1"]),
    "bools": (pa.bool_(), [True, None, False], [True, None, True]),
    "lists": (pa.list_(pa.string()), [[], None, ["p"]], [[], None, ["p", "q"]]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_values_of_any_type_have_digests(hashed, kind):
    """Equal values have equal digests, and other ones do not."""
    arrow, before, after = TYPES[kind]
    rows = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_b": ["p", "q", "r"]}
    hashed.run(**rows, f_a=pa.array(before, arrow))
    assert hashed.run(**rows, f_a=pa.array(before, arrow)).said == {}
    assert hashed.run(**rows, f_a=pa.array(after, arrow)).said == {3: ("update", {"a"})}
    assert hashed.run(**rows, f_a=pa.array(after, arrow)).said == {}


def test_a_field_of_another_type_is_sent_when_it_is_told(hashed):
    """Digests cannot be converted: what has to be sent for that goes with the event, and nothing comes later."""
    rows = {"k_id": [1, 2], "m_ext": ["x", "y"], "f_b": ["p", "q"]}
    hashed.run(**rows, f_a=[1, 2])
    run = hashed.run(**rows, f_a=["1", "two"])
    assert run.events == [("retyped", "a")]
    assert run.said == {1: ("update", {"a"}), 2: ("update", {"a"})}
    assert hashed.run(**rows, f_a=["1", "two"]).said == {}


def test_a_field_in_other_clothes_is_the_same(hashed):
    """A driver's change of width does not show in digests either."""
    rows = {"k_id": [1, 2], "m_ext": ["x", "y"], "f_b": ["p", "q"]}
    hashed.run(**rows, f_a=pa.array([1, 2], pa.int32()))
    run = hashed.run(**rows, f_a=pa.array([1, 2], pa.int64()))
    assert (run.said, run.events) == ({}, [])
    wide = hashed.run(**rows, f_a=pa.array([Decimal("1.00"), Decimal("2.00")], pa.decimal128(10, 2)))
    assert (wide.said, wide.events) == ({}, [])


@pytest.mark.parametrize("origin", [True, False])
def test_a_snapshot_in_clear_is_converted(sync, origin):
    """From the commit on there are digests alone; nothing is sent for it, and what was known stays known."""
    sync.spec = replace(sync.spec, skip_nulls=frozenset({"b"}))
    sync.run(**ROWS)
    sync.run(**{**ROWS, "f_a": [5, None, 3, 0]}, refused={1})
    before = sync.open().frame()
    hide(sync)
    run = sync.run(**ROWS, origin=origin)
    assert run.said == {}
    snapshot = sync.open()
    assert snapshot.values == "hashed"
    after = snapshot.frame()
    kept = ["k:id", "m:ext", "record_id", "unknown"]
    assert after.select(kept).equals(before.select(kept))
    assert after.select("f:a", "f:b").null_count().row(0) == before.select("f:a", "f:b").null_count().row(0)
    assert sync.run(**{**ROWS, "f_a": [1, None, 3, 0]}).said == {1: ("update", {"a"})}
    assert sync.run(**{**ROWS, "f_a": [1, None, 3, 0]}).said == {}


def test_lists_are_converted_too(sync):
    """A list is named by its elements, which no digest has: rows whose names are not kept are compared once."""
    rows = {"k_id": [1, 2, 3], "m_ext": ["x", "y", "z"], "f_a": [["p"], [], None], "f_b": ["p", "q", "r"]}
    sync.run(**rows)
    hide(sync)
    assert sync.run(**{**rows, "f_b": ["p", "q", "s"]}).said == {3: ("update", {"b"})}
    model = {**rows, "f_a": [["p"], ["r"], None], "f_b": ["p", "q", "s"]}
    assert sync.run(**model).said == {2: ("update", {"a"})}
    assert (sync.run(**model).said, sync.run(**model).misses) == ({}, 0)
    assert sync.open().values == "hashed"


def test_conversion_and_changes_go_together(sync):
    """The run that converts may change rows too, and others may be refused."""
    sync.run(**ROWS)
    hide(sync)
    model = {**ROWS, "k_id": [1, 2, 3, 5], "m_ext": ["x", "y", "z", "v"], "f_a": [1_234_567_891, 2, 9, 5]}
    run = sync.run(**model, refused={3})
    assert run.said == {2: ("update", {"a"}), 3: ("update", {"a"}), 5: ("insert", {"a", "b"}), 4: ("delete", set())}
    assert sync.run(**model).said == {3: ("update", {"a"})}
    assert sync.run(**model).said == {}


def test_conversion_leaves_rows_their_names(sync):
    """The run after it knows all rows by their names, as before, and compares none."""
    sync.run(**ROWS)
    hide(sync)
    model = {**ROWS, "f_a": [1_234_567_891, 2, 9, 5]}
    sync.run(**model)
    again = sync.run(**model)
    assert (again.said, again.misses) == ({}, 0)


def test_conversion_takes_rows_that_need_nothing(sync):
    """Rows that merely get another name in the same run are converted as well."""
    sync.spec = replace(sync.spec, fill_empty=frozenset({"a"}))
    sync.run(**ROWS)
    hide(sync)
    run = sync.run(**{**ROWS, "f_a": [7, None, 8, 9]})
    assert (run.said, run.misses) == ({}, 4)
    assert told(sync.folder).isdisjoint(file.name for file in sync.open().manifest.files)
    assert sync.run(**{**ROWS, "f_a": [7, None, 8, 9]}).misses == 0


def test_after_a_conversion_the_old_files_go(sync):
    """Files with values stay for readers that began before, and not longer."""
    sync.run(**ROWS)
    hide(sync)
    sync.run(**ROWS)
    live = {file.name for file in sync.open().manifest.files}
    assert told(sync.folder).isdisjoint(live)
    sync.now += GRACE
    sync.store.maintain(sync.open())
    assert told(sync.folder) == set()
    assert sync.run(**ROWS).said == {}


def test_bulk_inserts_are_hashed_too(hashed, monkeypatch):
    """Plain inserts that would stay in the model's own file do not become part of the snapshot in clear."""
    monkeypatch.setattr(engine, "MIN_ROWS", 1)
    monkeypatch.setattr(engine, "_SHARE", 10**12)
    run = hashed.run(**ROWS)
    assert [source.bulk for source in run.found.rows.sources] == [False, True]
    assert told(hashed.folder) == set()
    assert hashed.run(**ROWS).said == {}


def test_compaction_keeps_digests(hashed):
    """Merged segments hold the same digests."""
    for size in range(1, 12):
        ids = list(range(size))
        hashed.run(k_id=ids, m_ext=[f"x{n}" for n in ids], f_a=ids, f_b=["telling-value"] * size)
    assert len(hashed.open().readers) < 6
    frame = hashed.open().frame()
    assert frame["f:b"].n_unique() == 1
    assert (
        frame["f:a"].to_list() == Digests(KEY).series(pl.Series(range(11)), hashed.open().types["f:a"], "f:a").to_list()
    )
    assert told(hashed.folder) == set()


def test_another_key_is_refused(hashed):
    """Under another key every digest would differ, so that all would be sent: that is an error, with a way out."""
    hashed.run(**ROWS)
    snapshot = hashed.open()
    snapshot.check_key(KEY)
    with pytest.raises(SnapshotError, match=r"made with another key[\s\S]*tailrace reset contacts"):
        snapshot.check_key(b"another")
    with pytest.raises(SnapshotError, match=r"holds digests of values[\s\S]*values: hashed"):
        snapshot.check_key(b"")


def test_a_snapshot_in_clear_takes_any_key(sync):
    """There is nothing in it that a key could have made."""
    sync.open().check_key(KEY)
    sync.run(**ROWS)
    sync.open().check_key(KEY)
    sync.open().check_key(b"")


def test_the_key_is_nowhere(hashed):
    """Neither the key nor anything to try it by in clear is in the folder."""
    hashed.run(**ROWS)
    assert not any("a key of some length" in text for _, text in texts(hashed.folder))
