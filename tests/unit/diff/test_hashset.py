"""The set of hashes, against Python's own sets."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.diff import hashset
from tailrace.diff.hashset import HashSet, distinct, merged, plain_hashes, repeats

TOP = 2**64 - 1
EDGES = st.sampled_from([0, 1, 2, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**63 + 1, TOP - 1, TOP])
VALUES = st.integers(0, TOP) | EDGES | st.integers(0, 5) | st.integers(TOP - 5, TOP)
LAWS = settings(max_examples=60, deadline=None)


def array(values):
    """Hashes."""
    return np.array(list(values), np.uint64)


def check(members, asked):
    """The set knows its members and nothing else, and each at its place."""
    made, wanted = HashSet(array(members)), set(members)
    expected = [value in wanted for value in asked]
    assert len(made) == len(members)
    assert made.members.tolist() == sorted(members)
    assert made.contains(array(asked)).tolist() == expected
    at, found = made.find(array(asked))
    assert found.tolist() == expected
    places = [sorted(members).index(value) for value in asked if value in wanted]
    assert at[found].tolist() == places


@LAWS
@given(st.lists(VALUES, max_size=40), st.lists(VALUES, max_size=40))
def test_it_holds_its_members_and_nothing_else(members, others):
    """Any members, extremes and duplicates too; a member that comes twice is found where it comes first."""
    check(members, members + others)


@LAWS
@given(st.lists(VALUES, max_size=40))
def test_repeated_members_are_told_once(members):
    """Those that are there more than once."""
    assert HashSet(array(members)).repeated().tolist() == sorted({m for m in members if members.count(m) > 1})


@pytest.mark.parametrize("size", sorted({max(0, 2**power + by) for power in range(11) for by in (-1, 0, 1)}))
def test_sizes_around_powers_of_two(size):
    """The table of prefixes fits whatever the number of members is."""
    members = [int(value) for value in np.random.default_rng(size).integers(0, TOP, size, np.uint64, endpoint=True)]
    check(members, [*members, 0, TOP, *(member ^ 1 for member in members)])


@pytest.mark.parametrize("value", [0, 1, 2**63, TOP])
def test_members_that_are_all_the_same(value):
    """Many copies of one member share a prefix with each other and with what is looked for."""
    check([value] * 300, [value, value ^ 1, 0, TOP])


def test_members_with_one_prefix():
    """Where hashes are not spread at all the neighbours are still told apart."""
    check(list(range(1000)), [*range(1001), TOP])
    check(list(range(TOP - 999, TOP + 1)), [*range(TOP - 1000, TOP + 1), 0])


def test_a_large_set_has_a_thinner_table(monkeypatch):
    """Above a number of members the table has an entry for several of them, and finds the same."""
    monkeypatch.setattr(hashset, "_DENSE_BITS", 4)
    members = [int(value) for value in np.random.default_rng(7).integers(0, TOP, 500, np.uint64)]
    check(members, [*members, 0, TOP, *(member + 1 for member in members)])


def test_without_a_sieve(monkeypatch):
    """A set of many members is asked directly."""
    members = array(range(0, 3000, 3))
    asked = array(range(3000))
    with_sieve = HashSet(members.copy()).contains(asked)
    monkeypatch.setattr(hashset, "_FEW", 10)
    assert HashSet(members.copy()).contains(asked).tolist() == with_sieve.tolist() == [n % 3 == 0 for n in range(3000)]


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_pieces_make_a_whole(monkeypatch, piece):
    """Neither building nor asking depends on how much is looked at at once."""
    monkeypatch.setattr(hashset, "PIECE", piece)
    members = [int(value) for value in np.random.default_rng(3).integers(0, TOP, 65, np.uint64)]
    check([*members, *members[:20]], [*members, 0, TOP, *(member ^ 4 for member in members)])


def test_too_many_members_are_refused(monkeypatch):
    """Positions have 32 bits: more members than that are an error, not a wrap-around."""
    monkeypatch.setattr(hashset, "MAX_MEMBERS", 3)
    HashSet(array([1, 2, 3]))
    with pytest.raises(ValueError, match="4 members are more than 3"):
        HashSet(array([1, 2, 3, 4]))


@LAWS
@given(st.lists(VALUES, max_size=20))
def test_distinct_and_repeated_values(values):
    """Of an ascending array, each value once; and those that come more than once."""
    ordered = array(sorted(values))
    assert distinct(ordered).tolist() == sorted(set(values))
    assert repeats(ordered).tolist() == sorted({value for value in values if values.count(value) > 1})


@LAWS
@given(st.lists(st.lists(VALUES, max_size=6), max_size=4), st.none() | st.lists(VALUES, max_size=10))
def test_merged_arrays(parts, without):
    """All values of some arrays, but for those of another one; nothing that was given is changed."""
    given_arrays = [array(part) for part in parts]
    taken = None if without is None else array(without)
    found = merged(given_arrays, without=taken)
    assert found.tolist() == sorted({value for part in parts for value in part} - set(without or ()))
    assert [part.tolist() for part in given_arrays] == parts
    assert taken is None or taken.tolist() == without


def test_columns_of_hashes():
    """A column with nulls tells which rows have a hash; one without needs no mask."""
    hashes, mask = plain_hashes(pl.Series([1, None, TOP], dtype=pl.UInt64))
    assert (hashes.tolist(), mask.tolist()) == ([1, 0, TOP], [True, False, True])
    hashes, mask = plain_hashes(pl.Series([1, TOP], dtype=pl.UInt64))
    assert (hashes.tolist(), mask) == ([1, TOP], None)
