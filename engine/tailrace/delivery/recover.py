"""After a crash: find out what became of batches that were sent without their outcome being recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from tailrace.destination import IN_FLIGHT, Destination, Operation, Outcome
from tailrace.errors import DestinationError
from tailrace.rowset import Rows
from tailrace.state.records import Doubt

_REPEATED = frozenset(Operation) - {Operation.CREATE}
"""Operations that are carried out again where nobody knows whether they were. Looking up changes nothing."""


class DoubtfulJournal(JournalLike, Protocol):
    """The part of `tailrace.state.journal.Journal` that recovery reads."""

    def doubts(self) -> Sequence[Doubt]:
        """Batches without outcomes."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was made of the doubtful rows. Those left are sent again, as they may be sent twice safely."""

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
        left = [seq for seq in doubt.seqs if str(seq) not in sent.outcomes]
        again = in_flight(left) if doubt.operation in _REPEATED else ()
        journal.settle(doubt.number, [*sent.outcomes.values(), *again])
        tally.update(outcome.status for outcome in sent.outcomes.values())
        tally["left"] += len(left)
    return _recovery(tally, None)


def in_flight(seqs: Iterable[int]) -> Iterator[Outcome]:
    """The outcome of rows that may have been written, and are simply written again."""
    for seq in seqs:
        yield Outcome(str(seq), "unknown", code=IN_FLIGHT, message="the run broke off before the answer")


def _resolve(job: Job, created: pl.DataFrame, sender: Sender, doubt: Doubt) -> Sent:
    if doubt.operation != Operation.CREATE:
        return Sent()
    rows = make_rows(job, created.filter(pl.col("seq").is_in(doubt.seqs)), "create")
    return sender.resolve(make_batch(job, Operation.CREATE, rows))


def _no_wait(_seconds: float) -> None:
    """The wait was made before the first look."""


def _recovery(tally: Counter[str], error: DestinationError | None) -> Recovery:
    return Recovery(tally["acknowledged"], tally["unknown"], tally["skipped"], tally["left"], error)
