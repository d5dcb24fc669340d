"""Members of a list that is kept by hand: records are found by match, put in and taken out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tailrace.destination import Account, Batch, ObjectSchema, Operation, Outcome, Record, Row, acknowledged, rejected
from tailrace.errors import AnswerLost, ObjectNotFound, StopRun
from tailrace_destinations.hubspot.errors import Refused, parts
from tailrace_destinations.hubspot.kinds import LIST
from tailrace_destinations.plain import NO_RECORD_ID, close_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tailrace.destination import Capabilities, Context
    from tailrace.values import Value
    from tailrace_destinations.hubspot.adapter import HubSpotDestination

_FOUND: Final = 500
"""Most lists of one page of a search."""
_SHOWN: Final = 250
"""Most members of one page."""
_OBJECTS: Final = {"0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-5": "tickets"}
_DYNAMIC: Final = "DYNAMIC"


@dataclass(frozen=True, slots=True)
class ListDefinition:
    """A list as HubSpot describes it."""

    id: str
    name: str
    type_id: str
    processing: str

    @property
    def object(self) -> str:
        """What its members are."""
        return _OBJECTS.get(self.type_id, self.type_id)


class ListDestination:
    """The members of one list. `records` is the open account."""

    def __init__(self, records: HubSpotDestination, context: Context, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._records = records
        self._client = records.client
        self._mirrors = context.mode == "mirror"
        self._lock = threading.Lock()
        self._definition: ListDefinition | None = None
        self._members: frozenset[str] | None = None
        self._moving = threading.Lock()
        self._moved_in: set[str] = set()
        """Records that this run put in for rows whose match value moved."""

    def check(self) -> Account:
        """As for records."""
        return self._records.check()

    def describe(self, object: str) -> ObjectSchema:
        """The properties that records are found by; a list that HubSpot keeps itself says what to do instead."""
        found = self._ask(object.removeprefix(LIST).strip())
        with self._lock:
            self._definition = found
        known = self._records.describe(found.type_id).fields
        fields = {name: replace(field, createable=False, updateable=False) for name, field in known.items()}
        return ObjectSchema(
            object,
            fields,
            fault=_active(found) if found.processing == _DYNAMIC else "",
            note=f"{found.name} is list {found.id}, of {found.object}, {found.processing}",
        )

    def push(self, batch: Batch) -> list[Outcome]:
        """Put records in, or take them out. Rows without a record are skipped, and asked about again by later runs."""
        if batch.operation is Operation.DELETE:
            return self._take_out(batch)
        if batch.operation is Operation.UPDATE:
            # One after the other: two rows may pass a record to each other.
            with self._moving:
                return self._put_in(batch)
        return self._put_in(batch)

    def _put_in(self, batch: Batch) -> list[Outcome]:
        found = self._known(batch.object)
        wanted = {row.marker: _match(batch, row) for row in batch.rows}
        ids = {record.match: record.id for record in self._records.find(found.type_id, batch.match, [*wanted.values()])}
        add = {marker: ids[match] for marker, match in wanted.items() if match in ids}
        left = self._left(batch, add)
        change = self._change(found, add.values(), left) if add else _Change()
        return [_outcome(row, add.get(row.marker), change, found) for row in batch.rows]

    def _left(self, batch: Batch, add: Mapping[str, str]) -> set[str]:
        """Records to take out, because the row that put them in now means another one."""
        if batch.operation is not Operation.UPDATE:
            return set()
        self._moved_in.update(add.values())
        if not self._mirrors:
            return set()
        old = {row.record_id for row in batch.rows if row.marker in add and row.record_id}
        return old - self._moved_in

    def _take_out(self, batch: Batch) -> list[Outcome]:
        rows = [row for row in batch.rows if row.record_id]
        if rows:
            self._change(self._known(batch.object), (), {row.record_id for row in rows if row.record_id})
        return [
            acknowledged(row.marker, row.record_id) if row.record_id else rejected(row.marker, *NO_RECORD_ID)
            for row in batch.rows
        ]

    def _change(self, found: ListDefinition, add: Iterable[str], remove: Iterable[str]) -> _Change:
        path = self._client.paths.lists(f"{quote(found.id, safe='')}/memberships/add-and-remove")
        body = {"recordIdsToAdd": list(dict.fromkeys(add)), "recordIdsToRemove": sorted(remove)}
        try:
            return _read_change(self._client.request("PUT", path, body, write=True).body)
        except Refused as error:
            # The ids are HubSpot's own, so no row is to blame.
            raise StopRun(
                error.message,
                code=error.code,
                hint=f"The list {found.name} ({found.id}) cannot be changed: see `tailrace check`.",
            ) from None

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),  # noqa: ARG002  a list has none
    ) -> Iterator[Record]:
        """Members of the list; records that are not in it are not found."""
        found = self._known(object)
        records = list(self._records.find(found.type_id, match, values))
        members = self._all_members(found) if records else frozenset()
        yield from (record for record in records if record.id in members)

    def _all_members(self, found: ListDefinition) -> frozenset[str]:
        """The ids of all members, as they were when first asked for."""
        with self._lock:
            if self._members is None:
                self._members = frozenset(self._pages(found))
            return self._members

    def _pages(self, found: ListDefinition) -> Iterator[str]:
        path = self._client.paths.lists(f"{quote(found.id, safe='')}/memberships?limit={_SHOWN}")
        return (str(member["recordId"]) for member in self._client.pages(path) if member.get("recordId"))

    def _known(self, object: str) -> ListDefinition:
        with self._lock:
            if self._definition is None:
                self._definition = self._ask(object.removeprefix(LIST).strip())
            return self._definition

    def _ask(self, name: str) -> ListDefinition:
        """The list of that id or name. ObjectNotFound when there is none, or when the name tells several."""
        if name.isdecimal() and (found := self._by_id(name)) is not None:
            return found
        lists = list(self._search(name))
        named = [each for each in lists if each.name == name] or [
            each for each in lists if each.name.casefold() == name.casefold()
        ]
        if len(named) == 1:
            return named[0]
        if named:
            which = ", ".join(f"list:{each.id} (of {each.object})" for each in named)
            raise ObjectNotFound(
                f"HubSpot has several lists {name!r}: {which}", hint="Name the one you mean by its id."
            )
        known = lists or list(self._search(""))
        raise ObjectNotFound(
            f"HubSpot has no list {name!r}{close_names(name, [each.name for each in known])}",
            hint="Write list:NAME or list:ID; the app needs the scope crm.lists.read.",
        )

    def _by_id(self, list_id: str) -> ListDefinition | None:
        try:
            body = self._client.request("GET", self._client.paths.lists(list_id), write=False).body
        except (ObjectNotFound, Refused):
            return None
        held = body.get("list")
        return _definition(held if isinstance(held, dict) else body)

    def _search(self, words: str) -> Iterator[ListDefinition]:
        """Lists whose names have the words, by the thousand at most: names are told from what is near."""
        offset = 0
        for _ in range(2):
            asked = {"query": words, "count": _FOUND, "offset": offset}
            body = self._client.request("POST", self._client.paths.lists("search"), asked, write=False).body
            found = parts(body, "lists")
            yield from map(_definition, found)
            if not body.get("hasMore") or not found:
                return
            offset = int(body.get("offset") or offset + len(found))

    def close(self) -> None:
        """Give the connections back."""
        self._records.close()


@dataclass(frozen=True, slots=True)
class _Change:
    """What a change of members came to."""

    added: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


def _read_change(body: Mapping[str, Any]) -> _Change:
    """The answer, in whichever way HubSpot spells it; AnswerLost when it tells nothing."""
    told = {name: body[name] for name in body if isinstance(body[name], list)}
    added = told.get("recordsIdsAdded", told.get("recordIdsAdded"))
    missing = told.get("recordIdsMissing", told.get("recordsIdsMissing"))
    if added is None and missing is None:
        raise AnswerLost("HubSpot's answer does not tell who was put in or out", code="UNACCOUNTED")
    return _Change(frozenset(map(str, added or ())), frozenset(map(str, missing or ())))


def _outcome(row: Row, record_id: str | None, change: _Change, found: ListDefinition) -> Outcome:
    """Those who are neither added nor missing were in already."""
    if record_id is None or record_id in change.missing:
        words = f"no record of {found.object} has its match value, so nobody can be put into the list"
        return Outcome(row.marker, "skipped", code="not_found", message=words)
    return acknowledged(row.marker, record_id, created=record_id in change.added)


def _match(batch: Batch, row: Row) -> tuple[Value, ...]:
    """Whom the row means now: an update carries the match values that moved."""
    return tuple(row.values.get(name, value) for name, value in zip(batch.match, row.match, strict=True))


def _definition(data: Mapping[str, Any]) -> ListDefinition:
    return ListDefinition(
        str(data.get("listId")),
        str(data.get("name") or ""),
        str(data.get("objectTypeId") or ""),
        str(data.get("processingType") or ""),
    )


def _active(found: ListDefinition) -> str:
    return (
        f"HubSpot itself decides who is in {found.name}, an active (dynamic) list; make a static list of "
        f"{found.object} for this sync, or write the property that the list's filter looks at"
    )
