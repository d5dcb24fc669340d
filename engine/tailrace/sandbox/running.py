"""Both vendors in one event loop: listening sockets, uvicorn servers, state loaded and saved."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tailrace.errors import UsageError
from tailrace.listening import Server
from tailrace.sandbox.control_api import ControlApi
from tailrace.sandbox.hubspot import HubSpot
from tailrace.sandbox.options import SandboxOptions
from tailrace.sandbox.salesforce import Salesforce
from tailrace.sandbox.web import ABORT, Gate, Vendor

STATE_FORMAT = 1
LARGEST_HEAD = 1 << 17


class AbortableProtocol(H11Protocol):
    """Lets an application close its connection without an answer, to rehearse a lost reply."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand each request on this connection the means to abort it, and send small answers at once."""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self.app = partial(_abortable, self.app, transport.abort)


async def _abortable(app: ASGIApp, abort: Callable[[], None], scope: Scope, receive: Receive, send: Send) -> None:
    scope["extensions"] = {**(scope.get("extensions") or {}), ABORT: abort}
    await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Place:
    """One vendor and the socket it listens on."""

    name: str
    vendor: Vendor
    socket: socket.socket

    @property
    def url(self) -> str:
        """The vendor's base URL."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Running:
    """A sandbox that has its sockets and its state, and can be run."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        vendors = list(_vendors(options))
        load_state({name: vendor for name, vendor, _ in vendors}, options.state)
        self.places = [Place(name, vendor, _listen(options.host, port)) for name, vendor, port in vendors]
        self._answering = [asyncio.Event() for _ in self.places]
        pairs = zip(self.places, self._answering, strict=True)
        self._servers = [Server(_settings(place.vendor), answering.set) for place, answering in pairs]

    @property
    def urls(self) -> dict[str, str]:
        """Base URL by vendor."""
        return {place.name: place.url for place in self.places}

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`; `ready` is called when requests are answered. State is saved at the end."""
        pairs = zip(self._servers, self.places, strict=True)
        tasks = [asyncio.create_task(server.serve([place.socket])) for server, place in pairs]
        await asyncio.gather(*(answering.wait() for answering in self._answering))
        ready()
        await asyncio.gather(*tasks)
        save_state({place.name: place.vendor for place in self.places}, self.options.state)

    def stop(self) -> None:
        """Ask the servers to end; may be called from any thread or signal handler."""
        for server in self._servers:
            server.should_exit = True


def _vendors(options: SandboxOptions) -> Iterator[tuple[str, Vendor, int]]:
    if options.salesforce is not None:
        made = Salesforce(options.salesforce, rate_limits=options.rate_limits)
        yield "salesforce", made, options.salesforce_port
    if options.hubspot is not None:
        yield "hubspot", HubSpot(options.hubspot, rate_limits=options.rate_limits), options.hubspot_port


def _settings(vendor: Vendor) -> uvicorn.Config:
    return uvicorn.Config(
        Gate(vendor, ControlApi(vendor).app()),
        http=AbortableProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        hint = "Choose another port, or 0 for a free one."
        raise UsageError(f"The sandbox cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from error


def load_state(vendors: dict[str, Vendor], path: Path | None) -> None:
    """Restore what `save_state` wrote; a file that does not exist is a fresh start."""
    if path is None or not path.exists():
        return
    hint = "Name another file, or remove this one to start with empty accounts."
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if data["format"] != STATE_FORMAT:
            raise UsageError(f"{path} was saved by another version of the sandbox.", hint=hint)
        for name in vendors.keys() & data["vendors"].keys():
            vendors[name].restore(data["vendors"][name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"The sandbox's state in {path} cannot be read: {error}", hint=hint) from error


def save_state(vendors: dict[str, Vendor], path: Path | None) -> None:
    """Write all vendors' state, all or nothing."""
    if path is None:
        return
    data = {"format": STATE_FORMAT, "vendors": {name: vendor.dump() for name, vendor in vendors.items()}}
    partly = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partly.write_text(json.dumps(data), "utf-8")
        os.replace(partly, path)  # noqa: PTH105 - atomic
    except OSError as error:
        raise UsageError(f"The sandbox's state cannot be saved to {path}: {error.strerror or error}") from error
