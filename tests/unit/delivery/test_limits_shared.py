"""One budget for all who use an account: the law of its windows, in memory and in the state database."""

import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.delivery import Limiter
from tailrace.destination import Rate
from tailrace.errors import QuotaExhausted
from tailrace.limits import DAY_S, PATIENCE_S, QUOTA_STALE_S, MemoryStore, windows, windows_of
from tailrace.limits.reserve import Permit, Terms, reserve
from tailrace.state import StateDB

URL = "sqlite:///state.db"


@dataclass
class Clock:
    """Seconds, moved by hand."""

    now: float = 1_000_000.0

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still until it is moved."""
    return Clock()


@pytest.fixture
def state(tmp_path, clock):
    """A state database on that clock."""
    with StateDB.open(URL, tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture(params=["memory", "database"])
def store(request, state, clock):
    """Each kind of store, on that clock."""
    return MemoryStore(clock) if request.param == "memory" else state.limits("crm acme")


@contextmanager
def few_slots(number):
    """Rings so small that windows of a few calls are kept in groups."""
    before, windows.SLOTS = windows.SLOTS, number
    try:
        yield
    finally:
        windows.SLOTS = before


def ask(store, rates, *, bucket="default", cost=1, terms=None, kept=0.0):
    """The moment of a permit, or the error that refuses it."""
    counting = windows_of(rates, bucket, kept)
    with store.books([window.name for window in counting]) as books:
        found = reserve(books, counting, cost, terms or Terms())
    return found.moment if isinstance(found, Permit) else found


def in_any_window(moments, per):
    """The most of these moments, each with a weight, within any window of that length that ends with one of them."""
    ordered = sorted(moments)
    return max((sum(cost for at, cost in ordered if end - per < at <= end) for end, _ in ordered), default=0)


CALLS = st.integers(1, 12)
PERS = st.sampled_from([1.0, 10.0, 60.0])
STEP = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["default", "search"]), st.integers(1, 4)),
    st.tuples(st.just("ask"), st.just("default"), st.just(1)),
    st.tuples(st.just("pass"), st.floats(0, 30)),
    st.tuples(st.just("pause"), st.floats(0, 20)),
)


def take_steps(store, clock, rates, steps):
    """What each step came to: moments of permits, by bucket and cost; None where there was none to be had."""
    given_for = []
    for kind, *details in steps:
        if kind == "ask":
            bucket, cost = details
            moment = ask(store, rates, bucket=bucket, cost=cost)
            given_for.append((bucket, cost, moment if isinstance(moment, float) else None))
        elif kind == "pass":
            clock.now += details[0]
        else:
            with store.books() as books:
                books.standing.pause(books.now, details[0], min(rate.per for rate in rates))
    return given_for


def rates_of(several):
    """Rates of three kinds: of default requests, of searches, of all."""
    return [Rate(calls, per, bucket) for calls, per, bucket in several]


RATES = st.lists(st.tuples(CALLS, PERS, st.sampled_from(["default", "search", "*"])), min_size=1, max_size=4).map(
    rates_of
)


@given(RATES, st.lists(STEP, max_size=80), st.sampled_from([4, 6, 1024]))
@settings(max_examples=150, deadline=None)
def test_no_window_holds_more_than_it_may(rates, steps, slots):
    """Whoever asks, for whatever, at whatever moment, and after whatever refusals: no sliding window is exceeded."""
    clock = Clock()
    with few_slots(slots):
        found = take_steps(MemoryStore(clock), clock, rates, steps)
        named = {rate.bucket for rate in rates}
        for rate in rates:
            counted = [
                (at, min(cost, rate.calls))
                for bucket, cost, at in found
                if at is not None and rate.bucket in {"*", bucket if bucket in named else "default"}
            ]
            assert in_any_window(counted, rate.per) <= rate.calls


@given(RATES, st.lists(STEP, max_size=40), st.sampled_from([4, 1024]))
@settings(max_examples=40, deadline=None)
def test_both_stores_decide_alike(make_state, rates, steps, slots):
    """What is kept in the database is exactly what is kept in memory."""
    here, there = Clock(), Clock()
    database, account = make_state(there)
    with few_slots(slots):
        in_memory = take_steps(MemoryStore(here), here, rates, steps)
        in_database = take_steps(database.limits(account), there, rates, steps)
    assert in_memory == in_database


@pytest.fixture(scope="module")
def make_state(tmp_path_factory):
    """One database for many examples, each with an account of its own; the clock is the example's."""
    current = []
    now = lambda: current[-1]()  # noqa: E731, PLW0108 - the latest clock, whenever it is asked
    with StateDB.open(URL, tmp_path_factory.mktemp("state"), clock=now) as opened:

        def make(clock):
            current.append(clock)
            return opened, f"account {len(current)}"

        yield make


def test_a_rate_that_recovers_does_not_forget_what_was_reserved_ahead(store, clock):
    """Searches reserved for later count in the window they go in, although fewer requests are looked back at then."""
    rates, begun = [Rate(100, 10.0, "*"), Rate(30, 10.0, "search")], clock.now
    moments = [ask(store, rates, bucket="search") for _ in range(60)] + [ask(store, rates) for _ in range(70)]
    clock.now = begun + 10.3
    with store.books() as books:
        books.standing.pause(books.now, 0.0, 10.0)
    moments += [ask(store, rates) for _ in range(40)]
    clock.now = begun + 20.3
    moments += [ask(store, rates) for _ in range(20)]
    assert in_any_window([(at, 1) for at in moments], 10.0) <= 100


@given(st.integers(20, 200), PERS, st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_who_always_asks_uses_the_rate(calls, per, callers):
    """Callers that ask anew as soon as they have sent use at least 95 % of what is permitted, over ten windows."""
    clock = Clock()
    store, begun, sent = MemoryStore(clock), clock.now, 0
    waiting = dict.fromkeys(range(callers), begun)
    while min(waiting.values()) <= begun + 10 * per:
        caller = min(waiting, key=waiting.get)
        clock.now = max(clock.now, waiting[caller])
        sent += 1
        waiting[caller] = ask(store, [Rate(calls, per)])
    assert sent >= 0.95 * calls * 10


def test_a_day_of_a_million_calls_takes_few_slots(store, clock):
    """A long window keeps a thousand times, is never exceeded, and gives away less than a five-hundredth."""
    rate = Rate(4_096 * windows.SLOTS, DAY_S)
    window, *_ = windows_of([rate], "default", 0.0)
    assert window.group > 1
    begun = clock.now
    for _ in range(500):
        assert ask(store, [rate], cost=8_388) == clock.now
        clock.now += 1
    assert ask(store, [rate], cost=rate.calls - 500 * 8_388) == clock.now
    clock.now = begun + DAY_S - PATIENCE_S
    assert isinstance(ask(store, [rate]), QuotaExhausted)
    clock.now = begun + DAY_S * 1.002
    assert [ask(store, [rate]) for _ in range(3)] == [clock.now] * 3
    with store.books([window.name]) as books:
        assert books.taken(window.name) == rate.calls + 3
        assert len(books.slots({window.name: set(range(windows.SLOTS))})[window.name]) <= windows.SLOTS


def test_neighbours_that_share_a_slot_count_from_the_latest_of_them(store, clock):
    """A search reserved for later is not forgotten because a request that goes now shares its slot."""
    rates = [Rate(17, 10.0, "*"), Rate(2, 10.0, "search")]
    with few_slots(4):
        moments = [ask(store, rates, bucket="search") for _ in range(4)] + [ask(store, rates) for _ in range(30)]
    assert in_any_window([(at, 1) for at in moments], 10.0) <= 17


def test_permits_are_given_in_turn(store, clock):
    """Who asks later goes later, also while the rate recovers from a refusal."""
    rates = [Rate(5, 10.0), Rate(20, 60.0)]
    with store.books() as books:
        books.standing.pause(books.now, 0.0, 10.0)
    moments = []
    for step in range(60):
        clock.now += step % 3
        moments.append(ask(store, rates, cost=1 + step % 2))
    assert moments == sorted(moments)


def test_a_refusal_takes_nothing(store, clock):
    """Who is told to come back later has not used up what the next one may use."""
    rates = [Rate(3, 10.0), Rate(5, DAY_S)]
    for _ in range(3):
        assert ask(store, rates) == clock.now
    for _ in range(20):
        assert isinstance(ask(store, rates, terms=Terms(patience=1.0)), QuotaExhausted)
    assert [ask(store, rates) - clock.now for _ in range(2)] == pytest.approx([10.3, 10.3])
    refused = ask(store, rates)
    assert isinstance(refused, QuotaExhausted)
    assert "resume after" in refused.hint


def test_the_reserve_is_left_of_a_day(store, clock):
    """Of a day-long window only its part may be taken; shorter windows are used in full."""
    rates = [Rate(8, 60.0), Rate(10, DAY_S)]
    assert [ask(store, rates, kept=0.2) for _ in range(8)] == [clock.now] * 8
    assert isinstance(ask(store, rates, kept=0.2), QuotaExhausted)


def test_buckets_have_windows_of_their_own(store, clock):
    """Searches wait for searches; what counts all requests counts both; an unknown bucket is no way around."""
    rates = [Rate(2, 10.0), Rate(1, 5.0, "search"), Rate(100, 60.0, "*")]
    assert [ask(store, rates, bucket="search") - clock.now for _ in range(3)] == pytest.approx([0, 5.15, 10.3])
    assert [ask(store, rates) - clock.now for _ in range(3)] == pytest.approx([0, 0, 10.3])
    assert ask(store, rates, bucket="elsewhere") - clock.now == pytest.approx(10.3)
    with store.books(["* 60s /1"]) as books:
        assert books.taken("* 60s /1") == 7


def test_two_settings_of_one_window_share_it(store, clock):
    """Projects that permit different numbers of calls count each other's."""
    for _ in range(6):
        assert ask(store, [Rate(6, 10.0)]) == clock.now
    assert ask(store, [Rate(4, 10.0)]) > clock.now + 10
    assert ask(store, [Rate(8, 10.0)]) > clock.now + 10


@pytest.mark.parametrize("back", [3_600.0, 365 * DAY_S])
def test_a_clock_that_was_set_back_makes_nobody_wait_for_it(store, clock, back):
    """Permits that lie far ahead are taken for given just now: the wait is that of one window, and over after it."""
    rates = [Rate(3, 10.0), Rate(6, DAY_S)]
    for _ in range(3):
        ask(store, rates)
    clock.now -= back
    assert [ask(store, rates) - clock.now for _ in range(3)] == pytest.approx([10.3] * 3)
    assert isinstance(ask(store, rates), QuotaExhausted)
    clock.now += DAY_S + 12
    assert ask(store, rates) == clock.now


def test_a_clock_that_was_set_back_ends_pauses_and_dates_the_quota_anew(store, clock):
    """What lies more than a day ahead is none of ours; the vendor's word holds for an hour from now."""
    with store.books() as books:
        books.standing.pause(books.now, 60.0, 10.0)
        books.standing.report(0, 100, books.now)
    clock.now -= 365 * DAY_S
    assert isinstance(ask(store, []), QuotaExhausted)
    clock.now += QUOTA_STALE_S + 1
    assert ask(store, [Rate(100, 10.0)]) == clock.now
    assert store.look()[1].share_at(clock.now + 60, 10.0) == 1.0


def test_a_pause_cannot_last_for_ever(store, clock):
    """A vendor that asks for a year is asked again tomorrow."""
    with store.books() as books:
        books.standing.pause(books.now, 365 * DAY_S, 10.0)
    clock.now += DAY_S
    assert ask(store, [Rate(1, 1.0)]) == clock.now


def test_a_name_too_long_for_its_column_is_still_one_of_its_own(state, clock):
    """Addresses of accounts and names of buckets may have any length."""
    rates = [Rate(1, 10.0, "b" * 300)]
    for account in ("x" * 500 + "a", "x" * 500 + "b"):
        assert ask(state.limits(account), rates, bucket="b" * 300) == clock.now
    with state.reading() as connection:
        lengths = connection.execute(sa.text("select length(account), length(name) from limit_windows")).all()
    assert lengths == [(200, 64)] * 2


class Counting:
    """A store that counts what is asked of it."""

    def __init__(self, store):
        self.store = store
        self.asked = Counter()

    def look(self):
        """Count a look."""
        self.asked["look"] += 1
        return self.store.look()

    def books(self, names=()):
        """Count a transaction."""
        self.asked["books"] += 1
        return self.store.books(names)


@pytest.fixture
def pair(store, clock):
    """Two limiters of one account, as two processes have them; sleeping moves the clock."""

    def make(*rates, **kwargs):
        def sleep(seconds):
            clock.now += seconds

        return [
            Limiter([Rate(*rate) for rate in rates], store=Counting(store), clock=clock, sleep=sleep, **kwargs)
            for _ in range(2)
        ]

    return make


WITH_RATES_AND_WITHOUT = pytest.mark.parametrize("rates", [(), ((1_000, 1.0),)], ids=["no rates", "rates"])


@WITH_RATES_AND_WITHOUT
def test_a_pause_holds_all(pair, clock, rates):
    """What one is told by the vendor, the others heed, with rates and without."""
    one, other = pair(*rates)
    begun = clock.now
    one.pause(30)
    other.spend(write=True)
    assert clock.now - begun == pytest.approx(30)


def test_a_pause_that_comes_while_one_waits_is_heeded(pair, clock):
    """A permit that was taken before the pause is not used in it."""
    one, other = pair((1, 10.0))
    one.spend(write=True)
    begun = clock.now

    def sleep(seconds):
        clock.now += seconds
        if seconds < 20:
            one.pause(60)

    other._sleep = sleep
    other.spend(write=True)
    assert clock.now - begun >= 60


def test_a_volley_of_refusals_from_two_counts_once(pair, clock):
    """Both are refused for one cause: the rate shrinks to 70 %, not to half."""
    one, other = pair((100, 10.0))
    for limiter in (one, other, one, other):
        limiter.pause(0)
    while clock.now == 1_000_000.0:
        one.spend(write=True)
    assert one.calls == 71


@WITH_RATES_AND_WITHOUT
def test_the_quota_one_hears_of_binds_the_other(pair, clock, rates):
    """A report travels with the next permit; both count down from it, and leave the reserve to other programs."""
    one, other = pair(*rates, reserve=0.2)
    one.observe(quota_left=23, quota_max=100)
    one.spend(write=True)
    for _ in range(2):
        clock.now += 1
        other.spend(write=True)
    clock.now += 1
    with pytest.raises(QuotaExhausted, match="20 are reserved"):
        one.spend(write=True)
    assert (one.quota_left, other.quota_left, other.quota_max) == (20, 20, 100)
    clock.now += 3_601
    one.spend(write=True)


@WITH_RATES_AND_WITHOUT
def test_a_clock_that_was_set_back_does_not_spend_the_quota_for_good(pair, clock, rates):
    """The vendor's word is dated anew once, not each time someone looks."""
    one, other = pair(*rates)
    one.observe(quota_left=1, quota_max=100)
    one.spend(write=True)
    clock.now -= 365 * DAY_S
    with pytest.raises(QuotaExhausted):
        other.spend(write=True)
    clock.now += QUOTA_STALE_S + 1
    other.spend(write=True)


def test_an_older_report_does_not_undo_a_newer_one(pair, clock):
    """Who tells late what he heard early is not believed."""
    one, other = pair((1_000, 1.0))
    one.observe(quota_left=500)
    clock.now += 5
    other.observe(quota_left=100)
    other.spend(write=True)
    one.spend(write=True)
    other.spend(write=True)
    assert other.quota_left == 97


def test_a_report_of_one_figure_leaves_the_other(pair, clock):
    """A vendor that names the quota's size alone has not taken back what it said is left."""
    one, other = pair((1_000, 1.0))
    one.observe(quota_left=50)
    one.observe(quota_max=100)
    one.spend(write=True)
    other.spend(write=True)
    other.observe(quota_max=200)
    other.spend(write=True)
    one.spend(write=True)
    assert (one.quota_left, one.quota_max) == (46, 200)


def test_without_rates_requests_are_counted_together(pair, clock):
    """A transaction for all of a tenth of a second, however many there are; with rates one each."""
    one, _other = pair()
    for _ in range(10):
        for _ in range(100):
            one.spend(write=True)
        clock.now += 1.01
    assert one._view._store.asked == {"books": 10}
    (limited, _) = pair((1_000, 1.0), (100_000, DAY_S))
    for _ in range(50):
        limited.spend(write=True)
    assert limited._view._store.asked == {"books": 50}


def test_a_reported_quota_without_rates_costs_ten_transactions_a_second(pair, clock):
    """A vendor that reports with every answer does not make every request a write."""
    one, _ = pair()
    for number in range(1_000):
        one.spend(write=True)
        one.observe(quota_left=10_000 - number)
        clock.now += 0.01
    assert one._view._store.asked["books"] <= 101


def test_a_missed_permit_lapses(pair, clock):
    """Who oversleeps its moment takes another permit: others may be on their way by now."""
    one, _ = pair((1, 10.0))
    one.spend(write=True)
    oversleeping = [5.0, 0.0]

    def sleep(seconds):
        clock.now += seconds + oversleeping.pop(0)

    one._sleep = sleep
    begun = clock.now
    one.spend(write=True)
    assert clock.now - begun == pytest.approx(20.6)
    assert one.calls == 2


def test_who_always_oversleeps_goes_on_in_the_end(pair, clock):
    """A machine that is far too slow is slow, but comes through."""
    one, _ = pair((10, 1.0))

    def sleep(seconds):
        clock.now += seconds + 1

    one._sleep = sleep
    for _ in range(30):
        one.spend(write=True)
    assert one.calls == 30


def test_commits_of_budgets_do_not_wait_for_the_disk(tmp_path):
    """Permits need not survive a power cut; the journal, in the same file, must."""
    with StateDB.open(URL, tmp_path) as state:
        state.limits("crm").look()
        for database, synchronous in ((state, 2), (state.lax, 1)):
            with database.transaction() as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_commits_of_budgets_do_not_wait_for_the_disk_of_a_server(tmp_path, postgres_database):
    """The same on PostgreSQL, transaction by transaction, on connections they share."""
    with StateDB.open(postgres_database, tmp_path) as state:
        for database, wanted in ((state, "on"), (state.lax, "off"), (state, "on")):
            with database.transaction() as connection:
                assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == wanted


PROGRAM = """
import sys
from pathlib import Path
from tailrace.limits import windows_of
from tailrace.limits.reserve import Terms, reserve
from tailrace.rates import Rate
from tailrace.state import StateDB

counting = windows_of([Rate(7, 1.0), Rate(40, 20.0)], "default", 0.0)
with StateDB.open(sys.argv[1], Path(sys.argv[2])) as state:
    store = state.limits("crm")
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(60):
        with store.books([window.name for window in counting]) as books:
            print(repr(reserve(books, counting, 1, Terms()).moment))
"""


def from_processes(url, folder, number):
    """The moments that so many processes are given permits for, all asking at once."""
    StateDB.open(url, folder).close()
    command = [sys.executable, "-c", PROGRAM, url, str(folder)]
    begun = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(number)
    ]
    try:
        for process in begun:
            assert process.stdout.readline() == "ready\n"
        for process in begun:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=120)[0] for process in begun]
    finally:
        for process in begun:
            process.kill()
            process.wait()
    return [[float(line) for line in answer.split()] for answer in answers]


def check_moments(several):
    """No window is exceeded, and each caller is served in turn."""
    assert all(len(moments) == 60 and moments == sorted(moments) for moments in several)
    everyone = [(at, 1) for moments in several for at in moments]
    assert in_any_window(everyone, 1.0) <= 7
    assert in_any_window(everyone, 20.0) <= 40
    first, last = min(everyone)[0], max(everyone)[0]
    assert last - first < len(everyone) / 40 * 20 * 1.1, "more than a tenth of what is permitted went unused"


def test_processes_share_one_budget_in_a_file(tmp_path):
    """Three processes that ask at once for one SQLite file get permits that keep the windows together."""
    check_moments(from_processes(URL, tmp_path, 3))


def test_processes_share_one_budget_on_a_server(tmp_path, postgres_database):
    """The same with PostgreSQL, by the server's clock."""
    check_moments(from_processes(postgres_database, tmp_path, 3))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_threads_share_one_budget(kind, tmp_path, request):
    """Threads of one process, each with a limiter of its own, do so too."""
    url = URL if kind == "sqlite" else request.getfixturevalue("postgres_database")
    several = [[] for _ in range(4)]
    with StateDB.open(url, tmp_path) as state:

        def work(moments):
            for _ in range(60):
                moments.append(ask(state.limits("crm"), [Rate(7, 1.0), Rate(40, 20.0)]))

        threads = [threading.Thread(target=work, args=(moments,)) for moments in several]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    check_moments(several)
