"""The webhook adapter in front of a real receiver over HTTP, held to the contract."""

import hmac
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tailrace.project.types import Secret, SecretUrl
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.webhook import WebhookConfig, plugin

SECRET = "canary-hook-secret"


class Receiver(ThreadingHTTPServer):
    """Keeps records by match value, checks signatures as the docs say, and remembers batch ids."""

    daemon_threads = True

    def __init__(self, *, results):
        super().__init__(("127.0.0.1", 0), Handler)
        self.results = results
        self.records = {}
        self.seen = {}
        self.requests = 0
        self.throttled = None
        self.dropping = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        """Stop serving and free the port."""
        self.shutdown()
        self.server_close()

    def trusts(self, headers, body):
        """Verify as a receiver should: fresh, and signed over the raw body."""
        stamp = headers["Tailrace-Timestamp"]
        expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
        fresh = abs(time.time() - int(stamp)) < 300
        return fresh and hmac.compare_digest(expected, headers.get("Tailrace-Signature", ""))

    def take(self, batch):
        """Answer a batch: status and JSON. Refused rows spoil the batch unless `results` are given."""
        answers = [self._refusal(batch["operation"], row) for row in batch["rows"]]
        if not self.results and any(answer and answer["status"] == 400 for answer in answers):
            return 422, {"error": "one row is bad"}
        for row, answer in zip(batch["rows"], answers, strict=True):
            if answer is None:
                self._apply(batch["operation"], row)
        results = [
            answer or {"marker": row["marker"], "status": "ok"}
            for row, answer in zip(batch["rows"], answers, strict=True)
        ]
        return 200, {"results": results} if any(answers) else {}

    def _refusal(self, operation, row):
        answer = {"marker": row["marker"], "error": "refused", "code": "REFUSED"}
        there = row["match"]["id"] in self.records
        if row["values"].get("name") == "poison":
            return {**answer, "status": 400}
        if operation == "update" and not there:
            return {**answer, "status": 404}
        if operation == "create" and there:
            return {**answer, "status": 409}
        return None

    def _apply(self, operation, row):
        match = row["match"]["id"]
        if operation in ("delete", "archive"):
            self.records.pop(match, None)
        else:
            self.records.setdefault(match, {"id": match}).update(row["values"])


class Handler(BaseHTTPRequestHandler):
    """One request to the receiver."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self):
        """Answer a check."""
        self._answer(405, {})

    def do_POST(self):
        """Take a batch, once per idempotency key."""
        server = self.server
        server.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if server.throttled is not None:
            seconds, server.throttled = server.throttled, None
            self._answer(429, {}, {"Retry-After": str(seconds)})
        elif not server.trusts(self.headers, body):
            self._answer(401, {"error": "bad signature"})
        else:
            key = self.headers["Idempotency-Key"]
            if key not in server.seen:
                server.seen[key] = server.take(json.loads(body))
            self._deliver(*server.seen[key])

    def _deliver(self, status, reply):
        if self.server.dropping:
            self.server.dropping = False
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(status, reply)

    def _answer(self, status, reply, headers=None):
        body = json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


class WebhookHarness(Harness):
    """A receiver of the test's own."""

    object = "people"
    match = "id"
    fields = ("name", "note")
    secrets = (SECRET, "canary-wrong")

    def __init__(self, *, results):
        self.receiver = Receiver(results=results)

    def open(self, calls):
        """Open the adapter with the shared secret."""
        return self._open(calls, SECRET, self.receiver.server_port)

    def records(self):
        """Read what the receiver kept."""
        return list(self.receiver.records.values())

    def poison(self):
        """Send what the receiver refuses."""
        return {"name": "poison"}

    def throttle(self, seconds):
        """Have the next batch refused with 429."""
        self.receiver.throttled = seconds

    def drop_answer(self):
        """Have the next connection cut after the batch was taken."""
        self.receiver.dropping = True

    def open_denied(self, calls):
        """Sign with another secret."""
        return self._open(calls, "canary-wrong", self.receiver.server_port)

    def open_unreachable(self, calls):
        """Go to a port where nothing listens."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            return self._open(calls, SECRET, taken.getsockname()[1])

    def requests(self):
        """Count what reached the receiver."""
        return self.receiver.requests

    def close(self):
        """Stop the receiver."""
        self.receiver.stop()

    def _open(self, calls, secret, port):
        url = SecretUrl.literal(f"http://127.0.0.1:{port}/in")
        return plugin.open(WebhookConfig(type="webhook", url=url, secret=Secret.literal(secret)), self.context(calls))


class TestWebhookWithResults(DestinationContract):
    """A receiver that answers row by row."""

    @pytest.fixture
    def harness(self):
        """A fresh receiver."""
        harness = WebhookHarness(results=True)
        yield harness
        harness.close()


class TestWebhookAllOrNothing(DestinationContract):
    """A receiver that refuses a batch whole when one row is bad."""

    @pytest.fixture
    def harness(self):
        """A fresh receiver."""
        harness = WebhookHarness(results=False)
        yield harness
        harness.close()
