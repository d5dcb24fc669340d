"""Hashes of lists: equal where lists are, apart where they are not, wherever a list stands in its column."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tailrace.diff.lists import list_hash

NUMBERS = st.none() | st.lists(st.none() | st.integers(0, 2), max_size=4)
TEXTS = st.none() | st.lists(st.none() | st.sampled_from(["", "a", "b", "ab", "a" * 20]), max_size=4)
COLUMNS = st.tuples(st.just(pl.List(pl.Int64)), st.lists(NUMBERS, max_size=12)) | st.tuples(
    st.just(pl.List(pl.String)), st.lists(TEXTS, max_size=12)
)


def hashes(kind, lists, seed=5):
    return list_hash(seed)(pl.Series("tags", lists, dtype=kind)).to_list()


@given(COLUMNS)
def test_lists_are_equal_exactly_when_their_hashes_are(column):
    """Empty and missing ones, and those of nothing, are lists of their own."""
    kind, lists = column
    alike: dict[str, set[int]] = {}
    for value, found in zip(lists, hashes(kind, lists), strict=True):
        alike.setdefault(repr(value), set()).add(found)
    assert all(len(found) == 1 for found in alike.values())
    assert len(set.union(set(), *alike.values())) == len(alike)


@given(COLUMNS, st.integers(0, 12), st.integers(0, 12))
def test_a_hash_does_not_depend_on_the_lists_around(column, first, rows):
    """Nor on how the column is cut into pieces."""
    kind, lists = column
    whole = pl.Series("tags", lists, dtype=kind)
    chunks = pl.concat([whole[:first], whole[first:]])
    assert list_hash(5)(whole.slice(first, rows)).to_list() == hashes(kind, lists)[first:][:rows]
    assert list_hash(5)(chunks).to_list() == hashes(kind, lists)


@given(COLUMNS)
def test_another_seed_makes_other_hashes(column):
    """But for the empty list, whose hash is nought."""
    kind, lists = column
    told = [value for value in lists if value != []]
    assert not set(hashes(kind, told, 5)) & set(hashes(kind, told, 6))


def test_what_lies_beneath_a_missing_list_does_not_count():
    """Arrow keeps elements of lists that were made null."""
    lists = pl.Series([[1, 2], [3]])
    hidden = pl.select(pl.when(pl.Series([False, True])).then(lists)).to_series()
    assert list_hash(5)(hidden).to_list() == hashes(pl.List(pl.Int64), [None, [3]])


def test_two_exchanged_elements_are_noticed_however_far_apart():
    """Also at distances that are powers of two, where least of the hash is left."""
    long = list(range(5_000))
    swapped = [[long[at] if n == 0 else long[0] if n == at else value for n, value in enumerate(long)] for at in long]
    found = hashes(pl.List(pl.Int64), swapped[:300] + swapped[1_024:4_097:1_024])
    assert len(set(found)) == len(found)
