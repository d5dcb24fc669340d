"""Carries rows to the destination in jobs: files that the vendor works off in its own time.

Which rows a job is to carry is durable before it is opened, and its receipt before data goes up. So whatever ends the
run, the next one knows what to ask for: see `tailrace.delivery.recover`.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from tailrace.actions import able, only_jobs
from tailrace.delivery.table import make_order, make_table
from tailrace.destination import Outcome, Recovery, Status
from tailrace.errors import AnswerLost, DestinationError, JobLeft, StopRun
from tailrace.failpoints import reach

if TYPE_CHECKING:
    from tailrace.bulk import BulkDestination, JobState, Order, Spooled
    from tailrace.delivery.job import Job, JournalLike
    from tailrace.delivery.phases import Part
    from tailrace.delivery.retry import Retries
    from tailrace.destination import Bulk, Destination
    from tailrace.rowset import Rows

UNACCOUNTED = "UNACCOUNTED"
"""Code of rows that a job's results do not name as often as the job carried them."""
_FIRST_POLL_S, _LAST_POLL_S, _GROWTH = 0.5, 30.0, 1.5
_STOPPED_POLL_S = 1.0
"""Between polls once the run is asked to stop: the job may end within the time there is."""
_OPENED = 3
"""Jobs opened for the same rows, where the answer to an upload was lost."""
RESULTS = dict.fromkeys(("mark", "status", "record_id", "code", "message", "recovery"), pl.String)


@dataclass(frozen=True, slots=True)
class JobDone:
    """What a job came to. Rows that are in none of these were not sent."""

    number: int
    """Under which it is journaled."""
    taken: int
    """How many rows were looked at."""
    intended: bool = True
    """Whether it is journaled."""
    outcomes: Sequence[Outcome] = ()
    refused: Sequence[Outcome] = ()
    """Of rows that could not be written into its file: nothing of them was sent."""
    aside: Sequence[int] = ()
    """Rows that must go out in batches."""
    error: DestinationError | None = None


def jobs_of(
    job: Job,
    destination: Destination,
    retries: Retries,
    *,
    folder: Path | None,
    stop: threading.Event | None = None,
    sleep: Callable[[float], object] | None = None,
    working: Callable[[int], object] | None = None,
) -> Jobs | None:
    """The jobs of a delivery; None where the destination takes none.

    `folder` is where files are written, and removed again; `working` is told how many rows of a job the vendor has
    worked off.
    """
    bulk = destination.capabilities.bulk
    if bulk is None:
        return None
    bulky = cast("BulkDestination", destination)
    return Jobs(job, bulky, bulk, retries, folder=folder, stop=stop, sleep=sleep, working=working)


def among(seqs: Sequence[int]) -> pl.Expr:
    """Whether a row is one of these."""
    return pl.col("seq").is_in(pl.Series(seqs, dtype=pl.Int64).implode())


class Jobs:
    """Sends jobs, one after another: in parallel they would contend for the locks of what they write."""

    def __init__(
        self,
        job: Job,
        destination: BulkDestination,
        bulk: Bulk,
        retries: Retries,
        *,
        folder: Path | None,
        stop: threading.Event | None,
        sleep: Callable[[float], object] | None,
        working: Callable[[int], object] | None,
    ) -> None:
        self._job, self._destination, self._bulk, self._retries = job, destination, bulk, retries
        self._folder = folder
        self._stop = stop or threading.Event()
        self._sleep = sleep or time.sleep
        self._working = working

    def among(self, part: Part, conditional: Mapping[str, frozenset[str]]) -> pl.Expr | None:
        """Which of a part's rows go out in jobs: those that need no look-up, where they are enough to pay; else None.

        `conditional` are, by action, the fields whose being written depends on the record.
        """
        capabilities, job = self._destination.capabilities, self._job
        looked_up = job.mode == "insert" and capabilities.find and bool(job.match)
        held = bool(conditional.get(part.action))
        found = able(capabilities, part.action, conditional=held, looked_up=looked_up)
        return None if found is None or part.rows.count(found) < self._bulk.from_rows else found

    def only(self, action: str) -> bool:
        """Whether rows of an action go out in jobs, however few they are, as no batch can carry them."""
        return only_jobs(self._destination.capabilities, action)

    def send_all(
        self,
        rows: Rows,
        action: str,
        numbers: Iterator[int],
        journal: JournalLike,
        ordered: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> Iterator[JobDone]:
        """Send rows of one action, job by job, those of each job in the order they are given by `ordered`.

        JobLeft where one goes on at the vendor and cannot be followed any more: the journal has its receipt.
        """
        for frame in rows.batches(self._bulk.rows):
            left = ordered(frame)
            while left.height:
                done = self._send(left, action, next(numbers), journal)
                yield done
                left = left.slice(max(1, done.taken))

    def _send(self, frame: pl.DataFrame, action: str, number: int, journal: JournalLike) -> JobDone:
        """Send as many of the plan's rows in `frame` as one job takes."""
        table = make_table(self._job, frame, action)
        order = make_order(self._job, table, action)
        with self._scratch() as folder:
            path = Path(folder) / "job"
            try:
                spooled = self._retries.call(partial(self._destination.spool, order, table, path), idempotent=True)
            except DestinationError as error:
                return JobDone(number, frame.height, intended=False, error=error)
            del table  # it is as large as the file, and the job may take hours
            seqs = spooled.marks["seq"].to_list()
            done = JobDone(number, spooled.taken, refused=spooled.refused, aside=spooled.aside)
            journal.intend_job(number, str(order.operation), seqs)
            reach("batch.intended")
            if not seqs:
                return done
            try:
                receipt = self._upload(order, path, number, journal)
            except DestinationError as error:
                return replace(done, error=error)  # nothing is carried out of a job that was not started
            outcomes, fault = self._follow(receipt, order, spooled, path.parent)
            return replace(done, outcomes=outcomes, error=fault)

    def _follow(
        self, receipt: str, order: Order, spooled: Spooled, folder: Path
    ) -> tuple[list[Outcome], DestinationError | None]:
        """Start a job whose data is there, wait for its end, and collect; JobLeft where that does not succeed."""
        try:
            self._retries.call(partial(self._destination.start_job, receipt), idempotent=True)
            reach("job.started")
            state = self._wait(receipt)
            if state.phase == "gone":
                return _all_unknown(spooled, f"the destination does not know job {receipt} any more"), None
            results = self._retries.call(partial(self._collect, receipt, order, folder), idempotent=True)
        except DestinationError as error:
            raise JobLeft(
                f"job {receipt} is under way at the destination and cannot be followed: {error.message}",
                code=error.code,
                hint="the next run asks what became of it; nothing is sent twice",
            ) from error
        reach("job.collected")
        return accounted(receipt, spooled.marks, results, state.message)

    def resume(self, receipt: str, frame: pl.DataFrame, action: str) -> list[Outcome] | None:
        """What became of a job of an earlier run, which carried these of the plan's rows; waits for its end.

        A job that was not started is given up: nothing of it was carried out, and there are no outcomes; neither are
        there any of rows that were refused for now. None where the destination does not know the job any more.
        """
        state = self._retries.call(partial(self._destination.job_state, receipt), idempotent=True)
        given_up = state.phase == "open"
        if given_up:
            self._retries.call(partial(self._destination.abort_job, receipt), idempotent=True)
            # The dead run's request to start it may have been on its way: then it is too late to give it up.
            state = self._retries.call(partial(self._destination.job_state, receipt), idempotent=True)
            if state.phase == "open":
                return []
        if state.phase == "gone" or self._wait(receipt).phase == "gone":
            return None
        table = make_table(self._job, frame, action)
        order = make_order(self._job, table, action)
        with self._scratch() as folder:
            path = Path(folder) / "job"
            spooled = self._retries.call(partial(self._destination.spool, order, table, path), idempotent=True)
            results = self._retries.call(partial(self._collect, receipt, order, path.parent), idempotent=True)
        if given_up and results.is_empty():
            return []
        # Rows that would be refused today may have been in the file: of those without a mark nothing is known.
        marked = set(spooled.marks["seq"].to_list())
        strange = [_unknown(seq, f"job {receipt} may have carried it") for seq in frame["seq"] if seq not in marked]
        return [o for o in accounted(receipt, spooled.marks, results, None)[0] if o.recovery is None] + strange

    def _upload(self, order: Order, path: Path, number: int, journal: JournalLike) -> str:
        """Open a job and send it its file; gives its receipt. After an error there is no job with data to be found."""
        for left in reversed(range(_OPENED)):
            receipt = self._retries.call(partial(self._destination.open_job, order), idempotent=True)
            reach("job.opened")
            journal.keep_receipt(number, receipt)
            reach("job.receipt")
            try:
                self._retries.call(partial(self._destination.upload_job, receipt, path), idempotent=False)
            except DestinationError as error:
                self._give_up(receipt)
                if not isinstance(error, AnswerLost) or not left:
                    raise
            else:
                reach("job.uploaded")
                return receipt
        raise AssertionError

    def _give_up(self, receipt: str) -> None:
        """Have an open job aborted; where that fails it stays open, and nothing of it is ever carried out."""
        try:
            self._destination.abort_job(receipt)
        except DestinationError:
            return

    def _wait(self, receipt: str) -> JobState:
        pause = _FIRST_POLL_S
        while True:
            state: JobState = self._retries.call(partial(self._destination.job_state, receipt), idempotent=True)
            if state.phase in {"ended", "gone"}:
                return state
            if state.phase == "open":
                raise StopRun(f"job {receipt} was started, and the destination says that it is still open")
            if self._working is not None:
                self._working(state.processed)
            # The event that asks us to stop would end each wait at once, and ask the vendor without pause.
            self._sleep(min(pause, _STOPPED_POLL_S) if self._stop.is_set() else pause)
            pause = min(_LAST_POLL_S, pause * _GROWTH)

    def _collect(self, receipt: str, order: Order, folder: Path) -> pl.DataFrame:
        frames = list(self._destination.collect_job(receipt, order, folder))
        return pl.concat([frame.select(list(RESULTS)) for frame in frames]) if frames else pl.DataFrame(schema=RESULTS)

    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=self._folder, prefix="job-")


def accounted(
    receipt: str, marks: pl.DataFrame, results: pl.DataFrame, message: str | None
) -> tuple[list[Outcome], DestinationError | None]:
    """The outcomes of a job's rows. A mark that has more or fewer results than rows tells nothing of any of them."""
    sent = marks.with_columns(nth=pl.int_range(pl.len()).over("mark"), rows=pl.len().over("mark"))
    said = results.with_columns(nth=pl.int_range(pl.len()).over("mark"), told=pl.len().over("mark"))
    joined = sent.join(said, on=["mark", "nth"], how="left")
    # Where several rows cannot be told apart, their results may be given to any of them, if they say the same.
    alike = (pl.col("rows") == 1) | (pl.col("status").n_unique().over("mark") == 1)
    known = ((pl.col("rows") == pl.col("told")) & alike).fill_null(value=False)
    lost = joined.filter(~known)
    outcomes = list(map(_outcome, *(joined.filter(known)[name].to_list() for name in _COLUMNS)))
    stray = results.height - joined["status"].count()
    if lost.is_empty() and not stray:
        return outcomes, None
    text = f"job {receipt} carried {marks.height:,} rows, and its results account for {marks.height - lost.height:,}"
    text += f", with {stray:,} that are none of these" if stray else ""
    error = DestinationError(f"{text}{f': {message}' if message else ''}", code=UNACCOUNTED)
    outcomes += [_unknown(seq, text) for seq in lost["seq"].to_list()]
    return outcomes, error


_COLUMNS = ("seq", "status", "record_id", "code", "message", "recovery")


def _outcome(
    seq: int, status: str, record_id: str | None, code: str | None, message: str | None, recovery: str | None
) -> Outcome:
    known = cast("Status", status), cast("Recovery | None", recovery)
    return Outcome(str(seq), known[0], record_id, code=code, message=message, recovery=known[1])


def _all_unknown(spooled: Spooled, message: str) -> list[Outcome]:
    return [_unknown(seq, message) for seq in spooled.marks["seq"].to_list()]


def _unknown(seq: int, message: str) -> Outcome:
    return Outcome(str(seq), "unknown", code=UNACCOUNTED, message=message)
