"""Which requests are repeated, how often, and after what wait."""

import threading

import pytest

from tailrace.delivery import Limiter
from tailrace.delivery.retry import ATTEMPTS, LOST_ATTEMPTS, NoOutcome, Retries
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    SessionExpired,
)


class Request:
    """Fails with the errors given, one by one, then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        """Fail or succeed."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def slept():
    """What was slept."""
    return []


@pytest.fixture
def retries(slept):
    """Retries that do not sleep."""
    return Retries(Limiter(), sleep=slept.append)


def test_refusals_for_now_are_repeated(retries, slept):
    """The waits grow with each refusal, and the repeats are counted."""
    request = Request(*[Retriable("busy")] * 3)
    assert retries.call(request, idempotent=False) == "done"
    assert (request.calls, retries.count) == (4, 3)
    assert all(0 <= wait <= 4 for wait in slept)


def test_retry_after_is_honoured(slept):
    """The vendor's own wait is kept to, by the limiter too."""
    limiter = Limiter()
    pauses = []
    limiter.pause = pauses.append
    Retries(limiter, sleep=slept.append).call(Request(Retriable("429", retry_after=12.5)), idempotent=False)
    assert (slept, pauses) == ([12.5], [12.5])


def test_a_refusal_that_never_ends_is_given_up(retries):
    """After enough attempts the last error comes out."""
    request = Request(*[Retriable(f"busy {number}") for number in range(50)])
    with pytest.raises(Retriable, match=f"busy {ATTEMPTS - 1}"):
        retries.call(request, idempotent=False)
    assert request.calls == ATTEMPTS


def test_a_wait_of_hours_is_no_retry(retries, slept):
    """A Retry-After beyond the budget ends the run with the time to resume."""
    with pytest.raises(QuotaExhausted) as caught:
        retries.call(Request(Retriable("later", retry_after=7_200)), idempotent=False)
    assert caught.value.resume_after is not None
    assert slept == []


def test_a_session_is_renewed_once(retries, slept):
    """The first expiry is repeated at once; a second one means the credentials are wrong."""
    assert retries.call(Request(SessionExpired("401")), idempotent=False) == "done"
    assert slept == []
    with pytest.raises(AccessDenied, match="ends each new session"):
        retries.call(Request(SessionExpired("401"), SessionExpired("401")), idempotent=False)


@pytest.mark.parametrize(("idempotent", "calls"), [(True, LOST_ATTEMPTS), (False, 1)])
def test_lost_answers_are_repeated_only_where_it_is_safe(retries, idempotent, calls):
    """A request that may make a second record is never repeated blindly."""
    request = Request(*[AnswerLost("timeout")] * 20)
    with pytest.raises(AnswerLost):
        retries.call(request, idempotent=idempotent)
    assert request.calls == calls


def test_a_silent_adapter_is_asked_twice(retries):
    """An adapter that gives no outcomes is at fault, and is not asked for minutes."""
    request = Request(*[NoOutcome("silence")] * 5)
    with pytest.raises(NoOutcome):
        retries.call(request, idempotent=True)
    assert request.calls == 2


@pytest.mark.parametrize("error", [BatchRejected("no"), AccessDenied("no"), ObjectNotFound("no"), ValueError("bug")])
def test_other_errors_come_out_at_once(retries, error):
    """What repeating cannot mend is not repeated."""
    request = Request(error)
    with pytest.raises(type(error)):
        retries.call(request, idempotent=True)
    assert request.calls == 1


def test_nothing_is_repeated_once_we_are_asked_to_stop():
    """Ctrl-C does not wait for a vendor to recover."""
    stop = threading.Event()
    stop.set()
    request = Request(*[Retriable("busy", retry_after=60)] * 5)
    with pytest.raises(Retriable):
        Retries(Limiter(), stop=stop).call(request, idempotent=True)
    assert request.calls == 1
