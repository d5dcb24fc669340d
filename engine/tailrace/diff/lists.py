"""Hashes of lists. Polars' own would write each list out as bytes first, which takes most of the time.

A list's hash is a polynomial in a fixed odd number whose coefficients are the hashes of its elements: all lists of a
column are summed up together, as one running sum. Modulo 2**64 the odd number has an inverse, which takes back the
power that a list starts with in that sum.

Lists that differ in one element have one hash as often as two elements do; lists that have two elements exchanged,
some 2**2 times as often, times the largest power of two that divides their distance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from tailrace.canonical.source import Capsule
from tailrace.diff.hashset import as_series

if TYPE_CHECKING:
    import pyarrow as pa

    from tailrace.diff.hashset import Hashes, Mask

_BASE: Final = 0xD6E8_FEB8_6659_FD93
_INVERSE: Final = pow(_BASE, -1, 2**64)
_LENGTH: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


def list_hash(seed: int) -> Callable[[pl.Series], pl.Series]:
    """A function that hashes the lists of a column, with that seed. A missing list has a hash as well."""
    nothing = np.uint64(~seed & (2**64 - 1))

    def hashes(lists: pl.Series) -> pl.Series:
        array = lists.to_arrow(compat_level=pl.CompatLevel.newest())
        # Arrow's own to_numpy() looks for pandas, a fifth of a second where that is installed.
        offsets = np.from_dlpack(array.offsets)
        elements = array.values.slice(offsets[0], offsets[-1] - offsets[0])
        found = _polynomials(pl.Series(Capsule(elements)).hash(seed).to_numpy(), offsets - offsets[0])
        if array.null_count:
            np.putmask(found, _missing(array), nothing)
        return as_series(found, lists.name)

    return hashes


def _polynomials(coefficients: Hashes, offsets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Hashes:
    """Per list between two offsets the value of its polynomial, wrapping, and its length."""
    begin = offsets[:-1]
    sums = np.zeros(coefficients.size + 1, np.uint64)
    np.cumsum(coefficients * _powers(_BASE, coefficients.size), out=sums[1:])
    at = sums.take(offsets)
    found: Hashes = (at[1:] - at[:-1]) * _powers(_INVERSE, coefficients.size + 1).take(begin)
    found += (offsets[1:] - begin).view(np.uint64) * _LENGTH
    return found


def _missing(array: pa.Array) -> Mask:
    """Which lists are missing. Arrow's own way would load its functions first, which takes a while."""
    bits = np.frombuffer(array.buffers()[0], np.uint8)
    first, start = divmod(array.offset, 8)
    there = np.unpackbits(bits[first:], count=start + len(array), bitorder="little")[start:]
    missing: Mask = there == 0
    return missing


def _powers(base: int, count: int) -> Hashes:
    """The first powers of a number, from that of nought on, wrapping."""
    return _all_powers(base, count.bit_length())[:count]


@lru_cache(maxsize=8)
def _all_powers(base: int, bits: int) -> Hashes:
    factors = np.full(1 << bits, base, np.uint64)
    factors[0] = 1
    powers: Hashes = np.multiply.accumulate(factors)
    return powers
