"""Routes of objects, their descriptions, single rows, and Collections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.salesforce.collections import Collections, Result
from tailrace.sandbox.salesforce.errors import RowError, SalesforceError, not_found
from tailrace.sandbox.salesforce.fields import SfField
from tailrace.sandbox.salesforce.ids import parse_id
from tailrace.sandbox.salesforce.manner import Manner
from tailrace.sandbox.salesforce.org import Org, external_id_field
from tailrace.sandbox.salesforce.query import shown_record
from tailrace.sandbox.salesforce.table import Table, Values, told_created
from tailrace.sandbox.web import json_response, parsed


async def body_of(request: Request) -> Any:
    """The request's JSON; SalesforceError when it is none."""
    try:
        return parsed(await request.body())
    except ValueError as error:
        raise SalesforceError(400, "JSON_PARSER_ERROR", str(error)) from error


class Rows:
    """The handlers."""

    def __init__(self, org: Org, collections: Collections) -> None:
        self._org = org
        self._collections = collections

    def _table(self, request: Request) -> Table:
        return self._org.table(request.path_params["object"])

    async def objects(self, _request: Request) -> Response:
        """GET the list of objects."""
        summaries = [table.object.summary() for table in self._org.tables.values()]
        return json_response({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": summaries})

    async def summary(self, request: Request) -> Response:
        """GET one object's summary."""
        return json_response({"objectDescribe": self._table(request).object.summary(), "recentItems": []})

    async def describe(self, request: Request) -> Response:
        """GET one object's description."""
        return json_response(self._table(request).object.describe())

    async def create(self, request: Request) -> Response:
        """POST a row."""
        table, payload = self._table(request), await _payload(request)
        try:
            self._collections.injected(table, payload)
            record = self._org.create(table, payload)
        except RowError as fault:
            raise fault.request_error() from fault
        return json_response(told_created(table, record), 201)

    async def read(self, request: Request) -> Response:
        """GET a row by id."""
        table, record_id = self._table(request), _id(request)
        return json_response(self._shown(request, table, record_id))

    async def read_by_key(self, request: Request) -> Response:
        """GET a row by an external id."""
        table, key, value = self._keyed(request)
        found = table.find(key, value)
        if len(found) > 1:
            return _choices(request, table, found)
        if not found:
            raise not_found()
        return json_response(self._shown(request, table, found[0]))

    async def update(self, request: Request) -> Response:
        """PATCH a row by id."""
        table, payload = self._table(request), await _payload(request)
        record_id = _id(request)
        try:
            self._collections.injected(table, payload | {"Id": record_id})
            self._org.update(table, record_id, payload)
        except RowError as fault:
            raise _alone(fault) from fault
        return Response(status_code=204)

    async def upsert(self, request: Request) -> Response:
        """PATCH a row by an external id: 201 created, 200 updated, 300 when several have it."""
        table, key, value = self._keyed(request)
        payload = await _payload(request)
        if any(name.lower() == key.name.lower() for name in payload):
            message = f"The {key.name} field should not be specified in the sobject data."
            raise SalesforceError(400, "INVALID_FIELD", message, [key.name])
        found = table.find(key, value)
        if len(found) > 1:
            return _choices(request, table, found)
        if not found and request.query_params.get("updateOnly") == "true":
            raise not_found()
        try:
            own = payload if key.type == "id" else payload | {key.name: value}
            record, created = self._collections.upsert_one(table, key, value, own)
        except RowError as fault:
            raise fault.request_error() from fault
        body = {"id": record["Id"], "success": True, "errors": [], "created": created}
        return json_response(body, 201 if created else 200)

    async def delete(self, request: Request) -> Response:
        """DELETE a row by id."""
        try:
            self._org.delete(self._table(request), _id(request))
        except RowError as fault:
            raise _alone(fault) from fault
        return Response(status_code=204)

    async def delete_by_key(self, request: Request) -> Response:
        """DELETE a row by an external id."""
        table, key, value = self._keyed(request)
        found = table.find(key, value)
        if not found:
            raise not_found()
        if len(found) > 1:
            return _choices(request, table, found)
        self._org.delete(table, found[0])
        return Response(status_code=204)

    async def create_many(self, request: Request) -> Response:
        """POST composite/sobjects."""
        body = await body_of(request)
        return json_response(await self._carried_out(request, partial(self._collections.create, body)))

    async def update_many(self, request: Request) -> Response:
        """PATCH composite/sobjects."""
        body = await body_of(request)
        return json_response(await self._carried_out(request, partial(self._collections.update, body)))

    async def upsert_many(self, request: Request) -> Response:
        """PATCH composite/sobjects/{object}/{field}."""
        params, body = request.path_params, await body_of(request)
        upsert = partial(self._collections.upsert, params["object"], params["field"], body)
        return json_response(await self._carried_out(request, upsert))

    async def delete_many(self, request: Request) -> Response:
        """DELETE composite/sobjects?ids=…."""
        ids = [record_id for record_id in request.query_params.get("ids", "").split(",") if record_id]
        if not ids:
            raise SalesforceError(400, "MISSING_ARGUMENT", "The ids parameter is required.")
        all_or_none = request.query_params.get("allOrNone") == "true"
        delete = partial(self._collections.delete, ids, all_or_none=all_or_none)
        return json_response(await self._carried_out(request, delete))

    async def _carried_out(self, request: Request, act: Callable[[], list[Result]]) -> list[Result]:
        """Write rows as the request's headers say, with their locks."""
        manner = Manner.of_headers(request.headers)

        def acting() -> list[Result]:
            with self._org.in_manner(manner):
                return act()

        return await self._org.locks.holding(acting)

    def _keyed(self, request: Request) -> tuple[Table, SfField, str]:
        table = self._table(request)
        return table, external_id_field(table, request.path_params["field"]), request.path_params["value"]

    def _shown(self, request: Request, table: Table, record_id: str) -> Values:
        record = table.records.get(record_id)
        if record is None:
            raise not_found()
        if record.get("IsDeleted"):
            raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
        asked = [name for name in request.query_params.get("fields", "").split(",") if name]
        shown = shown_record(table, record, request.path_params["version"])
        if not asked:
            return shown
        fields = {made.name for name in asked if (made := table.object.get(name))}
        return {name: value for name, value in shown.items() if name in fields | {"attributes", "Id"}}


def row_routes(org: Org, collections: Collections, prefix: str) -> list[Route]:
    """Routes under /services/data/vNN.0."""
    rows = Rows(org, collections)
    routes = [
        ("PATCH", "/composite/sobjects/{object}/{field}", rows.upsert_many),
        ("POST", "/composite/sobjects", rows.create_many),
        ("PATCH", "/composite/sobjects", rows.update_many),
        ("DELETE", "/composite/sobjects", rows.delete_many),
        ("GET", "/sobjects", rows.objects),
        ("GET", "/sobjects/{object}", rows.summary),
        ("POST", "/sobjects/{object}", rows.create),
        ("GET", "/sobjects/{object}/describe", rows.describe),
        ("GET", "/sobjects/{object}/{id}", rows.read),
        ("PATCH", "/sobjects/{object}/{id}", rows.update),
        ("DELETE", "/sobjects/{object}/{id}", rows.delete),
        ("GET", "/sobjects/{object}/{field}/{value:path}", rows.read_by_key),
        ("PATCH", "/sobjects/{object}/{field}/{value:path}", rows.upsert),
        ("DELETE", "/sobjects/{object}/{field}/{value:path}", rows.delete_by_key),
    ]
    slashed = [("GET", "/sobjects/", rows.objects), ("POST", "/sobjects/{object}/", rows.create)]
    slashed += [("GET", "/sobjects/{object}/", rows.summary), ("GET", "/sobjects/{object}/describe/", rows.describe)]
    slashed += [("POST", "/composite/sobjects/", rows.create_many), ("PATCH", "/composite/sobjects/", rows.update_many)]
    return [Route(prefix + path, handler, methods=[method]) for method, path, handler in slashed + routes]


async def _payload(request: Request) -> Values:
    body = await body_of(request)
    if not isinstance(body, dict):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "The body must be a JSON object.")
    return {name: value for name, value in body.items() if name != "attributes"}


def _id(request: Request) -> str:
    record_id = parse_id(request.path_params["id"])
    if record_id is None:
        raise not_found("Provided external ID field does not exist or is not accessible: " + request.path_params["id"])
    return record_id


def _alone(fault: RowError) -> SalesforceError:
    if fault.code == "ENTITY_IS_DELETED":
        return SalesforceError(404, fault.code, fault.message)
    return not_found() if fault.code == "INVALID_CROSS_REFERENCE_KEY" and not fault.fields else fault.request_error()


def _choices(request: Request, table: Table, found: list[str]) -> Response:
    version = request.path_params["version"]
    return json_response(
        [f"/services/data/{version}/sobjects/{table.object.name}/{record_id}" for record_id in found], 300
    )
