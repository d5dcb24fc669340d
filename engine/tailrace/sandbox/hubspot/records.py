"""The records of one object, with an index for each unique property."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailrace.sandbox.hubspot.objects import ObjectType
from tailrace.sandbox.hubspot.properties import FURTHER_EMAILS, appended, iso

FORWARD_ONLY = "lifecyclestage"
"""A property that takes a value before the one it has, and does not keep it; it must be cleared first."""


@dataclass(slots=True)
class Record:
    """One record; `properties` holds only values that are set, `touched` is the time of the last write."""

    id: str
    properties: dict[str, str]
    created: str
    updated: str
    touched: float = 0.0
    archived: bool = False

    def show(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """As answers show it: the named properties, those without a value as null, or all that have one."""
        values = self.properties
        return {
            "id": self.id,
            "properties": values if names is None else {name: values.get(name) for name in names},
            "createdAt": self.created,
            "updatedAt": self.updated,
            "archived": self.archived,
        }


class Store:
    """All records of one object."""

    def __init__(self, type: ObjectType, new_id: Callable[[], str], clock: Callable[[], float]) -> None:
        self.type = type
        self.records: dict[str, Record] = {}
        self.writes = 0
        self._new_id = new_id
        self._clock = clock
        self._unique: dict[str, dict[str, str]] = {}
        self.reindex()

    def reindex(self) -> None:
        """Build the unique indexes anew, after properties were declared or records loaded."""
        names = (prop.name for prop in self.type.properties.values() if prop.unique and prop.name != "hs_object_id")
        self._unique = {name: {} for name in names}
        for record in self.live():
            self._index(record)

    def live(self) -> Iterable[Record]:
        """Records that are not archived."""
        return (record for record in self.records.values() if not record.archived)

    def get(self, record_id: str) -> Record | None:
        """The record of that id, unless it is archived."""
        record = self.records.get(record_id)
        return None if record is None or record.archived else record

    def find(self, name: str, value: str) -> Record | None:
        """The record whose unique property has that (normalised) value."""
        if name == "hs_object_id":
            return self.get(value)
        record_id = self._unique[name].get(value)
        return None if record_id is None else self.records[record_id]

    def owner(self, values: Mapping[str, str], record: Record | None) -> str | None:
        """The id of another record that has one of the unique values already."""
        for name, index in self._unique.items():
            value = values.get(name)
            if value and (record_id := index.get(value)) is not None and (record is None or record_id != record.id):
                return record_id
        return None

    def unique_values(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Those of the values that no two records may share."""
        return [(name, values[name]) for name in self._unique if values.get(name)]

    def create(self, values: Mapping[str, str], now: str) -> Record:
        """A new record with those normalised values."""
        record_id = self._new_id()
        kept = {name: value for name, value in values.items() if value}
        kept |= {"hs_object_id": record_id, "createdate": now, self.type.modified: now}
        record = Record(record_id, kept, now, now, self._clock())
        self.records[record_id] = record
        self._index(record)
        self.writes += 1
        return record

    def update(self, record: Record, values: Mapping[str, str], now: str) -> Record:
        """Write normalised values; an empty one clears."""
        self._unindex(record)
        for name, value in values.items():
            if name == FORWARD_ONLY and self._back(record, value):
                continue  # HubSpot says nothing of it
            if not value:
                record.properties.pop(name, None)
            elif value[0] == ";" and self.type.properties[name].field_type == "checkbox":
                record.properties[name] = appended(record.properties.get(name, ""), value)
            else:
                record.properties[name] = value
        record.properties[self.type.modified] = record.updated = now
        record.touched = self._clock()
        self._index(record)
        self.writes += 1
        return record

    def _back(self, record: Record, value: str) -> bool:
        """Whether that stage comes before the one the record has."""
        prop = self.type.properties.get(FORWARD_ONLY)
        order = [option["value"] for option in prop.options] if prop else []
        held = record.properties.get(FORWARD_ONLY)
        return bool(value) and held in order and value in order and order.index(value) < order.index(held)

    def archive(self, record: Record, now: str) -> None:
        """Move the record to the recycle bin."""
        self._unindex(record)
        record.archived = True
        record.updated = now
        self.writes += 1

    def purge(self, record: Record) -> None:
        """Delete the record for good."""
        if not record.archived:
            self._unindex(record)
        del self.records[record.id]
        self.writes += 1

    def _index(self, record: Record) -> None:
        for name, index in self._unique.items():
            for value in _meaning(record, name):
                index[value] = record.id

    def _unindex(self, record: Record) -> None:
        for name, index in self._unique.items():
            for value in _meaning(record, name):
                index.pop(value, None)


def _meaning(record: Record, name: str) -> list[str]:
    """The values of a unique property that mean a record."""
    further = record.properties.get(FURTHER_EMAILS, "").lower().split(";") if name == "email" else []
    return [value for value in (record.properties.get(name, ""), *further) if value]


def now() -> str:
    """The present moment as HubSpot writes it."""
    return iso(datetime.now(UTC))
