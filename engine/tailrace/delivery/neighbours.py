"""Rows that lock the same records at the destination, such as children of one parent, go out side by side.

The adapter says which fields name such records: see `tailrace.destination.Contending`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
from xxhash import xxh32_intdigest

from tailrace.destination import Contending
from tailrace.rowset import BATCH_ROWS

if TYPE_CHECKING:
    from tailrace.delivery.job import Job
    from tailrace.destination import Destination
    from tailrace.rowset import Rows

_NO_LOCKS: frozenset[int] = frozenset()


class Neighbours:
    """Puts rows in order by the records they lock: the first field counts most.

    Rows are ordered among those that are in memory anyway, so that memory stays bounded: `BATCH_ROWS` of a delivery in
    batches, and all of one job. `salts` tell the records of one object from those of another.
    """

    def __init__(self, fields: Sequence[str] = (), salts: Mapping[str, str] | None = None) -> None:
        self.fields = tuple(fields)
        self._salts = salts or {}

    @classmethod
    def of(cls, job: Job, destination: Destination) -> Neighbours:
        """What the adapter says of the job's fields; DestinationError where it cannot ask what it must know."""
        if not isinstance(destination, Contending):
            return cls()
        named = {name: f"{lookup.object}.{lookup.by}".casefold() for name, lookup in job.lookups.items()}
        return cls(destination.contended(job.object, job.fields), named)

    def __bool__(self) -> bool:
        """Whether the order matters at all."""
        return bool(self.fields)

    def pieces(self, rows: Rows, size: int) -> Iterator[pl.DataFrame]:
        """The rows in frames of `size` rows, those that lock the same records side by side."""
        if not self:
            yield from rows.batches(size)
            return
        for frame in rows.batches(size * max(1, BATCH_ROWS // size)):
            ordered = self.ordered(frame)
            for start in range(0, frame.height, size):
                yield ordered.slice(start, size)

    def ordered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows in order; where nothing tells them apart they stay as they are.

        Rows without a parent come first: among records that refer to each other these are the parents.
        """
        terms = [pl.coalesce(values) for field in self.fields if (values := _values(field, frame))]
        return frame.sort(terms, maintain_order=True) if terms else frame

    def locks(self, frame: pl.DataFrame) -> Mapping[str, frozenset[int]]:
        """By marker the names of the records that a row locks: those it refers to, and those it referred to."""
        values = [
            pl.when(value.is_not_null()).then(value.hash(self._seed(field)))
            for field in self.fields
            for value in _values(field, frame)
        ]
        named = frame.select(pl.col("seq").cast(pl.String), *(value.alias(f"{n}") for n, value in enumerate(values)))
        return {marker: frozenset(lock for lock in locks if lock is not None) for marker, *locks in named.iter_rows()}

    def _seed(self, field: str) -> int:
        return xxh32_intdigest(self._salts.get(field, field).encode())

    def of_batch(self, markers: Sequence[str], locks: Mapping[str, frozenset[int]]) -> frozenset[int]:
        """The names of all records that some rows lock."""
        return _NO_LOCKS.union(*(locks.get(marker, _NO_LOCKS) for marker in markers))


def _values(field: str, frame: pl.DataFrame) -> list[pl.Expr]:
    """The record a row refers to from now on, and the one it referred to, as texts; those there are.

    Keys that differ in case or outer spaces may be one record.
    """
    names = [name for name in (f"n:{field}", f"o:{field}") if name in frame.columns and _is_plain(frame.schema[name])]
    return [pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() for name in names]


def _is_plain(kind: pl.DataType) -> bool:
    return not kind.is_nested() and kind not in {pl.Binary, pl.Object}
