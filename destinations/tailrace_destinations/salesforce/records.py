"""Rows as the records of a Collections request, written as JSON text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from tailrace.destination import Operation
from tailrace_destinations.plain import NO_RECORD_ID, Unfit, encoded, key_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tailrace.destination import Batch, Row
    from tailrace.values import Value
    from tailrace_destinations.salesforce.links import Link
    from tailrace_destinations.salesforce.schema import Column, SObject

Fragment: TypeAlias = "Callable[[Value], str]"


class RecordWriter:
    """Writes the rows of one batch; everything but the values is prepared once."""

    def __init__(self, batch: Batch, sobject: SObject, links: Mapping[str, Link]) -> None:
        self._batch = batch
        self._sobject = sobject
        self._links = links
        self._head = f'{{"attributes":{{"type":{json.dumps(sobject.name)}}}'
        self._fragments: dict[str, Fragment] = {}
        self._writes_match = batch.operation is not Operation.UPDATE
        self._match = tuple(name.casefold() for name in batch.match)

    def write(self, row: Row) -> str:
        """The row as one JSON object; Unfit when a value does not fit its field."""
        return f"{self._head}{''.join(self._members(row))}}}"

    def _members(self, row: Row) -> Iterator[str]:
        if self._batch.operation is Operation.UPDATE:
            if row.record_id is None:
                raise Unfit(*NO_RECORD_ID)
            yield f',"id":{json.dumps(row.record_id)}'
        for name, value in row.values.items():
            # The match field is written once, from the match value.
            if not (self._writes_match and name.casefold() in self._match):
                yield self._member(name, value)
        if self._writes_match:
            for name, value in zip(self._batch.match, row.match, strict=True):
                key = key_text(value) if isinstance(value, str) else value
                if (key is None or key == "") and self._batch.operation is Operation.UPSERT:
                    raise Unfit("NO_MATCH_VALUE", f"{name} is empty, so no record can be meant")
                yield self._member(name, key)

    def _member(self, name: str, value: Value) -> str:
        if name not in self._fragments:
            self._fragments[name] = self._fragment(name)
        return encoded(name, self._fragments[name], value)

    def _fragment(self, name: str) -> Fragment:
        link = self._links.get(name)
        if link is not None and link.by is not None:
            return _by_parent(link, link.by)
        start = f",{json.dumps(self._sobject.column(name).name)}:"
        column = self._column(name, link)
        return lambda value: start + (_null(column) if value is None else column.encode(value))

    def _column(self, name: str, link: Link | None) -> Column:
        if link is not None:
            return link.column
        return self._sobject.column(name) if name.casefold() in self._match else self._sobject.written(name)


def _by_parent(link: Link, by: Column) -> Fragment:
    """The reference as an object that names its parent."""
    stated = f'"attributes":{{"type":{json.dumps(link.type)}}},' if link.type else ""
    start = f",{json.dumps(link.relationship)}:{{{stated}{json.dumps(by.name)}:"
    empty = f",{json.dumps(link.column.name)}:null"
    return lambda value: empty if value is None else f"{start}{by.encode(value)}}}"


def null_unfit(column: Column) -> Unfit | None:
    """Why the field cannot be cleared, where it cannot."""
    if column.type != "boolean":
        return None
    return Unfit("NULL_CHECKBOX", "a checkbox cannot be empty; give true or false in the model, or `nulls: skip`")


def _null(column: Column) -> str:
    why = null_unfit(column)
    if why is not None:
        raise why
    return "null"


def envelope(records: Sequence[str]) -> str:
    """The request's body: each row succeeds or fails by itself."""
    return f'{{"allOrNone":false,"records":[{",".join(records)}]}}'
