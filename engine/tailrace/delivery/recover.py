"""After a crash: find out what became of batches that were sent without their outcome being recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tailrace.delivery.fresh import Fresh
from tailrace.delivery.job import Job
from tailrace.delivery.jobs import Jobs, jobs_of
from tailrace.delivery.limiter import Limiter
from tailrace.delivery.lookup import Finder, Owned
from tailrace.delivery.retry import Retries
from tailrace.delivery.rows import make_batch, make_rows
from tailrace.delivery.send import Sender, Sent
from tailrace.delivery.trace import IN_FLIGHT
from tailrace.destination import Destination, Operation, Outcome
from tailrace.errors import DestinationError
from tailrace.rowset import Rows
from tailrace.state.records import Doubt

ROWS = 10_000
"""Rows whose fate is found out and written down at once: a look-up that fails costs no more than these."""
LOOKED_UP = "find"
"""The operation of rows that a look-up settled: nothing was sent of them."""
BROKE_OFF = "the run broke off before the answer came"


class DoubtfulJournal(Protocol):
    """The part of `tailrace.state.journal.Journal` that recovery reads and writes."""

    def doubts(self) -> Sequence[Doubt]:
        """Batches without outcomes."""

    def settle_all(self, settled: Sequence[tuple[int, Sequence[Outcome]]]) -> None:
        """Make it durable what became of several batches."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was made of the doubtful rows."""

    found: int
    unknown: int
    """Held: to send them again may make second records."""
    skipped: int
    again: int
    """Of unknown outcome too, but may be sent again without harm, and will be as long as they differ."""
    left: tuple[int, ...]
    """Numbers of rows that are planned again and have no outcome: nothing of them is at the destination, as far as
    anybody can tell."""
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
    folder: Path | None = None,
    owned: Owned,
) -> Recovery:
    """Settle every doubtful batch of a dead run. `job` and `rows` are that run's own.

    Rows that an adapter can send twice without making second records are of unknown outcome, and sent again by the
    next plan: what was sent may be there, also if the model has taken the change back by then. Created ones are
    looked up by match; where that cannot tell, `job.on_unknown` decides. Either comes `job.settle` seconds later, as a
    request of the dead run may still be on its way, and would overtake what is sent now. Jobs are asked
    what became of them, and waited for; those without a receipt never got any data. DestinationError when one cannot
    be asked. `owned` tells which records rows of the snapshot have.
    """
    doubts = journal.doubts()
    tally = _Tally(journal)
    jobs = jobs_of(job, destination, Retries(limiter, sleep=sleep), folder=folder, sleep=sleep)
    left = []
    for doubt in doubts:
        answers = _known(doubt, rows, jobs)
        if answers is None:
            left.append(doubt)
        else:
            tally.settle([(doubt, answers)])
    creates = [doubt for doubt in left if doubt.operation == Operation.CREATE]
    repeated = [doubt for doubt in left if doubt.operation != Operation.CREATE]
    finder = Finder(job, destination, Retries(limiter, sleep=sleep))
    retries, fresh = Retries(limiter, sleep=sleep), Fresh(job, rows)
    sender = Sender(job, destination, retries, finder, fresh=fresh, owned=owned, sleep=_no_wait)
    sent_again = destination.capabilities.strays and any(doubt.operation != LOOKED_UP for doubt in repeated)
    if sent_again or (finder.works and creates):
        sleep(job.settle)  # once for all, and before anything is on record: who is killed here waits anew
    for some in _portions(repeated):
        tally.settle([(doubt, unanswered(doubt, BROKE_OFF)) for doubt in some])
    for some in _portions(creates):
        frame = rows.take(seq for doubt in some for seq in doubt.seqs)
        sent = sender.resolve(make_batch(job, Operation.CREATE, make_rows(job, frame, "create")))
        if sent.error is not None:
            return tally.recovery(sent.error)
        tally.settle([(doubt, _answered(doubt, sent)) for doubt in some])
    return tally.recovery(None)


def unanswered(doubt: Doubt, message: str) -> list[Outcome]:
    """Outcomes of a batch that was sent, or about to be, and has none; there are none where nothing was sent of it."""
    if doubt.operation == LOOKED_UP or not doubt.sent:
        return []
    return [Outcome(str(seq), "unknown", code=IN_FLIGHT, message=message) for seq in doubt.seqs]


def _known(doubt: Doubt, rows: Rows, jobs: Jobs | None) -> Sequence[Outcome] | None:
    """What is known of a batch: that nothing of it was sent, or what its job says; None where nobody can tell."""
    if not doubt.sent or doubt.receipt == "":
        return []
    if doubt.receipt is None or jobs is None:
        return None
    frame = rows.take(doubt.seqs)
    return jobs.resume(doubt.receipt, frame, frame["action"][0])


class _Tally:
    """Writes down what becomes of the batches, and counts."""

    def __init__(self, journal: DoubtfulJournal) -> None:
        self._journal = journal
        self._rows = Counter[str]()
        self._left: list[int] = []

    def settle(self, settled: Sequence[tuple[Doubt, Sequence[Outcome]]]) -> None:
        """Take batches whose outcomes are known as far as they will be."""
        self._journal.settle_all([(doubt.number, outcomes) for doubt, outcomes in settled])
        for doubt, outcomes in settled:
            known = {int(outcome.marker) for outcome in outcomes}
            self._left += [seq for seq in doubt.seqs if seq not in known]
            harmless = doubt.operation != Operation.CREATE
            said = (outcome.status for outcome in outcomes)
            self._rows.update("again" if harmless and status == "unknown" else status for status in said)

    def recovery(self, error: DestinationError | None) -> Recovery:
        """What it came to."""
        rows = self._rows
        return Recovery(rows["acknowledged"], rows["unknown"], rows["skipped"], rows["again"], tuple(self._left), error)


def _portions(doubts: Sequence[Doubt]) -> Iterator[list[Doubt]]:
    """The batches in portions of about `ROWS` rows."""
    portion: list[Doubt] = []
    for doubt in doubts:
        portion.append(doubt)
        if sum(len(each.seqs) for each in portion) >= ROWS:
            yield portion
            portion = []
    if portion:
        yield portion


def _answered(doubt: Doubt, sent: Sent) -> list[Outcome]:
    markers = map(str, doubt.seqs)
    return [sent.outcomes[marker] for marker in markers if marker in sent.outcomes]


def _no_wait(_seconds: float) -> None:
    """The wait was made before the first look."""
