"""Each fault as clients of others see it, and as the server does."""

import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import requests
import urllib3

from tailrace.testing.faults import (
    Answer,
    Delay,
    Drop,
    Entry,
    ExpireSession,
    Fault,
    FaultProxy,
    Kinds,
    Linger,
    Reorder,
    Schedule,
    Truncate,
    relay,
)

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, httpx.RemoteProtocolError)
LONG_S = 600
"""Longer than any test waits: what happens sooner happens for another reason."""


@pytest.fixture(params=[requests, httpx], ids=["requests", "httpx"])
def send(request):
    """Send a request with one library or the other, on a new connection."""
    return lambda method, url, timeout=60, **options: request.param.request(method, url, timeout=timeout, **options)


@pytest.fixture
def pool():
    """Threads for clients that wait."""
    with ThreadPoolExecutor(8) as made:
        yield made


def script(*faults):
    return Schedule.script(faults)


def told(entry):
    """What became of a request: whether the server got it, what it answered, what the client was answered."""
    return entry.forwarded, entry.status, entry.answer


def test_without_a_fault_everything_passes(server, proxied, send):
    """The client gets what the server answers, and the server what the client asks."""
    proxy = proxied()
    answer = send("POST", f"{proxy.url}/things?page=2", json=[1])
    assert (answer.status_code, answer.content, answer.headers["X-Served-By"]) == (200, b"[1]", "Echo")
    assert server.carried_out == [("POST", "/things?page=2", b"[1]")]
    assert list(proxy.log) == [Entry(1, "POST", "/things", "write", None, forwarded=True, status=200, answer=200)]


def test_dropped_before_the_server_heard_of_it(server, proxied, send):
    """The connection ends without an answer, and nothing was done."""
    proxy = proxied(script(Drop()))
    with pytest.raises(BROKEN):
        send("POST", proxy.url, json=[1])
    assert server.carried_out == []
    assert told(proxy.log[0]) == (False, None, None)


def test_dropped_after_the_server_carried_it_out(server, proxied, send):
    """The connection ends without an answer, though all was done."""
    proxy = proxied(script(Drop(commit=True)))
    with pytest.raises(BROKEN):
        send("POST", proxy.url, json=[1])
    assert server.carried_out == [("POST", "/", b"[1]")]
    assert told(proxy.log[0]) == (True, 200, None)


@pytest.mark.parametrize("path", ["/", "/chunked", "/gzip", "/nothing"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_answer_is_never_taken_for_a_whole_one(server, proxied, send, path, share):
    """Of whatever form it is, by length, in chunks, compressed or empty: the client notices, and all was done."""
    proxy = proxied(script(Truncate(share)))
    with pytest.raises(BROKEN):
        send("PUT", proxy.url + path, json=[1])
    assert server.carried_out == [("PUT", path, b"[1]")]
    assert proxy.log[0].answer is None


def test_a_truncated_answer_begins_as_the_whole_one(proxied):
    """What does arrive of the body is its first half."""
    proxy = proxied(script(Truncate(0.5)))
    answer = urllib3.PoolManager(retries=False).request("POST", proxy.url, body=b"0123456789", preload_content=False)
    assert answer.headers["Content-Length"] == "10"
    assert answer.read1(100) == b"01234"
    with pytest.raises(urllib3.exceptions.ProtocolError):
        answer.read()


def test_a_delay_before_forwarding_holds_the_request_back(server, proxied, send, pool, until):
    """The server hears of it when the time is over, here by the end of the proxy; the client waits that long."""
    proxy = proxied(script(Delay(before=LONG_S, after=LONG_S)))
    sent = pool.submit(send, "POST", proxy.url, json=[1])
    until(lambda: len(proxy.log) == 1)
    assert (server.carried_out, told(proxy.log[0])) == ([], (False, None, None))
    proxy.stop()
    assert server.carried_out == [("POST", "/", b"[1]")]
    assert sent.result().content == b"[1]"


def test_a_delay_before_answering_holds_the_answer_back(server, proxied, send, pool, until):
    """The server has done all, and the client does not know yet."""
    proxy = proxied(script(Delay(before=0, after=LONG_S)))
    sent = pool.submit(send, "POST", proxy.url, json=[1])
    until(lambda: proxy.log and proxy.log[0].status == 200)
    assert (server.carried_out, proxy.log[0].answer, sent.done()) == ([("POST", "/", b"[1]")], None, False)
    proxy.stop()
    assert sent.result().content == b"[1]"


def test_a_client_that_gives_up_does_not_undo_its_request(server, proxied, until):
    """Its connection is gone while the request is held; it lands all the same."""
    proxy = proxied(script(Delay(before=LONG_S)))
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        until(lambda: len(proxy.log) == 1)
    assert server.carried_out == []
    proxy.stop()
    assert server.carried_out == [("PUT", "/", b"x")]


def test_a_short_delay_changes_nothing_else(server, proxied, send):
    """The answer comes, late."""
    proxy = proxied(script(Delay(before=0.01, after=0.01)))
    assert send("POST", proxy.url, json=[1]).content == b"[1]"
    assert told(proxy.log[0]) == (True, 200, 200)


@pytest.mark.parametrize(
    ("fault", "waits", "done"),
    [
        (Answer(429), None, 0),
        (Answer(429, retry_after=7), "7", 0),
        (Answer(500), None, 0),
        (Answer(503), None, 0),
        (Answer(500, commit=True), None, 1),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_refusals_come_from_the_proxy(server, proxied, send, fault, waits, done):
    """The status, Retry-After only where asked for, JSON that says whence; the server heard of it, or did not."""
    proxy = proxied(script(fault))
    answer = send("POST", proxy.url, json=[1])
    assert (answer.status_code, answer.headers.get("Retry-After")) == (fault.status, waits)
    assert fault.name in answer.json()["message"]
    assert "X-Served-By" not in answer.headers
    assert len(server.carried_out) == done
    assert told(proxy.log[0]) == (bool(done), 200 if done else None, fault.status)


def test_a_refusal_may_speak_a_vendors_language(proxied, send):
    """Body and headers are as given; a HEAD gets the headers alone."""
    fault = Answer(429, headers=(("X-Policy", "DAILY"),), body='{"policyName": "DAILY"}')
    proxy = proxied(script(fault, fault))
    answer = send("GET", proxy.url)
    assert (answer.headers["X-Policy"], answer.json()) == ("DAILY", {"policyName": "DAILY"})
    answer = send("HEAD", proxy.url)
    assert (answer.status_code, answer.headers["X-Policy"], answer.content) == (429, "DAILY", b"")


def test_a_refusal_need_not_be_json(proxied, send):
    """A Content-Type that is given is the only one."""
    proxy = proxied(script(Answer(503, headers=(("Content-Type", "text/html"),), body="<h1>Busy</h1>")))
    answer = send("GET", proxy.url)
    assert (answer.headers["Content-Type"], answer.text) == ("text/html", "<h1>Busy</h1>")


def test_an_expired_session_stays_expired(server, proxied, send):
    """401 to all that its token asks for, whatever the schedule says, until another token comes."""
    proxy = proxied(script(ExpireSession(), None, Answer(503)))
    answers = [send("GET", proxy.url, headers={"Authorization": f"Bearer {token}"}) for token in "aaabb"]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 200, 200]
    assert len(server.carried_out) == 2
    assert [entry.fault for entry in proxy.log] == [ExpireSession()] * 3 + [None] * 2
    proxy.play(script())
    assert send("GET", proxy.url, headers={"Authorization": "Bearer a"}).status_code == 200


def test_signing_in_is_no_part_of_a_session(server, proxied, send):
    """A sign-in that meets an expired session passes, also with the header that was refused elsewhere."""
    proxy = proxied(script(ExpireSession(), ExpireSession()), kinds=Kinds(sign_in="/token$"))
    secret = {"Authorization": "Basic abc"}
    assert send("POST", f"{proxy.url}/token", headers=secret).status_code == 200
    assert send("GET", f"{proxy.url}/things", headers=secret).status_code == 401
    assert send("POST", f"{proxy.url}/token", headers=secret).status_code == 200
    assert [path for _, path, _ in server.carried_out] == ["/token", "/token"]
    assert proxy.log[2].fault is None
    assert proxy.log.faults == {"expire session": 2}


def test_without_a_token_one_request_is_refused(proxied, send):
    """A client that authenticates otherwise meets 401 once."""
    proxy = proxied(script(ExpireSession()))
    assert [send("GET", proxy.url).status_code for _ in range(2)] == [401, 200]


def test_reordered_requests_are_carried_out_in_the_opposite_order(server, proxied, send, pool, until):
    """The first waits until the second is done; both are answered."""
    proxy = proxied(script(Reorder(LONG_S)))
    first = pool.submit(send, "PUT", f"{proxy.url}/first")
    until(lambda: len(proxy.log) == 1)
    assert send("PUT", f"{proxy.url}/second").status_code == 200
    assert first.result().status_code == 200
    assert [path for _, path, _ in server.carried_out] == ["/second", "/first"]
    assert [entry.path for entry in proxy.log] == ["/first", "/second"]


def test_two_requests_do_not_wait_for_each_other(server, proxied, send, pool, until):
    """When both are to be reordered, the second is the one that the first waits for."""
    proxy = proxied(script(Reorder(LONG_S), Reorder(LONG_S)))
    first = pool.submit(send, "PUT", f"{proxy.url}/first")
    until(lambda: len(proxy.log) == 1)
    assert send("PUT", f"{proxy.url}/second").status_code == first.result().status_code == 200
    assert [path for _, path, _ in server.carried_out] == ["/second", "/first"]


def test_a_request_that_never_reaches_the_server_overtakes_nothing(server, proxied, send, pool, until):
    """A held request goes on waiting when a later one is refused by the proxy."""
    proxy = proxied(script(Reorder(LONG_S), Answer(503)))
    first = pool.submit(send, "PUT", f"{proxy.url}/first")
    until(lambda: len(proxy.log) == 1)
    assert send("PUT", f"{proxy.url}/second").status_code == 503
    assert send("PUT", f"{proxy.url}/third").status_code == first.result().status_code == 200
    assert [path for _, path, _ in server.carried_out] == ["/third", "/first"]


def test_a_request_without_company_is_held_for_a_while_only(server, proxied, send):
    """When no other comes, the wait ends."""
    proxy = proxied(script(Reorder(0.01)))
    assert send("PUT", f"{proxy.url}/alone").status_code == 200
    assert len(server.carried_out) == 1


def test_a_lingering_request_lands_after_its_client_is_gone(server, proxied, send):
    """The connection ends at once; the server carries the request out later."""
    proxy = proxied(script(Linger(LONG_S)))
    with pytest.raises(BROKEN):
        send("POST", proxy.url, json=[1])
    assert server.carried_out == []
    assert told(proxy.log[0]) == (False, None, None)
    proxy.stop()
    assert server.carried_out == [("POST", "/", b"[1]")]
    assert told(proxy.log[0]) == (True, 200, None)


def test_settling_waits_for_what_lingers(server, proxied, send):
    """After `settle` the late request has landed; one that takes too long is told as such."""
    proxy = proxied(script(Linger(0.05), Linger(LONG_S)))
    with pytest.raises(BROKEN):
        send("POST", proxy.url, json=[1])
    proxy.settle()
    assert len(server.carried_out) == 1
    with pytest.raises(BROKEN):
        send("POST", proxy.url, json=[2])
    assert send("GET", proxy.url).status_code == 200
    with pytest.raises(TimeoutError):
        proxy.settle(0.01)


class Gate(Fault):
    """Holds a request until the test lets it go."""

    def __init__(self):
        self.open = False

    async def meet(self, passage):
        while not self.open:
            await passage.wait(0.005)
        await passage.answer(await passage.forward())


def test_only_a_later_request_overtakes(server, proxied, send, pool, until):
    """A request that came earlier and was carried out meanwhile is not the one that is waited for."""
    gate = Gate()
    proxy = proxied(script(gate, Reorder(LONG_S)))
    first = pool.submit(send, "PUT", f"{proxy.url}/first")
    until(lambda: len(proxy.log) == 1)
    second = pool.submit(send, "PUT", f"{proxy.url}/second")
    until(lambda: len(proxy.log) == 2)
    gate.open = True
    assert first.result().status_code == 200
    assert send("PUT", f"{proxy.url}/third").status_code == second.result().status_code == 200
    assert [path for _, path, _ in server.carried_out] == ["/first", "/third", "/second"]


class Twice(Fault):
    """A fault of somebody else's: the request arrives twice."""

    async def meet(self, passage):
        await passage.forward()
        await passage.answer(await passage.forward())


def test_faults_can_be_added(server, proxied, send):
    """A class of one's own leads a request astray in its own way."""
    proxy = proxied(script(Twice()))
    assert send("POST", proxy.url, json=[1]).content == b"[1]"
    assert server.carried_out == [("POST", "/", b"[1]")] * 2
    assert proxy.log.faults == {"twice": 1}


@pytest.mark.parametrize("fault", [Answer(429), Answer(500, commit=True), Delay(0), Reorder(0), None], ids=repr)
def test_an_answered_fault_keeps_the_connection(proxied, fault):
    """A client that keeps connections uses the same one for its next request."""
    proxy = proxied(script(fault))
    with urllib3.HTTPConnectionPool(proxy.url.removeprefix("http://"), retries=False) as pool:
        assert [pool.request("POST", "/", body=b"a").status for _ in range(3)][1:] == [200, 200]
        assert pool.num_connections == 1


@pytest.mark.parametrize("fault", [Drop(), Drop(commit=True), Truncate(), Linger(0)], ids=repr)
def test_after_a_cut_a_client_goes_on_with_a_new_connection(proxied, fault):
    """A kept connection that was cut is replaced, and the next request is well."""
    proxy = proxied(script(None, fault))
    host, port = proxy.url.removeprefix("http://").split(":")
    with urllib3.HTTPConnectionPool(host, int(port), retries=False) as pool:
        assert pool.request("POST", "/", body=b"a").status == 200
        with pytest.raises((urllib3.exceptions.ProtocolError, urllib3.exceptions.IncompleteRead)):
            pool.request("POST", "/", body=b"b")
        assert pool.request("POST", "/", body=b"c").data == b"c"
        assert pool.num_connections == 2


def test_a_client_that_repeats_by_itself_is_found_out(server, proxied):
    """urllib3 sends a PUT again after a lost answer unless told not to: the log shows what the client hides."""
    proxy = proxied(script(Drop(commit=True)))
    assert urllib3.PoolManager().request("PUT", proxy.url, body=b"a").status == 200
    assert [told(entry) for entry in proxy.log] == [(True, 200, None), (True, 200, 200)]
    assert len(server.carried_out) == 2


def test_nothing_is_cached_or_repeated(server, proxied, send):
    """Each request that is not refused reaches the server once, though the answer says that it may be kept."""
    proxy = proxied()
    for _ in range(3):
        assert send("GET", f"{proxy.url}/gzip").headers["Cache-Control"] == "max-age=3600"
    assert len(server.carried_out) == proxy.log.forwarded == 3


def test_writes_are_counted_when_they_reach_the_server(proxied, send):
    """What reads by its method or by its path, signs in, or was refused on the way, is not counted."""
    proxy = proxied(script(Answer(503)), kinds=Kinds(read="/search$", sign_in="^/token$"))
    for method, path in [("POST", "/a"), ("GET", "/a"), ("HEAD", "/a"), ("POST", "/a/search"), ("POST", "/token")]:
        send(method, proxy.url + path)
    assert [entry.kind for entry in proxy.log] == ["write", "read", "read", "read", "sign_in"]
    assert (proxy.log.forwarded, proxy.log.writes) == (4, 0)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        send(method, f"{proxy.url}/a")
    assert proxy.log.writes == 4


def test_the_log_tells_all_that_is_needed_to_replay(proxied, send):
    """The seed, the faults and their figures are in the log's and the proxy's own words, the query is not."""
    proxy = proxied(Schedule.random(seed=4711, rate=1, weights={Answer(503): 1}))
    send("GET", f"{proxy.url}/things?key=canary")
    assert "seed=4711" in str(proxy.log)
    assert "GET /things (read)  server: not asked  client: 503  503" in str(proxy.log)
    assert "canary" not in str(proxy.log)
    assert "seed=4711" in repr(proxy)
    assert proxy.url in repr(proxy)


def test_another_schedule_begins_anew(proxied, send):
    """`play` starts with an empty log and counts from the start; what was logged before stays as it was."""
    proxy = proxied(script(Answer(503)))
    assert [send("GET", proxy.url).status_code for _ in range(2)] == [503, 200]
    before = proxy.log
    proxy.play(script(Answer(500)))
    assert [send("GET", proxy.url).status_code for _ in range(2)] == [500, 200]
    assert ([entry.answer for entry in before], [entry.number for entry in proxy.log]) == ([503, 200], [1, 2])


def test_clients_that_keep_their_connection_do_not_keep_the_proxy(server, pool, monkeypatch):
    """It ends at once, though a connection is open on which nothing is asked."""
    monkeypatch.setattr(relay, "STOP_SECONDS", LONG_S)
    proxy = FaultProxy(server.url).start()
    with requests.Session() as session:
        assert session.get(proxy.url, timeout=60).status_code == 200
        pool.submit(proxy.stop).result(60)


def test_the_log_stays_after_the_end(server):
    """A stopped proxy answers nothing, and still tells what happened."""
    with FaultProxy(server.url) as proxy:
        requests.get(proxy.url, timeout=60)
    assert len(proxy.log) == 1
    with pytest.raises(requests.ConnectionError):
        requests.get(proxy.url, timeout=60)
