"""Keeps count of a delivery's outcomes; plain lists while rows arrive, one frame at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.canonical import python_values
from tailrace.delivery.job import ErrorGroup, Progress
from tailrace.destination import Outcome, Status
from tailrace.state.packing import Columns, columns_of

if TYPE_CHECKING:
    from tailrace.delivery.job import Job
    from tailrace.rowset import Rows
    from tailrace.values import Value

SCHEMA: dict[str, Any] = {
    "seq": pl.Int64,
    "status": pl.String,
    "record_id": pl.String,
    "code": pl.String,
    "message": pl.String,
    "batch": pl.Int64,
}
_CHUNK = 50
"""Batches kept as Python objects before they are packed into a frame, unless they have very many rows."""
_CHUNK_ROWS = 20_000
"""Rows that are packed at once: those of a job by themselves."""


class Ledger:
    """Outcomes so far. Used by one thread.

    Those that were taken, to be made durable elsewhere, move to files in `folder`, if there is one.
    """

    def __init__(self, total: int, folder: Path | None = None) -> None:
        self.counts: dict[Status, int] = {"acknowledged": 0, "rejected": 0, "unknown": 0, "skipped": 0}
        self.skips: Counter[str] = Counter()
        """Skipped rows by code."""
        self._total = total
        self._waiting: list[tuple[*Columns, list[int]]] = []
        self._waiting_rows = 0
        self._packed: list[pl.DataFrame] = []
        self._taken: list[pl.LazyFrame] = []
        self._folder = folder
        self._groups: dict[str, tuple[int, int, str]] = {}

    def add(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Take the final outcomes of a batch; markers are row numbers."""
        columns = columns_of(outcomes)
        self._waiting.append((*columns, [number] * len(outcomes)))
        found = {status: columns[1].count(status) for status in self.counts}
        for status, rows in found.items():
            self.counts[status] += rows
        if found["acknowledged"] < len(outcomes):
            self._note(outcomes)
        self._waiting_rows += len(outcomes)
        if len(self._waiting) >= _CHUNK or self._waiting_rows >= _CHUNK_ROWS:
            self._pack()

    @property
    def untaken(self) -> int:
        """Outcomes that have not been taken."""
        return sum(frame.height for frame in self._packed) + sum(len(waiting[0]) for waiting in self._waiting)

    def whole(self) -> pl.LazyFrame:
        """All outcomes, in no order."""
        self._pack()
        return pl.concat([*self._taken, *(frame.lazy() for frame in self._packed), pl.LazyFrame(schema=SCHEMA)])

    def frame(self) -> pl.DataFrame:
        """All outcomes, by seq."""
        return self.whole().collect().sort("seq")

    def rest(self) -> pl.DataFrame:
        """The outcomes that have not been taken, by seq."""
        self._pack()
        found = pl.concat([*self._packed, pl.DataFrame(schema=SCHEMA)])
        return found if found["seq"].is_sorted() else found.sort("seq")  # which has all of it twice in memory

    def take(self) -> pl.DataFrame:
        """The outcomes since the last call, by seq."""
        taken = self.rest()
        self._packed = []
        if taken.height:
            self._taken.append(self._put_away(taken))
        return taken

    def _put_away(self, frame: pl.DataFrame) -> pl.LazyFrame:
        if self._folder is None:
            return frame.lazy()
        path = self._folder / f"outcomes-{len(self._taken)}.parquet"
        frame.write_parquet(path)
        return pl.scan_parquet(path)

    def progress(self) -> Progress:
        """Where the delivery stands."""
        return Progress(sum(self.counts.values()), self._total, **self.counts)

    def errors(self, job: Job, rows: Rows) -> tuple[ErrorGroup, ...]:
        """Rejected and unknown rows by code, the largest group first; `rows` are the plan's."""
        groups = sorted(self._groups.items(), key=lambda group: (-group[1][0], group[0]))
        examples = rows.take(seq for _, (_, seq, _) in groups) if groups else pl.DataFrame()
        return tuple(
            ErrorGroup(code, size, _key(job, examples.filter(pl.col("seq") == seq)), message)
            for code, (size, seq, message) in groups
        )

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status == "acknowledged":
                continue
            if outcome.status != "skipped":
                self._group(int(outcome.marker), outcome)
            elif outcome.code:
                self.skips[outcome.code] += 1

    def _group(self, seq: int, outcome: Outcome) -> None:
        code = outcome.code or outcome.status.upper()
        rows, first, message = self._groups.get(code, (0, seq, outcome.message or ""))
        self._groups[code] = (rows + 1, first, message)

    def _pack(self) -> None:
        if self._waiting:
            columns = [list(chain.from_iterable(parts)) for parts in zip(*self._waiting, strict=True)]
            self._packed.append(pl.DataFrame(dict(zip(SCHEMA, columns, strict=True)), schema=SCHEMA))
            self._waiting, self._waiting_rows = [], 0


def _key(job: Job, row: pl.DataFrame) -> Mapping[str, Value]:
    names = [name for name in row.columns if name.startswith("k:")]
    return {name[2:]: python_values(row[name], job.types[name])[0] for name in names}
