"""What an outcome means under the sync's mode: final, or to be sent again in another way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tailrace.actions import REMOVALS
from tailrace.delivery.trace import refused_before, sent_again
from tailrace.destination import DELETED, Operation, Outcome, acknowledged

if TYPE_CHECKING:
    from tailrace.delivery.job import Job

DELETED_MESSAGE = "the record was deleted in the destination, and deleted_in_destination: skip leaves it so"
LAST_ROUND = 4
"""Rows refused for now are sent again so often, in smaller and smaller batches."""


@dataclass(slots=True)
class Verdict:
    """Final outcomes, and the row numbers (seq) of those to send again."""

    final: list[Outcome] = field(default_factory=list)
    retry: list[int] = field(default_factory=list)
    """Refused for now."""
    upsert: list[int] = field(default_factory=list)
    """The record to update is gone: make it anew with all fields."""


def judge(
    outcomes: Iterable[Outcome], *, job: Job, action: str, round: int, operations: frozenset[Operation]
) -> Verdict:
    """Sort a batch's outcomes. `round` counts how often the rows were sent again."""
    verdict = Verdict()
    for outcome in outcomes:
        if outcome.recovery is None:
            verdict.final.append(sent_again(outcome, refused_before(round)) if round else outcome)
        elif outcome.recovery == "retry" and round < LAST_ROUND:
            verdict.retry.append(int(outcome.marker))
        elif outcome.recovery == "missing":
            _missing(verdict, outcome, job, action, operations)
        else:
            verdict.final.append(_exists(outcome, job, action))
    return verdict


def _missing(verdict: Verdict, outcome: Outcome, job: Job, action: str, operations: frozenset[Operation]) -> None:
    settled = without_record(outcome.marker, job, action, operations)
    if settled is None:
        verdict.upsert.append(int(outcome.marker))
    else:
        verdict.final.append(outcome if settled.status == "rejected" else settled)


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
