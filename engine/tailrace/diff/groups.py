"""Which rows must be compared together: those that share a key, and keys that share a match value.

Told by hashes: rows that merely collide are compared together without need, which costs nothing but memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailrace.diff.columns import match_values, role
from tailrace.diff.fingerprint import digest
from tailrace.diff.hashset import PIECE, Hashes, HashSet, Mask, plain_hashes, repeats

if TYPE_CHECKING:
    from tailrace.changes import DiffSpec

_LOW = np.uint64(2**32 - 1)
_UPPER = np.uint64(32)
_PART_BITS = 22
"""Up to twice so many hashes, as a power of two, are sorted at once: of more rows a copy of all would be large."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Per row the hashes of its key and its match value; a mask says which rows have them."""

    key: Hashes
    keyed: Mask
    match: Hashes
    matched: Mask

    @property
    def rows(self) -> int:
        """Rows."""
        return int(self.key.size)


KEY, MATCH = 0, 1


def digests(spec: DiffSpec, schema: pl.Schema, which: int) -> pl.Expr:
    """The hash of a row's key, or that of the match value the destination tells its record by."""
    if which == KEY:
        return digest([pl.col(name) for name in role("k", spec.key)])
    return digest(match_values("m", spec.match, spec.fold_match, schema))


def marks(rows: pl.LazyFrame, count: int, spec: DiffSpec) -> Marks:
    """The marks of so many rows, in their order."""
    if not count:
        nothing, none = np.zeros(0, np.uint64), np.zeros(0, np.bool_)
        return Marks(nothing, none, nothing, none)
    schema = rows.collect_schema()
    alike = spec.match_is_key and not spec.fold_match
    wanted = [digests(spec, schema, which) for which in ((KEY,) if alike else (KEY, MATCH))]
    arrays = [np.zeros(count, np.uint64) for _ in wanted]
    masks = [np.zeros(count, np.bool_) for _ in wanted]
    at = 0

    def look(batch: pl.DataFrame) -> None:
        nonlocal at
        end = at + batch.height
        for column, array, mask in zip(batch.iter_columns(), arrays, masks, strict=True):
            array[at:end], there = plain_hashes(column)
            mask[at:end] = True if there is None else there
        at = end

    rows.select(value.alias(str(at)) for at, value in enumerate(wanted)).sink_batches(look)
    return Marks(arrays[0], masks[0], arrays[-1], masks[-1])


def single(new: Marks, old: Marks, *, matched: bool) -> Mask:
    """Rows of the model that concern no other row, new or old: each is plainly an insert.

    `matched` says whether rows need a match value.
    """
    keys = _lonely(new.key, new.keyed, old.key[old.keyed])
    if not matched:
        return keys
    return keys & _lonely(new.match, new.matched, old.match[old.matched])


def _lonely(hashes: Hashes, there: Mask, others: Hashes) -> Mask:
    shared = HashSet(np.concatenate([_twice(hashes, there), others]))
    return there & ~shared.contains(hashes) if len(shared) else there


def _twice(hashes: Hashes, there: Mask) -> Hashes:
    """What more than one row has, each once."""
    bits = max(0, hashes.size.bit_length() - 1 - _PART_BITS)
    shift = np.uint64(64 - bits)
    found = []
    for part in range(1 << bits):
        pieces = ((hashes[at : at + PIECE], there[at : at + PIECE]) for at in range(0, hashes.size, PIECE))
        ordered = np.concatenate([hashes[:0], *(piece[mine & (piece >> shift == part)] for piece, mine in pieces)])
        ordered.sort()
        found.append(repeats(ordered))
    return np.concatenate(found)


def buckets(new: Marks, old: Marks, count: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """A bucket below `count` for each row with a key, so that rows which concern each other share one; else -1."""
    keys, labels = _tangled(new, old)
    return _bucket(new, keys, labels, count), _bucket(old, keys, labels, count)


def _bucket(side: Marks, keys: NDArray[np.uint64], labels: NDArray[np.uint64], count: int) -> NDArray[np.int16]:
    found = np.full(side.rows, -1, np.int16)
    for begin in range(0, side.rows, PIECE):
        here = slice(begin, begin + PIECE)
        keyed = side.keyed[here]
        low = side.key[here][keyed] & _LOW
        if keys.size:
            at = np.minimum(np.searchsorted(keys, low), keys.size - 1)
            low = np.where(keys[at] == low, labels[at], low)
        found[here][keyed] = low % np.uint64(count)
    return found


def _tangled(new: Marks, old: Marks) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Keys (32 bits, ascending) that share a match value with another key, and a label for each."""
    sides = [side.matched & side.keyed for side in (new, old)]
    pairs = np.concatenate(
        [(side.match[both] << _UPPER) | (side.key[both] & _LOW) for side, both in zip((new, old), sides, strict=True)]
    )
    pairs.sort()
    pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=~pairs[:1]) != 0)]
    match = pairs >> _UPPER
    twins = match[1:] == match[:-1]
    among = np.zeros(pairs.size, np.bool_)
    among[1:] |= twins
    among[:-1] |= twins
    return _labels(pairs[among] & _LOW, match[among])


def _labels(keys: NDArray[np.uint64], matches: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Connected components: each key gets the least position of all keys it is connected with."""
    known, key = np.unique(keys, return_inverse=True)
    shared, match = np.unique(matches, return_inverse=True)
    label = np.arange(known.size)
    while True:
        least = np.full(shared.size, known.size)
        np.minimum.at(least, match, label[key])
        found = label.copy()
        np.minimum.at(found, key, least[match])
        found = found[found]  # jumping ahead makes long chains short
        if np.array_equal(found, label):
            return known, known[label] if known.size else known
        label = found
