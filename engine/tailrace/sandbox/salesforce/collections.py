"""sObject Collections: up to 200 records in one request, one result each, in request order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import groupby
from typing import Any

from tailrace.sandbox.faults import Faults
from tailrace.sandbox.salesforce.errors import ROLLED_BACK, RowError, SalesforceError
from tailrace.sandbox.salesforce.fields import SfField
from tailrace.sandbox.salesforce.ids import parse_id
from tailrace.sandbox.salesforce.org import Org, ambiguous, external_id_field
from tailrace.sandbox.salesforce.table import Table, Values, told_created

MOST_RECORDS = 200
MOST_CHUNKS = 10

Result = dict[str, Any]
Write = Callable[[], Result]


class Collections:
    """The collection calls, for all objects of an org."""

    def __init__(self, org: Org, faults: Faults) -> None:
        self._org = org
        self._faults = faults

    def create(self, body: Any) -> list[Result]:
        """POST composite/sobjects."""
        records, all_or_none = records_of(body)
        _few_chunks(records)
        return self._all([partial(self._create, record) for record in records], all_or_none=all_or_none)

    def update(self, body: Any) -> list[Result]:
        """PATCH composite/sobjects."""
        records, all_or_none = records_of(body)
        _few_chunks(records)
        return self._all([partial(self._update, record) for record in records], all_or_none=all_or_none)

    def upsert(self, object: str, field: str, body: Any) -> list[Result]:
        """PATCH composite/sobjects/{object}/{field}."""
        table = self._org.table(object)
        key = external_id_field(table, field)
        records, all_or_none = records_of(body)
        values = [_key_value(record, key) for record in records]
        counts = Counter(key.fold(value) for value in values if value is not None)
        writes: list[Write] = []
        for record, value in zip(records, values, strict=True):
            double = value is not None and counts[key.fold(value)] > 1
            writes.append(partial(self._upsert, table, key, record, value, double=double))
        return self._all(writes, all_or_none=all_or_none)

    def delete(self, ids: Sequence[str], *, all_or_none: bool) -> list[Result]:
        """DELETE composite/sobjects?ids=…."""
        _few(ids)
        return self._all([partial(self._delete, record_id) for record_id in ids], all_or_none=all_or_none)

    def upsert_one(self, table: Table, key: SfField, value: Any, payload: Values) -> tuple[Values, bool]:
        """Write one record by its key; the record, and whether it was created. RowError when refused."""
        found = table.find(key, value)
        if len(found) > 1:
            raise ambiguous(key, found)
        self.injected(table, payload)
        if found:
            return self._org.update(table, found[0], payload), False
        return self._org.create(table, payload), True

    def injected(self, table: Table, payload: Mapping[str, Any]) -> None:
        """RowError when the sandbox was told to refuse this row."""
        if self._faults.rows:
            fault = self._faults.for_row(table.object.name, payload)
            if fault is not None:
                raise RowError(fault.code, fault.message, [fault.field] if fault.field else [])

    def _all(self, writes: Sequence[Write], *, all_or_none: bool) -> list[Result]:
        saved = self._saved() if all_or_none else None
        results = [_result(write) for write in writes]
        if saved is None or all(result["success"] for result in results):
            return results
        self._roll_back(saved)
        return [ROLLED_BACK.entry() if result["success"] else result for result in results]

    def _saved(self) -> dict[str, tuple[dict[str, Values], int, int]]:
        return {
            name: (deepcopy(table.records), table.writes, table.last_number) for name, table in self._org.tables.items()
        }

    def _roll_back(self, saved: Mapping[str, tuple[dict[str, Values], int, int]]) -> None:
        for name, (records, writes, last_number) in saved.items():
            table = self._org.tables[name]
            table.records, table.writes, table.last_number = records, writes, last_number
            table.reindex()

    def _create(self, record: Values) -> Result:
        table = self._typed(record)
        if any(name.lower() == "id" for name in record):
            raise RowError("INVALID_FIELD", "cannot specify Id in an insert call", ["Id"])
        self.injected(table, record)
        return told_created(table, self._org.create(table, record))

    def _update(self, record: Values) -> Result:
        table = self._typed(record)
        given = next((value for name, value in record.items() if name.lower() == "id"), None)
        if given is None:
            raise RowError("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
        record_id = _own_id(table, given)
        payload = {name: value for name, value in record.items() if name.lower() != "id"}
        self.injected(table, record)
        self._org.update(table, record_id, payload)
        return {"id": record_id, "success": True, "errors": []}

    def _upsert(self, table: Table, key: SfField, record: Values, value: Any, *, double: bool) -> Result:
        if self._typed(record) is not table:
            raise RowError("INVALID_TYPE", f"All records must be of type {table.object.name}.")
        if value is None:
            raise RowError("MISSING_ARGUMENT", f"{key.name} not specified", [])
        if double:
            raise RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [key.name])
        if key.type != "id" and any(name.lower() == "id" for name in record):
            raise RowError("INVALID_FIELD", "The Id field should not be specified in the sobject data.", ["Id"])
        payload = record if key.type != "id" else {k: v for k, v in record.items() if k.lower() != "id"}
        written, created = self.upsert_one(table, key, value, payload)
        return {"id": written["Id"], "success": True, "created": created, "errors": []}

    def _delete(self, given: str) -> Result:
        record_id = parse_id(given)
        table = self._org.by_prefix(record_id) if record_id else None
        if record_id is None or table is None:
            raise RowError("MALFORMED_ID", f"malformed id {given}")
        self.injected(table, {"Id": record_id})
        self._org.delete(table, record_id)
        return {"id": record_id, "success": True, "errors": []}

    def _typed(self, record: Values) -> Table:
        attributes = record.get("attributes")
        name = attributes.get("type") if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise RowError("INVALID_TYPE", "Each record must have attributes with its type.")
        try:
            return self._org.table(name)
        except SalesforceError:
            raise RowError("INVALID_TYPE", f"sObject type '{name}' is not supported.") from None


def records_of(body: Any) -> tuple[list[Values], bool]:
    """The records of a request, and whether it is all or none; SalesforceError when malformed."""
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "The body must be an object with a list of records.")
    all_or_none = body.get("allOrNone", False)
    if not isinstance(all_or_none, bool):
        raise SalesforceError(400, "JSON_PARSER_ERROR", f"allOrNone must be true or false, not {all_or_none}.")
    _few(records)
    return records, all_or_none


def _few(records: Sequence[Any]) -> None:
    if len(records) > MOST_RECORDS:
        message = f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call"
        raise SalesforceError(400, "EXCEEDED_ID_LIMIT", message)


def _few_chunks(records: Sequence[Values]) -> None:
    chunks = sum(1 for _ in groupby(records, key=lambda record: str(record.get("attributes"))))
    if chunks > MOST_CHUNKS:
        message = f"Cannot have more than {MOST_CHUNKS} chunks per operation. Rearrange the objects to reduce them."
        raise SalesforceError(400, "LIMIT_EXCEEDED", message)


def _result(write: Write) -> Result:
    try:
        return write()
    except RowError as fault:
        return fault.entry()


def _key_value(record: Values, key: SfField) -> Any:
    """The key as it will be kept; None for none, and the sent value itself where it is impossible."""
    value = next((value for name, value in record.items() if name.lower() == key.name.lower()), None)
    try:
        return None if value is None else key.check(value)
    except RowError:
        return str(value)


def _own_id(table: Table, given: Any) -> str:
    record_id = parse_id(given)
    if record_id is None or record_id[:3] != table.object.prefix:
        raise RowError("MALFORMED_ID", f"{table.object.label} ID: id value of incorrect type: {given}", ["Id"])
    return record_id
