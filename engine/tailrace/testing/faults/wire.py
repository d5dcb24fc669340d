"""HTTP/1.1 over asyncio streams: h11 keeps the state of the protocol, this module moves the bytes.

A message is read whole before it is passed on, so that a fault can be placed exactly. Its body's bytes, compressed
or not, are never looked into.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

import h11

from tailrace.errors import UsageError

LARGEST_HEAD = 1 << 17
READ_SIZE = 1 << 16
Role: TypeAlias = type[h11.CLIENT | h11.SERVER]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Head = TypeVar("Head", h11.Request, h11.Response)

_OF_ONE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"})


@dataclass(frozen=True, slots=True)
class Message(Generic[Head]):
    """A request or an answer with its whole body."""

    head: Head
    body: bytes = b""
    trailers: Headers = ()


Reply: TypeAlias = Message[h11.Response]
"""An answer, ready to be passed on or cut."""


def reply(status: int, body: bytes, headers: Headers = ()) -> Reply:
    """An answer of our own; in JSON, unless the headers say otherwise."""
    usual = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))
    given = {name.lower() for name, _ in headers}
    own = [(name, value) for name, value in usual if name.lower() not in given]
    length = (b"Content-Length", str(len(body)).encode())
    return Message(h11.Response(status_code=status, headers=[*own, length, *headers]), body)


class Peer:
    """One end of a connection: a client that sends requests (our role is SERVER), or a server that answers them."""

    def __init__(self, role: Role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._protocol = h11.Connection(role, max_incomplete_event_size=LARGEST_HEAD)
        self._reader = reader
        self._writer = writer

    async def request(self) -> Message[h11.Request] | None:
        """The client's next request; None when it has no more. ProtocolError when it ends in the middle of one."""
        head = await self._event()
        return await self._message(head) if isinstance(head, h11.Request) else None

    async def reply(self) -> Reply:
        """The server's answer, after interim ones (1xx). ProtocolError when it ends before it is complete."""
        while isinstance(head := await self._event(), h11.InformationalResponse):
            pass
        if isinstance(head, h11.Response):
            return await self._message(head)
        raise h11.RemoteProtocolError("the server closed the connection without an answer")

    async def _message(self, head: Head) -> Message[Head]:
        parts = []
        while isinstance(event := await self._event(), h11.Data):
            parts.append(bytes(event.data))
        trailers = tuple(event.headers.raw_items()) if isinstance(event, h11.EndOfMessage) else ()
        return Message(head, b"".join(parts), trailers)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            if self._protocol.they_are_waiting_for_100_continue:
                self._writer.write(self._protocol.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self._protocol.receive_data(await self._reader.read(READ_SIZE))
        return event

    def encode(self, message: Message[Head]) -> tuple[bytes, bytes, bytes]:
        """The message as it goes over the wire: head, body (with the size of its chunk, if in chunks), end."""
        head = self._protocol.send(message.head)
        body = self._protocol.send(h11.Data(data=message.body)) if message.body else b""
        end = self._protocol.send(h11.EndOfMessage(headers=list(message.trailers)))
        return head or b"", body or b"", end or b""

    async def write(self, data: bytes) -> None:
        """Send, at the other end's pace. ConnectionError when it is gone."""
        self._writer.write(data)
        await self._writer.drain()

    def reuse(self) -> bool:
        """Get ready for the next request, if both ends keep the connection."""
        if self._writer.is_closing() or self._protocol.our_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True

    def close(self) -> None:
        """Close the connection, after what was written."""
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server that requests are forwarded to."""

    url: str
    host: str
    port: int
    name: str
    """Host and port as the URL has them."""
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a base URL: scheme, host and port alone. UsageError when it is none."""
        try:
            parts = urlsplit(url)
            port, known = parts.port, parts.scheme in {"http", "https"} and parts.hostname
        except ValueError:
            known = None
        if not known or parts.path.strip("/") or parts.username:
            raise UsageError(f"{url} is no address of a server.", hint="Give http:// or https://, a host and a port.")
        secure = parts.scheme == "https"
        tls = ssl.create_default_context() if secure else None
        return cls(url, known, port or (443 if secure else 80), parts.netloc, tls)

    async def exchange(self, request: Message[h11.Request], sending: Callable[[], None]) -> Reply:
        """Have the request carried out, once, on a connection of its own: one that is kept could be a dead one.

        `sending` is called when the first byte is about to leave. OSError or ProtocolError when no answer comes.
        """
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        server = Peer(h11.CLIENT, reader, writer)
        try:
            data = b"".join(server.encode(self._outgoing(request)))
            sending()
            await server.write(data)
            answer = await server.reply()
        finally:
            server.close()
        return replace(answer, head=_answer_head(answer.head))

    def _outgoing(self, request: Message[h11.Request]) -> Message[h11.Request]:
        """The request for this server. Over TLS, Host must be the certificate's; else it stays the proxy's.

        A server that tells its own address by Host, as Salesforce's sign-in does, then keeps clients on the proxy.
        """
        kept = [value for name, value in request.head.headers if name == b"host" and not self.tls]
        others = [(name, value) for name, value in _passed_on(request.head) if name.lower() != b"host"]
        headers = [(b"Host", kept[0] if kept else self.name.encode()), *others, (b"Connection", b"close")]
        head = h11.Request(method=request.head.method, target=request.head.target, headers=headers)
        return replace(request, head=head)


def _answer_head(head: h11.Response) -> h11.Response:
    return h11.Response(status_code=head.status_code, headers=_passed_on(head), reason=head.reason)


def _passed_on(head: h11.Request | h11.Response) -> list[tuple[bytes, bytes]]:
    """Its headers, in the case they came in, without those that are about one connection alone."""
    told = [value for name, value in head.headers if name == b"connection"]
    named = {name.strip().lower() for value in told for name in value.split(b",")}
    return [(name, value) for name, value in head.headers.raw_items() if name.lower() not in _OF_ONE_CONNECTION | named]
