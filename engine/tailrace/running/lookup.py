"""Which records of the destination carry the match values of a change frame's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tailrace.canonical import python_values
from tailrace.delivery.lookup import Finder, Owned
from tailrace.delivery.retry import Retries
from tailrace.destination import Row

if TYPE_CHECKING:
    import polars as pl

    from tailrace.delivery import Job, Limiter
    from tailrace.destination import Destination, Record
    from tailrace.values import LogicalType, Value


def records_of(
    job: Job, frame: pl.DataFrame, destination: Destination, limiter: Limiter, fields: Sequence[str] = ()
) -> list[list[Record]]:
    """Per row of the frame the records found by `job.match`, as delivery finds them: none, one, or too many."""
    rows = _rows(job, frame)
    found = Finder(job, destination, Retries(limiter)).find(rows, fields)
    return [found[row.marker] for row in rows]


def made_of(
    job: Job, frame: pl.DataFrame, destination: Destination, limiter: Limiter, owned: Owned
) -> list[list[Record]]:
    """The same, of rows that an earlier run created: the records that it may have made."""
    rows = _rows(job, frame)
    found = Finder(job, destination, Retries(limiter), owned).made(rows)
    return [found[row.marker] for row in rows]


def _rows(job: Job, frame: pl.DataFrame) -> list[Row]:
    return [Row(str(seq), (), match, {}) for seq, match in zip(frame["seq"], _matches(job, frame), strict=True)]


def _matches(job: Job, frame: pl.DataFrame) -> list[tuple[Value, ...]]:
    types: Mapping[str, LogicalType] = job.types
    columns = [python_values(frame[f"m:{name}"], types[f"m:{name}"]) for name in job.match]
    return list(zip(*columns, strict=True))
