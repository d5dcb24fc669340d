"""The API: each operation with its path, who may use it, what it takes and what it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from tailrace.redact import redact
from tailrace.web.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from tailrace.api import Project
    from tailrace.state.access import Role
    from tailrace.web.auth import Who
    from tailrace.web.plans import Plans
    from tailrace.web.site import Site

MOST_BODY = 1024 * 1024
"""Bytes of a request's body."""
Method: TypeAlias = Literal["GET", "POST"]
Form: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, understood."""

    project: Project
    plans: Plans
    who: Who
    fault: str | None
    path: Mapping[str, str]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does."""

    method: Method
    path: str
    summary: str
    answer: type[BaseModel]
    do: Callable[[Call], Form]
    role: Role = "viewer"
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    status: int = 200
    refuses: tuple[int, ...] = ()
    """Statuses of refusals that follow from what it does; those from what it takes are known without."""

    def refusals(self) -> frozenset[int]:
        """Every status with which it may refuse."""
        found = {401, 503, *self.refuses}
        if self.query is not None or self.body is not None:
            found.add(400)
        if "{" in self.path or (self.query is not None and "sync" in self.query.model_fields):
            found.add(404)
        if self.method == "POST":
            found.add(403)
        if self.body is not None:
            found.add(413)
        return frozenset(found)


def route_of(site: Site, operation: Operation) -> Route:
    """Where the operation is served."""

    async def endpoint(request: Request) -> Response:
        try:
            who = admitted(site, request, operation.role)
            query = None if operation.query is None else query_of(request, operation.query)
            body = None if operation.body is None else body_of(await read(request), operation.body)
            answer = await run_in_threadpool(_done, site, operation, who, request.path_params, query, body)
        except Refusal as refusal:
            return refused(refusal)
        return as_json(answer, operation.status)

    return Route(operation.path, endpoint, methods=[operation.method], name=f"{operation.method} {operation.path}")


def _done(site: Site, operation: Operation, who: Who, path: Mapping[str, str], query: Any, body: Any) -> Form:
    with site.using() as project:
        return operation.do(Call(project, site.plans, who, site.desk.fault, path, query, body))


def admitted(site: Site, request: Request, role: Role) -> Who:
    """Who asks; a refusal where that is not known, or not enough."""
    who = site.door.who(request)
    if who is None:
        hint = "send Authorization: Bearer TOKEN; `tailrace token create NAME` makes one"
        raise Refusal(401, "who asks is not known", hint=hint)
    enough(who, role)
    if request.method == "POST" and who.session is not None and who.session.signed_in:
        given = request.headers.get("x-csrf-token", "")
        if not site.door.sealed.is_form(who.session, given):
            raise Refusal(
                403, "a signed-in browser must send x-csrf-token", hint="programs send a bearer token instead"
            )
    return who


def enough(who: Who, role: Role) -> None:
    """A refusal where a role is not enough."""
    if not who.may(role):
        raise Refusal(403, f"this takes the role {role}; {who.name} has {who.role}")


def query_of(request: Request, model: type[BaseModel]) -> BaseModel:
    """What stands after the question mark; a refusal names each part that does not fit."""
    several = {name for name, field in model.model_fields.items() if "list" in str(field.annotation)}
    given: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        if name not in several and len(values) > 1:
            raise Refusal(400, f"{name} is given {len(values)} times")
        given[name] = values if name in several else values[0]
    return _fitting(lambda: model.model_validate(given))


def body_of(raw: bytes, model: type[BaseModel]) -> BaseModel:
    """The body, understood; an empty one is an empty object."""
    text = raw.decode("utf-8", "replace") if raw.strip() else "{}"
    try:
        data = json.loads(text, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is no JSON", hint="send an object, with content-type: application/json") from error
    return _fitting(lambda: model.model_validate_json(json.dumps(data)))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fitting(validate: Callable[[], BaseModel]) -> BaseModel:
    try:
        return validate()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()]
        raise Refusal(400, "; ".join(faults[:5]), hint="/api/openapi.json says what is expected") from error


async def read(request: Request) -> bytes:
    """The body; a refusal where it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BODY:
            raise Refusal(413, f"the body has more than {MOST_BODY:,} bytes")
        parts.append(part)
    return b"".join(parts)


def refused(refusal: Refusal) -> Response:
    """A refusal as the API tells it."""
    headers = {"www-authenticate": "Bearer"} if refusal.status == 401 else None  # noqa: PLR2004
    return as_json({"error": {"message": refusal.message, "hint": refusal.hint}}, refusal.status, headers)


def as_json(data: Form, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with every known secret taken out."""
    text = redact(json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str))
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")
