"""The packed set of hashes, against Python's own sets."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.diff import packed
from tailrace.diff.hashset import HashSet
from tailrace.diff.packed import PackedSet, enough, members_of

TOP = 2**64 - 1
PREFIXES = st.sampled_from([0, 1, 2, 3, 4, 5, 2**25 - 2, 2**25 - 1])
MIDDLES = st.sampled_from([0, 1, 2**31, 2**32 - 2, 2**32 - 1])
PARTED = st.builds(lambda a, b, c: a << 39 | b << 7 | c, PREFIXES, MIDDLES, st.sampled_from([0, 1, 64, 127]))
"""Values that share the prefix, the middle, the rest, or two of them."""
VALUES = PARTED | PARTED | st.integers(0, TOP)
LAWS = settings(max_examples=25, deadline=None)


def array(values):
    """Hashes."""
    return np.array(list(values), np.uint64)


def made_of(members, bits=25):
    """A packed set of few members, with a table for as many prefixes as if they were many."""
    with mock.patch.object(packed, "prefix_bits", return_value=bits), mock.patch.object(packed, "_ENOUGH", 1):
        return PackedSet(array(members))


def check(made, members, asked):
    """The set knows its members and nothing else, each at its place, and all of them again."""
    ordered, wanted = sorted(members), set(members)
    at, found = made.find(array(asked))
    assert len(made) == len(members)
    assert found.tolist() == [value in wanted for value in asked]
    assert at[found].tolist() == [ordered.index(value) for value in asked if value in wanted]
    assert made.left().tolist() == ordered
    assert made.repeated().tolist() == sorted({value for value in wanted if members.count(value) > 1})


@LAWS
@given(st.lists(VALUES, min_size=1, max_size=40), st.lists(VALUES, max_size=40))
def test_it_holds_its_members_and_nothing_else(members, others):
    """Whatever members share; one that comes twice is found where it comes first, and told as repeated."""
    check(made_of(members), members, members + others)


@pytest.mark.parametrize("bits", [25, 26])
def test_members_that_hardly_differ(bits):
    """Neighbours of one prefix and one middle are told apart by the rest, and more prefixes than needed do no harm."""
    members = [7 << 39 | 5 << 7 | rest for rest in range(0, 128, 3)] + [8 << 39, TOP, TOP - 1, 0]
    check(made_of(members, bits), members, [*members, *(member ^ 1 for member in members), 7 << 39 | 6 << 7])


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_pieces_make_a_whole(monkeypatch, piece):
    """Neither building nor what is left depends on how much is looked at at once."""
    monkeypatch.setattr(packed, "PIECE", piece)
    members = [int(value) for value in np.random.default_rng(3).integers(0, TOP, 65, np.uint64)]
    check(
        made_of([*members, *members[:20]]), [*members, *members[:20]], [*members, *(member ^ 4 for member in members)]
    )


@pytest.mark.parametrize("make", [made_of, lambda members: HashSet(array(members))], ids=["packed", "plain"])
def test_what_was_taken_is_told_and_not_left(monkeypatch, make):
    """Members at positions that nobody took, ascending, whichever piece they are in; all are found as before."""
    monkeypatch.setattr(packed, "PIECE", 4)
    members = sorted(int(value) for value in np.random.default_rng(5).integers(0, TOP, 11, np.uint64))
    made = make(members)
    some = np.array([n for n in range(11) if n % 3 != 1], np.uint32)
    assert made.take(some).tolist() == [False] * some.size
    assert made.left().tolist() == members[1::3]
    assert made.take(np.arange(11, dtype=np.uint32)).tolist() == [n % 3 != 1 for n in range(11)]
    assert made.left().tolist() == []
    at, found = made.find(array([*members, members[3] ^ 1, members[4] ^ 127]))
    assert (at[:11].tolist(), found.tolist()) == ([*range(11)], [True] * 11 + [False] * 2)


@pytest.mark.parametrize("apart", [0, 39])
def test_members_that_are_not_spread_are_refused(apart):
    """A byte counts those of four prefixes that share an entry; it does not count on as if nothing were wrong."""
    members = [number << 7 | number % 4 << apart for number in range(256)]
    held = array(members)
    with (
        pytest.raises(ValueError, match="256 members have one prefix, or nearly"),
        mock.patch.object(packed, "_ENOUGH", 1),
    ):
        PackedSet(held)
    assert held.tolist() == sorted(members)
    check(made_of(members[:255]), members[:255], members)


def test_members_that_are_not_spread_are_not_packed(monkeypatch):
    """However many rows have one name, the set knows them."""
    monkeypatch.setattr(packed, "_ENOUGH", 1)
    members = [5] * 300 + [6]
    made = members_of(array(members))
    assert isinstance(made, HashSet)
    check(made, members, [*members, 7])


def test_an_array_that_is_part_of_another_is_left_whole():
    """Only an array of its own can shrink; of another the rest must stay readable."""
    whole = array([9, 3, 5, 2**63])
    with mock.patch.object(packed, "_ENOUGH", 1):
        made = PackedSet(whole[:3])
    check(made, [3, 5, 9], [3, 4, 9, 2**63])
    assert whole[3] == 2**63


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_small_set_is_not_packed(size):
    """The table alone would take more; a set that is too small to be packed is refused, not packed wrongly."""
    assert isinstance(members_of(array(range(size))), HashSet)
    with pytest.raises(ValueError, match=f"{size} members"):
        PackedSet(array(range(size)))


def test_as_many_as_in_earnest():
    """A set that is large enough by itself is packed, and agrees with one that is not."""
    size = 1 << 24
    members = np.random.default_rng(1).integers(0, TOP, size, np.uint64)
    asked = np.concatenate([members[::4001], members[::4001] ^ np.uint64(3)])
    plain, made = HashSet(members.copy()), members_of(members)
    assert isinstance(made, PackedSet)
    assert enough(size)
    assert not enough(size - 1)
    at, found = made.find(asked)
    there, known = plain.find(asked)
    assert found.tolist() == known.tolist()
    assert at[found].tolist() == there[known].tolist()
    taken = np.flatnonzero(np.arange(size) % 1001).astype(np.uint32)
    assert not made.take(taken).any()
    assert not plain.take(taken).any()
    assert made.left().tolist() == plain.left().tolist()
    assert members.nbytes == size * 4
