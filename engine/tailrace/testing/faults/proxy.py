"""A fault-injecting proxy for the length of a `with` block."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tailrace.errors import UsageError
from tailrace.testing.faults.log import Entry, Log
from tailrace.testing.faults.relay import Course, Relay
from tailrace.testing.faults.request import Kinds
from tailrace.testing.faults.schedule import PEACE, Schedule
from tailrace.testing.faults.wire import Upstream

LOOPBACK = "127.0.0.1"
BY_METHOD = Kinds()


class FaultProxy:
    """A reverse proxy on a port of this machine, between clients in any process and the server at `upstream`.

    It numbers requests in the order in which they have arrived whole, and leads each through the fault that
    `schedule` says. It caches, repeats and redirects nothing, and forwards each request on a connection of its own:
    what reaches the server is what a client sent. `kinds` says which requests write. `done`, if given, is told of
    each request that is over with, from the proxy's thread.
    """

    def __init__(
        self,
        upstream: str,
        schedule: Schedule = PEACE,
        *,
        kinds: Kinds = BY_METHOD,
        port: int = 0,
        done: Callable[[Entry], None] | None = None,
    ) -> None:
        self._relay = Relay(Upstream.parse(upstream), schedule, kinds, done)
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen, in a thread; requests are answered when this returns. UsageError when the port is taken."""
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        ready = threading.Event()
        serving = self._serve(listener, ready.set)
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), name="tailrace-faults", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Let go what is held, wait for what is under way (10 s at most), and end: nothing reaches the server then."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._relay.stop)
            self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL to give to clients in place of the server's."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def schedule(self) -> Schedule:
        """Which faults requests meet."""
        return self._relay.course.schedule

    @property
    def log(self) -> Log:
        """What became of each request since the schedule began; also after the end."""
        return self._relay.course.log

    def play(self, schedule: Schedule) -> None:
        """Begin another schedule, with an empty log; ended sessions are good again. Requests under way keep theirs."""
        self._relay.course = Course(schedule)

    def settle(self, seconds: float = 30.0) -> None:
        """Wait until no request is under way, those whose client is gone included; TimeoutError after so long."""
        if self._thread is not None and self._loop is not None:
            calm = asyncio.wait_for(self._relay.calm(), seconds)
            asyncio.run_coroutine_threadsafe(calm, self._loop).result()

    async def _serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        await self._relay.run(listener, ready)

    def __repr__(self) -> str:
        return f"<FaultProxy {self.url} for {self._relay.upstream.url}: {self.schedule}>"


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((LOOPBACK, port), backlog=512)
    except OSError as error:
        words = f"The proxy cannot listen on {LOOPBACK}:{port}: {error.strerror or error}"
        raise UsageError(words, hint="Choose another port, or 0 for a free one.") from error
    # Accepted connections inherit it: what is passed on in pieces must not wait until the client has acknowledged some.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
