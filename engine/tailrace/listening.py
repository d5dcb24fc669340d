"""A web server that lives within a program: it tells when it answers, and leaves signals to whoever runs it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """Calls `answering` once requests are answered."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], object]) -> None:
        super().__init__(config)
        self._answering = answering

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell."""
        await super().startup(sockets)
        self._answering()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield
