"""Lists (segments) of records and who is in them: made, found by name, and changed where a list is kept by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.sandbox.hubspot.errors import HubSpotError, invalid, not_found
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.records import now
from tailrace.sandbox.hubspot.rows import body_of, whole
from tailrace.sandbox.hubspot.versions import DATED
from tailrace.sandbox.web import json_response

TYPES = ("MANUAL", "SNAPSHOT", "DYNAMIC")
MOST_FOUND = 500
MOST_SHOWN = 250


@dataclass(slots=True)
class RecordList:
    """A list: its definition, and its members in the order they came."""

    id: str
    name: str
    object: str
    type_id: str
    processing: str
    created: str
    members: dict[str, str] = field(default_factory=dict)
    """Record ids, with the time each came in."""

    def describe(self, *, size: int | None = None) -> dict[str, Any]:
        """As answers show it; a search shows no size."""
        shown = {
            "listId": self.id,
            "listVersion": 1,
            "name": self.name,
            "objectTypeId": self.type_id,
            "processingType": self.processing,
            "processingStatus": "COMPLETE",
            "createdAt": self.created,
            "updatedAt": self.created,
        }
        return shown if size is None else {**shown, "size": size}


class Lists:
    """All lists of a portal."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self.all: dict[str, RecordList] = {}
        self._last_id = 0

    def clear(self) -> None:
        """Forget all lists."""
        self.all.clear()

    def get(self, list_id: str) -> RecordList:
        """The list of that id; HubSpotError when there is none."""
        if list_id not in self.all:
            raise not_found(f"List does not exist with ID {list_id}.")
        return self.all[list_id]

    def make(self, data: Any) -> RecordList:
        """A new list; HubSpotError when it cannot be."""
        if not isinstance(data, dict) or not all(
            isinstance(data.get(name), str) and data[name] for name in ("name", "objectTypeId", "processingType")
        ):
            raise invalid("Invalid input JSON: some required fields were not set: [name, objectTypeId, processingType]")
        made = self._portal.store(data["objectTypeId"]).type
        if data["processingType"] not in TYPES:
            raise invalid(f"processingType must be one of {', '.join(TYPES)}")
        if any(each.name == data["name"] and each.object == made.name for each in self.all.values()):
            raise HubSpotError(400, "VALIDATION_ERROR", f"A list named {data['name']} already exists.")
        self._last_id += 1
        kept = RecordList(str(self._last_id), data["name"], made.name, made.type_id, data["processingType"], now())
        self.all[kept.id] = kept
        return kept

    def live(self, kept: RecordList) -> list[str]:
        """Ids of members that are not archived."""
        store = self._portal.store(kept.object)
        return [record_id for record_id in kept.members if store.get(record_id) is not None]

    def change(self, list_id: str, add: Iterable[str], remove: Iterable[str]) -> dict[str, list[str]]:
        """Take records in and out; those that are there, or are not, are passed over without a word."""
        kept = self.get(list_id)
        if kept.processing == "DYNAMIC":
            raise invalid(f"Cannot change the memberships of list {list_id}, as its processing type is DYNAMIC.")
        store = self._portal.store(kept.object)
        added, missing = [], []
        for record_id in add:
            if store.get(record_id) is None:
                missing.append(record_id)
            elif record_id not in kept.members:
                kept.members[record_id] = now()
                added.append(record_id)
        removed = [record_id for record_id in remove if kept.members.pop(record_id, None) is not None]
        # The first of these is spelt so.
        return {"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing}

    def shown(self) -> list[dict[str, Any]]:
        """All lists with their members."""
        return [{**each.describe(), "members": self.live(each)} for each in self.all.values()]

    def dump(self) -> dict[str, Any]:
        """As JSON-ready data."""
        lists = [[e.id, e.name, e.object, e.type_id, e.processing, e.created, e.members] for e in self.all.values()]
        return {"last_id": self._last_id, "lists": lists}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self._last_id = int(data["last_id"])
        self.all = {row[0]: RecordList(*row) for row in data["lists"]}


class ListRoutes:
    """The handlers."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    async def create(self, request: Request) -> Response:
        """POST a new list."""
        return json_response({"list": self._lists.make(await body_of(request)).describe(size=0)})

    async def read(self, request: Request) -> Response:
        """GET one list."""
        kept = self._lists.get(request.path_params["id"])
        return json_response({"list": kept.describe(size=len(self._lists.live(kept)))})

    async def by_name(self, request: Request) -> Response:
        """GET the list of an object type that has that name."""
        type_id, name = request.path_params["type_id"], request.path_params["name"]
        for kept in self._lists.all.values():
            if (kept.type_id, kept.name) == (type_id, name):
                return json_response({"list": kept.describe(size=len(self._lists.live(kept)))})
        raise not_found(f"List does not exist with name {name} and object type ID {type_id}.")

    async def search(self, request: Request) -> Response:
        """POST words to find in names, in pages; without words all lists."""
        body = await body_of(request)
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: a search is an object")
        words = str(body.get("query") or "").casefold()
        count, offset = whole(body.get("count"), 20), whole(body.get("offset"), 0)
        if not 0 < count <= MOST_FOUND:
            raise invalid(f"count must be at most {MOST_FOUND}")
        found = [kept for kept in self._lists.all.values() if words in kept.name.casefold()]
        page = found[offset : offset + count]
        body = {"offset": offset + len(page), "hasMore": offset + len(page) < len(found), "total": len(found)}
        return json_response(body | {"lists": [kept.describe() for kept in page]})

    async def delete(self, request: Request) -> Response:
        """DELETE a list; its records stay."""
        del self._lists.all[self._lists.get(request.path_params["id"]).id]
        return Response(status_code=204)

    async def members(self, request: Request) -> Response:
        """GET who is in a list, page by page."""
        kept = self._lists.get(request.path_params["id"])
        limit = whole(request.query_params.get("limit"), 100)
        after = whole(request.query_params.get("after"), 0)
        if not 0 < limit <= MOST_SHOWN:
            raise invalid(f"limit must be at most {MOST_SHOWN}")
        ids = sorted((record_id for record_id in self._lists.live(kept) if int(record_id) > after), key=int)
        results = [{"recordId": each, "membershipTimestamp": kept.members[each]} for each in ids[:limit]]
        body: dict[str, Any] = {"results": results, "total": len(self._lists.live(kept))}
        if len(ids) > limit:
            body["paging"] = {"next": {"after": ids[limit - 1], "link": ""}}
        return json_response(body)

    async def add(self, request: Request) -> Response:
        """PUT record ids to take in."""
        return json_response(self._lists.change(request.path_params["id"], _ids(await body_of(request)), ()))

    async def remove(self, request: Request) -> Response:
        """PUT record ids to take out."""
        return json_response(self._lists.change(request.path_params["id"], (), _ids(await body_of(request))))

    async def add_and_remove(self, request: Request) -> Response:
        """PUT both."""
        body = await body_of(request)
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: some required fields were not set: [recordIdsToAdd, recordIdsToRemove]")
        add, remove = _ids(body.get("recordIdsToAdd")), _ids(body.get("recordIdsToRemove"))
        return json_response(self._lists.change(request.path_params["id"], add, remove))


def list_routes(lists: Lists) -> list[Route]:
    """Routes under /crm/v3/lists and under the dated versions."""
    made = ListRoutes(lists)
    routes = [
        ("/", made.create, "POST"),
        ("", made.create, "POST"),
        ("/search", made.search, "POST"),
        ("/object-type-id/{type_id}/name/{name:path}", made.by_name, "GET"),
        ("/{id}", made.read, "GET"),
        ("/{id}", made.delete, "DELETE"),
        ("/{id}/memberships", made.members, "GET"),
        ("/{id}/memberships/add", made.add, "PUT"),
        ("/{id}/memberships/remove", made.remove, "PUT"),
        ("/{id}/memberships/add-and-remove", made.add_and_remove, "PUT"),
    ]
    prefixes = ("/crm/v3/lists", f"/crm/lists/{DATED}")
    return [Route(prefix + path, handler, methods=[method]) for prefix in prefixes for path, handler, method in routes]


def _ids(body: Any) -> list[str]:
    if not isinstance(body, list) or not all(isinstance(item, (str, int)) and str(item).isdecimal() for item in body):
        raise invalid("Invalid input JSON: record ids are a list of numbers")
    return [str(item) for item in body]
