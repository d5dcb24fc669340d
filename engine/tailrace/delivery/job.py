"""What a delivery is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tailrace.destination import Lookup, Outcome
from tailrace.errors import DestinationError
from tailrace.values import LogicalType, Value

if TYPE_CHECKING:
    import polars as pl

    from tailrace.project.config import Mode, OnUnknown
    from tailrace.state.records import Intent


@dataclass(frozen=True, slots=True)
class Job:
    """How the rows of one plan are to be delivered."""

    run_id: str
    sync: str
    object: str
    mode: Mode
    match: tuple[str, ...]
    fields: tuple[str, ...]
    skip_nulls: frozenset[str]
    """Fields whose NULL leaves the destination's value as it is."""
    fill_empty: frozenset[str]
    """Fields that are written only where the record has no value yet."""
    lookups: Mapping[str, Lookup]
    types: Mapping[str, LogicalType]
    """Logical type of each `k:`, `m:` and `f:` column, as in the change set."""
    batch_size: int
    concurrency: int
    on_unknown: OnUnknown
    recreate: bool = field(default=True, kw_only=True)
    """Whether a row whose record is gone is written anew, or skipped."""
    settle: float
    """Seconds after a lost answer before the record is looked up; longer than a request can linger at the vendor."""
    unlinks: bool = False
    """Whether rows tell what their references were to before."""
    appends_changes: bool = False
    """Whether mode append makes a record of a changed row too, so that a row may have several."""


class JournalLike(Protocol):
    """The part of `tailrace.state.journal.Journal` that a delivery writes."""

    @property
    def tells_sent(self) -> bool:
        """Whether it is known after a crash what was sent of batches that were intended together."""

    def intend(self, number: int, operation: str, seqs: Sequence[int]) -> None:
        """Make it durable that these rows are about to be sent."""

    def intend_all(self, intents: Sequence[Intent]) -> None:
        """The same of several batches at once."""

    def begin(self, number: int) -> None:
        """Note that a batch is sent now that was intended together with others, before its first byte is."""

    def intend_job(self, number: int, operation: str, seqs: Sequence[int]) -> None:
        """Make it durable that these rows are about to go out in a job."""

    def keep_receipt(self, number: int, receipt: str) -> None:
        """Make the job's receipt durable, before its data goes up."""

    def settle(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Make it durable what became of them: before any row without an outcome is intended again, and soon."""

    def flush(self) -> None:
        """Return when it is durable what became of all batches so far."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a delivery stands after a batch; counts are rows."""

    done: int
    total: int
    acknowledged: int
    rejected: int
    unknown: int
    skipped: int
    quota_left: int | None = None
    """Calls left today, where the vendor says so."""


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rejected and unknown rows that share a code, with the first of them as an example."""

    code: str
    rows: int
    key: Mapping[str, Value]
    message: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a plan's rows. A row without an outcome was not written, and stays for the next run."""

    outcomes: pl.DataFrame
    """seq, status, record_id, code, message, batch (the number of the last one): at most one row per seq. Those since
    the last checkpoint."""
    whole: pl.LazyFrame
    """The same of all rows, as long as the delivery's folder is there."""
    acknowledged: int
    rejected: int
    unknown: int
    skipped: int
    calls: int
    retries: int
    throttled_s: float
    stopped: DestinationError | None
    """Why sending ended early, if the destination is the cause."""
    interrupted: bool
    """Sending ended early because it was asked to."""
    errors: tuple[ErrorGroup, ...]
    """Largest group first."""
    skips: Mapping[str, int]
    """Skipped rows by code, largest number first."""
