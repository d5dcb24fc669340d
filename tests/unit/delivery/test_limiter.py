"""The account's budget of requests."""

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.delivery import Interrupted, Limiter
from tailrace.destination import Rate
from tailrace.errors import QuotaExhausted, WriteForbidden


@dataclass
class World:
    """A clock that sleeping moves."""

    now: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self):
        """The time in seconds."""
        return self.now

    def sleep(self, seconds):
        """Move the time on."""
        assert seconds > 0
        with self.lock:
            self.now += seconds

    def limiter(self, *rates, **kwargs):
        """A limiter that lives in this world."""
        return Limiter([Rate(*rate) for rate in rates], clock=self.clock, sleep=self.sleep, **kwargs)


@pytest.fixture
def world():
    """A world at time 0."""
    return World()


RATES = st.lists(st.tuples(st.integers(1, 20), st.sampled_from([0.5, 1.0, 10.0, 60.0])), min_size=1, max_size=3)
STEPS = st.lists(
    st.tuples(st.sampled_from(["spend", "spend", "spend", "idle", "pause"]), st.floats(0, 20)), max_size=120
)


@given(RATES, STEPS)
@settings(max_examples=80, deadline=None)
def test_no_window_is_ever_exceeded(rates, steps):
    """In any window of any rate there are at most as many calls as it permits, whatever happens."""
    world = World()
    limiter = world.limiter(*rates)
    spent = []
    for step, amount in steps:
        if step == "spend":
            limiter.spend(write=True)
            spent.append(world.now)
        elif step == "idle":
            world.now += amount
        else:
            limiter.pause(amount)
    for calls, per in rates:
        for first, after in zip(spent, spent[calls:], strict=False):
            assert after - first > per
    assert limiter.calls == len(spent)


def test_nearly_all_of_the_rate_is_used(world):
    """The safety margin costs at most one call in twenty."""
    limiter = world.limiter((190, 10.0))
    while world.now < 1_000:
        limiter.spend(write=False)
    assert limiter.calls >= 0.95 * 190 * 100
    assert limiter.throttled_s == pytest.approx(world.now)


def test_a_costly_call_takes_several_permits(world):
    """A request that counts for five leaves room for the rest only."""
    limiter = world.limiter((6, 10.0))
    limiter.spend(write=True, cost=5)
    limiter.spend(write=True)
    limiter.spend(write=True, cost=2)
    assert world.now > 10
    assert limiter.calls == 8


def test_a_pause_holds_everyone_and_slows_us_down(world):
    """After a refusal nothing goes out for that long, and less than permitted for a while."""
    limiter = world.limiter((100, 10.0))
    limiter.pause(30)
    limiter.spend(write=True)
    assert world.now == 30
    while world.now == 30:
        limiter.spend(write=True)
    assert limiter.calls == 71
    world.now += 100
    before = limiter.calls
    start = world.now
    while world.now == start:
        limiter.spend(write=True)
    assert limiter.calls - before == 101


def test_a_volley_of_refusals_slows_us_down_once(world):
    """Four refusals at once come from one cause."""
    limiter = world.limiter((100, 10.0))
    for _ in range(4):
        limiter.pause(0)
    while world.now == 0:
        limiter.spend(write=True)
    assert limiter.calls >= 70


def test_a_spent_day_ends_the_run(world):
    """A daily window is not waited for; the error says when to come back."""
    limiter = world.limiter((10, 86_400.0), reserve=0.2)
    for _ in range(8):
        limiter.spend(write=True)
    with pytest.raises(QuotaExhausted) as caught:
        limiter.spend(write=True)
    assert "resume after" in caught.value.hint
    assert caught.value.resume_after is not None


def test_a_long_pause_ends_the_run(world):
    """Hours are not slept through."""
    limiter = world.limiter()
    limiter.pause(7_200)
    with pytest.raises(QuotaExhausted):
        limiter.spend(write=False)


def test_the_reserve_of_the_reported_quota_is_kept(world):
    """What the vendor reports is counted down, and the reserve is left to others."""
    limiter = world.limiter(reserve=0.2)
    limiter.observe(quota_left=22, quota_max=100)
    limiter.spend(write=True)
    limiter.spend(write=True)
    assert limiter.quota_left == 20
    with pytest.raises(QuotaExhausted, match="20 are reserved"):
        limiter.spend(write=True)
    world.now += 3_601
    limiter.spend(write=True)


def test_a_dry_run_cannot_write(world):
    """Reads pass, writes do not, and are not counted."""
    limiter = world.limiter(read_only=True)
    limiter.spend(write=False)
    with pytest.raises(WriteForbidden):
        limiter.spend(write=True)
    assert limiter.calls == 1


def test_threads_share_the_budget():
    """However many threads ask, the windows hold for all of them together."""
    world = World()
    limiter = world.limiter((10, 1.0), (50, 60.0))
    times = []

    def work():
        for _ in range(30):
            limiter.spend(write=True)
            times.append(world.now)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limiter.calls == len(times) == 120
    assert world.now > 120


def test_a_run_that_is_to_stop_does_not_wait(world):
    """A wait for a permit ends with the stop event, as an error after which nothing was written."""
    stop = threading.Event()
    limiter = Limiter([Rate(1, 60.0)], stop=stop)
    limiter.spend(write=True)
    stop.set()
    with pytest.raises(Interrupted):
        limiter.spend(write=True)
    assert limiter.calls == 1


def test_a_stop_does_not_hold_back_what_need_not_wait(world):
    """Looking up what became of a batch in flight goes on after Ctrl-C."""
    stop = threading.Event()
    stop.set()
    limiter = Limiter([Rate(5, 60.0)], stop=stop)
    limiter.spend(write=False)
    assert limiter.calls == 1


def test_pauses_again_and_again_end_the_run(world):
    """One request waits for a quarter of an hour at most, however often its wait begins anew."""
    limiter = world.limiter()

    def sleep(seconds):
        world.now += seconds
        limiter.pause(100)

    limiter._sleep = sleep
    limiter.pause(100)
    with pytest.raises(QuotaExhausted, match="pause"):
        limiter.spend(write=True)
    assert world.now <= 1_000
