"""Answers that say no: what is wrong, what to do, and the status that says so to programs."""

from __future__ import annotations

from tailrace.errors import (
    DestinationError,
    GuardTripped,
    LeaseHeld,
    PlanStale,
    ProjectError,
    SecretError,
    SignInError,
    StateError,
    TailraceError,
    UsageError,
    WarehouseError,
)


class Refusal(Exception):
    """An answer other than the one asked for; `hint` says what to do next."""

    def __init__(self, status: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


def missing(what: str, *, hint: str | None = None) -> Refusal:
    """Something that is not there."""
    return Refusal(404, what, hint=hint)


_STATUSES: tuple[tuple[type[TailraceError], int], ...] = (
    (UsageError, 400),
    (LeaseHeld, 409),
    (PlanStale, 409),
    (GuardTripped, 409),
    (StateError, 503),
    (WarehouseError, 502),
    (DestinationError, 502),
    (SignInError, 502),
    (ProjectError, 503),
    (SecretError, 503),
)


def refusal_of(error: TailraceError) -> Refusal:
    """How an error of the engine is told over HTTP."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    return Refusal(status, error.message, hint=error.hint)
