"""Custom events: their definitions, and occurrences as they are sent, one by one or in batches.

Rules followed: a definition must exist; properties must be its own and hold texts; an occurrence names a record by
e-mail address, id or user token; of several with one `uuid` the first counts; one that is wrong refuses its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.faults import Faults
from tailrace.sandbox.hubspot.errors import HubSpotError, PropertyFault, invalid, not_found
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.properties import Property, ValueFaultError, from_json
from tailrace.sandbox.hubspot.records import now
from tailrace.sandbox.hubspot.rows import body_of, whole
from tailrace.sandbox.web import json_response

MOST_SENT = 500
MOST_PROPERTIES = 50
MOST_LISTED = 100
TARGETS = ("email", "objectId", "utk")
DEFAULTS = ("hs_city", "hs_country", "hs_element_text", "hs_page_title", "hs_url")
_MOMENT = Property("occurredAt", "datetime")


class Definition:
    """What occurrences of one event look like."""

    def __init__(self, number: int, portal_id: int, data: Mapping[str, Any]) -> None:
        self.data = dict(data)
        self.name = str(data["name"])
        self.full_name = f"pe{portal_id}_{self.name}"
        self.type_id = f"6-{number}"
        listed = data.get("propertyDefinitions") or ()
        made = [from_json({"fieldType": "text", **item}, "eventinformation") for item in listed]
        self.properties = {prop.name: prop for prop in [*made, *(Property(name, "string") for name in DEFAULTS)]}

    def describe(self) -> dict[str, Any]:
        """As answers show it."""
        return {
            "id": self.type_id.partition("-")[2],
            "name": self.name,
            "fullyQualifiedName": self.full_name,
            "labels": {"singular": self.data.get("label"), "plural": None},
            "objectTypeId": self.type_id,
            "primaryObjectId": "0-1",
            "properties": [prop.describe() for prop in self.properties.values()],
            "archived": False,
        }


class Events:
    """All events of a portal."""

    def __init__(self, portal: Portal, faults: Faults) -> None:
        self._portal = portal
        self._faults = faults
        self.definitions: dict[str, Definition] = {}
        self.sent: list[dict[str, Any]] = []
        self._ids: set[tuple[str, str]] = set()

    def clear(self) -> None:
        """Forget what was sent; definitions stay."""
        self.sent.clear()
        self._ids.clear()

    def define(self, data: Any) -> Definition:
        """A new event; HubSpotError when it cannot be."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"]:
            raise invalid("Invalid input JSON: some required fields were not set: [name]")
        try:
            made = Definition(1_000_000 + len(self.definitions), self._portal.options.portal_id, data)
        except (ValueError, AttributeError, TypeError) as error:
            raise invalid(str(error)) from error
        if made.full_name in self.definitions:
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"An event named {made.name} already exists.")
        self.definitions[made.full_name] = made
        return made

    def checked(self, item: Any) -> dict[str, Any]:
        """An occurrence as it is kept; HubSpotError with what is wrong with it."""
        if not isinstance(item, dict) or not isinstance(item.get("eventName"), str):
            raise invalid("This property is required", {"eventName": ["This property is required"]})
        known = self.definitions.get(item["eventName"])
        if known is None:
            raise invalid(f"Event type {item['eventName']} does not exist.", {"eventName": [item["eventName"]]})
        fault = self._faults.for_row("events", item | (item.get("properties") or {}))
        if fault is not None:
            raise HubSpotError(400, fault.code, fault.message)
        if not any(isinstance(item.get(name), str) and item[name] for name in TARGETS):
            raise invalid("One of email, objectId, utk must be set.")
        kept = {name: item[name] for name in ("eventName", "uuid", *TARGETS) if item.get(name) is not None}
        if not all(isinstance(value, str) for value in kept.values()):
            raise invalid("Invalid input JSON: names and ids are texts")
        moment = item.get("occurredAt")
        kept["occurredAt"] = now() if moment is None else _value(_MOMENT, moment)
        return kept | {"properties": _properties(known, item.get("properties"))}

    def add(self, occurrences: list[dict[str, Any]]) -> None:
        """Keep what was checked; of one id the first."""
        for kept in occurrences:
            place = (kept["eventName"], kept.get("uuid", ""))
            if place[1] and place in self._ids:
                continue
            self._ids.add(place)
            self.sent.append(kept)

    def dump(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {"definitions": [each.data for each in self.definitions.values()], "sent": self.sent}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self.definitions.clear()
        self.clear()
        for each in data["definitions"]:
            self.define(each)
        self.add(list(data["sent"]))


def _properties(known: Definition, sent: Any) -> dict[str, str]:
    if sent is not None and not isinstance(sent, dict):
        raise invalid("Invalid input JSON: properties is an object")
    values: Mapping[str, Any] = sent or {}
    if len(values) > MOST_PROPERTIES:
        raise invalid(f"An event has at most {MOST_PROPERTIES} properties.")
    kept = {}
    for name, value in values.items():
        prop = known.properties.get(name)
        if prop is None:
            message = f"Property {name} does not exist for {known.full_name}."
            raise _refused(PropertyFault(name, "PROPERTY_DOESNT_EXIST", message))
        kept[name] = _value(prop, value)
    return kept


def _value(prop: Property, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(f"Invalid input JSON: {prop.name} must be a string")
    try:
        return prop.check(value) if value else ""
    except ValueFaultError as fault:
        raise _refused(prop.fault(fault)) from fault


def _refused(fault: PropertyFault) -> HubSpotError:
    return HubSpotError(400, "VALIDATION_ERROR", fault.message, errors=[fault.detail()])


class EventRoutes:
    """The handlers."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def send(self, request: Request) -> Response:
        """POST one occurrence."""
        self._events.add([self._events.checked(await body_of(request))])
        return Response(status_code=204)

    async def send_batch(self, request: Request) -> Response:
        """POST several; one that is wrong refuses all."""
        body = await body_of(request)
        inputs = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(inputs, list) or not inputs:
            raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
        if len(inputs) > MOST_SENT:
            raise invalid(f"At most {MOST_SENT} events at once.")
        self._events.add([self._events.checked(item) for item in inputs])
        return Response(status_code=204)

    async def define(self, request: Request) -> Response:
        """POST a new definition."""
        return json_response(self._events.define(await body_of(request)).describe(), 201)

    async def list(self, request: Request) -> Response:
        """GET all definitions, in pages."""
        query = request.query_params
        limit, after = whole(query.get("limit"), 100), whole(query.get("after"), 0)
        if not 0 < limit <= MOST_LISTED:
            raise invalid(f"limit must be at most {MOST_LISTED}")
        words = (query.get("searchString") or "").casefold()
        found = [each for each in self._events.definitions.values() if words in each.full_name.casefold()]
        body: dict[str, Any] = {"total": len(found)}
        body["results"] = [self._shown(each, query) for each in found[after : after + limit]]
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit), "link": ""}}
        return json_response(body)

    async def read(self, request: Request) -> Response:
        """GET one definition."""
        name = request.path_params["name"]
        if name not in self._events.definitions:
            raise not_found(f"Event type {name} does not exist.")
        return json_response(self._events.definitions[name].describe())

    @staticmethod
    def _shown(each: Definition, query: Mapping[str, str]) -> dict[str, Any]:
        shown = each.describe()
        return shown if query.get("includeProperties") == "true" else {**shown, "properties": []}


def event_routes(events: Events) -> list[Route]:
    """Routes under /events/v3."""
    made = EventRoutes(events)
    return [
        Route("/events/v3/send", made.send, methods=["POST"]),
        Route("/events/v3/send/batch", made.send_batch, methods=["POST"]),
        Route("/events/v3/event-definitions", made.define, methods=["POST"]),
        Route("/events/v3/event-definitions", made.list, methods=["GET"]),
        Route("/events/v3/event-definitions/{name}", made.read, methods=["GET"]),
    ]
