"""Carries a plan's rows to the destination: in phases, in batches, each journaled before and after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Self

import polars as pl

from tailrace.actions import REMOVALS, operation
from tailrace.delivery.checkpoints import Checkpoints, Fold
from tailrace.delivery.fleet import Fleet
from tailrace.delivery.flight import Flight
from tailrace.delivery.fresh import Fresh
from tailrace.delivery.job import DeliveryReport, Job, JournalLike, OnProgress
from tailrace.delivery.jobs import among, jobs_of
from tailrace.delivery.ledger import Ledger
from tailrace.delivery.limiter import Limiter
from tailrace.delivery.lookup import Finder, Owned
from tailrace.delivery.neighbours import Neighbours
from tailrace.delivery.phases import Part, Vacancies, removals, superseded, writes
from tailrace.delivery.prepare import Prepared, Preparer, telling
from tailrace.delivery.retry import Retries
from tailrace.delivery.rows import initial_fields, make_batch, make_rows, markers
from tailrace.delivery.send import Sender
from tailrace.delivery.verdict import Verdict, judge
from tailrace.delivery.work import Done, Work
from tailrace.destination import Destination, Operation, Outcome, Row, acknowledged
from tailrace.errors import DestinationError, Retriable
from tailrace.failpoints import reach
from tailrace.rowset import Rows
from tailrace.stopping import during

_CHUNK, _CHUNK_VALUES = 10_000, 200_000
"""Rows, and values of theirs, taken out of the frame at once: few enough to hold, many enough to be fast. No more are
intended together."""
_PAUSES_S = (0.0, 1.0, 5.0, 15.0, 30.0)
"""Before rows that were refused for now are sent again, by round."""
_SHRINK = 4
"""Each round of rows that were refused for now goes out in batches that much smaller."""


_AHEAD_S = 0.25
"""Batches are intended together as far as they are sent within so many seconds.

To write each of them down alone would cost a destination that answers in a millisecond more than to send it, and one
that answers in twenty a tenth of its time. Where nobody can tell after a crash which of them were sent, all of them
are called in doubt, and only those are intended together that may be sent twice without harm.
"""
_LEAST_S = 0.000_1
"""A batch counts as taking that long at least."""


def deliver(
    job: Job,
    rows: Rows,
    destination: Destination,
    journal: JournalLike,
    *,
    limiter: Limiter,
    progress: OnProgress | None = None,
    stop: threading.Event | None = None,
    sleep: Callable[[float], object] | None = None,
    first_number: int = 1,
    folder: Path | None = None,
    fold: Fold | None = None,
    owned: Owned,
) -> DeliveryReport:
    """Send all rows of a plan, and say what became of each.

    Errors of the destination end up in the report. LeaseLost, StateError and WriteForbidden are
    raised, after the batches in flight have ended. `stop` ends the delivery after the batches in
    flight; StopNow, which is raised too, without them. `sleep` (seconds) replaces real waiting.
    Batches are numbered from `first_number`. `fold` is called now and then with what became of the rows so far, with
    nothing in flight; the report then has the outcomes since the last call. Files in the making are in `folder`, or
    where the system has them. JobLeft is raised where a job goes on that cannot be followed any more. `owned` tells
    which records rows of the snapshot have.
    """
    delivery = _Delivery(
        job,
        rows,
        destination,
        journal,
        limiter=limiter,
        progress=progress,
        stop=stop,
        sleep=sleep,
        first_number=first_number,
        folder=folder,
        fold=fold,
        owned=owned,
    )
    with during(stop, "sending"), delivery:
        delivery.run()
    return delivery.report()


class _Delivery:
    def __init__(
        self,
        job: Job,
        rows: Rows,
        destination: Destination,
        journal: JournalLike,
        *,
        limiter: Limiter,
        progress: OnProgress | None,
        stop: threading.Event | None,
        sleep: Callable[[float], object] | None,
        first_number: int,
        folder: Path | None,
        fold: Fold | None,
        owned: Owned,
    ) -> None:
        self._job, self._rows, self._journal, self._limiter = job, rows, journal, limiter
        self._height = rows.count()
        self._capabilities = destination.capabilities
        self._retries = Retries(limiter, stop=stop, sleep=sleep)
        finder = Finder(job, destination, self._retries)
        fresh = Fresh(job, rows)
        sleep = sleep or time.sleep
        self._sender = Sender(job, destination, self._retries, finder, fresh=fresh, owned=owned, sleep=sleep)
        self._preparer = Preparer(job, self._capabilities, finder, initial_fields(rows))
        self._jobs = jobs_of(job, destination, self._retries, folder=folder, stop=stop, sleep=sleep, working=self._tell)
        self._vacancies = Vacancies(rows, job.match, self._capabilities.case_insensitive_match)
        self._ledger = Ledger(self._height, folder)
        self._fold, self._checkpoints = fold, Checkpoints()
        self._progress = progress
        self._stop = stop or threading.Event()
        self._numbers = count(first_number)
        self._before = (limiter.calls, limiter.throttled_s)
        self._stopped: DestinationError | None = None
        self._broken = False
        self._again: list[tuple[str, int, int]] = []
        # Even then a power cut calls in doubt what was not sent: to skip such rows would be to lose them.
        self._tells_sent = journal.tells_sent and job.on_unknown != "skip"
        self._ahead: set[int] = set()
        """Batches that are intended, and not sent yet."""
        self._pace: float | None = None
        """Seconds that the last batch took to be sent."""
        self._flight = Flight(job.concurrency, limiter.pace)
        self._fleet = Fleet(self._process, self._absorb, self._flight)
        self._destination, self._neighbours = destination, Neighbours()

    def __enter__(self) -> Self:
        self._fleet.start(self._job.concurrency, f"deliver-{self._job.sync}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._broken = kind is not None
        self._fleet.stop(at_once=kind is not None and issubclass(kind, KeyboardInterrupt))
        while self._ahead:
            self._journal.settle(self._ahead.pop(), [])  # nothing of it was sent, nor will be

    def run(self) -> None:
        """Writes first, then removals, without those whose record has a new owner."""
        try:
            self._neighbours = Neighbours.of(self._job, self._destination)
        except DestinationError as error:
            self._halt(error)
        for phase in writes(self._rows, self._job.match, self._capabilities.case_insensitive_match):
            self._run_phase(phase)
        for phase in removals(self._rows.without(self._supersede())):
            self._run_phase(phase)

    def report(self) -> DeliveryReport:
        """What it came to."""
        calls, throttled_s = self._before
        counts = self._ledger.counts
        return DeliveryReport(
            outcomes=self._ledger.rest(),
            whole=self._ledger.whole(),
            acknowledged=counts["acknowledged"],
            rejected=counts["rejected"],
            unknown=counts["unknown"],
            skipped=counts["skipped"],
            calls=self._limiter.calls - calls,
            retries=self._retries.count,
            throttled_s=self._limiter.throttled_s - throttled_s,
            stopped=self._stopped,
            interrupted=self._stop.is_set() and self._stopped is None and sum(counts.values()) < self._height,
            errors=self._ledger.errors(self._job, self._rows),
            skips=dict(self._ledger.skips.most_common()),
        )

    @property
    def _at_once(self) -> int:
        """Rows taken out of the frame at once."""
        return max(1, min(_CHUNK, _CHUNK_VALUES // max(1, len(self._job.fields))))

    @property
    def _halted(self) -> bool:
        return self._broken or self._stopped is not None or self._stop.is_set()

    def _run_phase(self, parts: list[Part]) -> None:
        while parts and not self._halted:
            self._run_parts(parts)
            parts = self._next_parts()
            self._retries.pause(max((_PAUSES_S[part.round] for part in parts), default=0.0))

    def _next_parts(self) -> list[Part]:
        """What this round sent back: rows refused for now, and updates that became upserts."""
        groups: dict[tuple[str, int], list[int]] = {}
        for action, sent_again, seq in self._again:
            groups.setdefault((action, sent_again), []).append(seq)
        self._again = []
        return [
            Part(action, Rows.of_frame(self._rows.take(seqs)), sent_again)
            for (action, sent_again), seqs in groups.items()
        ]

    def _run_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for works in self._works(self._in_jobs(self._vacancies.admit(part, self._ledger.frame))):
                self._send(works)
                if self._halted:
                    break
                self._fold_in()
        self._fleet.land(all_of_them=True)
        self._journal.flush()  # what follows may build on it: a value that is free now, a row that is sent again

    def _send(self, works: list[Work]) -> None:
        if self._neighbours and self._fleet.several:
            while works and not self._halted:
                self._fleet.launch(self._fleet.take(works))
            return
        for some in self._together(works):
            for work in self._intended(some):
                self._fleet.launch(work)

    def _fold_in(self) -> None:
        """Have made durable what is known so far, if that is due."""
        if self._fold is not None and self._checkpoints.due(self._ledger.untaken):
            self._fleet.land(all_of_them=True)
            self._fold(self._ledger.take(), self._ledger.whole())
            self._checkpoints.made()

    def _in_jobs(self, part: Part) -> Part:
        """Send what goes out in jobs, if that pays; gives what is left for batches."""
        if self._jobs is None:
            return part
        only = self._jobs.only(part.action)
        if only:
            part, able = self._with_ids(part), pl.lit(value=True)
        else:
            among_them = None if part.round else self._jobs.among(part, self._preparer.conditional)
            if among_them is None:
                return part
            able = among_them
        aside: list[int] = []
        for done in self._jobs.send_all(
            part.rows.where(able), part.action, self._numbers, self._journal, self._neighbours.ordered
        ):
            verdict = self._judged(done.outcomes, part)
            if done.intended:
                self._journal.settle(done.number, verdict.final)
                reach("batch.settled")
            self._settle_unsent(done.refused)
            aside += done.aside
            self._absorb(Done(done.number, part.action, part.round, verdict, done.error))
            if self._halted:
                break
            self._fold_in()
        if only and aside and not self._halted:
            return self._in_jobs(replace(part, rows=part.rows.numbered(aside)))
        return replace(part, rows=part.rows.where(~able | (pl.lit(value=not only) & among(aside))))

    def _with_ids(self, part: Part) -> Part:
        """The part with all record ids that a job needs; rows that have no record are settled."""
        found: dict[int, str] = {}
        for piece in part.rows.where(pl.col("record_id").is_null()).batches(self._at_once):
            ready = self._prepared(make_rows(self._job, piece, part.action), part).rows
            found |= {int(row.marker): row.record_id for row in ready if row.record_id is not None}
        known = pl.col("seq").replace_strict(list(found), list(found.values()), default=None, return_dtype=pl.String)
        ids = pl.coalesce("record_id", known) if found else pl.col("record_id")
        rows = part.rows.then(lambda lazy: lazy.with_columns(ids.alias("record_id")))
        return replace(part, rows=rows.where(pl.col("record_id").is_not_null()))

    def _judged(self, outcomes: Iterable[Outcome], part: Part | Work) -> Verdict:
        able = self._capabilities.operations
        return judge(outcomes, job=self._job, action=part.action, round=part.round, operations=able)

    def _works(self, part: Part) -> Iterator[list[Work]]:
        """The part's batches, those together that were taken out of the frame at once."""
        size = max(1, self._job.batch_size // _SHRINK**part.round)
        for piece in self._neighbours.pieces(part.rows, size * max(1, self._at_once // size)):
            prepared = self._prepared(make_rows(self._job, piece, part.action), part)
            anew = frozenset(map(str, piece.filter(pl.col("action") != part.action)["seq"]))
            locks = self._neighbours.locks(piece) if self._neighbours and self._fleet.several else {}
            batches = (
                make_batch(self._job, operation(part.action), prepared.rows[start : start + size], part.round)
                for start in range(0, len(prepared.rows), size)
            )
            yield [
                Work(
                    next(self._numbers),
                    batch,
                    part.action,
                    part.round,
                    prepared.kept,
                    anew,
                    self._neighbours.of_batch(markers(batch.rows), locks),
                )
                for batch in batches
            ]

    def _together(self, works: Sequence[Work]) -> Iterator[Sequence[Work]]:
        """The batches, as many together as may be intended at once: see `_AHEAD_S`."""
        start = 0
        while start < len(works) and not self._halted:
            operation = works[start].batch.operation
            harmless = operation in self._capabilities.idempotent and operation is not Operation.CREATE
            count = 1
            if self._pace is not None and (harmless or self._tells_sent):
                count = max(1, int(_AHEAD_S * self._flight.wanted / max(self._pace, _LEAST_S)))
            yield works[start : start + count]
            start += count

    def _intended(self, works: Sequence[Work]) -> Sequence[Work]:
        """The batches, several of them with their intents journaled."""
        if len(works) == 1:
            return works
        self._journal.intend_all([work.intent for work in works])
        self._ahead.update(work.number for work in works)
        return [replace(work, intended=True) for work in works]

    def _prepared(self, rows: list[Row], part: Part) -> Prepared:
        if self._halted:
            return Prepared()
        try:
            prepared = self._preparer.prepare(rows, part.action)
        except DestinationError as error:
            self._halt(error)
            return Prepared()
        self._again += [("upsert", part.round, seq) for seq in prepared.upsert]
        self._settle_unsent(prepared.settled)
        return prepared

    def _settle_unsent(self, outcomes: Sequence[Outcome]) -> None:
        """Record rows that were settled without a write, by a look-up."""
        if outcomes:
            number = next(self._numbers)
            self._journal.intend(number, "find", [int(outcome.marker) for outcome in outcomes])
            self._journal.settle(number, outcomes)
            self._ledger.add(number, outcomes)

    def _process(self, work: Work) -> Done | None:
        """Journal, send, judge, journal. Runs in a worker thread when there are several."""
        if self._halted:
            return None
        if not work.intended:
            self._journal.intend(work.number, str(work.batch.operation), work.intent.seqs)
        elif self._claimed(work.number):
            self._journal.begin(work.number)
        else:
            return None
        reach("batch.intended")
        started, waited = time.perf_counter(), self._limiter.waited_here
        sent = self._sender.send(work.batch)
        self._pace = time.perf_counter() - started
        self._flight.took(self._pace - (self._limiter.waited_here - waited))
        reach("batch.sent")
        verdict = self._judged(telling(sent.outcomes.values(), work.kept, work.anew), work)
        self._journal.settle(work.number, verdict.final)
        reach("batch.settled")
        return Done(work.number, work.action, work.round, verdict, sent.error)

    def _claimed(self, number: int) -> bool:
        """Take a batch that is intended; False where it is on record by now as one that is not sent."""
        try:
            self._ahead.remove(number)
        except KeyError:
            return False
        return True

    def _absorb(self, done: Done | None) -> None:
        if done is None:
            return
        self._ledger.add(done.number, done.verdict.final)
        self._again += [(done.action, done.round + 1, seq) for seq in done.verdict.retry]
        self._again += [("upsert", done.round, seq) for seq in done.verdict.upsert]
        if done.error is not None:
            self._halt(done.error)
        self._tell()

    def _tell(self, working: int = 0) -> None:
        """Tell how far we are; `working` rows of a job have been worked off, with results to come."""
        if self._progress is not None:
            known = self._ledger.progress()
            self._progress(replace(known, done=known.done + working, quota_left=self._limiter.quota_left))

    def _halt(self, error: DestinationError) -> None:
        if self._stop.is_set() and isinstance(error, Retriable):
            return  # it would have been tried again, had we not been asked to stop
        self._stopped = self._stopped or error

    def _supersede(self) -> list[int]:
        """Settle removals whose record has a new owner; gives the seqs that must not be sent."""
        if not self._rows.part(bulk=False).count(pl.col("action").is_in(REMOVALS)):
            return []
        outcomes, folded = self._ledger.frame(), self._capabilities.case_insensitive_match
        owned, doubtful = (
            superseded(self._rows, outcomes, self._job.match, folded, status) for status in ("acknowledged", "unknown")
        )
        self._settle_unsent([acknowledged(str(seq)) for seq in owned])
        return owned + doubtful
