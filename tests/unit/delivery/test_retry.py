"""Which requests are repeated, how often, and after what wait."""

import threading

import pytest

from tailrace.delivery import Limiter
from tailrace.delivery.allowance import REPEATS, SHARE, Allowance
from tailrace.delivery.retry import ATTEMPTS, BRIEF_ATTEMPTS, LOST_ATTEMPTS, NoOutcome, Retries
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    RetriesSpent,
    SessionExpired,
    StopRun,
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


def test_a_session_may_expire_more_than_once_in_a_request(retries):
    """What counts is whether the new session ended at once; one that held for a while may end, too."""
    errors = [SessionExpired("401"), Retriable("busy"), SessionExpired("401"), Retriable("busy")]
    assert retries.call(Request(*errors), idempotent=False) == "done"


def test_every_session_is_renewed(retries):
    """A run may outlive any number of sessions."""
    for _ in range(50):
        assert retries.call(Request(SessionExpired("401")), idempotent=False) == "done"


def test_long_waits_are_told_to_all(slept):
    """A wait that is too long for this run is too long for the others, and they need not ask."""
    limiter = Limiter()
    with pytest.raises(QuotaExhausted):
        Retries(limiter, sleep=slept.append).call(Request(Retriable("later", retry_after=7_200)), idempotent=False)
    with pytest.raises(QuotaExhausted, match="pause"):
        limiter.spend(write=False)


def test_what_is_only_slow_to_take_us_is_waited_for_at_sign_in(retries, slept):
    """With `briefly` a refusal that names a time is repeated, and an account out of reach is not."""
    refused = Request(Retriable("429", retry_after=3), Retriable("429", retry_after=4))
    assert retries.call(refused, idempotent=True, briefly=True) == "done"
    assert slept == [3, 4]
    for error in (Retriable("unreachable"), AnswerLost("silence")):
        request = Request(*[error] * BRIEF_ATTEMPTS)
        with pytest.raises(type(error)):
            retries.call(request, idempotent=True, briefly=True)
        assert request.calls == BRIEF_ATTEMPTS


class Busy:
    """A destination that refuses every request so many times."""

    def __init__(self, times, error=Retriable):
        self.times = times
        self.error = error
        self.requests = 0
        self.left = times

    def __call__(self):
        """Refuse, or take it."""
        self.requests += 1
        if self.left:
            self.left -= 1
            raise self.error("busy")
        self.left = self.times


def again_and_again(retries, request):
    """Make the request a thousand times."""
    for _ in range(1_000):
        retries.call(request, idempotent=True)


def test_a_run_does_not_hammer(slept):
    """Once a fifth of all requests, and a hundred, were repeats, the run stops and says why."""
    retries, busy = Retries(Limiter(), sleep=slept.append), Busy(1)
    with pytest.raises(RetriesSpent, match="still fails: busy") as caught:
        again_and_again(retries, busy)
    assert retries.count == pytest.approx(REPEATS + SHARE * busy.requests, abs=1)
    assert f"{retries.count} of this run's {busy.requests} requests were repeats" in caught.value.message
    assert isinstance(caught.value, StopRun)


def test_a_run_that_mostly_works_may_repeat_for_ever(slept):
    """One refusal in ten requests never ends a run."""
    retries = Retries(Limiter(), sleep=slept.append)
    for number in range(3_000):
        retries.call(Busy(1 if number % 9 == 0 else 0), idempotent=True)
    assert retries.count > 3 * REPEATS


def test_lost_answers_stay_known_as_such_when_a_run_may_repeat_no_more(slept):
    """What may have been written is not passed off as refused."""
    retries, silent = Retries(Limiter(), sleep=slept.append, allowance=Allowance(repeats=3)), Busy(3, AnswerLost)
    with pytest.raises(AnswerLost, match="were repeats, and the destination still fails"):
        again_and_again(retries, silent)


def test_a_run_is_not_held_up_for_ever():
    """Half an hour in all, and half a second for each request that came through; eight waits at once count as one."""
    now = [0.0]
    allowance = Allowance(clock=lambda: now[0])
    for _ in range(8):
        allowance.repeat(600.0)
    assert allowance.waited_s == 600
    now[0] = 300.0
    allowance.repeat(600.0)
    assert (allowance.waited_s, allowance.spent) == (900, None)
    now[0] = 10_000.0
    allowance.repeat(900.0)
    assert "held up for 1800 s" in allowance.spent
    for _ in range(10):
        allowance.success()
    assert allowance.spent is None


def test_waits_are_fully_jittered(retries, slept):
    """Waits are spread from nothing to twice the last limit, so that those refused together do not come back so."""
    for _ in range(200):
        retries._allowance = Allowance()
        retries.call(Request(*[Retriable("busy")] * 2), idempotent=True)
    for waits, most in ((slept[::2], 0.5), (slept[1::2], 1.0)):
        assert min(waits) < most / 10
        assert most * 0.9 < max(waits) <= most
