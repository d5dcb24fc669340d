"""A large set of 64-bit hashes in five bytes a member, beside a table of fixed size.

As in `tailrace.diff.hashset` a table over the top bits tells where the members with each prefix are. Four prefixes
share an entry of eight bytes, which says how many members are before them, and how many of theirs are up to the end of
each: a look-up waits for memory more than for anything else, and finds begin and end in one place. There are so many
prefixes that they need not be stored with the members: what a member has beside its prefix is kept in two arrays, one
of 32 bits and one of 7, whose bytes have room for the mark of a member that was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tailrace.diff.hashset import MAX_MEMBERS, PIECE, HashSet, distinct, prefix_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tailrace.diff.hashset import Hashes, Mask, Positions

_PREFIX_BITS = 25
_REST_BITS = np.uint64(7)
_REST, _TAKEN = np.uint8(127), np.uint8(128)
_BLOCK_BITS = np.uint64(2)
_IN_BLOCK, _BYTE = np.uint32(3), np.uint32(255)
_BYTE_BITS = np.uint32(8)
_BEFORE = np.uint64(32)
"""Where in an entry the number of members before its block is; below it are four bytes, of the first prefix first."""
_SLICE = 1 << 17
"""Entries of the table that are made or read at once."""
_ENOUGH = 1 << 24
"""Fewer members take no more room in a set that is not packed."""


class PackedSet:
    """Members in ascending order, of which duplicates may stay. Takes the array over, sorts and shrinks it in place.

    ValueError where they are fewer than `enough` asks for, too many, or not spread evenly; the array is whole then.
    """

    def __init__(self, members: Hashes) -> None:
        if not enough(members.size) or members.size > MAX_MEMBERS:
            raise ValueError(f"{members.size} members are too few or too many")
        bits = max(_PREFIX_BITS, prefix_bits(members.size))
        self._shift = np.uint64(64 - bits)
        members.sort()
        counts = _counted(members, bits, self._shift)
        self._rest = np.empty(members.size, np.uint8)
        self._repeated = self._squeeze(members)
        self._middle = _halved(members)
        self._table = _table(counts)

    def __len__(self) -> int:
        return int(self._rest.size)

    def find(self, hashes: Hashes) -> tuple[Positions, Mask]:
        """Per hash whether it is a member, and where: the first of its kind, among all in ascending order.

        Where it is none, the position means nothing.
        """
        at, end = self._range(hashes >> self._shift)
        asked, rest = (hashes >> _REST_BITS).astype(np.uint32), hashes.astype(np.uint8) & _REST
        found = self._middle.take(at, mode="clip")
        behind = np.flatnonzero(found < asked)
        step, wanted, last = at[behind], asked[behind], end[behind]
        while behind.size:
            step += np.uint32(1)
            value = self._middle.take(step, mode="clip")
            at[behind], found[behind] = step, value
            more = np.flatnonzero((value < wanted) & (step < last))
            behind, step, wanted, last = behind.take(more), step.take(more), wanted.take(more), last.take(more)
        near = (found == asked) & (at < end)
        equal: Mask = near & (self._rest.take(at, mode="clip") & _REST == rest)
        near ^= equal
        behind = np.flatnonzero(near)
        while behind.size:  # a few neighbours differ in the last bits only
            step = at[behind] + np.uint32(1)
            more = (step < end[behind]) & (self._middle.take(step, mode="clip") == asked[behind])
            behind, step = behind[more], step[more]
            at[behind] = step
            equal[behind] = self._rest[step] & _REST == rest[behind]
            behind = behind[~equal[behind]]
        return at, equal

    def _range(self, prefixes: Hashes) -> tuple[Positions, Positions]:
        """Where the members of each prefix begin, and where they end."""
        entries = self._table.take((prefixes >> _BLOCK_BITS).view(np.int64))
        before, ends = (entries >> _BEFORE).astype(np.uint32), entries.astype(np.uint32)
        bits = (prefixes.astype(np.uint32) & _IN_BLOCK) * _BYTE_BITS
        # A prefix begins where the one before it ends, the first one of a block with it.
        return _byte(ends << _BYTE_BITS, bits, before), _byte(ends, bits, before)

    def repeated(self) -> Hashes:
        """Members that are there more than once, each once."""
        return self._repeated

    def take(self, positions: Positions) -> Mask:
        """Take the members at some positions, and tell which of them were taken before."""
        rest = self._rest.take(positions)
        self._rest[positions] = rest | _TAKEN
        taken: Mask = rest > _REST
        return taken

    def left(self) -> Hashes:
        """The members that nobody took."""
        parts = [np.empty(0, np.uint64)]
        for first in range(0, self._table.size, _SLICE):
            entries = self._table[first : first + _SLICE]
            before, ends = (entries >> _BEFORE).astype(np.uint32), entries.astype(np.uint32)
            begin, end = int(before[0]), int(before[-1]) + int(ends[-1] >> 3 * _BYTE_BITS)
            # In the type of what they are sought in, of which a copy would be made otherwise.
            places = np.flatnonzero(self._rest[begin:end] <= _REST).astype(np.uint32) + before[0]
            blocks = np.searchsorted(before, places, side="right") - 1
            prefixes = (blocks + first).astype(np.uint64) << _BLOCK_BITS
            for number in range(int(_IN_BLOCK)):
                prefixes += places - before[blocks] >= ends[blocks] >> np.uint32(number) * _BYTE_BITS & _BYTE
            parts.append(self._members(places, prefixes))
        return np.concatenate(parts)

    def _members(self, places: Positions, prefixes: Hashes) -> Hashes:
        """The members at some positions, of those prefixes."""
        stored: Hashes = self._middle[places].astype(np.uint64) << _REST_BITS | self._rest[places] & _REST
        stored |= prefixes << self._shift
        return stored

    def _squeeze(self, members: Hashes) -> Hashes:
        """Part ascending members into their last bits, and those between, which overwrite what was read.

        Gives those that are there more than once.
        """
        middle, twice = members.view(np.uint32), [np.empty(0, np.uint64)]
        before = np.empty(0, np.uint64)
        for begin in range(0, members.size, PIECE):
            piece = np.concatenate([before, members[begin : begin + PIECE]])
            twice.append(piece[1:][piece[1:] == piece[:-1]])
            piece, before = piece[before.size :], piece[-1:]
            self._rest[begin : begin + piece.size] = piece.astype(np.uint8) & _REST
            middle[begin : begin + piece.size] = (piece >> _REST_BITS).astype(np.uint32)
        return distinct(np.concatenate(twice))


Members: TypeAlias = HashSet | PackedSet
"""Both find, tell what is repeated, and what is left."""


def enough(members: int) -> bool:
    """Whether there are so many members that packing them saves memory."""
    return members >= _ENOUGH


def members_of(hashes: Hashes) -> Members:
    """A set of hashes, packed where that saves memory and can be done. Takes the array over."""
    if enough(hashes.size):
        try:
            return PackedSet(hashes)
        except ValueError:  # hundreds of them are nearly the same
            pass
    return HashSet(hashes)


def _byte(words: Positions, bits: Positions, more: Positions) -> Positions:
    """Of each word the byte that begins at those bits, and more; takes the words over."""
    words >>= bits
    words &= _BYTE
    words += more
    return words


def _counted(members: Hashes, bits: int, shift: np.uint64) -> NDArray[np.uint8]:
    """How many of some ascending members have each prefix. ValueError where a block has more than a byte can tell."""
    counts, most = np.zeros(1 << bits, np.uint8), 0
    for begin in range(0, members.size, PIECE):
        prefixes = members[begin : begin + PIECE] >> shift
        found = np.bincount((prefixes - prefixes[0]).view(np.int64))
        here = slice(int(prefixes[0]), int(prefixes[0]) + found.size)
        found += counts[here]
        most = max(most, int(found.max()))
        counts[here] = found
    if most <= _BYTE:
        slices = range(0, counts.size, 4 * _SLICE)
        most = max(int(_totals(counts[at : at + 4 * _SLICE]).max()) for at in slices)
    if most > _BYTE:
        raise ValueError(f"{most} members have one prefix, or nearly: they are not spread evenly")
    return counts


def _totals(counts: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """How many members each block has."""
    pairs = counts[::2].astype(np.uint16) + counts[1::2]
    totals: NDArray[np.uint16] = pairs[::2] + pairs[1::2]
    return totals


def _table(counts: NDArray[np.uint8]) -> Hashes:
    """An entry for each block."""
    table = np.empty(counts.size >> int(_BLOCK_BITS), np.uint64)
    before = 0
    for begin in range(0, table.size, _SLICE):
        entries, of_each = table[begin : begin + _SLICE], counts[4 * begin : 4 * (begin + _SLICE)].reshape(-1, 4)
        sums = np.zeros(entries.size, np.uint64)
        entries[:] = 0
        for number in range(4):
            sums += of_each[:, number]
            entries |= sums << np.uint64(8 * number)
        upto = np.cumsum(sums) + np.uint64(before)
        entries |= (upto - sums) << _BEFORE
        before = int(upto[-1])
    return table


def _halved(members: Hashes) -> Positions:
    """The first half of an array's memory, as numbers of 32 bits; the other half goes back to the system."""
    size = members.size
    if not members.flags.owndata:
        return members.view(np.uint32)[:size].copy()
    members.resize((size + 1) // 2, refcheck=False)  # whoever gave the array away has no use for it
    return members.view(np.uint32)[:size]
