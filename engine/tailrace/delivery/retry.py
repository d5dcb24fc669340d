"""Repeats requests that may be repeated, by the error's kind alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import tenacity

from tailrace.delivery.limiter import Limiter
from tailrace.errors import AccessDenied, AnswerLost, QuotaExhausted, Retriable, SessionExpired

ATTEMPTS = 10
"""Tries of a request that was refused for now."""
LOST_ATTEMPTS = 4
"""Tries of a request whose answer was lost: each may have cost a whole time-out."""
BUDGET_S = 600.0
"""Most seconds to sleep between the tries of one request."""
T = TypeVar("T")

_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=60)


class NoOutcome(AnswerLost):
    """The adapter did not say what became of some rows."""


class Retries:
    """One per delivery; safe to use from several threads. `count` is the number of repeated requests."""

    def __init__(
        self,
        limiter: Limiter,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.count = 0
        self._limiter = limiter
        self._stop = stop or threading.Event()
        self._sleep = sleep or (self._stop.wait if stop else time.sleep)
        self._lock = threading.Lock()

    def call(self, request: Callable[[], T], *, idempotent: bool) -> T:
        """Make the request until it succeeds or its last error is not worth another try.

        Reads count as idempotent. Nothing is repeated once the stop event is set.
        """
        tries = _Tries(idempotent=idempotent)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(tries.again),
            wait=self._wait,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=self.pause,
            reraise=True,
        )
        try:
            return retrying(request)
        except SessionExpired as error:
            raise AccessDenied(
                f"the destination ends each new session at once: {error.message}",
                code=error.code,
                hint="check that the credentials are still valid and that no other program revokes their sessions",
            ) from error
        except Retriable as error:
            if (error.retry_after or 0) > BUDGET_S:
                raise _postponed(error) from error
            raise

    def pause(self, seconds: float) -> None:
        """Sleep, unless the stop event wakes us."""
        if seconds > 0:
            self._sleep(seconds)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        with self._lock:
            self.count += 1
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SessionExpired):
            return 0.0
        if isinstance(error, Retriable) and error.retry_after is not None:
            self._limiter.pause(error.retry_after)
            return error.retry_after
        return _backoff(state)


class _Tries:
    """Decides whether one request is worth another try."""

    def __init__(self, *, idempotent: bool) -> None:
        self._idempotent = idempotent
        self._seen: dict[type[BaseException], int] = {}
        self._waited = 0.0

    def again(self, error: BaseException) -> bool:
        seen = self._seen[type(error)] = self._seen.get(type(error), 0) + 1
        match error:
            case SessionExpired():
                return seen <= 1
            case NoOutcome():
                return self._idempotent and seen <= 1
            case AnswerLost():
                return self._idempotent and seen < LOST_ATTEMPTS
            case Retriable():
                self._waited += error.retry_after or 0.0
                return seen < ATTEMPTS and self._waited <= BUDGET_S
            case _:
                return False


def _postponed(error: Retriable) -> QuotaExhausted:
    resume = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
    hint = f"resume after {resume:%Y-%m-%d %H:%M UTC}: the rows not sent are planned again then"
    return QuotaExhausted(error.message, code=error.code, hint=hint, resume_after=resume)
