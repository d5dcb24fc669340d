"""Which request meets which fault: the same one for the same seed, whatever else goes on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tailrace.errors import UsageError
from tailrace.testing import faults
from tailrace.testing.faults import (
    FAULTS,
    USUAL,
    Answer,
    Drop,
    ExpireSession,
    FaultProxy,
    Kinds,
    Match,
    Request,
    Schedule,
    Truncate,
    by_content,
)

FAST = {Answer(503): 1, Answer(429, retry_after=0): 1, Drop(): 1, Drop(commit=True): 2, Truncate(): 1}


def drawn(schedule, label="POST /things", count=200):
    return [schedule.fault(label, ordinal) for ordinal in range(1, count + 1)]


def test_a_seed_is_all_there_is_to_it():
    """Two schedules with one seed agree; other seeds and other labels meet other faults."""
    assert drawn(Schedule.random(seed=7)) == drawn(Schedule.random(seed=7))
    assert drawn(Schedule.random(seed=7)) != drawn(Schedule.random(seed=8))
    assert drawn(Schedule.random(seed=7)) != drawn(Schedule.random(seed=7), "POST /others")


def test_a_seed_that_was_written_down_still_means_the_same():
    """These were drawn when the module was written: a change here makes all recorded seeds worthless."""
    names = [fault and fault.name for fault in drawn(Schedule.random(seed=7, rate=0.5), count=8)]
    assert names == [None, "reorder", "503", "500", None, None, None, None]


def test_the_rate_is_the_share_of_requests_that_meet_a_fault():
    """None at 0, all at 1, about a fifth at 0.2; the draws are fixed, so the figure cannot vary."""
    assert set(drawn(Schedule.random(seed=1, rate=0))) == {None}
    assert None not in drawn(Schedule.random(seed=1, rate=1))
    met = [fault for fault in drawn(Schedule.random(seed=1, rate=0.2), count=10_000) if fault]
    assert 1900 < len(met) < 2100


def test_weights_are_relative_to_each_other():
    """A fault of weight 0 never comes, one of weight 3 about three times as often as one of weight 1."""
    weights = {Drop(): 3, Answer(503): 0, Answer(500): 1}
    met = drawn(Schedule.random(seed=1, rate=1, weights=weights), count=4000)
    assert met.count(Answer(503)) == 0
    assert 2900 < met.count(Drop()) < 3100


def test_all_faults_but_the_expired_session_are_drawn_unless_told_otherwise():
    """An adapter with one fixed token would be shut out for good."""
    met = set(drawn(Schedule.random(seed=1, rate=1), count=1000))
    assert met == set(USUAL) == set(FAULTS.values()) - {ExpireSession()}


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule.random(seed=7, rate=0.3),
        Schedule.random(seed=7, rate=0.3, weights={Drop(commit=True): 2}, only=Match(kind="write"), label=by_content),
        Schedule.script([None, Answer(429, retry_after=1)], only=Match(path="batch")),
    ],
    ids=["usual", "all options", "script"],
)
def test_a_schedule_is_shown_as_it_is_written(schedule):
    """What the log begins with can be pasted into a test."""
    assert drawn(eval(repr(schedule), vars(faults))) == drawn(schedule)  # noqa: S307 - our own text
    assert repr(eval(repr(schedule), vars(faults))) == repr(schedule)  # noqa: S307


def fate(proxy, requested, threads):
    """Send each of (path, count) by a thread of its own; what each path's requests met, in their order."""

    def send(path, count):
        with requests.Session() as session:
            for number in range(count):
                try:
                    session.post(proxy.url + path, data=str(number), timeout=60)
                except requests.RequestException:
                    session.close()

    with ThreadPoolExecutor(threads) as pool:
        for sent in [pool.submit(send, path, count) for path, count in requested]:
            sent.result()
    proxy.settle()
    return {path: [entry.fault for entry in proxy.log if entry.path == path] for path, _ in requested}


def test_concurrency_does_not_reshuffle_the_faults(proxied):
    """Eight paths asked one after another, and all at once, meet the same faults, request by request."""
    requested = [(f"/things/{number}", 10) for number in range(8)]
    schedule = Schedule.random(seed=11, rate=0.4, weights=FAST)
    alone = fate(proxied(schedule), requested, threads=1)
    together = fate(proxied(schedule), requested, threads=8)
    assert alone == together
    assert sum(fault is not None for met in alone.values() for fault in met) > 10


def test_two_runs_with_one_seed_have_one_log(server):
    """Request by request: the same faults, the same answers, the same reached the server."""
    logs = []
    for _ in range(2):
        with FaultProxy(server.url, Schedule.random(seed=11, rate=0.4, weights=FAST)) as proxy:
            fate(proxy, [("/things", 30)], threads=1)
        logs.append(proxy.log)
    assert logs[0] == logs[1]
    assert str(logs[0]) == str(logs[1])
    assert 5 < sum(logs[0].faults.values()) < 25


def test_by_content_a_fault_belongs_to_what_a_request_says():
    """The same words share a label, and only the same words."""
    first, again, other = (
        Request(n, "POST", "/batch", "write", body=body) for n, body in enumerate([b"a", b"a", b"b"])
    )
    assert by_content(first) == by_content(again) != by_content(other)
    assert by_content(first) != by_content(Request(1, "PUT", "/batch", "write", body=b"a"))
    assert by_content(first) != by_content(Request(1, "POST", "/batch", "write", query="x", body=b"a"))


def test_by_content_the_order_of_equal_paths_makes_no_difference(proxied):
    """Batches to one path that are sent in another order meet the same faults."""
    schedule = Schedule.random(seed=5, rate=0.5, weights={Answer(503): 1}, label=by_content)
    met = []
    for order in (range(20), reversed(range(20))):
        proxy = proxied(schedule)
        met.append({n: requests.post(proxy.url, data=str(n), timeout=60).status_code for n in order})
    assert met[0] == met[1]
    assert set(met[0].values()) == {200, 503}


def test_a_script_is_for_the_requests_it_is_meant_for(proxied):
    """Others are left in peace and do not use it up; after its end all is well."""
    only = Match(method="POST", path=r"/batch/\w+$", kind="write")
    proxy = proxied(Schedule.script([None, Answer(503)], only=only), kinds=Kinds(read="/batch/read$"))
    asked = ["/batch/create", "/other", "/batch/read", "/batch/create", "/batch/create"]
    assert [requests.post(proxy.url + path, timeout=60).status_code for path in asked] == [200, 200, 200, 503, 200]
    assert requests.get(f"{proxy.url}/batch/create", timeout=60).status_code == 200


def test_a_random_schedule_keeps_to_its_requests(proxied):
    """With a filter, the share is of those requests alone."""
    proxy = proxied(Schedule.random(seed=1, rate=1, weights={Answer(503): 1}, only=Match(kind="write")))
    assert [requests.request(method, proxy.url, timeout=60).status_code for method in ("GET", "POST")] == [200, 503]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Schedule.random(seed=1, rate=20), "share of requests"),
        (lambda: Schedule.random(seed=1, weights={}), "Nothing can be drawn"),
        (lambda: Schedule.random(seed=1, weights={Drop(): -1, Truncate(): 2}), "Nothing can be drawn"),
        (lambda: Truncate(1), "nothing to cut"),
        (lambda: Answer(200), "no error"),
        (lambda: Match(path="("), "no regular expression"),
        (lambda: Kinds(read="["), "no regular expression"),
        (lambda: FaultProxy("127.0.0.1:80"), "no address of a server"),
        (lambda: FaultProxy("http://127.0.0.1:80/api"), "no address of a server"),
        (lambda: FaultProxy("http://127.0.0.1:port"), "no address of a server"),
        (lambda: FaultProxy("ftp://127.0.0.1"), "no address of a server"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(make, words):
    """Not by a broken connection in the middle of a test."""
    with pytest.raises(UsageError, match=words):
        make()


def test_a_port_that_is_taken_is_told(proxied):
    """With what to do about it."""
    taken = int(proxied().url.rsplit(":", 1)[1])
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{taken}.*\n.*another port"):
        proxied(port=taken)
