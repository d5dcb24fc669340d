"""The reference adapter for jobs: `MemoryDestination` with a vendor that works files off in its own time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from tailrace.bulk import JobState, Order, Spooled
from tailrace.canonical import python_values
from tailrace.destination import Batch, Bulk, Capabilities, Context, Operation, Outcome, Row, rejected
from tailrace.errors import BatchRejected, ObjectNotFound
from tailrace.testing.memory import CAPABILITIES, MemoryDestination, MemoryStore, Request, Step
from tailrace.values import Value

BULK: Final = Bulk(
    operations=frozenset({Operation.UPSERT, Operation.CREATE, Operation.UPDATE, Operation.DELETE}),
    from_rows=10,
    rows=1_000,
    calls=4,
)
_COLUMNS: Final = ("mark", "status", "record_id", "code", "message", "recovery")


@dataclass(slots=True)
class _Job:
    order: Order
    phase: str = "open"
    rows: list[tuple[str, Row]] = field(default_factory=list)
    """Marks and rows."""
    polls: int = 0
    """Questions for its state after which it ends."""
    results: list[tuple[str, Outcome]] = field(default_factory=list)


class JobStore(MemoryStore):
    """The vendor's side. A job is worked off when its state has been asked for `polls` times."""

    def __init__(self, *args: object, polls: int = 2, seed: int = 0, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.polls = polls
        self.jobs: dict[str, _Job] = {}
        self.spoiled: str | None = None
        """The next job that ends fails with these words, its rows from the second half on not worked off."""
        self._random = random.Random(seed)  # noqa: S311 - an order of results that can be had again

    def open(self, order: Order) -> str:
        """Begin a job."""
        lost = self._answer("open_job", order)
        receipt = f"job-{len(self.jobs) + 1}"
        self.jobs[receipt] = _Job(order)
        return self._answered(receipt, lost)

    def take(self, receipt: str, rows: list[tuple[str, Row]]) -> None:
        """Take a job's rows."""
        job = self._job(receipt)
        lost = self._answer("upload_job", job.order, len(rows))
        if job.phase != "open" or job.rows:
            raise BatchRejected("the job has its data already", code="INVALID_JOB_STATE")
        job.rows = rows
        self._answered(receipt, lost)

    def start(self, receipt: str) -> None:
        """Work the rows off from now on."""
        job = self._job(receipt)
        lost = self._answer("start_job", job.order)
        if job.phase == "open":
            job.phase, job.polls = "working", self.polls
        self._answered(receipt, lost)

    def state(self, receipt: str) -> JobState:
        """How far the job is."""
        if receipt not in self.jobs:
            return JobState("gone")
        job = self._job(receipt)
        self._answer("job_state", job.order)
        if job.phase == "working":
            job.polls -= 1
            if job.polls <= 0:
                self._work(job)
        phase = "ended" if job.phase == "aborted" else job.phase
        return JobState(phase, len(job.results))  # type: ignore[arg-type]

    def results(self, receipt: str) -> list[tuple[str, Outcome]]:
        """Results in no order."""
        job = self._job(receipt)
        self._answer("collect_job", job.order)
        return self._random.sample(job.results, len(job.results))

    def abort(self, receipt: str) -> None:
        """Give a job up."""
        job = self._job(receipt)
        self._answer("abort_job", job.order)
        job.phase = "aborted"

    def _job(self, receipt: str) -> _Job:
        if receipt not in self.jobs:
            raise ObjectNotFound(f"there is no {receipt}")
        return self.jobs[receipt]

    def _answer(self, step: Step, order: Order, rows: int = 0) -> Exception | None:
        with self._lock:
            return self._arrive(Request(step, order.object, order.operation, rows, order.id))

    def _answered(self, receipt: str, lost: Exception | None) -> str:
        if lost is not None:
            raise lost
        return receipt

    def _work(self, job: _Job) -> None:
        todo = job.rows if self.spoiled is None else job.rows[: len(job.rows) // 2]
        order = job.order
        rows = tuple(replace(row, marker=str(nth)) for nth, (_, row) in enumerate(todo))
        batch = Batch(order.id, order.object, order.operation, order.match, rows, order.lookups)
        outcomes = self.write(batch) if rows else []
        job.results = [(mark, outcome) for (mark, _), outcome in zip(todo, outcomes, strict=True)]
        left = job.rows[len(todo) :]
        job.results += [(mark, rejected("", "UNPROCESSED", self.spoiled or "", "retry")) for mark, _ in left]
        job.phase, self.spoiled = "ended", None


class MemoryBulkDestination(MemoryDestination):
    """`tailrace.bulk.BulkDestination` over a `JobStore`. Receipts are JSON-free names; files are parquet."""

    def __init__(
        self, store: JobStore, context: Context, capabilities: Capabilities = CAPABILITIES, bulk: Bulk = BULK
    ) -> None:
        super().__init__(store, context, replace(capabilities, bulk=bulk))
        self._jobs = store

    def spool(self, order: Order, rows: pl.DataFrame, path: Path) -> Spooled:
        """Write the rows; those with the text `aside` or `refused` in a field are what it says."""
        texts = [name for name in rows.columns if name.startswith("v:") and rows.schema[name] == pl.String]
        says = {
            word: pl.any_horizontal(pl.col(name) == word for name in texts).fill_null(value=False)
            if texts
            else pl.lit(value=False)
            for word in ("aside", "refused")
        }
        held = rows.filter(~says["aside"] & ~says["refused"])
        held.write_parquet(path)
        refused = rows.filter(says["refused"])["seq"].to_list()
        return Spooled(
            pl.DataFrame({"seq": held["seq"], "mark": pl.Series(_marks(order, held), dtype=pl.String)}),
            [rejected(str(seq), "REFUSED", "cannot be written") for seq in refused],
            rows.filter(says["aside"])["seq"].to_list(),
            rows.height,
        )

    def open_job(self, order: Order) -> str:
        """Begin a job."""
        self._calls.spend(write=True)
        return self._jobs.open(order)

    def upload_job(self, receipt: str, path: Path) -> None:
        """Send the file."""
        self._calls.spend(write=True)
        order = self._jobs.jobs[receipt].order
        rows = pl.read_parquet(path)
        self._jobs.take(receipt, list(zip(_marks(order, rows), _rows(order, rows), strict=True)))

    def start_job(self, receipt: str) -> None:
        """Have it worked off."""
        self._calls.spend(write=True)
        self._jobs.start(receipt)

    def job_state(self, receipt: str) -> JobState:
        """How far it is."""
        self._calls.spend(write=False)
        return self._jobs.state(receipt)

    def abort_job(self, receipt: str) -> None:
        """Give it up."""
        self._calls.spend(write=True)
        self._jobs.abort(receipt)

    def collect_job(self, receipt: str, order: Order, folder: Path) -> Iterator[pl.DataFrame]:  # noqa: ARG002
        """The results, a few at a time."""
        self._calls.spend(write=False)
        found = self._jobs.results(receipt)
        for start in range(0, len(found), 7):
            some = [
                (mark, o.status, o.record_id, o.code, o.message, o.recovery) for mark, o in found[start : start + 7]
            ]
            yield pl.DataFrame(some, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")


def _marks(order: Order, rows: pl.DataFrame) -> list[str]:
    if (
        order.operation in {Operation.UPDATE, Operation.DELETE, Operation.HARD_DELETE}
        and rows["record_id"].null_count() == 0
    ):
        return rows["record_id"].to_list()
    names = [f"m:{name}" for name in order.match] or [name for name in rows.columns if name.startswith("v:")]
    return [repr(row) for row in rows.select(names).rows()]


def _rows(order: Order, rows: pl.DataFrame) -> Iterator[Row]:
    def column(name: str) -> list[Value]:
        return python_values(rows[name], order.types[name])

    match = (
        list(zip(*(column(f"m:{name}") for name in order.match), strict=True)) if order.match else [()] * rows.height
    )
    values: list[dict[str, Value]] = [{} for _ in range(rows.height)]
    for name in order.fields:
        for row, value, written in zip(values, column(f"v:{name}"), rows[f"w:{name}"].to_list(), strict=True):
            if written:
                row[name] = value
    for seq, key, row, record_id in zip(rows["seq"], match, values, rows["record_id"], strict=True):
        yield Row(str(seq), (), key, row, record_id)
