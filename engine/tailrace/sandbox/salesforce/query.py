"""Routes of SOQL queries, and of reading on in long results."""

from __future__ import annotations

import itertools
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.salesforce.errors import SalesforceError
from tailrace.sandbox.salesforce.org import Org
from tailrace.sandbox.salesforce.soql import Query, run, value_of
from tailrace.sandbox.salesforce.table import Table, Values
from tailrace.sandbox.web import json_response

LONGEST_URI = 16_384
PAGE, SMALLEST_PAGE = 2000, 200


class Queries:
    """The handlers; long results are kept until they are read to the end."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors: dict[str, tuple[int, list[Any]]] = {}
        self._numbers = itertools.count(1)

    async def query(self, request: Request) -> Response:
        """GET query?q=…."""
        return self._answer(request, deleted=False)

    async def query_all(self, request: Request) -> Response:
        """GET queryAll?q=…, deleted records included."""
        return self._answer(request, deleted=True)

    async def more(self, request: Request) -> Response:
        """GET query/{locator}."""
        locator, _, start = request.path_params["locator"].rpartition("-")
        if locator not in self._cursors or not start.isdecimal():
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        size, records = self._cursors[locator]
        return json_response(_page(request, locator, records, int(start), size))

    def _answer(self, request: Request, *, deleted: bool) -> Response:
        if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > LONGEST_URI:
            raise SalesforceError(414, "URI_TOO_LONG", "The request's URI is too long.")
        text = request.query_params.get("q")
        if not text:
            raise SalesforceError(400, "MALFORMED_QUERY", "A query string has to be specified")
        query, found = run(self._org, text, deleted=deleted)
        if query.counting:
            return json_response({"totalSize": len(found), "done": True, "records": []})
        records = [_shown(self._org, query, record, request.path_params["version"]) for record in found]
        size = _page_size(request)
        locator = f"01g{next(self._numbers):012d}AAA"
        if len(records) > size:
            self._cursors[locator] = (size, records)
        return json_response(_page(request, locator, records, 0, size))


def shown_record(table: Table, record: Values, version: str) -> Values:
    """The whole record as single reads show it."""
    url = f"/services/data/{version}/sobjects/{table.object.name}/{record['Id']}"
    return {"attributes": {"type": table.object.name, "url": url}, **record}


def query_routes(org: Org, prefix: str) -> list[Route]:
    """Routes under /services/data/vNN.0."""
    queries = Queries(org)
    return [
        Route(f"{prefix}/query", queries.query, methods=["GET"]),
        Route(f"{prefix}/query/", queries.query, methods=["GET"]),
        Route(f"{prefix}/queryAll", queries.query_all, methods=["GET"]),
        Route(f"{prefix}/queryAll/", queries.query_all, methods=["GET"]),
        Route(f"{prefix}/query/{{locator}}", queries.more, methods=["GET"]),
    ]


def _page(request: Request, locator: str, records: list[Any], start: int, size: int) -> dict[str, Any]:
    end = start + size
    done = end >= len(records)
    body: dict[str, Any] = {"totalSize": len(records), "done": done, "records": records[start:end]}
    if not done:
        body["nextRecordsUrl"] = f"/services/data/{request.path_params['version']}/query/{locator}-{end}"
    return body


def _page_size(request: Request) -> int:
    match = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
    return max(SMALLEST_PAGE, min(PAGE, int(match.group(1)))) if match else PAGE


def _shown(org: Org, query: Query, record: Values, version: str) -> dict[str, Any]:
    table = query.table
    url = f"/services/data/{version}/sobjects/{table.object.name}/{record['Id']}"
    shown: dict[str, Any] = {"attributes": {"type": table.object.name, "url": url}}
    for path in query.paths:
        _put(org, table, record, path, shown, version)
    return shown


def _put(org: Org, table: Table, record: Values, path: str, shown: dict[str, Any], version: str) -> None:
    head, _, rest = path.partition(".")
    if not rest:
        made = table.object.get(head)
        shown[made.name if made else head] = value_of(org, record, table, head)
        return
    made = table.object.relation(head)
    if made is None or made.relationshipName is None:
        return
    parent = org.table(made.referenceTo[0])
    found = parent.records.get(record.get(made.name) or "")
    if found is None:
        shown[made.relationshipName] = None
        return
    url = f"/services/data/{version}/sobjects/{parent.object.name}/{found['Id']}"
    inner = shown.setdefault(made.relationshipName, {"attributes": {"type": parent.object.name, "url": url}})
    _put(org, parent, found, rest, inner, version)
