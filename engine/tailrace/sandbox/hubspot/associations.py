"""Routes of version 4 associations: create, with or without types, archive and read, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.batch import Answer, answer
from tailrace.sandbox.hubspot.errors import HubSpotError, invalid
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.rows import body_of
from tailrace.sandbox.web import json_response

MOST = {"create": 2000, "archive": 100, "read": 1000, "default": 2000}
DEFAULT_TYPES = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("contacts", "deals"): 4,
    ("deals", "contacts"): 3,
    ("companies", "deals"): 342,
    ("deals", "companies"): 341,
}
CUSTOM_TYPE = 449
CREATED = 201
NOTHING_FOUND = "crm.associations.NO_ASSOCIATIONS_FOUND"


class Associations:
    """The handlers."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def create(self, request: Request) -> Response:
        """POST typed associations."""
        pairs = await self._pairs(request, "create")
        return _batch_response(self._linked(request, pairs))

    async def default(self, request: Request) -> Response:
        """POST associations of the two objects' default type."""
        kind = self._default(request)
        pairs = [{**pair, "types": [kind]} for pair in await self._pairs(request, "default")]
        status, body = self._linked(request, pairs)
        body["results"] = [
            {"from": {"id": str(link["fromObjectId"])}, "to": {"id": str(link["toObjectId"])}, "associationSpec": kind}
            for link in body["results"]
        ]
        return json_response(body, 200 if status == CREATED else status)

    async def archive(self, request: Request) -> Response:
        """POST pairs to take apart."""
        here, there = self._ends(request)
        for pair in await self._pairs(request, "archive"):
            for start, end in _ends_of(pair):
                self._portal.links.pop((here, there, start, end), None)
                self._portal.links.pop((there, here, end, start), None)
        return Response(status_code=204)

    async def read(self, request: Request) -> Response:
        """POST ids to learn what they are associated with."""
        here, there = self._ends(request)
        results, errors = [], []
        for pair in await self._pairs(request, "read"):
            record_id = str(pair.get("id"))
            targets = list(self._targets(here, there, record_id))
            if targets:
                results.append({"from": {"id": record_id}, "to": targets})
            else:
                message = f"No {there} is associated with {here} {record_id}."
                entry = {"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": NOTHING_FOUND}
                errors.append(entry | {"message": message, "context": {"fromObjectId": [record_id]}})
        return _batch_response(answer(results, errors, 200))

    def _ends(self, request: Request) -> tuple[str, str]:
        store, params = self._portal.store, request.path_params
        return store(params["here"]).type.name, store(params["there"]).type.name

    async def _pairs(self, request: Request, call: str) -> list[dict[str, Any]]:
        body = await body_of(request)
        pairs = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
            raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
        if len(pairs) > MOST[call]:
            raise invalid(f"At most {MOST[call]} inputs at once.")
        return pairs

    def _linked(self, request: Request, pairs: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        here, there = self._ends(request)
        results, errors = [], []
        for pair in pairs:
            try:
                results.append(self._link(here, there, pair))
            except HubSpotError as error:
                errors.append({"status": "error", "category": "OBJECT_NOT_FOUND"} | {"message": error.body["message"]})
            except (KeyError, TypeError) as error:
                raise invalid(f"Invalid input JSON: association {pair} is not understood.") from error
        return answer(results, errors, CREATED)

    def _link(self, here: str, there: str, pair: Mapping[str, Any]) -> dict[str, Any]:
        start, end = str(pair["from"]["id"]), str(pair["to"]["id"])
        for name, record_id in ((here, start), (there, end)):
            if self._portal.store(name).get(record_id) is None:
                raise HubSpotError(404, "OBJECT_NOT_FOUND", f"{name} {record_id} does not exist")
        types = [{"category": t["associationCategory"], "typeId": t["associationTypeId"]} for t in pair["types"]]
        for link in ((here, there, start, end), (there, here, end, start)):
            known = self._portal.links.setdefault(link, [])
            known.extend(kind for kind in types if kind not in known)
        object_ids = {"fromObjectId": int(start), "toObjectId": int(end)}
        return {"fromObjectTypeId": here, "toObjectTypeId": there, "labels": []} | object_ids

    def _targets(self, here: str, there: str, record_id: str) -> Iterator[dict[str, Any]]:
        for (a, b, start, end), types in self._portal.links.items():
            if (a, b, start) == (here, there, record_id):
                yield {"toObjectId": int(end), "associationTypes": [kind | {"label": None} for kind in types]}

    def _default(self, request: Request) -> dict[str, Any]:
        kind = DEFAULT_TYPES.get(self._ends(request), CUSTOM_TYPE)
        return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}


def _ends_of(pair: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        targets = pair["to"] if isinstance(pair["to"], list) else [pair["to"]]
        return [(str(pair["from"]["id"]), str(target["id"])) for target in targets]
    except (KeyError, TypeError) as error:
        raise invalid(f"Invalid input JSON: association {pair} is not understood.") from error


def _batch_response(outcome: Answer) -> Response:
    status, body = outcome
    return json_response(body, status)


def association_routes(portal: Portal) -> list[Route]:
    """Routes under /crm/v4/associations."""
    made = Associations(portal)
    prefix = "/crm/v4/associations/{here}/{there}/batch"
    return [
        Route(prefix + "/create", made.create, methods=["POST"]),
        Route(prefix + "/associate/default", made.default, methods=["POST"]),
        Route(prefix + "/archive", made.archive, methods=["POST"]),
        Route(prefix + "/read", made.read, methods=["POST"]),
    ]
