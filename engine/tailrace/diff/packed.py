"""A large set of 64-bit hashes in five bytes a member, beside a table of fixed size.

As in `tailrace.diff.hashset` a table over the top bits tells where the members with each prefix begin. There are so
many prefixes that they need not be stored with the members: what a member has beside its prefix is kept in two
arrays, one of 32 bits and one of 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tailrace.diff.hashset import MAX_MEMBERS, PIECE, HashSet, distinct, note_starts, prefix_bits

if TYPE_CHECKING:
    from tailrace.diff.hashset import Hashes, Mask, Positions

_STORED_BITS = 40
_REST_BITS = np.uint64(8)


class PackedSet:
    """Members in ascending order, of which duplicates may stay. Takes the array over, sorts and shrinks it in place.

    ValueError where they are fewer than `enough` asks for, or too many.
    """

    def __init__(self, members: Hashes) -> None:
        if not enough(members.size) or members.size > MAX_MEMBERS:
            raise ValueError(f"{members.size} members are too few or too many")
        bits = prefix_bits(members.size)
        self._shift = np.uint64(64 - bits)
        self._starts = np.zeros((1 << bits) + 1, np.uint32)
        self._rest = np.empty(members.size, np.uint8)
        members.sort()
        self._repeated = self._squeeze(members)
        self._middle = _halved(members)

    def __len__(self) -> int:
        return int(self._rest.size)

    def find(self, hashes: Hashes) -> tuple[Positions, Mask]:
        """Per hash whether it is a member, and where: the first of its kind, among all in ascending order.

        Where it is none, the position means nothing.
        """
        prefixes = (hashes >> self._shift).view(np.int64)
        at, end = self._starts.take(prefixes, mode="clip"), self._starts[1:].take(prefixes, mode="clip")
        asked, rest = (hashes >> _REST_BITS).astype(np.uint32), hashes.astype(np.uint8)
        found = self._middle.take(at, mode="clip")
        behind = np.flatnonzero(found < asked)
        while behind.size:
            step = at[behind] + np.uint32(1)
            value = self._middle.take(step, mode="clip")
            at[behind], found[behind] = step, value
            behind = behind[(value < asked[behind]) & (step < end[behind])]
        near = (found == asked) & (at < end)
        equal: Mask = near & (self._rest.take(at, mode="clip") == rest)
        near ^= equal
        behind = np.flatnonzero(near)
        while behind.size:  # a few neighbours differ in the last bits only
            step = at[behind] + np.uint32(1)
            more = (step < end[behind]) & (self._middle.take(step, mode="clip") == asked[behind])
            behind, step = behind[more], step[more]
            at[behind] = step
            equal[behind] = self._rest[step] == rest[behind]
            behind = behind[~equal[behind]]
        return at, equal

    def repeated(self) -> Hashes:
        """Members that are there more than once, each once."""
        return self._repeated

    def left(self, taken: Mask) -> Hashes:
        """The members at all positions that are not taken."""
        found = np.empty(taken.size - np.count_nonzero(taken), np.uint64)
        at = 0
        for begin in range(0, taken.size, PIECE):
            places = np.flatnonzero(~taken[begin : begin + PIECE]) + begin
            found[at : at + places.size] = self._members(places.astype(np.uint32))
            at += places.size
        return found

    def _members(self, places: Positions) -> Hashes:
        prefixes = (np.searchsorted(self._starts, places, side="right") - 1).astype(np.uint64)
        stored: Hashes = self._middle[places].astype(np.uint64) << _REST_BITS | self._rest[places]
        return stored | prefixes << self._shift

    def _squeeze(self, members: Hashes) -> Hashes:
        """Part ascending members into the table, their last bits, and those between, which overwrite what was read.

        Gives the members that are there more than once.
        """
        middle, twice = members.view(np.uint32), [np.empty(0, np.uint64)]
        before = np.empty(0, np.uint64)
        for begin in range(0, members.size, PIECE):
            piece = np.concatenate([before, members[begin : begin + PIECE]])
            twice.append(piece[1:][piece[1:] == piece[:-1]])
            piece, before = piece[before.size :], piece[-1:]
            note_starts(self._starts, piece, begin, self._shift)
            self._rest[begin : begin + piece.size] = piece.astype(np.uint8)
            middle[begin : begin + piece.size] = (piece >> _REST_BITS).astype(np.uint32)
        np.maximum.accumulate(self._starts, out=self._starts)
        return distinct(np.concatenate(twice))


Members: TypeAlias = HashSet | PackedSet
"""Both find, tell what is repeated, and what is left."""


def enough(members: int) -> bool:
    """Whether there are so many members that what they have beside their prefix fits into what is stored."""
    return prefix_bits(members) >= 64 - _STORED_BITS


def members_of(hashes: Hashes) -> Members:
    """A set of hashes, packed where that saves memory. Takes the array over."""
    return PackedSet(hashes) if enough(hashes.size) else HashSet(hashes)


def _halved(members: Hashes) -> Positions:
    """The first half of an array's memory, as numbers of 32 bits; the other half goes back to the system."""
    size = members.size
    if not members.flags.owndata:
        return members.view(np.uint32)[:size].copy()
    members.resize((size + 1) // 2, refcheck=False)  # whoever gave the array away has no use for it
    return members.view(np.uint32)[:size]
