"""A small real HTTP server, and proxies before it."""

import gzip
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tailrace.testing.faults import PEACE, FaultProxy

WORDS = b"all is well " * 100


class Echo(BaseHTTPRequestHandler):
    """Answers each path in its own way, after writing down what it was asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        """Carry the request out, and answer it."""
        body = self._body()
        self.server.carried_out.append((self.command, self.path, body))
        self.server.headers.append(self.headers)
        {"/chunked": self._in_chunks, "/gzip": self._compressed, "/nothing": self._nothing}.get(
            self.path.partition("?")[0], self._plain
        )(body or WORDS)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, body, *headers):
        self.send_response(200)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _plain(self, body):
        self._send(body, ("X-Served-By", "Echo"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))

    def _compressed(self, body):
        self._send(gzip.compress(body, mtime=0), ("Content-Encoding", "gzip"), ("Cache-Control", "max-age=3600"))

    def _nothing(self, _body):
        self.send_response(204)
        self.end_headers()

    def _in_chunks(self, body):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), 60_000):
            part = body[start : start + 60_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        """Stay quiet."""


class Server(ThreadingHTTPServer):
    """The server; `carried_out` is what it did: method, path, body."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Echo)
        self.carried_out = []
        self.headers = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server():
    """A real server of the test's own."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def proxied(server):
    """Start a proxy before the server, or before another; it is stopped when the test ends."""
    with ExitStack() as stack:

        def start(schedule=PEACE, *, upstream=server.url, **options):
            return stack.enter_context(FaultProxy(upstream, schedule, **options))

        yield start


@pytest.fixture
def until():
    """Wait until something holds; fail when it never does."""

    def wait(holds):
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.005)

    return wait
