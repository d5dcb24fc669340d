"""Which records of the destination carry the match values of a change frame's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from tailrace.canonical import python_values
from tailrace.delivery.lookup import Finder
from tailrace.delivery.retry import Retries
from tailrace.destination import Row

if TYPE_CHECKING:
    from tailrace.delivery import Job, Limiter
    from tailrace.destination import Destination, Record
    from tailrace.running.places import AnySnapshot
    from tailrace.values import LogicalType, Value


def records_of(
    job: Job, frame: pl.DataFrame, destination: Destination, limiter: Limiter, fields: Sequence[str] = ()
) -> list[list[Record]]:
    """Per row of the frame the records found by `job.match`, as delivery finds them: none, one, or too many."""
    rows = _rows(job, frame)
    found = Finder(job, destination, Retries(limiter)).find(rows, fields)
    return [found[row.marker] for row in rows]


def made_of(
    job: Job, frame: pl.DataFrame, destination: Destination, limiter: Limiter, snapshot: AnySnapshot
) -> list[list[Record] | None]:
    """The same, of rows that an earlier run created: the records that it may have made; None where nobody can tell."""
    rows, keys = _rows(job, frame), frame.select(pl.col("^k:.*$"))
    held = snapshot.held(keys, job.types).select(keys.columns) if job.mode == "append" else keys.clear()
    known, finder = set(held.rows()), Finder(job, destination, Retries(limiter))
    own = [row for row, key in zip(rows, keys.rows(), strict=True) if key in known]
    new = [row for row, key in zip(rows, keys.rows(), strict=True) if key not in known]
    found = {**finder.find(own), **finder.made(new, snapshot.owned)}
    return [found[row.marker] for row in rows]


def _rows(job: Job, frame: pl.DataFrame) -> list[Row]:
    return [Row(str(seq), (), match, {}) for seq, match in zip(frame["seq"], _matches(job, frame), strict=True)]


def _matches(job: Job, frame: pl.DataFrame) -> list[tuple[Value, ...]]:
    types: Mapping[str, LogicalType] = job.types
    columns = [python_values(frame[f"m:{name}"], types[f"m:{name}"]) for name in job.match]
    return list(zip(*columns, strict=True))
