"""The HTTP side both vendors share: the gate that counts, limits and fails requests, and small helpers."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tailrace.sandbox.faults import Fault, Faults

ABORT = "tailrace.sandbox.abort"
"""Key of the scope's extension that closes the connection without an answer."""


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`data` as compact JSON."""
    try:
        body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say and UTF-8 cannot
        body = json.dumps(data, separators=(",", ":")).encode()
    return Response(body, status, headers, media_type="application/json")


Shape: TypeAlias = Mapping[str, Mapping[str, list[Mapping[str, Any]]]]
"""By object the lists of what it has."""


class Vendor(ABC):
    """One simulated vendor: its routes, its admission rules, and its records."""

    shape: ClassVar[Shape]
    """An example of what `declare` takes."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()

    @abstractmethod
    def app(self) -> Starlette:
        """The vendor's own API."""

    @abstractmethod
    def admit(self, request: Request) -> Response | None:
        """Check credentials and limits; a response refuses the request."""

    @abstractmethod
    def headers(self, request: Request) -> Mapping[str, str]:
        """Headers that the answer to an admitted request carries."""

    @abstractmethod
    def records(self, object: str | None = None) -> Any:
        """All records, or those of one object (LookupError when there is none of that name)."""

    @abstractmethod
    def counters(self) -> dict[str, Any]:
        """What was counted since the start or the last reset."""

    @abstractmethod
    def limit(self, data: Mapping[str, Any]) -> None:
        """Change limits; ValueError when not understood."""

    @abstractmethod
    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and fields; ValueError when not understood."""

    @abstractmethod
    def expire_sessions(self) -> None:
        """Make every token seen so far invalid."""

    @abstractmethod
    def reset(self) -> None:
        """Back to an empty account; declared objects stay."""

    @abstractmethod
    def dump(self) -> dict[str, Any]:
        """All state as JSON-ready data."""

    @abstractmethod
    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""


class Gate:
    """ASGI wrapper: control API first, then counting, admission, injected faults, and the vendor at last."""

    def __init__(self, vendor: Vendor, control: ASGIApp) -> None:
        self._vendor = vendor
        self._control = control
        self._app = vendor.app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/__sandbox__"):
            await self._control(scope, receive, send)
            return
        self._vendor.requests[scope["method"]] += 1
        request = Request(scope)
        refusal = self._vendor.admit(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        fault = self._vendor.faults.for_request(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, self._with_headers(request, send))
        else:
            await self._fail(fault, request, receive, self._with_headers(request, send))

    async def _fail(self, fault: Fault, request: Request, receive: Receive, send: Send) -> None:
        scope, held = request.scope, list[Message]()
        # Read first: a client that gives up during the delay must not undo what it sent.
        body = await Request(scope, receive).body()
        if fault.commit:
            await self._app(scope, _replay(body), _keep(held))
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            await _drop(scope, receive)
        elif fault.status is not None:
            await _canned(fault)(scope, receive, send)
        elif fault.commit:
            for message in held:
                await send(message)
        else:
            await self._app(scope, _replay(body), send)

    def _with_headers(self, request: Request, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.encode(), v.encode()) for k, v in self._vendor.headers(request).items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        return sending


def _replay(body: bytes) -> Receive:
    async def receiving() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def parsed(body: bytes) -> Any:
    """JSON as the vendors read it; ValueError for anything else, NaN and endless nesting included."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _keep(held: list[Message]) -> Send:
    async def keeping(message: Message) -> None:
        held.append(message)

    return keeping


async def _drop(scope: Scope, receive: Receive) -> None:
    scope["extensions"][ABORT]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _canned(fault: Fault) -> Response:
    if fault.body is None or isinstance(fault.body, str):
        return Response(fault.body or "", fault.status or 500, dict(fault.headers))
    return json_response(fault.body, fault.status or 500, fault.headers)
