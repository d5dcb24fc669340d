"""Routes of version 4 associations: create, with or without types, archive and read, in batches; and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.faults import Faults
from tailrace.sandbox.hubspot.batch import Answer, answer
from tailrace.sandbox.hubspot.errors import HubSpotError, invalid
from tailrace.sandbox.hubspot.linktypes import Kind
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.rows import body_of
from tailrace.sandbox.hubspot.versions import DATED, folded
from tailrace.sandbox.web import json_response

MOST = {"create": 2000, "archive": 100, "read": 1000, "default": 2000}
CREATED = 201
NOTHING_FOUND = "crm.associations.NO_ASSOCIATIONS_FOUND"


class Associations:
    """The handlers."""

    def __init__(self, portal: Portal, faults: Faults) -> None:
        self._portal = portal
        self._faults = faults

    async def create(self, request: Request) -> Response:
        """POST typed associations."""
        pairs = await self._pairs(request, "create")
        return _batch_response(request, self._linked(request, pairs))

    async def default(self, request: Request) -> Response:
        """POST associations of the two objects' unlabelled kind; the answer has both directions."""
        here, there = self._ends(request)
        kind, back = self._portal.links.types.unlabelled(here, there)
        pairs = [{**pair, "types": [kind.spec()]} for pair in await self._pairs(request, "default")]
        status, body = self._linked(request, pairs)
        body["results"] = [
            {"from": {"id": str(link[start])}, "to": {"id": str(link[end])}, "associationSpec": each.spec()}
            for link in body["results"]
            for start, end, each in (("fromObjectId", "toObjectId", kind), ("toObjectId", "fromObjectId", back))
        ]
        return json_response(body, 200 if status == CREATED else folded(request, status))

    async def archive(self, request: Request) -> Response:
        """POST pairs to take apart."""
        here, there = self._ends(request)
        for pair in await self._pairs(request, "archive"):
            for start, end in _ends_of(pair):
                self._portal.links.remove((here, there, start, end))
        return Response(status_code=204)

    async def archive_labels(self, request: Request) -> Response:
        """POST pairs with the kinds to take away."""
        here, there = self._ends(request)
        for pair in await self._pairs(request, "archive"):
            kinds = [kind for kind, _ in self._kinds(here, there, pair)]
            for start, end in _ends_of(pair):
                self._portal.links.remove((here, there, start, end), kinds)
        return Response(status_code=204)

    async def read(self, request: Request) -> Response:
        """POST ids to learn what they are associated with."""
        here, there = self._ends(request)
        results, errors = [], []
        for pair in await self._pairs(request, "read"):
            record_id = str(pair.get("id"))
            targets = self._targets(here, there, record_id)
            if targets:
                results.append({"from": {"id": record_id}, "to": targets})
            else:
                message = f"No {there} is associated with {here} {record_id}."
                entry = {"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": NOTHING_FOUND}
                errors.append(entry | {"message": message, "context": {"fromObjectId": [record_id]}})
        return _batch_response(request, answer(results, errors, 200))

    async def labels(self, request: Request) -> Response:
        """GET the kinds of association there are between two objects."""
        here, there = self._ends(request)
        return json_response({"results": [kind.describe() for kind, _ in self._portal.links.types.kinds(here, there)]})

    async def add_label(self, request: Request) -> Response:
        """POST a label of the account's own."""
        here, there = self._ends(request)
        made = self._portal.links.types.add(here, there, await body_of(request))
        return json_response({"results": [kind.describe() for kind in made]})

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

    def _kinds(self, here: str, there: str, pair: Mapping[str, Any]) -> list[tuple[Kind, Kind]]:
        named = pair.get("types")
        if not isinstance(named, list) or not named:
            raise invalid("Invalid input JSON: some required fields were not set: [types]")
        return [self._portal.links.types.named(here, there, spec) for spec in named]

    def _linked(self, request: Request, pairs: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        here, there = self._ends(request)
        # A kind that does not exist refuses the whole request.
        wanted = [(pair, self._kinds(here, there, pair)) for pair in pairs]
        results, errors = [], []
        for pair, kinds in wanted:
            try:
                results.append(self._link(here, there, pair, kinds))
            except HubSpotError as error:
                known = {key: error.body[key] for key in ("category", "message", "context") if key in error.body}
                errors.append({"status": "error"} | known)
            except (KeyError, TypeError) as error:
                raise invalid(f"Invalid input JSON: association {pair} is not understood.") from error
        return answer(results, errors, CREATED)

    def _link(self, here: str, there: str, pair: Mapping[str, Any], kinds: list[tuple[Kind, Kind]]) -> dict[str, Any]:
        start, end = str(pair["from"]["id"]), str(pair["to"]["id"])
        context = {"fromObjectId": [start], "toObjectId": [end]}
        for name, record_id in ((here, start), (there, end)):
            if self._portal.store(name).get(record_id) is None:
                raise HubSpotError(404, "OBJECT_NOT_FOUND", f"{name} {record_id} does not exist", context=context)
        fault = self._faults.for_row("associations", {"from": start, "to": end})
        if fault is not None:
            raise HubSpotError(400, fault.code, fault.message, context=context)
        self._portal.links.add((here, there, start, end), kinds)
        labels = [kind.label for kind, _ in kinds if kind.label]
        ids = {"fromObjectId": int(start), "toObjectId": int(end)}
        return {"fromObjectTypeId": here, "toObjectTypeId": there, "labels": labels} | ids

    def _targets(self, here: str, there: str, record_id: str) -> list[dict[str, Any]]:
        if self._portal.store(here).get(record_id) is None:
            return []
        return [
            {"toObjectId": int(end), "associationTypes": [kind.describe() for kind in kinds]}
            for end, kinds in self._portal.links.targets(here, there, record_id)
            if self._portal.store(there).get(end) is not None
        ]


def _ends_of(pair: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        targets = pair["to"] if isinstance(pair["to"], list) else [pair["to"]]
        return [(str(pair["from"]["id"]), str(target["id"])) for target in targets]
    except (KeyError, TypeError) as error:
        raise invalid(f"Invalid input JSON: association {pair} is not understood.") from error


def _batch_response(request: Request, outcome: Answer) -> Response:
    status, body = outcome
    return json_response(body, folded(request, status))


def association_routes(portal: Portal, faults: Faults) -> list[Route]:
    """Routes under /crm/v4/associations and under the dated versions."""
    made = Associations(portal, faults)
    routes = [
        ("/batch/create", made.create, "POST"),
        ("/batch/associate/default", made.default, "POST"),
        ("/batch/archive", made.archive, "POST"),
        ("/batch/labels/archive", made.archive_labels, "POST"),
        ("/batch/read", made.read, "POST"),
        ("/labels", made.labels, "GET"),
        ("/labels", made.add_label, "POST"),
    ]
    return [
        Route(f"{prefix}/{{here}}/{{there}}{path}", handler, methods=[method])
        for prefix in ("/crm/v4/associations", f"/crm/associations/{DATED}")
        for path, handler, method in routes
    ]
