"""The HubSpot-like HTTP API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.access import Access
from tailrace.sandbox.hubspot.account import account_routes
from tailrace.sandbox.hubspot.associations import association_routes
from tailrace.sandbox.hubspot.batch import Batches
from tailrace.sandbox.hubspot.definitions import definition_routes
from tailrace.sandbox.hubspot.errors import HubSpotError
from tailrace.sandbox.hubspot.events import Events, event_routes
from tailrace.sandbox.hubspot.lists import Lists, list_routes
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.rows import object_routes
from tailrace.sandbox.options import HubSpotOptions
from tailrace.sandbox.web import Shape, Vendor, json_response

Handler = Callable[[Request], Awaitable[Response]]


class HubSpot(Vendor):
    """The HubSpot-like vendor."""

    shape: ClassVar[Shape] = {"contacts": {"properties": [{"name": "tier", "type": "string"}]}}

    def __init__(self, options: HubSpotOptions, *, rate_limits: bool = True) -> None:
        super().__init__()
        self.portal = Portal(options)
        self.access = Access(options.plan, limited=rate_limits)
        self.lists = Lists(self.portal)
        self.events = Events(self.portal, self.faults)
        self.batches = Batches(self.portal, self.faults, return_trace_ids=options.return_trace_ids)

    def app(self) -> Starlette:
        """All routes."""
        routes: list[Route] = [
            *object_routes(self.portal, self.batches),
            *definition_routes(self.portal),
            *association_routes(self.portal, self.faults),
            *list_routes(self.lists),
            *event_routes(self.events),
            *account_routes(self.portal, self.access),
        ]
        handlers = {HubSpotError: _refusal, HTTPException: _no_route}
        return Starlette(routes=routes, exception_handlers=handlers)

    def admit(self, request: Request) -> Response | None:
        """Token, scopes and rate limits; signing in needs none of them."""
        if request.url.path.startswith("/oauth/"):
            return None
        try:
            self.access.check(request)
        except HubSpotError as error:
            return json_response(error.body, error.status, error.headers)
        return None

    def headers(self, request: Request) -> Mapping[str, str]:
        """Rate limit headers."""
        return self.access.headers(request)

    def records(self, object: str | None = None) -> Any:
        """Live records by object: id and properties of each; `associations`, `lists` and `events` are no objects."""
        special = {"associations": self.portal.links.shown, "lists": self.lists.shown, "events": self._sent}
        if object in special:
            return special[object]()
        if object is None:
            return {name: self.records(name) for name in self.portal.stores}
        if object not in self.portal.stores:
            raise LookupError(object)
        shown = self.portal.stores[object].records.values()
        return [{"id": r.id, "archived": r.archived, "properties": r.properties} for r in shown]

    def _sent(self) -> Any:
        return self.events.sent

    def counters(self) -> dict[str, Any]:
        """Requests by method, rows written, peaks."""
        writes = {name: store.writes for name, store in self.portal.stores.items() if store.writes}
        return {"requests": sum(self.requests.values()), "methods": dict(self.requests), "writes": writes} | (
            self.access.counters()
        )

    def limit(self, data: Mapping[str, Any]) -> None:
        """`burst` calls `per` seconds, `oauth` those of an OAuth app, `daily`, `search` per second; null for none."""
        self.access.change(data)

    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and properties."""
        self.portal.declare(objects)

    def expire_sessions(self) -> None:
        """All tokens seen so far answer 401 from now on."""
        self.access.expire()

    def reset(self) -> None:
        """Forget records, counters, faults and expired tokens."""
        self.portal.reset()
        self.lists.clear()
        self.events.clear()
        self.access.expired.clear()
        self.access.grants.reset()
        self.access.reset()
        self.faults.clear()
        self.requests.clear()

    def dump(self) -> dict[str, Any]:
        """The portal's state."""
        return self.portal.dump() | {"lists": self.lists.dump(), "events": self.events.dump()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The portal's state from `dump`."""
        self.portal.restore(data)
        if "lists" in data:  # older states have none
            self.lists.restore(data["lists"])
            self.events.restore(data["events"])


async def _refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HubSpotError):
        raise error
    return json_response(error.body, error.status, error.headers)


async def _no_route(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    message = "resource not found" if status == 404 else "method not allowed"  # noqa: PLR2004
    return json_response(HubSpotError(status, "", message).body, status)
