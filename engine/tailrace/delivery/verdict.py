"""What an outcome means under the sync's mode: final, or to be sent again in another way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tailrace.actions import REMOVALS
from tailrace.delivery.trace import refused_before, sent_again
from tailrace.destination import DELETED, Operation, Outcome, acknowledged
from tailrace.state.packing import Outcomes

if TYPE_CHECKING:
    from tailrace.delivery.job import Job

DELETED_MESSAGE = "the record was deleted in the destination, and deleted_in_destination: skip leaves it so"
LAST_ROUND = 4
"""Rows refused for now are sent again so often, in smaller and smaller batches."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Final outcomes, and the row numbers (seq) of those to send again."""

    final: Outcomes
    retry: list[int]
    """Refused for now."""
    upsert: list[int]
    """The record to update is gone: make it anew with all fields."""


def judge(
    outcomes: Iterable[Outcome], *, job: Job, action: str, round: int, operations: frozenset[Operation]
) -> Verdict:
    """Sort a batch's outcomes. `round` counts how often the rows were sent again."""
    final: list[Outcome] = []
    retry: list[int] = []
    upsert: list[int] = []
    for outcome in outcomes:
        if outcome.recovery is None:
            final.append(sent_again(outcome, refused_before(round)) if round else outcome)
        elif outcome.recovery == "retry" and round < LAST_ROUND:
            retry.append(int(outcome.marker))
        elif outcome.recovery == "missing":
            settled = without_record(outcome.marker, job, action, operations)
            if settled is None:
                upsert.append(int(outcome.marker))
            else:
                final.append(outcome if settled.status == "rejected" else settled)
        else:
            final.append(_exists(outcome, job, action))
    return Verdict(Outcomes(final), retry, upsert)


def without_record(marker: str, job: Job, action: str, operations: frozenset[Operation]) -> Outcome | None:
    """The outcome of a row whose record does not exist; None when it is to be upserted instead."""
    if action in REMOVALS:
        return acknowledged(marker)  # what was wanted gone is gone
    if job.mode == "update":
        return Outcome(marker, "skipped", code="not_found", message="no record has this match value")
    if action == "update" and not job.recreate:
        return Outcome(marker, "skipped", code=DELETED, message=DELETED_MESSAGE)
    if action == "update" and Operation.UPSERT in operations and job.match:
        return None
    return Outcome(marker, "rejected", code="NOT_FOUND", message="the record to update does not exist")


def _exists(outcome: Outcome, job: Job, action: str) -> Outcome:
    if outcome.recovery == "exists" and action == "create" and job.mode == "insert":
        return replace(outcome, status="skipped", code="exists", recovery=None)
    return outcome
