"""Routes of CRM objects: batches, single records, lists, search and permanent deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.batch import (
    Answer,
    Batches,
    normalised_id,
    shown_names,
    single,
    unique_property,
)
from tailrace.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.records import Record, Store, now
from tailrace.sandbox.hubspot.search import search
from tailrace.sandbox.hubspot.versions import DATED, folded, strict
from tailrace.sandbox.web import json_response, parsed

PREFIXES = ("/crm/v3/objects/{object}", f"/crm/objects/{DATED}/{{object}}")
MOST_LISTED = 100

BatchCall = Callable[..., Answer]
"""Called with a store, a body, and `strict`."""


async def body_of(request: Request) -> Any:
    """The request's JSON; HubSpotError when it is none."""
    try:
        return parsed(await request.body())
    except ValueError as error:
        raise invalid(f"Invalid input JSON: {error}") from error


class Rows:
    """The handlers."""

    def __init__(self, portal: Portal, batches: Batches) -> None:
        self._portal = portal
        self._batches = batches

    def _store(self, request: Request) -> Store:
        return self._portal.store(request.path_params["object"])

    def batch(self, call: BatchCall) -> Callable[[Request], Any]:
        """A handler for one kind of batch."""

        async def handler(request: Request) -> Response:
            status, body = call(self._store(request), await body_of(request), strict=strict(request))
            return json_response(body, folded(request, status))

        return handler

    async def archive_batch(self, request: Request) -> Response:
        """POST …/batch/archive."""
        self._batches.archive(self._store(request), await body_of(request))
        return Response(status_code=204)

    async def read_batch(self, request: Request) -> Response:
        """POST …/batch/read."""
        archived = request.query_params.get("archived") == "true"
        status, body = self._batches.read(self._store(request), await body_of(request), archived=archived)
        return json_response(body, folded(request, status))

    async def create(self, request: Request) -> Response:
        """POST one record."""
        body = {"inputs": [await body_of(request)]}
        return json_response(single(self._batches.create(self._store(request), body, strict=strict(request))), 201)

    async def list(self, request: Request) -> Response:
        """GET records, page by page in order of their ids."""
        store, query = self._store(request), request.query_params
        limit, after = _number(query.get("limit", "10"), "limit"), _number(query.get("after", "0"), "after")
        if not 0 < limit <= MOST_LISTED:
            raise invalid(f"Invalid limit: at most {MOST_LISTED} records can be listed at once.")
        archived = query.get("archived") == "true"
        rows = [record for record in store.records.values() if record.archived == archived and int(record.id) > after]
        names = shown_names(store, _asked(request))
        body: dict[str, Any] = {"results": [record.show(names) for record in rows[:limit]]}
        if len(rows) > limit:
            body["paging"] = {"next": {"after": rows[limit - 1].id, "link": ""}}
        return json_response(body)

    async def read(self, request: Request) -> Response:
        """GET one record."""
        store = self._store(request)
        return json_response(self._found(request).show(shown_names(store, _asked(request))))

    async def update(self, request: Request) -> Response:
        """PATCH one record."""
        found, item = self._found(request), await body_of(request)
        properties = item.get("properties") if isinstance(item, dict) else None
        body = {"inputs": [{"id": found.id, "properties": properties}]}
        return json_response(single(self._batches.update(self._store(request), body, strict=strict(request))))

    async def archive(self, request: Request) -> Response:
        """DELETE one record into the recycle bin; one that is gone is fine."""
        store = self._store(request)
        record = store.get(request.path_params["id"])
        if record is not None:
            store.archive(record, now())
        return Response(status_code=204)

    async def purge(self, request: Request) -> Response:
        """POST …/gdpr-delete: delete for good, also what is in the recycle bin."""
        store, body = self._store(request), await body_of(request)
        if not isinstance(body, dict) or not isinstance(body.get("objectId"), str):
            raise invalid("Invalid input JSON: some required fields were not set: [objectId]")
        if store.type.name != "contacts":
            raise invalid(f"Only contacts can be deleted by GDPR, not {store.type.name}.")
        prop = unique_property(store, body.get("idProperty"))
        value = normalised_id(prop, body["objectId"])
        record = store.records.get(value) if prop.name == "hs_object_id" else store.find(prop.name, value)
        if record is not None:
            store.purge(record)
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """POST …/search."""
        body = await body_of(request)
        return json_response(search(self._store(request), body, lag=self._portal.options.search_lag))

    def _found(self, request: Request) -> Record:
        store = self._store(request)
        prop = unique_property(store, request.query_params.get("idProperty"))
        record = store.find(prop.name, normalised_id(prop, request.path_params["id"]))
        if record is None:
            raise not_found()
        return record


def object_routes(portal: Portal, batches: Batches) -> list[Route]:
    """Routes under /crm/v3/objects and under the dated versions."""
    rows = Rows(portal, batches)
    routes = [
        ("/batch/upsert", rows.batch(batches.upsert), "POST"),
        ("/batch/update", rows.batch(batches.update), "POST"),
        ("/batch/create", rows.batch(batches.create), "POST"),
        ("/batch/read", rows.read_batch, "POST"),
        ("/batch/archive", rows.archive_batch, "POST"),
        ("/search", rows.search, "POST"),
        ("/gdpr-delete", rows.purge, "POST"),
        ("", rows.create, "POST"),
        ("", rows.list, "GET"),
        ("/{id}", rows.read, "GET"),
        ("/{id}", rows.update, "PATCH"),
        ("/{id}", rows.archive, "DELETE"),
    ]
    return [Route(prefix + path, handler, methods=[method]) for prefix in PREFIXES for path, handler, method in routes]


def _asked(request: Request) -> list[str]:
    return [name for text in request.query_params.getlist("properties") for name in text.split(",")]


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise HubSpotError(400, "VALIDATION_ERROR", f"{name} must be a whole number, not {text}.")
    return int(text)


def whole(value: Any, default: int) -> int:
    """A whole number of a request; the default when it has none."""
    try:
        return default if value is None else int(value)
    except (TypeError, ValueError) as error:
        raise invalid(f"{value} is not a whole number") from error
