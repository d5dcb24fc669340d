"""The inputs of one batch's request: ids, properties as texts, trace ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailrace.destination import Operation
from tailrace.errors import StopRun
from tailrace_destinations.plain import NO_RECORD_ID, Unfit, encoded, key_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tailrace.destination import Batch, Row
    from tailrace.values import Value
    from tailrace_destinations.hubspot.links import Associations
    from tailrace_destinations.hubspot.schema import Properties


class Inputs:
    """Makes the inputs of one batch's request."""

    def __init__(self, batch: Batch, properties: Properties | None, associations: Associations) -> None:
        self._batch = batch
        self._associations = associations
        self._properties = properties
        self._make = {
            Operation.UPSERT: self._upsert,
            Operation.CREATE: self._create,
            Operation.UPDATE: self._update,
        }.get(batch.operation, self._remove)
        if batch.operation is Operation.UPSERT and len(batch.match) != 1:
            raise StopRun("HubSpot upserts by one unique property, so match must name exactly one.")

    def __call__(self, row: Row) -> dict[str, Any]:
        """The input of a row; Unfit when it cannot be sent."""
        return self._make(row)

    def _upsert(self, row: Row) -> dict[str, Any]:
        key = key_text(row.match[0])
        if not key:
            raise Unfit("NO_MATCH_VALUE", f"{self._batch.match[0]} is empty, so no record can be meant")
        return {
            "id": key,
            "idProperty": self._batch.match[0],
            "objectWriteTraceId": row.marker,
            "properties": self._texts(row.values),
        }

    def _create(self, row: Row) -> dict[str, Any]:
        keys = {name: key_text(value) for name, value in zip(self._batch.match, row.match, strict=True)}
        made_with = list(self._associations.get(row.marker, ()))
        return {
            "objectWriteTraceId": row.marker,
            "associations": made_with,
            "properties": self._texts(row.values) | keys,
        }

    def _update(self, row: Row) -> dict[str, Any]:
        return {**self._remove(row), "objectWriteTraceId": row.marker, "properties": self._texts(row.values)}

    def _remove(self, row: Row) -> dict[str, Any]:
        if row.record_id is None:
            raise Unfit(*NO_RECORD_ID)
        return {"id": row.record_id}

    def _texts(self, values: Mapping[str, Value]) -> dict[str, str]:
        return {name: "" if value is None else self._text(name, value) for name, value in values.items()}

    def _text(self, name: str, value: Value) -> str:
        assert self._properties is not None  # noqa: S101  removals carry no values
        return encoded(name, self._properties.encoder(name), value)
