"""Rows past the names of what is known: which are hits, which are written down, in which order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec
from tailrace.diff.fingerprint import Recipe
from tailrace.diff.hashset import HashSet
from tailrace.diff.probe import Journal, Probe, stream
from tailrace.errors import WarehouseError
from tailrace.values import LogicalType


def array(values):
    """Hashes."""
    return np.array(list(values), np.uint64)


@contextmanager
def probing(folder, known, second=None):
    """A probe over known names, with a journal in the folder; `second` are their other halves."""
    paths = [folder / f"lane-{lane}" for lane in range(1 if second is None else 2)]
    first, halves = array(known), None if second is None else array(second)
    if halves is not None:
        order = np.argsort(first)
        first, halves = first[order], halves[order]
    with Journal(paths) as journal:
        yield Probe(HashSet(first), halves, journal)


def columns(start, names, seconds=None, fits=None):
    """What the query gives a probe of one batch."""
    numbers = pl.Series(range(start, start + len(names)), dtype=pl.UInt32)
    halves = [] if seconds is None else [pl.Series(seconds, dtype=pl.UInt64)]
    return [numbers, pl.Series(names, dtype=pl.UInt64), *halves, pl.Series(fits or [True] * len(names))]


def test_a_name_is_hit_once(tmp_path):
    """The first row with a known name is the known one; a second one, in the same batch or a later one, is not."""
    with probing(tmp_path, [5, 7, 9]) as probe:
        assert probe(columns(0, [7, 1, 7, 5])).to_list() == [False, True, True, False]
        assert probe(columns(4, [5, 9, 7])).to_list() == [True, False, True]
    assert (probe.hits, probe.rows) == (3, 7)
    assert probe.unseen().tolist() == []
    assert np.fromfile(tmp_path / "lane-0", np.uint64).tolist() == [1, 7, 5, 7]


def test_what_nobody_saw(tmp_path):
    """Names that no row had are left over."""
    with probing(tmp_path, [5, 7, 9]) as probe:
        probe(columns(0, [7, 1]))
        assert probe.unseen().tolist() == [5, 9]


def test_a_name_of_two_known_rows_is_never_hit(tmp_path):
    """It does not tell which of the two it is, so that both are looked at."""
    with probing(tmp_path, [5, 7, 7, 9]) as probe:
        assert probe(columns(0, [7, 7, 5])).to_list() == [True, True, False]
        assert probe.unseen().tolist() == [7, 7, 9]


def test_a_row_that_does_not_fit_is_no_hit(tmp_path):
    """A value that had to be cut to the pinned type is another value, whatever its name is."""
    with probing(tmp_path, [5, 7]) as probe:
        assert probe(columns(0, [5, 7], fits=[False, True])).to_list() == [True, False]


def test_both_halves_must_fit(tmp_path):
    """Of wide names the other half decides where the first one is the same."""
    with probing(tmp_path, [9, 5], second=[90, 50]) as probe:
        assert probe(columns(0, [5, 9, 5], [51, 90, 50])).to_list() == [True, False, False]
    assert np.fromfile(tmp_path / "lane-0", np.uint64).tolist() == [5]
    assert np.fromfile(tmp_path / "lane-1", np.uint64).tolist() == [51]


def test_nothing_is_known(tmp_path):
    """Without names every row is written down."""
    with probing(tmp_path, []) as probe:
        assert probe(columns(0, [0, 2**64 - 1])).to_list() == [True, True]
        assert probe.unseen().tolist() == []


def test_names_are_in_the_order_of_their_rows(tmp_path):
    """Whichever batch comes first, the journal ends up in the order of the rows."""
    with probing(tmp_path, [5]) as probe:
        for start, names in ((6, [60, 61]), (0, [1, 5, 2]), (3, [30, 31, 32])):
            probe(columns(start, names))
    assert np.fromfile(tmp_path / "lane-0", np.uint64).tolist() == [1, 2, 30, 31, 32, 60, 61]


def broken_off(folder):
    """A stream that ends with an error, after two batches out of order."""
    with probing(folder, []) as probe:
        probe(columns(4, [40]))
        probe(columns(0, [1]))
        raise ZeroDivisionError


def test_a_journal_that_breaks_off_is_left_as_it_is(tmp_path):
    """An error in the stream is what is told, not one of the journal."""
    with pytest.raises(ZeroDivisionError):
        broken_off(tmp_path)
    assert np.fromfile(tmp_path / "lane-0", np.uint64).tolist() == [40, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=6), st.lists(st.lists(st.integers(0, 8), max_size=6), max_size=5))
def test_hits_are_what_a_counter_says(tmp_path_factory, known, batches):
    """Each name that one known row has is hit by one row; all other rows are misses, and told in their order."""
    folder = tmp_path_factory.mktemp("probe")
    single = {name for name in known if known.count(name) == 1}
    seen, misses, start = set(), [], 0
    with probing(folder, known) as probe:
        for names in filter(None, batches):
            expected = [name not in single or name in seen or name in names[:at] for at, name in enumerate(names)]
            assert probe(columns(start, names)).to_list() == expected
            misses += [name for name, miss in zip(names, expected, strict=True) if miss]
            seen |= single & set(names)
            start += len(names)
    assert (probe.hits, probe.rows) == (len(seen), start)
    assert probe.unseen().tolist() == sorted(name for name in known if name not in seen)
    assert np.fromfile(folder / "lane-0", np.uint64).tolist() == misses


def test_several_threads_share_a_probe(tmp_path):
    """Of rows with one name in different batches exactly one is the hit, whichever comes first; none is lost."""
    known, threads, rounds = range(1, 2_001), 4, 8
    barrier = threading.Barrier(threads)
    batches = [np.random.default_rng(number).integers(1, 4_001, 500) for number in range(threads * rounds)]

    def work(first):
        barrier.wait()
        return [probe(columns(at * 500, batches[at].tolist())) for at in range(first, len(batches), threads)]

    with probing(tmp_path, known) as probe, ThreadPoolExecutor(threads) as pool:
        masks = [mask for found in pool.map(work, range(threads)) for mask in found]
    everything = np.concatenate(batches)
    hit = set(everything.tolist()) & set(known)
    assert probe.hits == len(hit) == sum(int((~mask).sum()) for mask in masks)
    assert probe.rows == everything.size
    written = np.fromfile(tmp_path / "lane-0", np.uint64)
    assert sorted(written.tolist() + sorted(hit)) == sorted(everything.tolist())


SPEC = DiffSpec(("id",), (), ("a",))


def batches(size=3, count=4):
    """A model of several batches."""
    for start in range(0, size * count, size):
        ids = list(range(start, start + size))
        yield pa.record_batch({"k:id": ids, "f:a": [n * 10 for n in ids]})


def streamed(folder, made, known=(), pins=None):
    """The misses of a stream, their names, and the probe."""
    recipe = Recipe.of(SPEC, {})
    rows = ModelRows.from_batches(made)
    with probing(folder, known) as probe:
        misses = stream(rows, recipe, pins or {}, probe, folder / "misses.parquet", group_rows=1000)
    return pl.read_parquet(misses.path), np.fromfile(misses.names[0], np.uint64), misses.rows, probe


def test_a_stream_writes_what_is_not_known(tmp_path):
    """Misses come in the model's order, each with the name that it would have in a snapshot."""
    frame, names, rows, probe = streamed(tmp_path, batches())
    assert frame.rows() == [(n, n * 10) for n in range(12)]
    assert (
        names.tolist()
        == frame.select(Recipe.of(SPEC, {}).stored({n: LogicalType("int64") for n in frame.columns}))["name"].to_list()
    )
    assert (rows, probe.rows, probe.hits) == (12, 12, 0)
    again, left, count, second = streamed(tmp_path, batches(), known=[*names[:4], *names[6:]])
    assert again.rows() == [(4, 40), (5, 50)]
    assert left.tolist() == names[4:6].tolist()
    assert (count, second.hits, second.unseen().size) == (2, 10, 0)


def test_other_types_are_compared_under_the_pinned_ones(tmp_path):
    """Values that fit the pinned type are known by the names of that; others are misses, in the model's type."""
    _, names, _, _ = streamed(tmp_path, batches())
    texts = [pa.record_batch({"k:id": [0, 1, 2], "f:a": ["0", "ten", "20"]})]
    pins = {"k:id": LogicalType("int64"), "f:a": LogicalType("int64")}
    frame, _, rows, probe = streamed(tmp_path, texts, known=names, pins=pins)
    assert frame.rows() == [(1, "ten")]
    assert (rows, probe.hits) == (1, 2)


def test_a_value_that_does_not_fit_is_no_null(tmp_path):
    """What the pinned type cannot hold is not taken for the NULL that was sent, which is taken for itself."""
    nulls = pa.record_batch({"k:id": [0, 1], "f:a": pa.array([None, None], pa.int64())})
    _, names, _, _ = streamed(tmp_path, [nulls])
    pins = {"k:id": LogicalType("int64"), "f:a": LogicalType("int64")}
    texts = pa.record_batch({"k:id": [0, 1], "f:a": ["ten", None]})
    frame, _, _, probe = streamed(tmp_path, [texts], known=names, pins=pins)
    assert frame.rows() == [(0, "ten")]
    assert probe.hits == 1


def test_an_empty_model_is_no_error(tmp_path):
    """An empty batch has columns and no rows."""
    frame, names, rows, _ = streamed(
        tmp_path, [pa.record_batch({"k:id": pa.array([], pa.int64()), "f:a": pa.array([], pa.int64())})]
    )
    assert (frame.height, names.size, rows) == (0, 0, 0)
    assert frame.columns == ["k:id", "f:a"]


def test_a_model_that_breaks_off_is_an_error(tmp_path):
    """Rows that did not come must not be taken for deleted ones."""

    def broken():
        yield from batches(count=2)
        raise WarehouseError("the connection is gone")

    with pytest.raises(WarehouseError, match="the connection is gone"):
        streamed(tmp_path, broken())
