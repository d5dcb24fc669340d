"""Records of one object, and who has which key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from tailrace.sandbox.salesforce.errors import RowError
from tailrace.sandbox.salesforce.fields import SfField
from tailrace.sandbox.salesforce.ids import make_id, parse_id
from tailrace.sandbox.salesforce.objects import SfObject

Values: TypeAlias = dict[str, Any]
"""A record: every field of its object by name, as Salesforce keeps it."""


EVENT_ID = make_id("e01", 1)


class Table:
    """All records of one object, deleted ones included, with an index for each key field."""

    def __init__(self, object: SfObject) -> None:
        self.object = object
        self.records: dict[str, Values] = {}
        self.writes = 0
        self.last_number = 0
        self._index: dict[str, dict[str, list[str]]] = {}
        self.reindex()

    def reindex(self) -> None:
        """Build the indexes anew, after fields were declared or records loaded."""
        fields = (made for made in self.object.fields.values() if made.indexed and made.type != "id")
        self._index = {made.name: {} for made in fields}
        for record in self.live():
            self.enter(record)

    def live(self) -> Iterable[Values]:
        """Records that are not deleted."""
        return (record for record in self.records.values() if not record.get("IsDeleted"))

    def indexed(self, name: str) -> bool:
        """Whether records can be found by that field."""
        return name in self._index

    def find(self, made: SfField, value: Any) -> list[str]:
        """Ids of live records whose key field equals `value`."""
        if made.type == "id":
            record_id = parse_id(value)
            record = self.records.get(record_id or "")
            return [] if record is None or record.get("IsDeleted") else [record["Id"]]
        return self._index[made.name].get(made.fold(value), [])

    def clash(self, values: Mapping[str, Any], own: str | None) -> RowError | None:
        """The refusal when another record has one of the unique values."""
        for name in self._index:
            made = self.object.fields[name]
            value = values.get(name)
            if not made.unique or value is None:
                continue
            others = [record_id for record_id in self.find(made, value) if record_id != own]
            if others:
                message = f"duplicate value found: {name} duplicates value on record with id: {others[0]}"
                return RowError("DUPLICATE_VALUE", message)
        return None

    def enter(self, record: Values) -> None:
        """Put a record's keys into the indexes."""
        for name, index in self._index.items():
            value = record.get(name)
            if value is not None:
                index.setdefault(self.object.fields[name].fold(value), []).append(record["Id"])

    def leave(self, record: Values) -> None:
        """Take a record's keys out of the indexes."""
        for name, index in self._index.items():
            value = record.get(name)
            if value is None:
                continue
            folded = self.object.fields[name].fold(value)
            index[folded].remove(record["Id"])
            if not index[folded]:
                del index[folded]


def told_created(table: Table, record: Values) -> dict[str, Any]:
    """What is answered to a creation. Events share one id, and where else errors stand it says that they are queued."""
    if not table.object.name.endswith("__e"):
        return {"id": record["Id"], "success": True, "errors": []}
    queued = {"statusCode": "OPERATION_ENQUEUED", "message": str(uuid4()), "fields": []}
    return {"id": EVENT_ID, "success": True, "errors": [queued]}
