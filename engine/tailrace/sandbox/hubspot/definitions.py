"""Routes of properties and custom object schemas."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.properties import from_json
from tailrace.sandbox.hubspot.rows import body_of
from tailrace.sandbox.hubspot.versions import DATED
from tailrace.sandbox.web import json_response

MOST_UNIQUE = 10
"""Unique properties an object may have."""


class Definitions:
    """The handlers."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def list(self, request: Request) -> Response:
        """GET all properties of an object, or those that were put away."""
        store = self._portal.store(request.path_params["object"])
        if request.query_params.get("archived") == "true":
            gone = [prop.describe() | {"archived": True} for prop in store.type.archived.values()]
            return json_response({"results": gone})
        return json_response({"results": [prop.describe() for prop in store.type.properties.values()]})

    async def get(self, request: Request) -> Response:
        """GET one property."""
        store = self._portal.store(request.path_params["object"])
        prop = store.type.properties.get(request.path_params["name"])
        if prop is None:
            raise not_found(f"Property {request.path_params['name']} does not exist for {store.type.name}")
        return json_response(prop.describe())

    async def create(self, request: Request) -> Response:
        """POST a new property."""
        store = self._portal.store(request.path_params["object"])
        try:
            prop = from_json(await body_of(request), f"{store.type.singular.lower()}information")
        except (ValueError, AttributeError, TypeError) as error:
            raise invalid(str(error)) from error
        if prop.name in store.type.properties:
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{prop.name}' already exists.")
        if prop.unique and sum(p.unique for p in store.type.properties.values()) > MOST_UNIQUE:
            raise invalid(f"{store.type.name} has the most unique properties it can have ({MOST_UNIQUE}).")
        store.type.add(prop)
        store.reindex()
        return json_response(prop.describe(), 201)

    async def archive(self, request: Request) -> Response:
        """DELETE a property: it is put away, with its values."""
        store = self._portal.store(request.path_params["object"])
        name = request.path_params["name"]
        if name in store.type.properties:
            if store.type.properties[name].hubspot_defined:
                raise invalid(f"{name} is HubSpot's own and cannot be archived.")
            store.type.archive(name)
            store.reindex()
        return Response(status_code=204)

    async def schemas(self, _request: Request) -> Response:
        """GET the custom objects."""
        custom = [store.type for store in self._portal.stores.values() if store.type.type_id.startswith("2-")]
        return json_response({"results": [self._schema(made.name) for made in custom]})

    async def schema(self, request: Request) -> Response:
        """GET one object's schema."""
        return json_response(self._schema(request.path_params["object"]))

    def _schema(self, name: str) -> dict[str, Any]:
        made = self._portal.store(name).type
        return {
            "id": made.type_id.partition("-")[2],
            "objectTypeId": made.type_id,
            "name": made.name,
            "fullyQualifiedName": f"p{self._portal.options.portal_id}_{made.name}",
            "labels": {"singular": made.singular.capitalize(), "plural": made.name.capitalize()},
            "properties": [prop.describe() for prop in made.properties.values()],
            "requiredProperties": [],
            "searchableProperties": [],
            "primaryDisplayProperty": "hs_object_id",
            "associations": [],
            "archived": False,
        }


def definition_routes(portal: Portal) -> list[Route]:
    """Routes under /crm/v3/properties, the dated versions, and /crm-object-schemas."""
    made = Definitions(portal)
    prefixes = ("/crm/v3/properties/{object}", f"/crm/properties/{DATED}/{{object}}")
    routes = [
        ("", made.list, "GET"),
        ("", made.create, "POST"),
        ("/{name}", made.get, "GET"),
        ("/{name}", made.archive, "DELETE"),
    ]
    return [
        *(Route(prefix + path, handler, methods=[method]) for prefix in prefixes for path, handler, method in routes),
        Route("/crm-object-schemas/v3/schemas", made.schemas, methods=["GET"]),
        Route("/crm-object-schemas/v3/schemas/{object}", made.schema, methods=["GET"]),
    ]
