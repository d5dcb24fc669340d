"""Compares a part of the model with a snapshot: what the part lacks is neither changed nor gone.

Of the snapshot, only rows that share a key with one that was read are compared. Rows that nobody read, and that share
a match value with one, take part as if the model had them unchanged: their records are theirs until it is known better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.diff.columns import role
from tailrace.diff.engine import Diff
from tailrace.diff.groups import KEY, marks
from tailrace.diff.hashset import HashSet, as_series, merged

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.diff.changefiles import Bulk
    from tailrace.diff.exact import Comparison
    from tailrace.diff.groups import Marks
    from tailrace.diff.hashset import Hashes
    from tailrace.diff.pinning import Pinning
    from tailrace.diff.probe import Misses


def retyped(pinning: Pinning) -> str:
    """What to say where columns have changed their type, so that rows that were not read are of the old one."""
    return f"{', '.join(sorted(name[2:] for name in pinning.retyped))} changed its type"


class WindowDiff(Diff):
    """The rows are those of the model that were read; counts are of these."""

    _unread: Hashes = np.empty(0, np.uint64)
    """Places of the snapshot's rows that none of those read is equal to, ascending."""
    _compares: Comparison | None = None

    def run(self) -> ChangeSet:
        """Stream, narrow down, compare."""
        return replace(super().run(), partial=True)

    def _compare(self, misses: Misses, places: Hashes, hits: int, comparison: Comparison) -> Bulk | None:
        self._unread, self._compares = places, comparison
        # Any row of the snapshot may be near to one that was read, be it that none was found unchanged.
        return super()._compare(misses, self._of_keys(misses), hits or int(places.size > 0), comparison)

    def _of_keys(self, misses: Misses) -> Hashes:
        """The places of unread rows that have the key of one that was read."""
        if not (misses.rows and self._unread.size):
            return np.empty(0, np.uint64)
        read = marks(pl.scan_parquet(misses.path), misses.rows, self._spec)
        keys = HashSet(read.key[read.keyed])
        return self._among_unread(self._snapshot.matching(role("k", self._spec.key), self._digested(KEY), keys))

    def _near(self, new: Marks, old: Marks, places: Hashes, hits: int) -> Hashes:
        return self._noted(super()._near(new, old, places, hits))

    def _around(self, new: Marks, places: Hashes, hits: int) -> tuple[Marks, Hashes]:
        old, near = super()._around(new, places, hits)
        return old, self._noted(near)

    def _noted(self, near: Hashes) -> Hashes:
        """Have the comparison know which of the rows near to others were not read."""
        assert self._compares is not None  # noqa: S101 - it is there before anything is near
        self._compares.unread = as_series(self._among_unread(near), "loc").implode()
        return near

    def _among_unread(self, places: Hashes) -> Hashes:
        return merged([places], without=merged([places], without=self._unread))
