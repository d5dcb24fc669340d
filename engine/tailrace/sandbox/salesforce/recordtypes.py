"""Record types of an object, as describe lists them and writes are held to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tailrace.sandbox.salesforce.ids import make_id

PREFIX = "012"
MASTER = {
    "active": True, "available": True, "defaultRecordTypeMapping": False, "developerName": "Master",
    "master": True, "name": "Master", "recordTypeId": "012000000000000AAA", "urls": {},
}  # fmt: skip
"""What describe lists for every object; no record has it."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record type; attribute names are those of this project, `describe` has the vendor's."""

    id: str
    name: str
    developer_name: str
    active: bool = True
    available: bool = True
    """Whether the user's profile may use it."""
    person: bool = False
    """Whether accounts of it are people."""

    def describe(self) -> dict[str, Any]:
        """As describe lists it."""
        return {
            "active": self.active,
            "available": self.available,
            "defaultRecordTypeMapping": False,
            "developerName": self.developer_name,
            "master": False,
            "name": self.name,
            "recordTypeId": self.id,
            "urls": {},
        }

    def record(self, object: str) -> dict[str, Any]:
        """As a record of RecordType."""
        names = {"Id": self.id, "Name": self.name, "DeveloperName": self.developer_name, "SobjectType": object}
        return names | {"IsActive": self.active, "IsPersonType": self.person}


def record_types(
    prefix: str, data: Iterable[Mapping[str, Any]], there: Mapping[str, RecordType]
) -> dict[str, RecordType]:
    """Record types by id, from data shaped like describe's; those of the same developer name take the place of `there`.

    `person` may be given besides, for those of Account. ValueError when there is no developer name.
    """
    ids = {known.developer_name: known.id for known in there.values()}
    made: dict[str, RecordType] = {}
    for number, info in enumerate(data, len(there) + 1):
        name = info.get("developerName")
        if not name:
            raise ValueError("A record type has a developerName, and may have name, active, available and person.")
        # Each object has numbers of its own.
        fresh = make_id(PREFIX, int.from_bytes(prefix.encode()) * 1000 + number)
        given = str(info.get("recordTypeId") or ids.get(str(name)) or fresh)
        flags = {flag: bool(info.get(flag, default)) for flag, default in _FLAGS.items()}
        made[given] = RecordType(given, str(info.get("name") or name), str(name), **flags)
    return made


_FLAGS = {"active": True, "available": True, "person": False}
