"""A large set of 64-bit hashes in five bytes a member, beside a table of fixed size.

As in `tailrace.diff.hashset` a table over the top bits tells where the members with each prefix begin: counted within
a block of prefixes, beside a small table of where each block begins, so that two bytes do. There are so many prefixes
that they need not be stored with the members: what a member has beside its prefix is kept in two arrays, one of 32
bits and one of 7, whose bytes have room for the mark of a member that was taken. A look-up waits for
memory more than for anything else, so that the mark costs least where it stands beside what is read anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tailrace.diff.hashset import MAX_MEMBERS, PIECE, HashSet, distinct, prefix_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tailrace.diff.hashset import Hashes, Mask, Positions

_PREFIX_BITS = 25
_REST_BITS = np.uint64(7)
_REST, _TAKEN = np.uint8(127), np.uint8(128)
_BLOCK_BITS = 8
_ENOUGH = 1 << 24
"""Fewer members take no more room in a set that is not packed."""


class PackedSet:
    """Members in ascending order, of which duplicates may stay. Takes the array over, sorts and shrinks it in place.

    ValueError where they are fewer than `enough` asks for, or too many.
    """

    def __init__(self, members: Hashes) -> None:
        if not enough(members.size) or members.size > MAX_MEMBERS:
            raise ValueError(f"{members.size} members are too few or too many")
        bits = max(_PREFIX_BITS, prefix_bits(members.size))
        self._shift = np.uint64(64 - bits)
        self._rest = np.empty(members.size, np.uint8)
        members.sort()
        numbers = np.zeros((1 << bits) + (1 << _BLOCK_BITS), np.uint16)
        self._repeated = self._squeeze(members, numbers)
        self._middle = _halved(members)
        self._within = numbers
        self._blocks = _summed(numbers.reshape(-1, 1 << _BLOCK_BITS))

    def __len__(self) -> int:
        return int(self._rest.size)

    def find(self, hashes: Hashes) -> tuple[Positions, Mask]:
        """Per hash whether it is a member, and where: the first of its kind, among all in ascending order.

        Where it is none, the position means nothing.
        """
        prefixes = (hashes >> self._shift).view(np.int64)
        at = self._start(prefixes)
        prefixes += 1
        end = self._start(prefixes)
        asked, rest = (hashes >> _REST_BITS).astype(np.uint32), hashes.astype(np.uint8) & _REST
        found = self._middle.take(at, mode="clip")
        behind = np.flatnonzero(found < asked)
        while behind.size:
            step = at[behind] + np.uint32(1)
            value = self._middle.take(step, mode="clip")
            at[behind], found[behind] = step, value
            behind = behind[(value < asked[behind]) & (step < end[behind])]
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

    def _start(self, prefixes: NDArray[np.int64]) -> Positions:
        """How many members have a lesser prefix than these."""
        found = self._blocks.take(prefixes >> _BLOCK_BITS, mode="clip")
        found += self._within.take(prefixes, mode="clip")
        return found

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
        for begin in range(0, len(self), PIECE):
            places = np.flatnonzero(self._rest[begin : begin + PIECE] <= _REST) + begin
            if places.size:
                parts.append(self._members(places))
        return np.concatenate(parts)

    def _members(self, places: NDArray[np.int64]) -> Hashes:
        """The members at some ascending positions, near to each other."""
        first, last = np.searchsorted(self._blocks, places[[0, -1]], side="right") - 1
        begin = first << _BLOCK_BITS
        starts = self._start(np.arange(begin, (last + 1) << _BLOCK_BITS))
        prefixes = (np.searchsorted(starts, places, side="right") - 1 + begin).astype(np.uint64)
        stored: Hashes = self._middle[places].astype(np.uint64) << _REST_BITS | self._rest[places] & _REST
        stored |= prefixes << self._shift
        return stored

    def _squeeze(self, members: Hashes, numbers: NDArray[np.uint16]) -> Hashes:
        """Part ascending members into their last bits, and those between, which overwrite what was read.

        Counts the members of each prefix, one place behind it, and gives those that are there more than once.
        """
        middle, twice = members.view(np.uint32), [np.empty(0, np.uint64)]
        before = np.empty(0, np.uint64)
        for begin in range(0, members.size, PIECE):
            piece = np.concatenate([before, members[begin : begin + PIECE]])
            twice.append(piece[1:][piece[1:] == piece[:-1]])
            piece, before = piece[before.size :], piece[-1:]
            _count(piece >> self._shift, numbers)
            self._rest[begin : begin + piece.size] = piece.astype(np.uint8) & _REST
            middle[begin : begin + piece.size] = (piece >> _REST_BITS).astype(np.uint32)
        return distinct(np.concatenate(twice))


Members: TypeAlias = HashSet | PackedSet
"""Both find, tell what is repeated, and what is left."""


def enough(members: int) -> bool:
    """Whether there are so many members that packing them saves memory."""
    return members >= _ENOUGH


def members_of(hashes: Hashes) -> Members:
    """A set of hashes, packed where that saves memory. Takes the array over."""
    return PackedSet(hashes) if enough(hashes.size) else HashSet(hashes)


def _count(prefixes: Hashes, numbers: NDArray[np.uint16]) -> None:
    """Add how often each of some ascending prefixes is there, one place behind it."""
    counts = np.bincount((prefixes - prefixes[0]).view(np.int64))
    first = int(prefixes[0]) + 1
    numbers[first : first + counts.size] = _short(numbers[first : first + counts.size] + counts)


def _summed(numbers: NDArray[np.uint16]) -> Positions:
    """Replace numbers by their running sums within each row; gives the sum of all rows before each."""
    totals = numbers.sum(axis=1, dtype=np.uint32)
    _short(totals)
    np.cumsum(numbers, axis=1, out=numbers)
    before: Positions = np.cumsum(totals, dtype=np.uint32) - totals
    return before


def _short(numbers: NDArray[Any]) -> NDArray[np.uint16]:
    if numbers.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{numbers.max()} members have one prefix, or nearly: they are not spread evenly")
    return numbers.astype(np.uint16)


def _halved(members: Hashes) -> Positions:
    """The first half of an array's memory, as numbers of 32 bits; the other half goes back to the system."""
    size = members.size
    if not members.flags.owndata:
        return members.view(np.uint32)[:size].copy()
    members.resize((size + 1) // 2, refcheck=False)  # whoever gave the array away has no use for it
    return members.view(np.uint32)[:size]
