"""Sends one batch until each of its rows has an outcome, or it is known not to be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from tailrace.delivery.bisect import culprit, halves
from tailrace.delivery.lookup import Finder, Owned
from tailrace.delivery.retry import NoOutcome, Retries
from tailrace.delivery.rows import part_of
from tailrace.delivery.trace import after_lost, found_there, lost_before, sent_again
from tailrace.destination import ANSWER_LOST, Batch, Destination, Operation, Outcome, Row
from tailrace.errors import (
    AnswerLost,
    BatchRejected,
    DestinationError,
    ObjectNotFound,
    Retriable,
    StopRun,
    TailraceError,
)
from tailrace.failpoints import reach

if TYPE_CHECKING:
    from tailrace.delivery.job import Job

ADAPTER_FAILED = "ADAPTER_FAILED"
Absent: TypeAlias = Literal["send", "unknown", "leave"]
"""What to do with a row that was not created, as far as we can tell: send it once more, report it as
unknown, or leave it to the next plan."""

RUN_ENDED = "the run ended before the answer came"
"""Of rows that a dead run left without an outcome."""


@dataclass(slots=True)
class Sent:
    """What became of a batch. Rows without an outcome were not written."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By marker."""
    error: DestinationError | None = None
    """Why nothing more should be sent in this run."""


class Sender:
    """Sends batches; may be used from several threads.

    `fresh` tells of a row's marker whether no earlier run can have made a record with its match value, `owned` which
    records rows of the snapshot have.
    """

    def __init__(
        self,
        job: Job,
        destination: Destination,
        retries: Retries,
        finder: Finder,
        *,
        fresh: Callable[[str], bool],
        owned: Owned,
        sleep: Callable[[float], object],
    ) -> None:
        self._job = job
        self._destination = destination
        self._retries = retries
        self._finder = finder
        self._fresh = fresh
        self._owned = owned
        self._sleep = sleep

    def send(self, batch: Batch) -> Sent:
        """Send a batch with all that recovery takes. Errors that are not the destination's are raised."""
        sent = Sent()
        self._send(batch, sent, absent="send")
        return sent

    def resolve(self, batch: Batch) -> Sent:
        """Find out what became of a batch that an earlier run sent without learning its outcome.

        Rows that need not be found out, because they may simply be sent again, get no outcome.
        """
        sent = Sent()
        if self._creates(batch):
            lost = AnswerLost(RUN_ENDED)
            self._guarded(partial(self._doubt, batch, lost, sent, absent="leave"), batch, sent)
        return sent

    def _send(self, batch: Batch, sent: Sent, *, absent: Absent, lost: int = 0) -> None:
        """`lost` is how often these rows were sent before without an answer."""
        attempt = _Attempt(self._destination, batch, sent.outcomes, lost)
        idempotent = batch.operation in self._destination.capabilities.idempotent
        try:
            self._retries.call(attempt.push, idempotent=idempotent)
        except BatchRejected as error:
            self._split(attempt, error, sent, absent=absent)
        except AnswerLost as error:
            left = attempt.batch
            self._guarded(partial(self._lose, left, error, sent, absent=absent), left, sent)
        except (StopRun, ObjectNotFound, Retriable) as error:
            if attempt.lost:  # nothing was written now, but maybe before
                _unknown(attempt.batch.rows, error, sent)
            sent.error = error
        except DestinationError as error:
            self._give_up(attempt.batch, error, sent)
        except TailraceError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of an adapter must not take acknowledged rows with it
            self._give_up(attempt.batch, _adapter_failed(error), sent)

    def _split(self, attempt: _Attempt, error: BatchRejected, sent: Sent, *, absent: Absent) -> None:
        batch = attempt.batch
        if len(batch.rows) == 1:
            sent.outcomes[batch.rows[0].marker] = after_lost(culprit(batch, error), attempt.lost)
            return
        for half in halves(batch):
            if sent.error is None:
                self._send(half, sent, absent=absent, lost=attempt.lost)
            elif attempt.lost:
                _unknown(half.rows, sent.error, sent)

    def _give_up(self, batch: Batch, error: DestinationError, sent: Sent) -> None:
        _unknown(batch.rows, error, sent)
        sent.error = error

    def _guarded(self, act: Callable[[], None], batch: Batch, sent: Sent) -> None:
        """Look-ups can fail too: the rows they were about are then unknown, and the run stops."""
        try:
            act()
        except DestinationError as error:
            _unknown([row for row in batch.rows if row.marker not in sent.outcomes], error, sent)
            sent.error = error

    def _lose(self, batch: Batch, error: AnswerLost, sent: Sent, *, absent: Absent) -> None:
        if self._creates(batch):
            self._doubt(batch, error, sent, absent=absent)
            return
        _unknown(batch.rows, error, sent)
        idempotent = batch.operation in self._destination.capabilities.idempotent
        if idempotent and not isinstance(error, NoOutcome):
            sent.error = error  # it was tried again and again: the destination does not answer

    def _doubt(self, batch: Batch, error: AnswerLost, sent: Sent, *, absent: Absent) -> None:
        """Records may or may not have been created: look, where looking tells; else do as the sync says."""
        seen = [row for row in batch.rows if self._finder.works and self._tells(row)]
        unseen = [row for row in batch.rows if not (self._finder.works and self._tells(row))]
        if seen:
            reach("doubt.settling")
            self._sleep(self._job.settle)  # the request may still be on its way
            self._look(batch, seen, error, sent, absent=absent)
        if unseen:
            self._decide(batch, unseen, error, sent, absent=absent)

    def _tells(self, row: Row) -> bool:
        """Whether a record with the row's match value must be the one this batch created."""
        return self._job.mode != "append" or self._fresh(row.marker)

    def _look(self, batch: Batch, rows: Sequence[Row], error: AnswerLost, sent: Sent, *, absent: Absent) -> None:
        found = self._finder.made(rows, self._owned)
        reach("doubt.looked")
        for row in rows:
            if records := found[row.marker]:
                sent.outcomes[row.marker] = found_there(row.marker, records[0].id)
        self._decide(batch, [row for row in rows if found[row.marker] is None], error, sent, absent=absent)
        self._again(batch, [row for row in rows if found[row.marker] == []], error, sent, absent=absent)

    def _decide(self, batch: Batch, rows: Sequence[Row], error: AnswerLost, sent: Sent, *, absent: Absent) -> None:
        if self._job.on_unknown == "resend":
            self._again(batch, rows, error, sent, absent=absent)
        elif self._job.on_unknown == "skip":
            for row in rows:
                sent.outcomes[row.marker] = Outcome(row.marker, "skipped", code=ANSWER_LOST, message=error.message)
        else:
            _unknown(rows, error, sent)

    def _again(self, batch: Batch, rows: Sequence[Row], error: AnswerLost, sent: Sent, *, absent: Absent) -> None:
        if rows and absent == "send":
            self._send(part_of(batch, rows), sent, absent="unknown")
            for row in rows:
                if row.marker in sent.outcomes:
                    sent.outcomes[row.marker] = sent_again(sent.outcomes[row.marker], lost_before(1))
        elif absent == "unknown":
            _unknown(rows, error, sent)

    def _creates(self, batch: Batch) -> bool:
        """Whether sending the batch twice may make second records."""
        idempotent = self._destination.capabilities.idempotent
        return batch.operation is Operation.CREATE and batch.operation not in idempotent


class _Attempt:
    """One batch on its way; shrinks to the rows that are still without an outcome."""

    def __init__(self, destination: Destination, batch: Batch, outcomes: dict[str, Outcome], lost: int) -> None:
        self.batch = batch
        self.lost = lost
        """How often these rows were sent without an answer."""
        self._destination = destination
        self._outcomes = outcomes

    def push(self) -> None:
        """Send what is left; NoOutcome when the adapter keeps silent about some row."""
        got: dict[str, Outcome] = {}
        contradicted: set[str] = set()
        lost = self.lost
        try:
            for outcome in self._destination.push(self.batch):
                if got.setdefault(outcome.marker, outcome).status != outcome.status:
                    contradicted.add(outcome.marker)
        except DestinationError as error:
            if isinstance(error, AnswerLost) or error.partly:
                self.lost += 1
            raise
        finally:
            self._take(got, contradicted, lost)
        if self.batch.rows:
            self.lost += 1
            raise NoOutcome(f"the adapter said nothing certain of {len(self.batch.rows)} rows", code="NO_OUTCOME")

    def _take(self, got: dict[str, Outcome], contradicted: set[str], lost: int) -> None:
        """Keep outcomes of rows that were asked about, once and without contradiction.

        `lost` is how often these rows were sent before without an answer.
        """
        left = []
        for row in self.batch.rows:
            outcome = got.get(row.marker)
            if outcome is None or outcome.status == "unknown" or row.marker in contradicted:
                left.append(row)
            else:
                self._outcomes[row.marker] = after_lost(outcome, lost)
        self.batch = part_of(self.batch, left)


def _unknown(rows: Sequence[Row], error: DestinationError, sent: Sent) -> None:
    code = error.code or ANSWER_LOST
    for row in rows:
        sent.outcomes[row.marker] = Outcome(row.marker, "unknown", code=code, message=error.message)


def _adapter_failed(error: Exception) -> DestinationError:
    failed = DestinationError(
        f"the adapter failed: {type(error).__name__}: {error}",
        code=ADAPTER_FAILED,
        hint="this is a fault of the adapter; outcomes so far are kept, and the other rows are planned again",
    )
    failed.__cause__ = error
    return failed
