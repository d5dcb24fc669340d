"""Listens: the console and the API in a thread of their own, beside the loop that runs syncs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from tailrace.errors import UsageError
from tailrace.listening import Server
from tailrace.web.app import make_app
from tailrace.web.auth import Door, Sealed
from tailrace.web.desk import Desk
from tailrace.web.guard import Hosts, is_loopback
from tailrace.web.plans import Plans
from tailrace.web.provider import Provider, Providers
from tailrace.web.site import Site

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tailrace.api import Project
    from tailrace.state.access import Token

PORT = 8570
START_S, STOP_S = 30.0, 10.0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the console is, and who may come in."""

    listen: str = "127.0.0.1"
    port: int = PORT
    """0 takes a free one."""
    hosts: tuple[str, ...] = ()
    """Names by which it may be asked for, beside its own address."""
    auth: bool = False
    """Whether everybody has to sign in on this machine too."""

    @property
    def closed(self) -> bool:
        """Whether everybody has to sign in: so wherever others than this machine may come, and with `oidc`."""
        return self.auth or bool(self.hosts) or not is_loopback(self.listen)


def make_site(root: Path, listening: Listening, trouble: Callable[[], str | None] = lambda: None) -> Site:
    """The console of a project; UsageError where everybody has to sign in, and nobody can.

    `trouble` tells what keeps the scheduler of this process from its work, if it has one.
    """
    desk = Desk(root)
    try:
        with desk.using() as project:
            key = project.web_key()
            closed = _closed(project, listening)
    except BaseException:
        desk.close()
        raise

    def proven(text: str) -> Token | None:
        with desk.using() as project:
            return project.proven_token(text)

    def token(token_id: str) -> Token | None:
        with desk.using() as project:
            return project.token(token_id)

    providers = Providers(desk)
    door = Door(Sealed(key), open=not closed, proven=proven, token=token, role=providers.role)
    return Site(desk, door, Plans(desk), providers, trouble)


def make_hosts(site: Site, listening: Listening) -> Hosts:
    """The names by which the console may be asked for: those that were given, and where the provider sends people."""
    provider = site.providers.now()
    names = listening.hosts if provider is None else (*listening.hosts, provider.config.host)
    return Hosts(listening.listen, names)


@contextmanager
def serving(root: Path, listening: Listening, trouble: Callable[[], str | None] = lambda: None) -> Iterator[str]:
    """Serve until the block ends; gives the address. UsageError when it cannot."""
    bound = _bind(listening)
    try:
        site = make_site(root, listening, trouble)
    except BaseException:
        bound.close()
        raise
    answering = threading.Event()
    server = Server(_settings(make_app(site, make_hosts(site, listening))), answering.set)
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(server.serve([bound]))
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for the start
            failed.append(error)
        finally:
            answering.set()

    thread = threading.Thread(target=serve, name="tailrace-web", daemon=True)
    thread.start()
    try:
        if not answering.wait(START_S) or failed:
            raise UsageError(f"the console did not start: {failed[0] if failed else 'it does not answer'}")
        yield _address(bound)
    finally:
        site.desk.closing.set()
        server.should_exit = True
        thread.join(STOP_S)
        site.desk.close()


def _closed(project: Project, listening: Listening) -> bool:
    """Whether everybody has to sign in; a TailraceError where nobody could."""
    if project.config.oidc is not None:
        Provider(project.config.oidc).ready()
        return True
    if listening.closed and not project.tokens():
        raise UsageError(
            f"everybody who reaches {listening.listen} has to sign in, and there is no token to sign in with",
            hint="make one: tailrace token create NAME --role admin, or give `oidc` in tailrace.yml; without --listen, "
            "--allow-host and --auth the console is for this machine alone",
        )
    return listening.closed


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        limit_concurrency=500,
    )


def _bind(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.listen else socket.AF_INET
    try:
        bound = socket.create_server((listening.listen, listening.port), family=family, backlog=128)
        # Connections inherit it. Without it an answer's body waits 40 ms for the browser to confirm its head.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        where = f"{listening.listen}:{listening.port}"
        reason = error.strerror or error if isinstance(error, OSError) else error
        hint = "choose another --port, 0 for a free one; --no-web runs the schedule alone"
        raise UsageError(f"the console cannot listen on {where}: {reason}", hint=hint) from error
    return bound


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
