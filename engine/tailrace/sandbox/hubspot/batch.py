"""The batch endpoints of CRM objects, and single writes, which are batches of one.

Rules followed: at most 100 inputs; two inputs of one id refuse all; if every input has an
`objectWriteTraceId`, refused inputs are listed and the others written (207), else the first refused
input refuses all; results come in no particular order.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tailrace.sandbox.faults import Faults
from tailrace.sandbox.hubspot.errors import (
    HubSpotError,
    PropertyFault,
    RowError,
    conflict,
    invalid,
    invalid_properties,
)
from tailrace.sandbox.hubspot.inline import inline_links
from tailrace.sandbox.hubspot.portal import Portal
from tailrace.sandbox.hubspot.properties import Property, ValueFaultError
from tailrace.sandbox.hubspot.records import Record, Store, now

MOST_INPUTS = 100

Input: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class Change:
    """A checked input: its record, None for one to be created, and the values to write."""

    record: Record | None
    values: dict[str, str]
    trace: str | None
    associations: Any = None
    """What the record is to be created with, as the request has it."""


class MissingError(Exception):
    """The input names a record that does not exist."""


class RefusedError(Exception):
    """The input is refused."""

    def __init__(self, error: RowError) -> None:
        super().__init__(error.message)
        self.error = error


class Batches:
    """The batch calls, for all objects of a portal."""

    def __init__(self, portal: Portal, faults: Faults, *, return_trace_ids: bool) -> None:
        self._portal = portal
        self._faults = faults
        self._return_trace_ids = return_trace_ids
        self._order = random.Random(20_260_101)  # noqa: S311 - only shuffles results

    def create(self, store: Store, body: Any, *, strict: bool = False) -> Answer:
        """POST …/batch/create. `strict` enforces the account's rules of required properties."""
        return self._write(store, inputs_of(body), lambda _item: (None, {}), 201, strict=strict)

    def update(self, store: Store, body: Any, *, strict: bool = False) -> Answer:
        """POST …/batch/update."""
        inputs = inputs_of(body)
        prop = id_property(store, inputs)
        refuse_duplicates(prop, inputs)
        return self._write(store, inputs, lambda item: (_located(store, prop, item), {}), 200, strict=strict)

    def upsert(self, store: Store, body: Any, *, strict: bool = False) -> Answer:
        """POST …/batch/upsert."""
        inputs = inputs_of(body)
        prop = id_property(store, inputs)
        refuse_duplicates(prop, inputs)

        def locate(item: Input) -> tuple[Record | None, dict[str, str]]:
            if prop.name == "hs_object_id":
                return _located(store, prop, item), {}
            value = normalised_id(prop, item["id"])
            found = store.find(prop.name, value)
            # By a further address of a contact no record is meant, and none can be made.
            further = found is not None and prop.name == "email" and found.properties.get("email") != value
            return None if further else found, {prop.name: value}

        return self._write(store, inputs, locate, 200, upsert=True, strict=strict)

    def archive(self, store: Store, body: Any) -> None:
        """POST …/batch/archive; ids that do not exist are passed over."""
        inputs = inputs_of(body)
        prop = id_property(store, inputs)
        moment = now()
        for item in inputs:
            record = store.find(prop.name, normalised_id(prop, item["id"]))
            if record is not None:
                store.archive(record, moment)

    def read(self, store: Store, body: Any, *, archived: bool = False) -> Answer:
        """POST …/batch/read."""
        inputs = inputs_of(body)
        prop = unique_property(store, body.get("idProperty"))
        names = shown_names(store, body.get("properties"))
        found, missing = [], []
        for item in inputs:
            record_id = _id_text(item)
            record = store.records.get(record_id) if archived else store.find(prop.name, normalised_id(prop, record_id))
            if record is None or record.archived != archived:
                missing.append(record_id)
            else:
                found.append(record.show(names))
        self._order.shuffle(found)
        return answer(found, _missing_errors(store, missing), 200)

    def _write(
        self,
        store: Store,
        inputs: Sequence[Input],
        locate: Callable[[Input], tuple[Record | None, dict[str, str]]],
        status: int,
        *,
        upsert: bool = False,
        strict: bool = False,
    ) -> Answer:
        changes, refused, missing = self._check(store, inputs, locate, strict=strict)
        trace_ids = self._portal.options.trace_ids
        traced = trace_ids != "ignored" and all(item.get("objectWriteTraceId") for item in inputs)
        if refused and not traced:
            raise refused[0][1].request_error()
        results = self._apply(store, changes, upsert=upsert)
        errors = [error.entry(trace if trace_ids == "honoured" else None) for trace, error in refused]
        errors += _missing_errors(store, missing)
        return answer(results, errors, status)

    def _check(
        self,
        store: Store,
        inputs: Sequence[Input],
        locate: Callable[[Input], tuple[Record | None, dict[str, str]]],
        *,
        strict: bool,
    ) -> tuple[list[Change], list[tuple[str, RowError]], list[str]]:
        changes: list[Change] = []
        refused: list[tuple[str, RowError]] = []
        missing: list[str] = []
        claims: set[tuple[str, str]] = set()
        for item in inputs:
            try:
                record, key = locate(item)
                change = self._checked(store, item, record, key, claims)
                if strict:
                    refuse_incomplete(self._portal.options.required.get(store.type.name, ()), change)
                changes.append(change)
            except RefusedError as refusal:
                refused.append((item.get("objectWriteTraceId") or "", refusal.error))
            except MissingError:
                missing.append(str(item["id"]))
        return changes, refused, missing

    def _checked(
        self, store: Store, item: Input, record: Record | None, key: dict[str, str], claims: set[tuple[str, str]]
    ) -> Change:
        self._injected(store, item)
        values = checked_values(store, item.get("properties"))
        values = key | values if key else values
        unique = store.unique_values(values)
        owner = store.owner(values, record)
        if owner is not None or not claims.isdisjoint(unique):
            raise RefusedError(conflict(store.type.singular, owner or "unknown"))
        claims.update(unique)
        made = Change(record, values, item.get("objectWriteTraceId"), item.get("associations"))
        self._check_links(store, made)
        return made

    def _check_links(self, store: Store, change: Change) -> None:
        if change.record is None and change.associations:
            try:
                inline_links(self._portal, store.type.name, change.associations)
            except HubSpotError as error:
                raise RefusedError(RowError(error.status, error.body["category"], str(error))) from error

    def _injected(self, store: Store, item: Input) -> None:
        if not self._faults.rows:
            return
        row = {**(item.get("properties") or {}), "id": item.get("id")}
        fault = self._faults.for_row(store.type.name, row)
        if fault is not None:
            raise RefusedError(RowError(400, fault.code, fault.message))

    def _apply(self, store: Store, changes: Iterable[Change], *, upsert: bool) -> list[dict[str, Any]]:
        moment = now()
        results = []
        for change in changes:
            record = change.record
            if record is None:
                written = store.create(change.values, moment)
                for there, end, kinds in inline_links(self._portal, store.type.name, change.associations):
                    self._portal.links.add((store.type.name, there, written.id, end), kinds)
            else:
                written = store.update(record, change.values, moment)
            result = written.show()
            if upsert:
                result["new"] = record is None
            if change.trace and self._return_trace_ids:
                result["objectWriteTraceId"] = change.trace
            results.append(result)
        self._order.shuffle(results)
        return results


def answer(results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int) -> Answer:
    """The body of a batch; 207 when it has errors."""
    moment = now()
    body: dict[str, Any] = {"status": "COMPLETE", "results": results}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return 207 if errors else status, body | {"startedAt": moment, "completedAt": moment}


def refuse_incomplete(rules: Sequence[Mapping[str, Any]], change: Change) -> None:
    """RefusedError when a record would lack what the account's rules want of it."""
    held = (change.record.properties if change.record else {}) | change.values
    lacking = [name for name in required_of(rules, held) if not held.get(name)]
    if lacking:
        words = "This property is required by the account's rules and has no value."
        raise RefusedError(invalid_properties([PropertyFault(name, "REQUIRED_FIELD", words) for name in lacking]))


def required_of(rules: Sequence[Mapping[str, Any]], held: Mapping[str, str]) -> list[str]:
    """The properties that a record must have, by what it has."""
    return [
        name
        for rule in rules
        if all(held.get(other) == value for other, value in rule.get("if", {}).items())
        for name in rule["then"]
    ]


def inputs_of(body: Any) -> Sequence[Input]:
    """The inputs of a batch request; HubSpotError when the request is malformed."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
    if len(inputs) > MOST_INPUTS:
        raise invalid(f"Invalid request: batch size {len(inputs)} is over the maximum of {MOST_INPUTS} inputs.")
    return inputs


def id_property(store: Store, inputs: Sequence[Input]) -> Property:
    """The property all inputs are identified by; HubSpotError when it is none, or not unique."""
    names = {item.get("idProperty") for item in inputs}
    if len(names) > 1:
        raise invalid("All inputs must have the same idProperty.")
    for item in inputs:
        _id_text(item)
    return unique_property(store, names.pop())


def unique_property(store: Store, name: Any) -> Property:
    """The property of that name, record ids for none; HubSpotError unless its values are unique."""
    prop = store.type.properties.get(name or "hs_object_id")
    if prop is None:
        raise invalid(f'Property "{name}" does not exist')
    if not prop.unique:
        raise invalid(f"idProperty {name} is not a unique property of {store.type.singular}.")
    return prop


def normalised_id(prop: Property, value: str) -> str:
    """An id as the property keeps it; an impossible one stays as it is, and is not found."""
    try:
        return prop.check(value)
    except ValueFaultError:
        return value


def refuse_duplicates(prop: Property, inputs: Sequence[Input]) -> None:
    """HubSpotError when two inputs mean one record."""
    counts = Counter(normalised_id(prop, item["id"]) for item in inputs)
    if len(counts) < len(inputs):
        doubles = [record_id for record_id, count in counts.items() if count > 1]
        raise invalid("Duplicate IDs found in batch input: " + str(doubles), {"ids": doubles})


def checked_values(store: Store, sent: Any) -> dict[str, str]:
    """The sent properties as they will be kept; RefusedError with all that is wrong with them."""
    if not isinstance(sent, dict):
        raise invalid("Invalid input JSON: some required fields were not set: [properties]")
    values, faults, known = {}, [], store.type.properties
    for name, value in sent.items():
        if not isinstance(value, str):
            kind = "null" if value is None else f"`{value}`"
            raise invalid(f"Invalid input JSON: property {name} must be a string, not {kind}")
        prop = known.get(name)
        if prop is None:
            faults.append(PropertyFault(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif prop.locked:
            message = f'"{name}" is a read only property; its value cannot be set.'
            faults.append(PropertyFault(name, "READ_ONLY_VALUE", message))
        else:
            try:
                values[name] = prop.check(value) if value else ""
            except ValueFaultError as fault:
                faults.append(prop.fault(fault))
    if faults:
        raise RefusedError(invalid_properties(faults))
    return values


def shown_names(store: Store, asked: Any) -> list[str]:
    """The properties a read shows: those asked for that exist, and the record id and times."""
    if not asked:
        return list(store.type.shown)
    if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
        raise invalid("Invalid input JSON: properties is a list of names")
    always = ("createdate", "hs_object_id", store.type.modified)
    return list(dict.fromkeys([*(name for name in asked if name in store.type.properties), *always]))


def single(outcome: Answer) -> dict[str, Any]:
    """The one result of a batch of one; HubSpotError when it was not found."""
    results: list[dict[str, Any]] = outcome[1]["results"]
    if not results:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", "Object not found. objectId not found")
    return results[0]


def _located(store: Store, prop: Property, item: Input) -> Record:
    record = store.find(prop.name, normalised_id(prop, item["id"]))
    if record is None:
        raise MissingError
    return record


def _id_text(item: Input) -> str:
    record_id = item.get("id")
    if not isinstance(record_id, str) or not record_id:
        raise invalid("Invalid input JSON: some required fields were not set: [id]")
    return record_id


def _missing_errors(store: Store, missing: list[str]) -> list[dict[str, Any]]:
    if not missing:
        return []
    message = (
        f"Could not get some {store.type.singular} objects, they may be deleted or not exist. Check that ids are valid."
    )
    return [
        {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}},
    ]
