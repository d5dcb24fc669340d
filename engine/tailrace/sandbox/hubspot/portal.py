"""A HubSpot portal: its objects, its records and associations, and what identifies it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tailrace.sandbox.hubspot.errors import HubSpotError
from tailrace.sandbox.hubspot.links import Links
from tailrace.sandbox.hubspot.objects import ObjectType, custom_object, standard_objects
from tailrace.sandbox.hubspot.records import Record, Store
from tailrace.sandbox.options import HubSpotOptions

FIRST_ID = 512
FIRST_CUSTOM_TYPE = 2_000_101


class Portal:
    """All that a portal keeps."""

    def __init__(self, options: HubSpotOptions) -> None:
        self.options = options
        self.stores: dict[str, Store] = {}
        self.links = Links()
        self._last_id = FIRST_ID - 1
        self._names: dict[str, str] = {}
        for made in standard_objects():
            self._add(made)
        self.declare(options.objects)

    def store(self, name: str) -> Store:
        """The records of an object, by any of its names; HubSpotError when there is none."""
        try:
            return self.stores[self._names[name]]
        except KeyError:
            message = f"Unable to infer object type from: {name}"
            raise HubSpotError(400, "VALIDATION_ERROR", message) from None

    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and properties; ValueError when one cannot be."""
        for name, data in objects.items():
            if name not in self._names:
                self._add(custom_object(name, FIRST_CUSTOM_TYPE + len(self.stores)))
            store = self.store(name)
            store.type.declare(data)
            store.reindex()

    def reset(self) -> None:
        """Forget records and associations; objects and properties stay."""
        self.links.clear()
        self._last_id = FIRST_ID - 1
        for store in self.stores.values():
            store.records.clear()
            store.writes = 0
            store.reindex()

    def dump(self) -> dict[str, Any]:
        """Records, associations and properties as JSON-ready data."""
        return {
            "last_id": self._last_id,
            "properties": {
                name: [prop.describe() for prop in store.type.properties.values() if not prop.hubspot_defined]
                for name, store in self.stores.items()
            },
            "records": {
                name: [[r.id, r.properties, r.created, r.updated, r.archived] for r in store.records.values()]
                for name, store in self.stores.items()
            },
            "link_types": self.links.types.dump(),
            "links": self.links.dump(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self.declare({name: {"properties": list(props)} for name, props in data["properties"].items()})
        self._last_id = int(data["last_id"])
        if "link_types" in data:  # older states have associations in a form without their kinds
            self.links.types.restore(data["link_types"])
            self.links.restore(data["links"])
        for name, rows in data["records"].items():
            store = self.store(name)
            store.records = {
                record_id: Record(record_id, values, created, updated, archived=archived)
                for record_id, values, created, updated, archived in rows
            }
            store.reindex()

    def _add(self, made: ObjectType) -> None:
        self.stores[made.name] = Store(made, self._new_id, time.monotonic)
        names = (made.name, made.type_id, made.singular.lower(), f"p{self.options.portal_id}_{made.name}")
        self._names |= dict.fromkeys(names, made.name)

    def _new_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)
