"""Which rows a plan inserts: a record with such a row's match value must be the one that was just created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from tailrace.delivery.job import Job
    from tailrace.rowset import Rows


class Fresh:
    """Tells of a row's marker whether the row is new to the snapshot; asked in mode append alone."""

    def __init__(self, job: Job, rows: Rows) -> None:
        known = rows.part(bulk=False)
        asked = job.mode == "append" and bool(known.sources)
        changed = known.where(pl.col("op") != "insert").collect(["seq"])["seq"] if asked else ()
        self._changed = frozenset(map(str, changed))

    def __call__(self, marker: str) -> bool:
        """True for a row the plan inserts."""
        return marker not in self._changed
