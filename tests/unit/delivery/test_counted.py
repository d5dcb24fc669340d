"""Every request to an account is on record, for the account and for the sync that makes it."""

import threading

import pytest

from tailrace.delivery.limiter import Interrupted, Limiter
from tailrace.destination import Rate
from tailrace.state import StateDB

DAY_S, HOUR_S = 86_400.0, 3_600.0


class Clock:
    """Seconds since the epoch, moved by hand: ten minutes past an hour."""

    now = 1_000_000 * HOUR_S + 600

    def __call__(self):
        """The time."""
        return self.now

    def sleep(self, seconds):
        """Move on."""
        self.now += seconds


@pytest.fixture
def clock():
    """The test's clock."""
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request, tmp_path, clock):
    """A state database of each kind."""
    url = "sqlite:///state.db" if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    with StateDB.open(url, tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture(params=[(), (Rate(1_000, 1.0),)], ids=["no rates", "rates"])
def rates(request):
    """What an account permits."""
    return request.param


def limiter(state, clock, rates=(), *, sync="people", **named):
    """A limiter of the account, as a run has it."""
    return Limiter(rates, store=state.limits("crm"), sync=sync, clock=clock, sleep=clock.sleep, **named)


def counted(state, sync="people"):
    """What the totals of a sync say of requests."""
    return state.totals().get(sync, {}).get("calls", 0)


def test_a_request_is_on_record_when_it_is_made(state, clock, rates):
    """No word of its end is needed, so a process that is killed loses none of those a tenth of a second apart."""
    run = limiter(state, clock, rates)
    for number in range(1, 4):
        run.spend(write=number > 1, cost=number)
        clock.now += 0.125
        assert state.limits("crm").calls_since(DAY_S) == number * (number + 1) / 2
        assert counted(state) == number * (number + 1) / 2


def test_requests_close_together_are_on_record_at_the_end(state, clock, rates):
    """Where they need no permit they are counted together, and the rest when the account is left."""
    run = limiter(state, clock, rates)
    for _ in range(20):
        run.spend(write=True)
    run.tell()
    assert state.limits("crm").calls_since(DAY_S) == counted(state) == 20


def test_a_day_is_24_hours(state, clock):
    """What is older is left out, of the hour in which the day begins by its part; and it is forgotten."""
    for calls, at in ((60, 0.0), (6, 10 * HOUR_S), (1, 24 * HOUR_S)):
        clock.now = Clock.now + at
        limiter(state, clock).spend(write=True, cost=calls)
    # 24 hours ago was ten minutes past the hour with 60.
    assert state.limits("crm").calls_since(DAY_S) == 50 + 6 + 1
    clock.now += 2_400
    assert state.limits("crm").calls_since(DAY_S) == 10 + 6 + 1
    clock.now += 5 * HOUR_S
    assert state.limits("crm").calls_since(DAY_S) == 6 + 1
    limiter(state, clock).spend(write=True)
    with state.reading() as connection:
        kept = connection.exec_driver_sql("select sum(calls) from calls").scalar()
    assert kept == 6 + 1 + 1
    assert counted(state) == 60 + 6 + 1 + 1


def test_an_account_is_the_sum_of_its_syncs(state, clock, rates):
    """Each sync has its own, and another account is another."""
    for sync in ("people", "orders"):
        limiter(state, clock, rates, sync=sync).spend(write=True)
    other = Limiter(store=state.limits("erp"), sync="people", clock=clock)
    other.spend(write=True)
    assert (state.limits("crm").calls_since(DAY_S), state.limits("erp").calls_since(DAY_S)) == (2, 1)
    assert (counted(state), counted(state, "orders")) == (2, 1)


def test_repeats_and_waits_are_on_record_too(state, clock):
    """When the account is left, or with the next permit."""
    run = limiter(state, clock, (Rate(1, 10.0),))
    run.spend(write=True)
    run.spend(write=True)
    run.repeated()
    run.tell()
    held = state.totals()["people"]
    assert held["retries"] == 1
    assert held["throttled_s"] == pytest.approx(run.throttled_s)
    assert run.throttled_s > 9


def test_a_permit_that_is_let_go_is_no_request(state, clock):
    """Who missed its moment takes another permit, and the sum never falls: a fall would look like a new counter."""
    run, sums = limiter(state, clock, (Rate(1, 10.0),)), []

    def oversleep(seconds):
        clock.now += seconds + 5
        sums.append(counted(state))

    run._sleep = oversleep
    run.spend(write=True)
    run.spend(write=True)
    assert len(sums) > 1
    run._sleep = clock.sleep
    for _ in range(3):
        run.spend(write=True)
        sums.append(counted(state))
    assert sums == sorted(sums)
    assert counted(state) == run.calls == 5


def test_a_stop_during_a_wait_loses_no_count(state, clock):
    """The request that was not made makes up for one that is."""
    stop = threading.Event()
    run = limiter(state, clock, (Rate(1, 10.0),), stop=stop)
    run.spend(write=True)
    stop.set()
    with pytest.raises(Interrupted):
        run.spend(write=True)
    stop.clear()
    run.spend(write=True)
    assert counted(state) == run.calls == 2
