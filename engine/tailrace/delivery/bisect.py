"""One poison row costs one row: a batch that is refused whole is sent again in halves."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.delivery.rows import part_of
from tailrace.destination import Batch, Outcome, rejected
from tailrace.errors import BatchRejected


def halves(batch: Batch) -> Iterator[Batch]:
    """The two halves of a batch of at least two rows, in order."""
    middle = len(batch.rows) // 2
    yield part_of(batch, batch.rows[:middle])
    yield part_of(batch, batch.rows[middle:])


def culprit(batch: Batch, error: BatchRejected) -> Outcome:
    """The outcome of the one row left, in the words the batch was refused with."""
    return rejected(batch.rows[0].marker, error.code or "REJECTED", error.message)
