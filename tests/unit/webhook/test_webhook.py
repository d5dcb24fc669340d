"""What a webhook sends, and what it makes of every answer."""

import hmac
import json
import ssl
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime

import httpx
import pytest
from pydantic import ValidationError

from tailrace.destination import Batch, Context, Operation, Row
from tailrace.errors import AccessDenied, AnswerLost, BatchRejected, Retriable, StopRun, UsageError
from tailrace.project.types import Secret, SecretUrl
from tailrace.testing import RecordingCalls
from tailrace_destinations.webhook import WebhookConfig, plugin
from tailrace_destinations.webhook.adapter import WebhookDestination
from tailrace_destinations.webhook.body import body, sign

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def batch(*values, operation="upsert"):
    """A batch of one row per dict of values."""
    rows = tuple(Row(f"r{n}", (n,), (n,), value) for n, value in enumerate(values or ({"a": 1}, {"a": 2})))
    return Batch("batch-1", "people", Operation(operation), ("id",), rows)


def opened(handler, *, calls=None, url="https://example.com/in", **config):
    """An adapter whose requests end at `handler`."""
    made = WebhookConfig.model_validate({"type": "webhook", "url": SecretUrl.literal(url), **config})
    destination = WebhookDestination(made, Context("hook", calls or RecordingCalls(), "."), now=lambda: NOW)
    destination._opened = httpx.Client(transport=httpx.MockTransport(handler))
    return destination


def answering(status, reply=None, **headers):
    """An adapter whose every request is answered so."""
    content = reply if isinstance(reply, bytes) else b"" if reply is None else json.dumps(reply).encode()
    return opened(lambda _: httpx.Response(status, content=content, headers=headers))


def failing(error):
    """An adapter whose every request fails so."""

    def handler(_):
        raise error

    return opened(handler)


def test_values_are_exact():
    """Decimals, long integers, NaN, moments and bytes have exact forms in JSON."""
    values = {
        "d": Decimal("143.70"),
        "i": 2**53,
        "n": float("nan"),
        "day": date(2026, 1, 2),
        "at": NOW,
        "b": b"\xff",
        "l": [Decimal("0.10"), None, True],
        "t": "é\ud800",
    }
    sent = json.loads(body(batch(values)))["rows"][0]["values"]
    assert sent == {
        "d": "143.70",
        "i": "9007199254740992",
        "n": "nan",
        "day": "2026-01-02",
        "at": "2026-11-23T12:00:00Z",
        "b": "/w==",
        "l": ["0.10", None, True],
        "t": "é\ud800",
    }


def test_the_request_can_be_verified():
    """A receiver that computes the documented signature over the raw body finds it in the header."""
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(204)

    opened(handler, secret=Secret.literal("s3cret-key"), headers={"X-Team": "ops"}).push(batch())
    request = seen[0]
    stamp = request.headers["Tailrace-Timestamp"]
    expected = hmac.new(b"s3cret-key", stamp.encode() + b"." + request.content, "sha256").hexdigest()
    assert request.headers["Tailrace-Signature"] == expected == sign("s3cret-key", stamp, request.content)
    assert int(stamp) == NOW.timestamp()
    assert request.headers["Idempotency-Key"] == "batch-1"
    assert request.headers["X-Team"] == "ops"
    message = json.loads(request.content)
    assert (message["object"], message["operation"], message["batch_id"]) == ("people", "upsert", "batch-1")
    assert message["rows"][0] == {
        "marker": "r0",
        "key": [0],
        "match": {"id": 0},
        "record_id": None,
        "values": {"a": 1},
    }


@pytest.mark.parametrize("reply", [None, b"ok", {"status": "fine"}, [1], b"[" * 100_000])
def test_any_2xx_acknowledges_all(reply):
    """Without `results` a 2xx speaks for every row."""
    assert [outcome.status for outcome in answering(202, reply).push(batch())] == ["acknowledged"] * 2


def test_results_speak_row_by_row():
    """By marker or by index, in any order; recovery follows from the row's status; the untold row is unknown."""
    results = [
        {"index": 4, "status": "mystery"},
        {"index": 1, "status": 404, "error": "gone"},
        {"marker": "r0", "status": "ok", "record_id": 17},
        {"marker": "r2", "status": 409, "code": "DUP"},
        {"index": 99, "status": "ok"},
    ]
    outcomes = answering(200, {"results": results}).push(batch(*[{}] * 5))
    assert [(o.marker, o.status, o.recovery) for o in outcomes] == [
        ("r0", "acknowledged", None),
        ("r1", "rejected", "missing"),
        ("r2", "rejected", "exists"),
        ("r3", "unknown", None),
        ("r4", "rejected", None),
    ]
    assert (outcomes[0].record_id, outcomes[1].message, outcomes[2].code) == ("17", "gone", "DUP")


@pytest.mark.parametrize("results", ["x", {"a": 1}, [1, 2], None])
def test_unreadable_results_are_no_answer(results):
    """Results that cannot be read leave the batch in doubt."""
    with pytest.raises(AnswerLost):
        answering(200, {"results": results}).push(batch())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BatchRejected),
        (413, BatchRejected),
        (422, BatchRejected),
        (401, AccessDenied),
        (403, AccessDenied),
        (408, Retriable),
        (409, Retriable),
        (425, Retriable),
        (429, Retriable),
        (503, Retriable),
        (500, AnswerLost),
        (502, AnswerLost),
        (504, AnswerLost),
        (404, StopRun),
        (410, StopRun),
    ],
)
def test_statuses_say_how_to_recover(status, expected):
    """Each status becomes the error that says what to do, with the receiver's words."""
    with pytest.raises(expected) as caught:
        answering(status, {"error": "because"}).push(batch())
    assert type(caught.value) is expected
    assert caught.value.code == str(status)
    assert "because" in caught.value.message
    assert "because" not in caught.value.discreet


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (format_datetime(NOW.replace(minute=2), usegmt=True), 120.0), ("soon", None), ("-1", None)],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    """Both forms of Retry-After are read; anything else is no waiting time."""
    with pytest.raises(Retriable) as caught:
        answering(429, None, **{"Retry-After": header}).push(batch())
    assert caught.value.retry_after == seconds


def test_redirects_are_not_followed():
    """A redirect stops the run: following it could lose the body or leak the signature."""
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(307, headers={"Location": "https://elsewhere.example/in"})

    with pytest.raises(StopRun, match="307") as caught:
        opened(handler).push(batch())
    assert len(seen) == 1
    assert "Redirects" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), Retriable),
        (httpx.ConnectTimeout("slow"), Retriable),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), StopRun),
        (httpx.ReadTimeout("slow"), AnswerLost),
        (httpx.WriteError("broken pipe"), AnswerLost),
        (httpx.RemoteProtocolError("cut"), AnswerLost),
    ],
)
def test_only_what_was_sent_is_in_doubt(error, expected):
    """A request that never left may be repeated freely; one that may have arrived is in doubt."""
    with pytest.raises(expected):
        failing(error).push(batch())


def test_an_endless_answer_is_cut_off():
    """An answer too long for rows is not read to its end."""
    with pytest.raises(AnswerLost, match="longer"):
        opened(lambda _: httpx.Response(200, content=iter([b" " * 2**20] * 20))).push(batch())


def test_check_takes_any_answer():
    """Whatever a HEAD is answered, the receiver is there; an unencrypted one is noted."""
    calls = RecordingCalls()
    account = opened(lambda _: httpx.Response(405), calls=calls, url="http://u:canary@example.com/in?k=canary").check()
    assert (account.id, calls.writes, calls.total) == ("http://example.com/in", 0, 1)
    assert "TLS" in account.notes[0]


def test_it_cannot_be_asked():
    """Looking records up is refused with the modes that need none."""
    with pytest.raises(UsageError, match="hook"):
        answering(200).find("people", ["id"], [(1,)])


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com/in", "https://", "https://exa mple:x/"])
def test_urls_must_be_http(url):
    """Anything but an http or https URL is a mistake of the configuration."""
    with pytest.raises(UsageError, match="not an http"):
        opened(lambda _: httpx.Response(200), url=url).push(batch())


def test_sensitive_headers_are_references():
    """A literal token in a header is refused; a reference or a harmless header is taken."""
    document = {"type": "webhook", "url": "https://example.com/in"}
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({**document, "headers": {"Authorization": "Bearer canary"}}, strict=True)
    assert "${env:NAME}" in str(caught.value)
    WebhookConfig.model_validate({**document, "headers": {"Authorization": "Bearer ${env:T}", "X-Team": "ops"}})
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate({**document, "headers": {"bad name": "x"}})


def test_a_header_with_a_line_break_is_refused():
    """A value that would smuggle another header in is refused before anything is sent."""
    calls = RecordingCalls()
    destination = opened(lambda _: httpx.Response(200), calls=calls, headers={"X-Team": Secret.literal("a\r\nX: b")})
    with pytest.raises(UsageError, match="X-Team"):
        destination.push(batch())
    assert calls.total == 0


def test_a_ca_file_must_be_readable(tmp_path):
    """A ca_file that is no PEM file says so."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    config = WebhookConfig(type="webhook", url=SecretUrl.literal("https://example.com"), ca_file="ca.pem")
    with pytest.raises(UsageError, match=r"ca\.pem"):
        plugin.open(config, Context("hook", RecordingCalls(), str(tmp_path))).check()


def test_certificates_are_verified():
    """The client's context checks chain and host name."""
    config = WebhookConfig(type="webhook", url=SecretUrl.literal("https://example.com"))
    context = WebhookDestination(config, Context("hook", RecordingCalls(), "."))._tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
