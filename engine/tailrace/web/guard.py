"""Stands before everything: which host was asked for, which page asks, and what a browser may do with the answer."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC: Final = "/static/"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class Hosts:
    """The names under which the console may be asked for.

    A page elsewhere may have its own name point to this machine (DNS rebinding), and would read everything in the
    browser of someone who may. Under a numeric address nothing can be rebound.
    """

    def __init__(self, listen: str, names: Collection[str] = ()) -> None:
        self._names = {name.lower() for name in names} | {listen.lower()} | _LOOPBACK
        self._any_number = not is_loopback(listen)

    def allow(self, authority: str) -> bool:
        """Whether `host` or `host:port` is one of them."""
        host = host_of(authority)
        return host in self._names or (self._any_number and _is_number(host))


def host_of(authority: str) -> str:
    """The host alone, in lower case, without brackets; empty when it is none."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """ASGI wrapper: refuses foreign hosts and foreign pages, and gives each answer its security headers."""

    def __init__(self, app: ASGIApp, hosts: Hosts, *, free: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = hosts
        self._free = tuple(free)
        """Beginnings of paths that other programs write to, with a proof of their own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is not None:
            status, message, hint = refused
            body = json.dumps({"error": {"message": message, "hint": hint}})
            await Response(body, status, media_type="application/json")(scope, receive, _with_headers(send))
            return
        static = str(scope["path"]).startswith(STATIC)
        await self._app(scope, receive, _with_headers(send, {"cache-control": "no-cache"} if static else {}))

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str, str | None] | None:
        """Status, message and hint of a refusal."""
        host = headers.get("host", "")
        if not self._hosts.allow(host):
            name = host_of(host) or "of that name"
            return (
                421,
                f"this server has no host {name}",
                "serve it with --allow-host, or ask for it by its own address",
            )
        if scope["method"] in SAFE or str(scope["path"]).startswith(self._free):
            return None
        origin = headers.get("origin")
        foreign = origin is not None and _netloc(origin) != host
        if foreign or headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            hint = "a proxy must pass the header Host on" if foreign else None
            return 403, "the request comes from a page of another site", hint
        return None


def _netloc(origin: str) -> str:
    """`host:port` of an origin; empty when there is none, as for `null`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _with_headers(send: Send, more: Mapping[str, str] = HEADERS) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in {**HEADERS, **more}.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await send(message)

    return sending
