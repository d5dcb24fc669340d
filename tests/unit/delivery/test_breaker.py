"""The circuit breaker of an account: who opens it, who is let through to try, who closes it."""

import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from tailrace import redact
from tailrace.delivery import Interrupted, Limiter
from tailrace.delivery.retry import NoOutcome, Retries
from tailrace.destination import Rate
from tailrace.errors import (
    AccessDenied,
    AccountFailing,
    AnswerLost,
    BatchRejected,
    DestinationError,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    StopRun,
)
from tailrace.limits import MemoryStore, Standing, breaker
from tailrace.state import StateDB

URL = "sqlite:///state.db"
DOWN = Retriable("HubSpot cannot be reached", code="UNREACHABLE")


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1_764_150_000.0

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still until it is moved."""
    return Clock()


@pytest.fixture(params=["memory", "database"])
def store(request, tmp_path, clock):
    """Each kind of store, on that clock."""
    if request.param == "memory":
        yield MemoryStore(clock)
        return
    with StateDB.open(URL, tmp_path, clock=clock) as state:
        yield state.limits("crm")


@pytest.fixture
def process(store, clock):
    """Makes limiters, each as a process of its own has it."""

    def make(**kwargs):
        return Limiter(store=store, clock=clock, sleep=lambda _seconds: None, **kwargs)

    return make


def give_up(limiter, times=breaker.THRESHOLD):
    """Let so many requests fail."""
    for _ in range(times):
        limiter.spend(write=True)
        limiter.failed(DOWN)


def passes(limiter, **kwargs):
    """Whether a request may go now."""
    try:
        limiter.spend(write=False, **kwargs)
    except AccountFailing:
        return False
    return True


def test_it_opens_for_all_when_requests_fail_in_a_row(process, clock):
    """Others are told since when, why and until when, without sending anything."""
    one, other = process(), process()
    give_up(one, breaker.THRESHOLD - 1)
    assert passes(other)
    clock.now += 60
    give_up(one, 1)
    with pytest.raises(AccountFailing) as caught:
        other.spend(write=True)
    clock.now += 1
    assert not passes(one)
    assert isinstance(caught.value, StopRun)
    assert "since 2025-11-26 09:40:00 UTC" in caught.value.message
    assert "HubSpot cannot be reached" in caught.value.message
    assert "2025-11-26 09:41:30 UTC" in caught.value.hint
    assert other.calls == 1


def test_a_success_in_between_starts_the_count_anew(process):
    """Only failures in a row count."""
    one, other = process(), process()
    for _ in range(5):
        give_up(one, breaker.THRESHOLD - 1)
        one.spend(write=True)
        one.answered()
    give_up(one, breaker.THRESHOLD - 1)
    assert passes(other)


def test_the_cool_down_grows_and_has_an_end():
    """From half a minute, doubling, to a quarter of an hour."""
    spans = [breaker.cool_down(breaker.THRESHOLD + more) for more in range(9)]
    assert spans == [30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert breaker.cool_down(10**6) == 900


def test_what_was_under_way_when_it_opened_does_not_count(process, clock):
    """Many threads that fail at once open it for half a minute, not for hours."""
    one, other = process(), process()
    for _ in range(2 * breaker.THRESHOLD):
        one.spend(write=True)
    for _ in range(2 * breaker.THRESHOLD):
        one.failed(DOWN)
    assert not passes(other)
    clock.now += 31
    assert passes(other)


def test_after_the_cool_down_one_is_let_through(process, clock):
    """The others are refused until it is answered; then all pass."""
    one, other, third = process(), process(), process()
    give_up(one)
    clock.now += 31
    assert passes(other)
    assert not passes(one)
    with pytest.raises(AccountFailing, match="have failed") as caught:
        third.spend(write=False)
    assert "one request is trying it now" in caught.value.hint
    other.answered()
    clock.now += 1
    assert passes(one)
    assert passes(third)


def test_the_one_who_tries_may_send_all_that_its_try_takes(process, clock):
    """Signing in takes several requests; another thread of the same process is another one."""
    one, other = process(), process()
    give_up(one)
    clock.now += 31
    assert [passes(other) for _ in range(4)] == [True] * 4
    found = []
    thread = threading.Thread(target=lambda: found.append(passes(other)))
    thread.start()
    thread.join()
    assert found == [False]


def test_a_try_that_fails_opens_it_for_longer(process, clock):
    """Thirty seconds, then a minute, then two; and the beginning of it all stays known."""
    one, other = process(), process()
    give_up(one)
    for wait in (30, 60, 120):
        clock.now += wait - 1
        assert not passes(other)
        clock.now += 2
        assert passes(other)
        other.failed(Retriable("still down"))
    with pytest.raises(AccountFailing, match=r"since 2025-11-26 09:40:00 UTC .*still down"):
        one.spend(write=True)


def test_a_try_that_was_killed_is_followed_by_another(process, clock):
    """Who is silent for longer than its request may take holds nobody up for ever."""
    one, other, third = process(), process(timeout=60.0), process()
    give_up(one)
    clock.now += 31
    assert passes(other)
    clock.now += 119
    assert not passes(third)
    clock.now += 2
    assert passes(third)
    assert not passes(one)


def test_who_gets_answers_speaks_for_the_account(process, clock):
    """A batch that fails for one run alone does not stop another one that is doing well."""
    one, other = process(), process()
    other.spend(write=True)
    other.answered()
    give_up(one)
    clock.now += 1
    assert passes(other)
    assert passes(one)
    clock.now += 60
    give_up(one)
    clock.now += 1
    assert not passes(other), "that answer was a minute ago"


def test_who_failed_itself_does_not_speak_for_the_account(process, clock):
    """Answers from before one's own failures are no news."""
    one = process()
    one.spend(write=True)
    one.answered()
    give_up(one)
    clock.now += 1
    assert not passes(one)


def test_who_tried_in_vain_has_no_right_to_the_next_try(process, clock):
    """After the longer cool-down it is whoever comes first."""
    one, other = process(), process()
    give_up(one)
    clock.now += 31
    assert passes(one)
    one.failed(DOWN)
    clock.now += 61
    assert passes(other)
    assert not passes(one)


def test_a_person_who_looks_is_let_through(process, clock):
    """`check` and the like ask at once, and what they find closes it."""
    one, person = process(), process(read_only=True)
    give_up(one)
    person.spend(write=False)
    person.answered()
    clock.now += 1
    assert passes(one)


def test_with_rates_it_is_the_same(process, store, clock):
    """Where permits are counted, they go through the same gate, and a refusal takes none."""
    one, other = process(rates=[Rate(100, 10.0)]), process(rates=[Rate(100, 10.0)])
    give_up(one)
    assert not any(passes(other) for _ in range(200))
    clock.now += 31
    assert passes(other)
    other.answered()
    assert passes(one)
    with store.books(["default 10s /1"]) as books:
        assert books.taken("default 10s /1") == breaker.THRESHOLD + 2


def test_a_clock_that_was_set_back_does_not_keep_it_open(process, clock):
    """It is tried again after the longest cool-down at most."""
    one, other = process(), process()
    give_up(one)
    clock.now -= 365 * 86_400
    assert not passes(other)
    clock.now += breaker.MOST_COOL_DOWN_S + 1
    assert passes(other)


def test_no_secret_is_kept(process, store):
    """The error is told to others, so it is redacted, on one line, and not endless."""
    redact.register("canary-secret-77")
    one = process()
    one.failed(Retriable("token canary-secret-77\nwas " + "refused " * 200))
    kept = store.look()[1].last_error
    assert kept.startswith("token *** was refused")
    assert "canary" not in kept
    assert len(kept) < 600


class Account:
    """Counts what a limiter is told."""

    def __init__(self):
        self.told = []

    def answered(self):
        """Note an answer."""
        self.told.append("answered")

    def failed(self, error):
        """Note a failure."""
        self.told.append(f"failed: {error.message}")

    def repeated(self):
        """Of no account here."""

    def pause(self, seconds):
        """Ignore a pause."""


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([], ["answered"]),
        ([Retriable("busy")] * 3, ["answered"]),
        ([Retriable("busy")] * 50, ["failed: busy"]),
        ([AnswerLost("silence")] * 50, ["failed: silence"]),
        ([BatchRejected("no")], ["answered"]),
        ([AccessDenied("no")], ["answered"]),
        ([ObjectNotFound("no")], ["answered"]),
        ([QuotaExhausted("spent")], []),
        ([AccountFailing("open")], []),
        ([StopRun("TLS")], []),
        ([NoOutcome("quiet")] * 9, []),
        ([Interrupted("stopped")], []),
        ([Retriable("tomorrow", retry_after=40_000)], []),
        ([ValueError("a fault of the adapter")], []),
    ],
    ids=lambda value: str(value[:1]) + str(len(value)) if value and isinstance(value, list) else None,
)
def test_what_counts_as_a_failure(errors, told):
    """A request given up after all its tries does; what the account says no to shows that it works."""
    account, left = Account(), list(errors)

    def request():
        if left:
            raise left.pop(0)

    with suppress(DestinationError, ValueError):
        Retries(account, sleep=lambda _seconds: None).call(request, idempotent=True)
    assert account.told == told


def test_what_is_given_up_because_we_are_to_stop_does_not_count():
    """Ctrl-C says nothing of the account."""
    stop, account = threading.Event(), Account()
    stop.set()

    def request():
        raise Retriable("busy")

    with pytest.raises(Retriable):
        Retries(account, stop=stop).call(request, idempotent=True)
    assert account.told == []


PROBER = """
import sys
from pathlib import Path
from tailrace.delivery import Limiter
from tailrace.errors import AccountFailing
from tailrace.state import StateDB

with StateDB.open(sys.argv[1], Path(sys.argv[2])) as state:
    limiter = Limiter(store=state.limits("crm"))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        limiter.spend(write=False)
        print("through", flush=True)
        sys.stdin.readline()  # until killed
    except AccountFailing as error:
        print(error.hint, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request, tmp_path):
    """A state database that processes share, and an account in it whose cool-down is just over."""
    url = URL if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    with StateDB.open(url, tmp_path) as state:
        limiter = Limiter(store=state.limits("crm"))
        give_up(limiter)
        move(state, open_until=-1.0)
        yield state, url, tmp_path


def move(state, **columns):
    """Set times of the account's row, in seconds from now."""
    with state.transaction() as connection:
        for name, seconds in columns.items():
            connection.execute(sa.text(f"update limits set {name} = :at"), {"at": state.now(connection) + seconds})


def test_of_several_processes_one_is_let_through(shared):
    """All ask at once; one passes. It is killed, and after its time another one passes; that closes it for all."""
    state, url, folder = shared
    command = [sys.executable, "-c", PROBER, url, str(folder)]
    begun = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        assert [process.stdout.readline() for process in begun] == ["ready\n"] * 4
        for process in begun:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in begun]
    finally:
        for process in begun:
            process.kill()
            process.communicate()
    assert sorted(answer == "through\n" for answer in answers) == [False, False, False, True]
    assert all("one request is trying it now" in answer for answer in answers if answer != "through\n")
    assert not passes(Limiter(store=state.limits("crm"))), "the one who tried is dead, but may take its time"
    move(state, probe_until=-1.0)
    next_one = Limiter(store=state.limits("crm"))
    assert passes(next_one)
    next_one.answered()
    with StateDB.open(url, folder) as reopened:
        assert reopened.limits("crm").look()[1] == Standing()
        assert passes(Limiter(store=reopened.limits("crm")))
