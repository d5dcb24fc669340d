"""What must be compared together lands together, and what need not be, need not."""

from dataclasses import replace
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.changes import DiffSpec
from tailrace.diff import groups
from tailrace.diff.buckets import Buckets
from tailrace.diff.groups import buckets, marks, single

SPEC = DiffSpec(("id", "no"), ("ext",), ())
LAWS = settings(max_examples=150, deadline=None)
KEYS = st.tuples(st.none() | st.integers(0, 12), st.none() | st.sampled_from("pq"))
ROWS = st.lists(st.tuples(KEYS, st.none() | st.sampled_from("stuvwxyzSTUV ")), max_size=14)


def frame(rows):
    """Rows of (key, match)."""
    data = {
        "k:id": [key[0] for key, _ in rows],
        "k:no": [key[1] for key, _ in rows],
        "m:ext": [match for _, match in rows],
    }
    return pl.DataFrame(data, schema={"k:id": pl.Int64, "k:no": pl.String, "m:ext": pl.String}).lazy()


def marked(rows, spec=SPEC):
    """The marks of some rows."""
    return marks(frame(rows), len(rows), spec)


def whole(key):
    """Whether no part of a key is missing."""
    return None not in key


def folded(match, spec):
    """A match value as the destination tells records apart."""
    return match.strip().lower() if match is not None and spec.fold_match else match


def components(rows, spec):
    """Rows with a key that are connected by keys and match values, the slow way: sets of positions."""
    parts = []
    for at, (key, match) in enumerate(rows):
        if whole(key):
            names = {("k", key)} | ({("m", folded(match, spec))} if match is not None else set())
            touched = [part for part in parts if part[1] & names]
            parts = [part for part in parts if part not in touched]
            parts.append(({at}.union(*(part[0] for part in touched)), names.union(*(part[1] for part in touched))))
    return [part[0] for part in parts]


@LAWS
@given(ROWS, ROWS, st.integers(1, 5), st.booleans())
def test_rows_that_concern_each_other_share_a_bucket(new, old, count, fold):
    """Directly or by way of others, on either side; rows without a key have none; plain inserts need none."""
    spec = DiffSpec(("id", "no"), ("ext",), (), fold_match=frozenset({"ext"} if fold else ()))
    of_new, of_old = buckets(marked(new, spec), marked(old, spec), count)
    numbers = [*of_new.tolist(), *of_old.tolist()]
    rows = [*new, *old]
    assert [number >= 0 for number in numbers] == [whole(key) for key, _ in rows]
    assert all(number < count for number in numbers)
    for part in components(rows, spec):
        assert len({numbers[at] for at in part}) == 1
    ours, theirs = marked(new, spec), marked(old, spec)
    plain = single(ours, theirs, matched=True)
    of_new[plain] = -1
    without = buckets(replace(ours, keyed=ours.keyed & ~plain), theirs, count)
    assert [side.tolist() for side in without] == [of_new.tolist(), of_old.tolist()]


@pytest.mark.parametrize("part_bits", [groups._PART_BITS, 0])  # the first has so few rows in one
@LAWS
@given(new=ROWS, old=ROWS, matched=st.booleans())
def test_plain_inserts_concern_nobody(part_bits, new, old, matched):
    """A row is plain exactly when it has a key, and a match value where one is needed, that no other row has."""
    spec = SPEC if matched else DiffSpec(("id", "no"), (), ())
    with mock.patch.object(groups, "_PART_BITS", part_bits):
        found = single(marked(new, spec), marked(old, spec), matched=matched)
    others = [*new, *old]

    def lonely(value, position):
        return sum(row[position] == value for row in others) == 1

    expected = [
        whole(key) and lonely(key, 0) and (not matched or (match is not None and lonely(match, 1)))
        for key, match in new
    ]
    assert found.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=150), st.integers(2, 64))
def test_long_chains_share_a_bucket(pairs, count):
    """Keys connected over many match values, on both sides."""
    rows = [((key, "p"), str(match)) for key, match in pairs]
    half = len(rows) // 2
    of_new, of_old = buckets(marked(rows[:half]), marked(rows[half:]), count)
    numbers = [*of_new.tolist(), *of_old.tolist()]
    for part in components(rows, SPEC):
        assert len({numbers[at] for at in part}) == 1


def test_a_chain_of_a_thousand_is_one_bucket():
    """Each key shares a match value with the next one."""
    new = [((at, "p"), str(at)) for at in range(1000)]
    old = [((at + 1, "p"), str(at)) for at in range(1000)]
    of_new, of_old = buckets(marked(new), marked(old), 16)
    assert len({*of_new.tolist(), *of_old.tolist()}) == 1


def test_rows_that_have_nothing_in_common_are_spread():
    """Otherwise everything would be compared at once."""
    rows = [((at, "p"), str(at)) for at in range(2000)]
    of_new, of_old = buckets(marked(rows), marked(rows), 8)
    assert of_new.tolist() == of_old.tolist()
    assert min(np.bincount(of_new, minlength=8)) > 150


def test_where_the_match_is_the_key_it_is_looked_at_once():
    """Then the key's hashes serve for both, and rows share a match value only where they share the key."""
    spec = DiffSpec(("id",), ("ext",), (), match_is_key=True)
    rows = pl.LazyFrame({"k:id": [1, 2, None], "m:ext": [1, 2, None]})
    found = marks(rows, 3, spec)
    assert found.match is found.key
    assert found.matched.tolist() == [True, True, False]
    folding = DiffSpec(("id",), ("ext",), (), match_is_key=True, fold_match=frozenset({"ext"}))
    texts = pl.LazyFrame({"k:id": ["a", "A"], "m:ext": ["a", "A"]})
    both = marks(texts, 2, folding)
    assert both.key[0] != both.key[1]
    assert both.match[0] == both.match[1]


def test_marks_of_many_batches():
    """Marks are in the order of the rows, however many there are."""
    rows = [((at, "p"), None if at % 3 == 0 else str(at)) for at in range(200_000)]
    found = marked(rows)
    assert found.rows == 200_000
    for at in (0, 1, 131_072, 199_999):
        alone = marked(rows[at : at + 1])
        assert (found.key[at], found.matched[at]) == (alone.key[0], alone.matched[0])


def test_marks_of_nothing():
    """No rows have no marks, and everything else is plain then."""
    nothing = marked([])
    assert nothing.rows == 0
    assert single(marked([((1, "p"), "x")]), nothing, matched=True).tolist() == [True]
    assert [part.tolist() for part in buckets(nothing, nothing, 4)] == [[], []]


def test_match_values_that_collide_cost_nothing_but_room():
    """Different values with one hash are compared together without need, never apart."""
    found = marked([((1, "p"), "x"), ((2, "q"), "y")])
    same = replace(found, match=np.full(2, 7, np.uint64))
    of_new, _ = buckets(same, marked([]), 64)
    assert of_new[0] == of_new[1]
    assert single(same, marked([]), matched=True).tolist() == [False, False]


@pytest.mark.parametrize("count", [3, 200])
def test_buckets_on_disk_keep_rows_and_order(tmp_path, count):
    """Rows come out of their bucket in the order they were put in, in their types; negative numbers are dropped."""
    table = pl.DataFrame(
        {"row": range(6), "f:a": ["p", None, "q", "", "r", "s"], "u": [["x"], [], None, ["y", None], [], []]},
        schema_overrides={"u": pl.List(pl.String)},
    )
    with Buckets(tmp_path, "model", count) as made:
        made.add(table.head(4), np.array([0, 2, 0, -1]))
        made.add(table.tail(2), np.array([2, 0]))
        made.add(table.clear(), np.array([], np.int64))
    assert made.read(0).equals(table[[0, 2, 5]])
    assert made.read(0).schema == table.schema
    assert made.read(1) is None
    assert [part["row"].to_list() for part in made.batches(2)] == [[1], [4]]
    assert list(made.batches(7)) == []
    made.drop(2)
    made.drop(2)
    assert made.read(2) is None
    assert len(list(tmp_path.iterdir())) == 1


def test_buckets_of_two_names_do_not_mix(tmp_path):
    """Both sides of a comparison are in one folder."""
    with Buckets(tmp_path, "model", 1) as ours, Buckets(tmp_path, "stored", 1) as theirs:
        ours.add(pl.DataFrame({"row": [1]}), np.array([0]))
        theirs.add(pl.DataFrame({"loc": [2]}), np.array([0]))
    assert (ours.read(0).columns, theirs.read(0).columns) == (["row"], ["loc"])


@pytest.mark.parametrize("count", [1, 255, 256])
def test_as_many_buckets_as_there_can_be(tmp_path, count):
    """Each has a file of its own."""
    rows = pl.DataFrame({"row": range(count)})
    with Buckets(tmp_path, "model", count) as made:
        made.add(rows, np.arange(count))
    assert [made.read(bucket)["row"].to_list() for bucket in range(count)] == [[at] for at in range(count)]
