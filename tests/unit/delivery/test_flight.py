"""How many batches are in flight."""

import threading

import pytest

from tailrace.delivery.flight import Flight
from tailrace.delivery.limiter import Limiter
from tailrace.destination import Rate
from tailrace.tagging import billed, current, working


def flight(bound, pace, *latencies):
    """A flight that saw these latencies."""
    made = Flight(bound, pace)
    for seconds in latencies:
        made.took(seconds)
    return made


@pytest.mark.parametrize(
    ("bound", "pace", "latencies", "wanted"),
    [
        (8, None, [], 8),
        (8, None, [5.0], 8),
        (8, 19.0, [], 2),
        (8, 19.0, [0.01], 2),
        (16, 19.0, [0.3], 9),
        (8, 19.0, [3.0], 8),
        (1, 19.0, [3.0], 1),
        (8, 1.0, [0.5] * 9, 2),
        (8, 1.0, [-60.0], 1),
    ],
)
def test_as_many_as_rate_and_latency_ask_for(bound, pace, latencies, wanted):
    """Little's law with a margin, one more, and never beyond the bound."""
    assert flight(bound, pace, *latencies).wanted == wanted


def test_the_latency_follows_the_destination():
    """A destination that becomes slow gets more in flight, step by step, and fewer once it is fast again."""
    slower = flight(100, 20.0, 0.1)
    seen = [slower.wanted]
    for _ in range(30):
        slower.took(1.0)
    seen.append(slower.wanted)
    for _ in range(30):
        slower.took(0.1)
    seen.append(slower.wanted)
    assert seen == [4, 26, 4]


def test_the_pace_is_that_of_the_narrowest_window():
    """Of windows of minutes; what a day permits is a budget, and other buckets are other requests."""
    rates = [Rate(10, 1.0), Rate(190, 10.0), Rate(1_000, 86_400.0), Rate(4, 1.0, bucket="search")]
    assert Limiter(rates).pace == 10.0
    assert Limiter([Rate(190, 10.0), Rate(5, 1.0, bucket="*")]).pace == 5.0
    assert Limiter().pace is None


def test_waiting_is_told_thread_by_thread():
    """A thread that waits for a permit does not make the others seem slow."""
    limiter = Limiter([Rate(1, 10.0)], sleep=lambda _: None, clock=lambda: 0.0)
    limiter.spend(write=True)
    told = []
    other = threading.Thread(target=lambda: (limiter.spend(write=True), told.append(limiter.waited_here)))
    other.start()
    other.join()
    assert told[0] > 9
    assert limiter.waited_here == 0


def test_a_slow_destination_has_no_more_in_flight_than_the_rate_can_use(bench, plan):
    """One request a second, answered at once: two in flight do, of eight that may be."""
    seen, now, lock = [], [0], threading.Lock()
    write = bench.store.write

    def counted(batch):
        with lock:
            now[0] += 1
            seen.append(now[0])
        try:
            return write(batch)
        finally:
            with lock:
                now[0] -= 1

    bench.store.write = counted
    bench.limiter = Limiter([Rate(1, 1.0)], sleep=lambda _: None)
    bench.wants(concurrency=8, batch_size=1)
    assert bench.run(plan(*[{}] * 60)).acknowledged == 60
    assert max(seen) <= 2


def test_what_threads_ask_a_warehouse_for_is_asked_for_the_run(bench, plan):
    """And what that is billed is billed to the run, whichever batch it was for."""
    bench.wants(batch_size=1, concurrency=4)
    destination = bench.destination()
    push, seen = destination.push, []

    def asking(batch):
        seen.append((threading.current_thread().name, current().tag))
        billed(10)
        yield from push(batch)

    destination.push = asking
    with working("people", "r1") as work:
        bench.run(plan(*[{}] * 20), destination)
    assert {tag for _, tag in seen} == {"tailrace:people:r1"}
    assert threading.current_thread().name not in {name for name, _ in seen}
    assert work.bytes_billed == 200
