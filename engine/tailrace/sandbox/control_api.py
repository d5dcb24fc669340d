"""The control API under /__sandbox__/: look inside, reset, and make things fail."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.faults import Fault, JobFault, RowFault, RuleError, build
from tailrace.sandbox.web import Vendor, json_response, parsed

Handler = Callable[[Request], Awaitable[Response]]

PREFIX = "/__sandbox__"


class ControlApi:
    """The handlers for one vendor."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    async def records(self, request: Request) -> Response:
        """GET all records, or those of one object."""
        name = request.path_params.get("object")
        try:
            return json_response(self._vendor.records(name))
        except LookupError:
            return _bad(f"there is no object {name}", 404)

    async def counters(self, _request: Request) -> Response:
        """GET what was counted."""
        return json_response(self._vendor.counters())

    async def fail(self, request: Request) -> Response:
        """POST a rule for requests."""
        self._vendor.faults.requests.append(build(Fault, await _body(request)))
        return _done()

    async def fail_rows(self, request: Request) -> Response:
        """POST a rule for rows."""
        self._vendor.faults.rows.append(build(RowFault, await _body(request)))
        return _done()

    async def fail_jobs(self, request: Request) -> Response:
        """POST a rule for bulk jobs."""
        self._vendor.faults.jobs.append(build(JobFault, await _body(request)))
        return _done()

    async def pending(self, _request: Request) -> Response:
        """GET how many failures are still to come."""
        faults = self._vendor.faults
        left = {"requests": sum(f.times for f in faults.requests), "rows": sum(f.times for f in faults.rows)}
        return json_response(left)

    async def heal(self, _request: Request) -> Response:
        """DELETE all rules."""
        self._vendor.faults.clear()
        return _done()

    async def expire(self, _request: Request) -> Response:
        """POST: every token seen so far is invalid from now on."""
        self._vendor.expire_sessions()
        return _done()

    async def limits(self, request: Request) -> Response:
        """PUT new limits."""
        self._vendor.limit(await _object(request))
        return _done()

    async def declare(self, request: Request) -> Response:
        """POST objects and fields to add."""
        data, shape = await _body(request), self._vendor.shape
        known = {name for example in shape.values() for name in example}
        if not isinstance(data, dict) or not all(_declares(made, known) for made in data.values()):
            raise RuleError(f"objects are declared by their names, as in {json.dumps(shape)}")
        self._vendor.declare(data)
        return _done()

    async def reset(self, _request: Request) -> Response:
        """POST: back to an empty account."""
        self._vendor.reset()
        return _done()

    def app(self) -> Starlette:
        """All routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/records", self.records),
            ("GET", "/records/{object}", self.records),
            ("GET", "/counters", self.counters),
            ("GET", "/faults", self.pending),
            ("POST", "/faults", self.fail),
            ("POST", "/faults/rows", self.fail_rows),
            ("POST", "/faults/jobs", self.fail_jobs),
            ("DELETE", "/faults", self.heal),
            ("POST", "/sessions/expire", self.expire),
            ("PUT", "/limits", self.limits),
            ("POST", "/objects", self.declare),
            ("POST", "/reset", self.reset),
        ]
        made = [Route(PREFIX + path, handler, methods=[method]) for method, path, handler in routes]
        return Starlette(routes=made, exception_handlers={RuleError: _refuse, ValueError: _refuse})


async def _body(request: Request) -> Any:
    return parsed(await request.body())


async def _object(request: Request) -> dict[str, Any]:
    data = await _body(request)
    if not isinstance(data, dict):
        raise RuleError("the body must be a JSON object")
    return data


def _declares(data: Any, known: Collection[str]) -> bool:
    """Whether it is an object's data: lists of JSON objects under the known names, where these are given."""
    if not isinstance(data, dict):
        return False
    lists = [data[name] for name in known if data.get(name) is not None]
    return all(isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in lists)


async def _refuse(_request: Request, error: Exception) -> Response:
    return _bad(str(error), 400)


def _bad(message: str, status: int) -> Response:
    return json_response({"error": message}, status)


def _done() -> Response:
    return Response(status_code=204)
