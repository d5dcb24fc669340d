"""Reference fields: how the record that a value names is found.

Three ways, by what the describe says of the parent's field:

- an external id or another field with *idLookup*: Salesforce finds the parent itself, within the write;
- a record type by its developer name: the describe of the object has them all;
- any other field: asked for by SOQL beforehand, once for each value in a run.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.canonical.python import python_values
from tailrace.errors import StopRun
from tailrace.jsonform import show
from tailrace_destinations.plain import Unfit, close_names
from tailrace_destinations.salesforce.bounds import Bounds
from tailrace_destinations.salesforce.soql import literal, queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    import polars as pl

    from tailrace.bulk import Order
    from tailrace.destination import Batch, Lookup
    from tailrace.values import Value
    from tailrace_destinations.salesforce.client import Client
    from tailrace_destinations.salesforce.schema import Column, RecordType, SObject

RECORD_TYPE: Final = "recordtype"
TYPE_NAMES: Final = {"developername": "DeveloperName", "name": "Name"}
"""What record types may be looked up by, in lower case."""
NOT_FOUND: Final = "LOOKUP_NOT_FOUND"
AMBIGUOUS: Final = "LOOKUP_AMBIGUOUS"
NO_RECORD_TYPE: Final = "RECORD_TYPE_NOT_FOUND"
SHOWN: Final = 80
"""Most characters of a value in a message."""
_ACTIVE: Final = "isactive"
Found: TypeAlias = "str | Unfit"


@dataclass(frozen=True, slots=True)
class Link:
    """How a reference field is written."""

    column: Column
    """The field itself. Where there is no `by`, it encodes what the model gives as the id of the record it names."""
    by: Column | None = None
    """The parent's field by which Salesforce finds it."""
    relationship: str = ""
    type: str | None = None
    """The parent's object, where it may be one of several."""


class Links:
    """The references of one org; what was looked up is kept for the run. Thread-safe."""

    def __init__(self, client: Client, known: Callable[[str], SObject], zone: ZoneInfo | None) -> None:
        self._client = client
        self._known = known
        self._zone = zone
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], dict[str, Found]] = {}

    def link(self, sobject: SObject, name: str, lookup: Lookup) -> Link:
        """How a field that is a lookup is written; StopRun where it cannot be."""
        column = sobject.column(name)
        relationship, type_ = sobject.relationship(name, lookup)
        if lookup.object.casefold() == RECORD_TYPE:
            return Link(_resolved(column, record_type(sobject, lookup)))
        parent = self._known(lookup.object)
        by = parent.column(lookup.by)
        if by.type == "id":
            return Link(column)
        if by.names_parents:
            return Link(column, by, relationship, type_)
        found = self._found.setdefault((parent.name, by.name), {})
        return Link(_resolved(column, _asked(parent.name, by, found)))

    def of_batch(self, batch: Batch, sobject: SObject) -> dict[str, Link]:
        """The links of a batch's fields, with what its rows refer to looked up."""
        used = {name for row in batch.rows for name in row.values.keys() & batch.lookups.keys()}
        for name in used:
            values = (row.values[name] for row in batch.rows if name in row.values)
            self._look_up(sobject, batch.lookups[name], values)
        return {name: self.link(sobject, name, batch.lookups[name]) for name in used}

    def of_order(self, order: Order, sobject: SObject) -> dict[str, Link]:
        """The links of a job's fields."""
        return {name: self.link(sobject, name, lookup) for name, lookup in order.lookups.items()}

    def look_up(self, order: Order, rows: pl.DataFrame) -> None:
        """Look up what the rows of a job refer to."""
        sobject = self._known(order.object)
        for name, lookup in order.lookups.items():
            source = f"v:{name}"
            if source in rows.columns:
                values = rows[source].filter(rows[f"w:{name}"]).drop_nulls().unique()
                self._look_up(sobject, lookup, python_values(values, order.types[source]))

    def _look_up(self, sobject: SObject, lookup: Lookup, values: Iterable[Value]) -> None:
        """Ask for the parents of values that were not asked for yet."""
        if lookup.object.casefold() == RECORD_TYPE:
            return
        parent = self._known(lookup.object)
        by = parent.column(lookup.by)
        if by.names_parents or by.type == "id":
            return
        with self._lock:
            found = self._found.setdefault((parent.name, by.name), {})
            # Records of the object that is being written come to be while the run goes on.
            stays = parent.name != sobject.name
            wanted = {_key(by, value): value for value in values if value is not None}
            left = {key: value for key, value in wanted.items() if not _settled(found.get(key), stays=stays)}
            found.update(self._ask(parent, by, left))

    def _ask(self, parent: SObject, by: Column, wanted: Mapping[str, Value]) -> dict[str, Found]:
        """What became of each wanted value, by its key."""
        told: dict[str, Found] = {}
        terms: list[tuple[str]] = []
        for key, value in wanted.items():
            told[key] = _missing(parent.name, by, value)
            try:
                if key and by.can_hold(value):
                    terms.append((literal(value, by.type, self._zone),))
            except Unfit as unfit:
                told[key] = Unfit(NOT_FOUND, f"no {parent.name} can have this {by.name}: {unfit}")
        active = parent.columns.get(_ACTIVE)
        select = list(dict.fromkeys(["Id", by.name, *([active.name] if active else [])]))
        records: dict[str, list[tuple[str, bool]]] = {}
        for query in queries(select, parent.name, [by.name], terms):
            for record in self._client.query(query):
                alive = active is None or record.get(active.name) is not False
                records.setdefault(_key(by, record.get(by.name)), []).append((str(record["Id"]), alive))
        return told | {key: _only(parent, by, several) for key, several in records.items() if key in told}


def _settled(found: Found | None, *, stays: bool) -> bool:
    return isinstance(found, str) or (found is not None and stays)


def _only(parent: SObject, by: Column, records: list[tuple[str, bool]]) -> Found:
    """The one record; of several the one that is active, since what is inactive can own nothing."""
    alive = [record_id for record_id, active in records if active]
    if len(records) == 1 or len(alive) == 1:
        return records[0][0] if len(records) == 1 else alive[0]
    return Unfit(
        AMBIGUOUS, f"{len(records):,} records of {parent.name} have this {by.name}; look up by a field that is unique"
    )


def _missing(parent: str, by: Column, value: Value) -> Unfit:
    """With what was asked for: the parent to make is told by nothing else. Messages of outcomes go into no log."""
    text = show(value)
    return Unfit(
        NOT_FOUND, f"no {parent} has this {by.name}: {text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}"
    )


def _key(by: Column, value: Value) -> str:
    """A value as SOQL compares it: without case, unless the field is case-sensitive."""
    text = by.comparable(value)
    return text if by.case_sensitive else text.casefold()


def _asked(parent: str, by: Column, found: Mapping[str, Found]) -> Callable[[Value], str]:
    def record_id(value: Value) -> str:
        answer = found.get(_key(by, value)) or _missing(parent, by, value)
        if isinstance(answer, Unfit):
            raise answer
        return answer

    return record_id


def _resolved(column: Column, record_id: Callable[[Value], str]) -> Column:
    """The reference field, as what the model gives is written to it."""
    return replace(column, encode=lambda value: json.dumps(record_id(value)), bounds=Bounds(opaque=True))


def record_type(sobject: SObject, lookup: Lookup) -> Callable[[Value], str]:
    """What gives the id of a record type; StopRun when they are looked up by anything but their names."""
    by = TYPE_NAMES.get(lookup.by.casefold())
    if by is None:
        raise StopRun(
            f"Record types of {sobject.name} cannot be looked up by {lookup.by!r}.",
            code="INVALID_LOOKUP",
            hint="Write by: DeveloperName; a record type's id needs no lookup.",
        )
    named = {(known.developer_name if by == "DeveloperName" else known.name).casefold(): known
             for known in sobject.record_types}  # fmt: skip
    usable = [known.developer_name if by == "DeveloperName" else known.name
              for known in sobject.record_types if known.usable]  # fmt: skip

    def record_id(value: Value) -> str:
        text = str(value).strip()
        found = named.get(text.casefold())
        if found is None:
            near = close_names(text, usable) or f"; it has {', '.join(usable) or 'none'}"
            raise Unfit(NO_RECORD_TYPE, f"{sobject.name} has no record type with this {by}{near}")
        if not found.usable:
            raise Unfit(NO_RECORD_TYPE, _unusable(found))
        return found.id

    return record_id


def _unusable(found: RecordType) -> str:
    if not found.active:
        return f"the record type {found.developer_name} is inactive"
    return f"the integration user may not use the record type {found.developer_name}: assign it to its profile"
