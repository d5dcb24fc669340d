"""The Salesforce-like HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.options import SalesforceOptions
from tailrace.sandbox.salesforce.access import Access, access_routes
from tailrace.sandbox.salesforce.bulk import Jobs
from tailrace.sandbox.salesforce.collections import Collections
from tailrace.sandbox.salesforce.errors import RowError, SalesforceError
from tailrace.sandbox.salesforce.org import USER_ID, Org
from tailrace.sandbox.salesforce.query import query_routes
from tailrace.sandbox.salesforce.rows import row_routes
from tailrace.sandbox.web import Shape, Vendor, json_response

VERSIONS = range(58, 67)
PREFIX = "/services/data/{version}"
JOBS = "jobs/ingest"
"""Key of the bulk jobs in saved state, beside the names of objects."""


class Salesforce(Vendor):
    """The Salesforce-like vendor."""

    shape: ClassVar[Shape] = {
        "Account": {
            "fields": [{"name": "Tier__c", "type": "string"}],
            "recordTypeInfos": [{"developerName": "Partner"}],
        }
    }

    def __init__(self, options: SalesforceOptions, *, rate_limits: bool = True) -> None:
        super().__init__()
        self.org = Org(options)
        self.access = Access(self.org, options.daily_quota if rate_limits else None)
        self.collections = Collections(self.org, self.faults)
        self.jobs = Jobs(self.org, self.collections, self.faults)

    def app(self) -> Starlette:
        """All routes."""
        routes: list[Route] = [
            *access_routes(self.access),
            Route("/services/data", self._versions, methods=["GET"]),
            Route("/services/data/", self._versions, methods=["GET"]),
            Route(PREFIX, self._resources, methods=["GET"]),
            Route(f"{PREFIX}/", self._resources, methods=["GET"]),
            Route(f"{PREFIX}/limits", self._limits, methods=["GET"]),
            Route(f"{PREFIX}/limits/", self._limits, methods=["GET"]),
            *query_routes(self.org, PREFIX),
            *row_routes(self.org, self.collections, PREFIX),
            *self.jobs.routes(PREFIX),
        ]
        handlers = {SalesforceError: _refusal, RowError: _row_refusal, HTTPException: _no_route}
        return Starlette(routes=routes, exception_handlers=handlers)

    def admit(self, request: Request) -> Response | None:
        """Session and daily quota; signing in and the list of versions need none."""
        path = request.url.path
        if path.startswith(("/services/oauth2/token", "/services/oauth2/revoke", "/services/Soap/")):
            return None
        if path.rstrip("/") == "/services/data":
            return None
        try:
            self.access.check(request)
        except SalesforceError as error:
            return json_response(error.body, error.status, self.headers(request))
        return None

    def headers(self, request: Request) -> Mapping[str, str]:  # noqa: ARG002 - other vendors look at it
        """The use of the daily quota."""
        return {"Sforce-Limit-Info": f"api-usage={self.access.used}/{self.access.shown_quota}"}

    def records(self, object: str | None = None) -> Any:
        """Records of an object, or of all, deleted ones included."""
        if object is None:
            return {name: list(table.records.values()) for name, table in self.org.tables.items()}
        if object not in self.org.tables:
            raise LookupError(object)
        return list(self.org.tables[object].records.values())

    def counters(self) -> dict[str, Any]:
        """Requests by method, rows written, use of the quota."""
        writes = {name: table.writes for name, table in self.org.tables.items() if table.writes}
        locks = {"locks_held": self.org.locks.held, "locks_refused": self.org.locks.refused}
        counted = {"requests": sum(self.requests.values()), "methods": dict(self.requests), "writes": writes}
        return counted | locks | self.access.counters()

    def limit(self, data: Mapping[str, Any]) -> None:
        """The `daily` quota, null for none; `polls` that find a job at work; seconds that `locks` are held; `rotates`.

        The last says whether each use of a refresh token gives another one.
        """
        rest = dict(data)
        if "locks" in rest:
            self.org.locks.limit(float(rest.pop("locks") or 0))
        if "polls" in rest:
            self.jobs.polls = int(rest.pop("polls"))
        if rest or not data:
            self.access.change(rest)

    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and fields."""
        self.org.declare(objects)

    def expire_sessions(self) -> None:
        """All sessions so far answer 401 from now on."""
        self.access.expire()

    def reset(self) -> None:
        """Forget records, counters, faults and expired sessions."""
        self.org.reset()
        self.jobs.reset()
        self.access.reset()
        self.faults.clear()
        self.requests.clear()

    def dump(self) -> dict[str, Any]:
        """The org's state, and its bulk jobs."""
        return self.org.dump() | {JOBS: self.jobs.dump()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The org's state from `dump`; without jobs it is from before there were any."""
        self.org.restore({name: saved for name, saved in data.items() if name != JOBS})
        if JOBS in data:
            self.jobs.restore(data[JOBS])

    async def _versions(self, _request: Request) -> Response:
        return json_response(
            [{"label": f"API {n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in VERSIONS]
        )

    async def _resources(self, request: Request) -> Response:
        here = f"/services/data/{request.path_params['version']}"
        names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs")
        who = f"{request.url.scheme}://{request.url.netloc}/id/{self.org.options.org_id}/{USER_ID}"
        return json_response({name: f"{here}/{name}" for name in names} | {"identity": who})

    async def _limits(self, _request: Request) -> Response:
        quota = self.access.shown_quota
        requests = {"Max": quota, "Remaining": max(0, quota - self.access.used)}
        bulk = {"Max": 15_000, "Remaining": 15_000}
        return json_response({"DailyApiRequests": requests, "DailyBulkApiBatches": bulk})


async def _refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, SalesforceError):
        raise error
    return json_response(error.body, error.status)


async def _row_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, RowError):
        raise error
    return await _refusal(request, error.request_error())


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:  # noqa: PLR2004
        message = f"HTTP Method '{request.method}' not allowed."
        return json_response(SalesforceError(405, "METHOD_NOT_ALLOWED", message).body, 405)
    return json_response(SalesforceError(404, "NOT_FOUND", "The requested resource does not exist").body, 404)
