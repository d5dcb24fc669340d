"""What an outcome tells of its way, where that was not the straight one: the row's history shows it."""

from __future__ import annotations

from dataclasses import replace

from tailrace.destination import Outcome, acknowledged

FOUND = "FOUND"
"""The answer was lost, and a look-up found the record."""
SENT_AGAIN = "SENT_AGAIN"
"""An earlier try came to nothing, as far as anybody knows."""
IN_FLIGHT = "IN_FLIGHT"
"""The run broke off between a batch's intent and its outcomes."""


def found_there(marker: str, record_id: str) -> Outcome:
    """A row that a look-up found after its answer was lost."""
    outcome = acknowledged(marker, record_id, created=True)
    return replace(outcome, code=FOUND, message="the answer was lost, and a look-up found the record")


def lost_before(answers: int) -> str:
    """Why a row was sent again, after so many lost answers."""
    return "an answer was lost before" if answers == 1 else f"{answers} answers were lost before"


def refused_before(rounds: int) -> str:
    """Why a row was sent again that was refused for now so often."""
    return "refused for now" if rounds == 1 else f"refused for now, {rounds} times"


def sent_again(outcome: Outcome, why: str) -> Outcome:
    """An acknowledged row, with why it was sent more than once; other outcomes tell their own reasons."""
    if outcome.status != "acknowledged" or outcome.code is not None:
        return outcome
    return replace(outcome, code=SENT_AGAIN, message=f"sent again: {why}")


def after_lost(outcome: Outcome, answers: int) -> Outcome:
    """The outcome of a row that was sent before without an answer, so often.

    A refusal says nothing of the earlier try, which may have been carried out: the row is of unknown outcome, and
    sent again by the next run. What that is told then, is told of one try alone. The same goes for a row that was
    written in part.
    """
    if outcome.partly and outcome.status == "rejected":
        return replace(outcome, status="unknown", recovery=None)
    if not answers:
        return outcome
    if outcome.status == "rejected" and outcome.recovery in {None, "retry"}:
        message = f"refused, but {lost_before(answers)}: {outcome.message}"
        return replace(outcome, status="unknown", message=message, recovery=None)
    return sent_again(outcome, lost_before(answers))
