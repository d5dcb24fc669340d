"""A set of 64-bit hashes in one sorted array: eight bytes a member, found in a step or two.

Hashes are spread evenly, so that their top bits tell where in the array to look: a table says where
the members with each prefix begin, and what is left to search is a handful of neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tailrace.canonical.source import Capsule

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.uint32]
Mask: TypeAlias = NDArray[np.bool_]

_DENSE_BITS = 24
"""Above so many members the table has one entry for every two to four of them, to spare memory."""
MAX_MEMBERS = 2**32 - 1
PIECE = 1 << 17
"""Hashes looked up at once: few enough for what is computed of them to stay in the processor's cache."""
_SIEVE_BITS = range(23, 28)
_FEW = 1 << (_SIEVE_BITS[-1] - 4)


class HashSet:
    """Members in ascending order. Takes the array over and sorts it in place; duplicates may stay."""

    def __init__(self, members: Hashes) -> None:
        if members.size > MAX_MEMBERS:
            raise ValueError(f"{members.size} members are more than {MAX_MEMBERS}")
        members.sort()
        self.members = members
        bits = prefix_bits(members.size)
        self._shift = np.uint64(64 - bits)
        self._starts = _starts(members, bits, self._shift)

    def __len__(self) -> int:
        return int(self.members.size)

    def find(self, hashes: Hashes) -> tuple[Positions, Mask]:
        """Per hash the position of the first member not less than it, and whether it is equal.

        Where it is not, the position means nothing.
        """
        count = self.members.size
        if not count:
            return np.zeros(hashes.size, np.uint32), np.zeros(hashes.size, np.bool_)
        at = self._starts.take((hashes >> self._shift).view(np.int64))
        found = self.members.take(at, mode="clip")
        behind = np.flatnonzero(found < hashes)
        while behind.size:
            step = at[behind] + np.uint32(1)
            value = self.members.take(step, mode="clip")
            at[behind], found[behind] = step, value
            behind = behind[(value < hashes[behind]) & (step < count)]
        return at, found == hashes

    def contains(self, hashes: Hashes) -> Mask:
        """Which of the hashes are members."""
        found = np.zeros(hashes.size, np.bool_)
        sieve = self._sieve
        for begin in range(0, hashes.size, PIECE):
            piece = hashes[begin : begin + PIECE]
            if sieve is None:
                found[begin : begin + PIECE] = self.find(piece)[1]
            else:
                maybe = np.flatnonzero(_bits(sieve, (piece >> self._sieve_shift).view(np.int64)))
                found[begin + maybe] = self.find(piece[maybe])[1]
        return found

    def repeated(self) -> Hashes:
        """Members that are there more than once, each once."""
        return repeats(self.members)

    def take(self, positions: Positions) -> Mask:
        """Take the members at some positions, and tell which of them were taken before."""
        before: Mask = self._taken.take(positions)
        self._taken[positions] = True
        return before

    def left(self) -> Hashes:
        """The members that nobody took."""
        return self.members[~self._taken]

    @cached_property
    def _taken(self) -> Mask:
        return np.zeros(len(self), np.bool_)

    @cached_property
    def _sieve(self) -> NDArray[np.uint8] | None:
        """By the top bits, a bit each: whether there may be a member.

        Where members are few, most other hashes fall through.
        """
        if self.members.size > _FEW:
            return None
        sieve = np.zeros(1 << (self._sieve_bits - 3), np.uint8)
        tops = (self.members >> self._sieve_shift).view(np.int64)
        np.bitwise_or.at(sieve, tops >> 3, np.left_shift(1, tops & 7).astype(np.uint8))
        return sieve

    @property
    def _sieve_bits(self) -> int:
        """So many that at most one in sixteen of the other hashes stays, and no more: a small table is a quick one."""
        return min(max(self.members.size.bit_length() + 5, _SIEVE_BITS[0]), _SIEVE_BITS[-1])

    @property
    def _sieve_shift(self) -> np.uint64:
        return np.uint64(64 - self._sieve_bits)


def _bits(sieve: NDArray[np.uint8], places: NDArray[np.int64]) -> Mask:
    """The bits of a sieve at some places; takes these over."""
    within = places.astype(np.uint8) & np.uint8(7)
    places >>= 3
    found = sieve.take(places)
    found >>= within
    found &= np.uint8(1)
    return found.view(np.bool_)


def plain_hashes(column: pl.Series) -> tuple[Hashes, Mask | None]:
    """A column of hashes as an array, and which rows have one; None for the mask says that all do."""
    if not column.null_count():
        return column.to_numpy(), None
    return column.fill_null(0).to_numpy(), column.is_not_null().to_numpy()


def as_series(values: NDArray[Any], name: str = "") -> pl.Series:
    """An array as a column, over the same memory but for Booleans.

    By way of Arrow's buffers: polars and Arrow load `numpy.ma` before they look at an array, which takes a while.
    """
    if values.dtype == np.bool_:
        kind, data = pa.bool_(), np.packbits(values, bitorder="little")
    else:
        kind, data = pa.from_numpy_dtype(values.dtype), np.ascontiguousarray(values)
    array = pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(data)])
    return pl.Series(Capsule(array)).alias(name)  # a name given with the data would be ignored


def repeats(ordered: Hashes) -> Hashes:
    """Values that an ascending array has more than once, each once."""
    return distinct(ordered[1:][ordered[1:] == ordered[:-1]])


def distinct(ordered: Hashes) -> Hashes:
    """The values of an ascending array, each once."""
    # `numpy.unique` would load `numpy.ma`.
    if ordered.size < 2:  # noqa: PLR2004 - nothing to compare
        return ordered
    first: Hashes = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return first


def merged(parts: Sequence[Hashes], *, without: Hashes | None = None) -> Hashes:
    """All values of some arrays, each once and ascending, but for those of another array."""
    values = distinct(np.sort(np.concatenate([np.empty(0, np.uint64), *parts])))
    if without is None or not without.size or not values.size:
        return values
    others = np.sort(without)  # a table by top bits would be of no use: places are numbers that are not spread
    at = np.minimum(np.searchsorted(others, values), others.size - 1)
    left: Hashes = values[others[at] != values]
    return left


def prefix_bits(members: int) -> int:
    """Of how many top bits a table has an entry, for so many members."""
    bits = max(1, members.bit_length() - 1)
    return max(_DENSE_BITS, bits - 1) if bits > _DENSE_BITS else bits


def _starts(members: Hashes, bits: int, shift: np.uint64) -> Positions:
    """Where the members of each prefix begin; one entry more than there are prefixes."""
    starts = np.zeros((1 << bits) + 1, np.uint32)
    for begin in range(0, members.size, PIECE):
        prefixes = (members[begin : begin + PIECE] >> shift).view(np.int64)
        # Of members with the same prefix the last one is written last: what stands there is where the next begin.
        starts[prefixes + 1] = np.arange(begin + 1, begin + 1 + prefixes.size, dtype=np.uint32)
    return np.maximum.accumulate(starts, out=starts)
