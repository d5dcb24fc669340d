"""The proxy itself, in one event loop: takes requests in, leads each through its fault, and keeps the log."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import h11

from tailrace.testing.faults.fault import Fault
from tailrace.testing.faults.log import Entry, Log
from tailrace.testing.faults.request import Kinds, Request
from tailrace.testing.faults.schedule import Schedule
from tailrace.testing.faults.wire import Message, Peer, Reply, Upstream

logger = logging.getLogger("tailrace.testing.faults")

STOP_SECONDS = 10.0
"""How long requests under way are waited for at the end."""
_BROKEN = (OSError, h11.ProtocolError)


class Course:
    """One schedule in use: its log, how many requests each label had, the sessions that ended."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.log = Log(schedule)
        self.ended: dict[str, Fault] = {}
        """By Authorization header."""
        self._seen: Counter[str] = Counter()

    def enter(self, message: Message[h11.Request], kinds: Kinds) -> tuple[Request, Entry]:
        """Take a request in: it is numbered, logged, and given its fault."""
        request = _request(len(self.log) + 1, message, kinds)
        entry = Entry(request.number, request.method, request.path, request.kind, self._fault(request))
        self.log.append(entry)
        if entry.fault:
            logger.info("%s %s meets: %s (%r)", request.method, request.path, entry.fault.name, self.schedule)
        return request, entry

    def _fault(self, request: Request) -> Fault | None:
        label = self.schedule.label(request)
        if label is not None:
            self._seen[label] += 1
        drawn = None if label is None else self.schedule.fault(label, self._seen[label])
        ended = self.ended.get(request.headers.get("authorization", "")) if request.kind != "sign_in" else None
        return ended or drawn


def _request(number: int, message: Message[h11.Request], kinds: Kinds) -> Request:
    method = message.head.method.decode()
    path, _, query = message.head.target.decode("latin-1").partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in message.head.headers}
    return Request(number, method, path, kinds.of(method, path), query, headers, message.body)


class Relay:
    """Passes requests on to `upstream` and answers back, but for those that meet a fault.

    What the server breaks (no answer, half of one) is broken for the client too, and nothing is asked twice.
    `done` is told of each request that is over with.
    """

    def __init__(
        self, upstream: Upstream, schedule: Schedule, kinds: Kinds, done: Callable[[Entry], None] | None = None
    ) -> None:
        self.upstream = upstream
        self.course = Course(schedule)
        self._kinds = kinds
        self._done = done
        self._connections: set[asyncio.Task[None]] = set()
        self._idle: set[Peer] = set()
        self._under_way = 0
        self._waiting: set[asyncio.Event] = set()
        self._held: tuple[int, asyncio.Event] | None = None
        self._calm = asyncio.Event()
        self._calm.set()
        self._stopping = asyncio.Event()

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until `stop`; then what is held is let go, and what is under way ends."""
        server = await asyncio.start_server(self._connected, sock=listener)
        ready()
        await self._stopping.wait()
        server.close()
        for peer in self._idle:
            peer.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=STOP_SECONDS)

    def stop(self) -> None:
        """Ask `run` to end; from the loop's own thread."""
        self._stopping.set()
        for event in self._waiting:
            event.set()

    async def calm(self) -> None:
        """Wait until no request is under way, held ones and those without a client among them."""
        await self._calm.wait()

    async def pause(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Wait for that long, for the event, or for the end, whatever comes first."""
        event = until or asyncio.Event()
        if self._stopping.is_set():
            return
        self._waiting.add(event)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        self._waiting.discard(event)

    async def hold(self, number: int, seconds: float) -> None:
        """Wait until a request with a higher number has passed; not when another one waits so already."""
        if self._held is not None:
            return
        self._held = (number, asyncio.Event())
        try:
            await self.pause(seconds, self._held[1])
        finally:
            self._held = None

    def passed(self, number: int) -> None:
        """A request was carried out, or tried to be."""
        if self._held is not None and number > self._held[0]:
            self._held[1].set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        client = Peer(h11.SERVER, reader, writer)
        try:
            while (message := await self._next(client)) is not None:
                await self._serve(message, client)
                if not client.reuse():
                    break
        except _BROKEN as error:
            logger.info("a client's connection ended: %s", error)
        finally:
            client.close()

    async def _next(self, client: Peer) -> Message[h11.Request] | None:
        if self._stopping.is_set():
            return None
        self._idle.add(client)
        try:
            return await client.request()
        finally:
            self._idle.discard(client)

    async def _serve(self, message: Message[h11.Request], client: Peer) -> None:
        way = _Way(self, message, client, self._kinds)
        self._under_way += 1
        self._calm.clear()
        try:
            await way.go()
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._calm.set()
            if self._done is not None:
                self._done(way.entry)


class _Way:
    """`Passage` of one request."""

    def __init__(self, relay: Relay, message: Message[h11.Request], client: Peer, kinds: Kinds) -> None:
        self._relay = relay
        self._course = relay.course
        self._message = message
        self._client = client
        self.request, self.entry = self._course.enter(message, kinds)

    async def go(self) -> None:
        try:
            if self.entry.fault is None:
                await self.answer(await self.forward())
            else:
                await self.entry.fault.meet(self)
        except _BROKEN as error:
            logger.info("%s %s is broken off: %s", self.request.method, self.request.path, error)
            self.cut()

    async def forward(self) -> Reply:
        try:
            answer = await self._relay.upstream.exchange(self._message, self._sending)
        finally:
            self._relay.passed(self.request.number)
        self.entry.status = answer.head.status_code
        return answer

    def _sending(self) -> None:
        self.entry.forwarded = True

    async def answer(self, reply: Reply) -> None:
        self.entry.answer = reply.head.status_code
        await self._client.write(b"".join(self._encode(reply)))

    async def answer_in_part(self, reply: Reply, share: float) -> None:
        head, body, _ = self._encode(reply)
        # Some clients take half a head, or a last chunk without its last byte, for whole ones.
        part = head + body[: int(len(body) * share)] if body else head[: head.index(b"\r\n") // 2]
        await self._client.write(part)
        self.cut()

    def _encode(self, reply: Reply) -> tuple[bytes, bytes, bytes]:
        return self._client.encode(replace(reply, body=b"") if self.request.method == "HEAD" else reply)

    def cut(self) -> None:
        self._client.close()

    async def wait(self, seconds: float) -> None:
        await self._relay.pause(seconds)

    async def wait_for_another(self, seconds: float) -> None:
        await self._relay.hold(self.request.number, seconds)

    def end_session(self, fault: Fault) -> None:
        session = self.request.headers.get("authorization")
        if session is not None:
            self._course.ended[session] = fault
