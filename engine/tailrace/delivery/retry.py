"""Repeats requests that may be repeated, by the error's kind alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tenacity

from tailrace.delivery.allowance import Allowance
from tailrace.delivery.limiter import Interrupted, Limiter
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    DestinationError,
    ObjectNotFound,
    Retriable,
    RetriesSpent,
    SessionExpired,
)
from tailrace.limits.reserve import exhausted

ATTEMPTS = 10
"""Tries of a request that was refused for now."""
LOST_ATTEMPTS = 4
"""Tries of a request whose answer was lost: each may have cost a whole time-out."""
BRIEF_ATTEMPTS = 3
"""Tries of a question at the start of a run: a moment's trouble is got over, a vendor that is down is told at once."""
BUDGET_S = 600.0
"""Most seconds to sleep between the tries of one request."""
T = TypeVar("T")

_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=60)
_ANSWERS = (AccessDenied, BatchRejected, ObjectNotFound, SessionExpired)
"""Errors that only an account that works gives."""


class NoOutcome(AnswerLost):
    """The adapter did not say what became of some rows."""

    plain = None


class Retries:
    """One per delivery; safe to use from several threads. `count` is the number of repeated requests."""

    def __init__(
        self,
        limiter: Limiter,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self._limiter = limiter
        self._stop = stop or threading.Event()
        self._sleep = sleep or (self._stop.wait if stop else time.sleep)
        self._allowance = allowance or Allowance()

    @property
    def count(self) -> int:
        """Requests that were repeated."""
        return self._allowance.repeats

    def call(self, request: Callable[[], T], *, idempotent: bool, briefly: bool = False) -> T:
        """Make the request until it succeeds or its last error is not worth another try.

        Reads count as idempotent. Nothing is repeated once the stop event is set, or the run's allowance is spent;
        `briefly` tries a few times only, but for what was refused with a time to wait.
        """
        tries = _Tries(self._allowance, self._limiter, idempotent=idempotent, briefly=briefly)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(tries.again),
            wait=_wait_of,
            stop=tenacity.stop_when_event_set(self._stop),
            before=lambda _state: self._allowance.request(),
            before_sleep=self._repeat,
            sleep=self.pause,
            reraise=True,
        )
        try:
            with noted(self._limiter, self._stop):
                result = retrying(request)
        except SessionExpired as error:
            raise AccessDenied(
                f"the destination ends each new session at once: {error.message}",
                code=error.code,
                hint="check that the credentials are still valid and that no other program revokes their sessions",
            ) from error
        except (Retriable, AnswerLost) as error:
            told = _told(error, tries.refused)
            if told is error:
                raise
            raise told from error
        self._allowance.success()
        return result

    def _repeat(self, state: tenacity.RetryCallState) -> None:
        self._allowance.repeat(state.upcoming_sleep)
        self._limiter.repeated()

    def pause(self, seconds: float) -> None:
        """Sleep, unless the stop event wakes us."""
        if seconds > 0:
            self._sleep(seconds)


@contextmanager
def noted(limiter: Limiter, stop: threading.Event | None = None) -> Iterator[None]:
    """A request with all its tries: what it comes to counts for the account's circuit breaker."""
    try:
        yield
    except (Interrupted, NoOutcome):
        raise
    except (Retriable, AnswerLost) as error:
        if not (_postponing(error) or (stop is not None and stop.is_set())):
            limiter.failed(error)
        raise
    except _ANSWERS:
        limiter.answered()
        raise
    limiter.answered()


class _Tries:
    """Decides whether one request is worth another try."""

    def __init__(self, allowance: Allowance, limiter: Limiter, *, idempotent: bool, briefly: bool) -> None:
        self.refused: str | None = None
        """Why the run's allowance forbade another try."""
        self._allowance = allowance
        self._limiter = limiter
        self._idempotent = idempotent
        self._briefly = briefly
        self._seen: dict[type[BaseException], int] = {}
        self._last: type[BaseException] | None = None
        self._waited = 0.0

    def again(self, error: BaseException) -> bool:
        seen = self._seen[type(error)] = self._seen.get(type(error), 0) + 1
        expired_again = self._last is SessionExpired
        self._last = type(error)
        if isinstance(error, SessionExpired):
            return not expired_again
        if isinstance(error, Retriable) and error.retry_after is not None:
            self._limiter.pause(error.retry_after)
        if not self._worth_it(error, seen):
            return False
        self.refused = self._allowance.spent
        return self.refused is None

    def _worth_it(self, error: BaseException, seen: int) -> bool:
        match error:
            case _ if self._briefly and seen >= BRIEF_ATTEMPTS and getattr(error, "retry_after", None) is None:
                return False
            case NoOutcome():
                return self._idempotent and seen <= 1
            case AnswerLost():
                return self._idempotent and seen < LOST_ATTEMPTS
            case Interrupted():
                return False
            case Retriable():
                self._waited += error.retry_after or 0.0
                return seen < ATTEMPTS and self._waited <= BUDGET_S
            case _:
                return False


def _wait_of(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, SessionExpired):
        return 0.0
    if isinstance(error, Retriable) and error.retry_after is not None:
        return error.retry_after
    return _backoff(state)


def _postponing(error: Retriable | AnswerLost) -> bool:
    """Whether the vendor asked for more patience than a run has."""
    return isinstance(error, Retriable) and (error.retry_after or 0.0) > BUDGET_S


def _told(error: Retriable | AnswerLost, refused: str | None) -> DestinationError:
    """The error in the words of why it was not tried again; `refused` are those of the run's allowance."""
    if isinstance(error, Retriable) and _postponing(error):
        return exhausted(error.message, error.retry_after or 0.0, code=error.code)
    if refused is None:
        return error
    words = f"{refused}, and the destination still fails: {error.message}"
    hint = "nothing more is repeated in this run; the rows not sent are planned again by the next one"
    kind: type[DestinationError] = RetriesSpent
    if isinstance(error, AnswerLost):  # what may have been written must stay known as such
        kind = NoOutcome if isinstance(error, NoOutcome) else AnswerLost
    return kind(words, code=error.code, hint=hint)
