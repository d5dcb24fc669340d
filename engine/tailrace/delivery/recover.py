"""After a crash: find out what became of batches that were sent without their outcome being recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from tailrace.delivery.deliver import Fresh
from tailrace.delivery.job import Job, JournalLike
from tailrace.delivery.limiter import Limiter
from tailrace.delivery.lookup import Finder
from tailrace.delivery.retry import Retries
from tailrace.delivery.rows import make_batch, make_rows
from tailrace.delivery.send import Sender, Sent
from tailrace.destination import Destination, Operation
from tailrace.errors import DestinationError
from tailrace.rowset import Rows
from tailrace.state.records import Doubt


class DoubtfulJournal(JournalLike, Protocol):
    """The part of `tailrace.state.journal.Journal` that recovery reads."""

    def doubts(self) -> Sequence[Doubt]:
        """Batches without outcomes."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was made of the doubtful rows. Those left are planned again, as they may be sent twice safely."""

    found: int
    unknown: int
    skipped: int
    left: int
    error: DestinationError | None
    """Why looking stopped early; the rest stays in doubt."""


def recover(
    job: Job,
    rows: Rows,
    destination: Destination,
    journal: DoubtfulJournal,
    *,
    limiter: Limiter,
    sleep: Callable[[float], object] = time.sleep,
) -> Recovery:
    """Settle every doubtful batch of a dead run. `job` and `rows` are that run's own.

    Rows that an adapter can send twice without making second records are left to the next plan.
    Created ones are looked up by match after `job.settle` seconds; where that cannot tell,
    `job.on_unknown` decides.
    """
    finder = Finder(job, destination, Retries(limiter, sleep=sleep))
    sender = Sender(job, destination, Retries(limiter, sleep=sleep), finder, fresh=Fresh(job, rows), sleep=_no_wait)
    doubts = journal.doubts()
    if finder.works and any(doubt.operation == Operation.CREATE for doubt in doubts):
        sleep(job.settle)  # once for all: a request of the dead run may still be on its way
    tally = Counter[str]()
    created = rows.take(seq for doubt in doubts if doubt.operation == Operation.CREATE for seq in doubt.seqs)
    for doubt in doubts:
        sent = _resolve(job, created, sender, doubt)
        if sent.error is not None:
            return _recovery(tally, sent.error)
        journal.settle(doubt.number, list(sent.outcomes.values()))
        tally.update(outcome.status for outcome in sent.outcomes.values())
        tally["left"] += len(doubt.seqs) - len(sent.outcomes)
    return _recovery(tally, None)


def _resolve(job: Job, created: pl.DataFrame, sender: Sender, doubt: Doubt) -> Sent:
    if doubt.operation != Operation.CREATE:
        return Sent()
    rows = make_rows(job, created.filter(pl.col("seq").is_in(doubt.seqs)), "create")
    return sender.resolve(make_batch(job, Operation.CREATE, rows))


def _no_wait(_seconds: float) -> None:
    """The wait was made before the first look."""


def _recovery(tally: Counter[str], error: DestinationError | None) -> Recovery:
    return Recovery(tally["acknowledged"], tally["unknown"], tally["skipped"], tally["left"], error)
