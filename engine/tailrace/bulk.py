"""The bulk half of the destination seam: jobs, which a vendor takes as files and works off in its own time.

An adapter that takes jobs implements `BulkDestination` besides `push`, and says in `capabilities.bulk` from how many
rows on they pay. Rows come as frames and results go back as frames, since there may be millions of them.

The engine journals which rows a job is to carry, opens it, journals its receipt, and only then sends data. A run that
dies resumes by asking for the state of the receipt's job. Polls, waiting, retry and recovery are the engine's: an
adapter never sleeps, never repeats a request, and spends a call before each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from tailrace.destination import Destination, Lookup, Operation, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from tailrace.values import LogicalType


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do with its rows."""

    id: str
    """The same each time the same rows are sent: an idempotency key."""
    object: str
    operation: Operation
    match: tuple[str, ...]
    fields: tuple[str, ...]
    """Fields that may have values, in this order."""
    types: Mapping[str, LogicalType]
    """Logical types of the columns `m:FIELD` and `v:FIELD` of the job's rows, by column."""
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    """Which of the fields are references."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """What was written to a job's file."""

    marks: pl.DataFrame
    """seq (Int64) and mark (String) of the rows in the file, in its order. The mark is what the vendor's results will
    tell the row by, such as its key as the vendor writes it; rows that cannot be told apart share one."""
    refused: Sequence[Outcome]
    """Rows that cannot be written: not in the file, and not to be sent in another way."""
    aside: Sequence[int] = ()
    """Numbers of rows that a job cannot carry, and a batch can."""
    taken: int = 0
    """How many of the rows given were looked at, from the first on: the file was full after these."""


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job is."""

    phase: Literal["open", "working", "ended", "gone"]
    """open: its rows are not at the vendor's disposal yet, so none was carried out. ended: with or without success,
    there are results. gone: nobody knows any more."""
    processed: int = 0
    message: str | None = None
    """What the vendor says of a job that failed."""


class BulkDestination(Destination, Protocol):
    """A destination that takes jobs as well; `capabilities.bulk` says when."""

    def spool(self, order: Order, rows: pl.DataFrame, path: Path) -> Spooled:
        """Write rows to a file in the form the vendor takes; it reads at most: objects, and parents of rows.

        The columns of `rows` are `seq` (Int64), `record_id` (String or null), `m:FIELD` for each match field,
        `v:FIELD` for each field, in their canonical types, and `w:FIELD` (Boolean): whether the field is to be written
        in this row. A written null clears; a field that is not written stays as it is. The same rows give the same
        marks each time.
        """

    def open_job(self, order: Order) -> str:
        """Have the vendor begin a job, without data; gives its receipt, a short text that names it for good."""

    def upload_job(self, receipt: str, path: Path) -> None:
        """Send the file. AnswerLost leaves the job open: it is given up, and the file goes into another one."""

    def start_job(self, receipt: str) -> None:
        """Say that the data is complete; to say it of a job that works already changes nothing."""

    def job_state(self, receipt: str) -> JobState:
        """Ask how far the job is: one request."""

    def abort_job(self, receipt: str) -> None:
        """Give an open job up, so that none of its rows is carried out; nothing happens where there is none."""

    def collect_job(self, receipt: str, order: Order, folder: Path) -> Iterator[pl.DataFrame]:
        """The results of a job that ended, some rows at a time; files it needs go into the folder.

        Columns, all String and nullable but for the first two: mark, status (acknowledged or rejected), record_id,
        code, message, recovery (as in `Outcome`). Rows the vendor did not come to are rejected with recovery `retry`.
        """
