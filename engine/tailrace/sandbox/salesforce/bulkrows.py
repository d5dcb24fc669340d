"""Rows of a bulk job: from CSV cells to the records that Collections take, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.sandbox.salesforce.collections import Collections, Result
from tailrace.sandbox.salesforce.csvform import CsvError
from tailrace.sandbox.salesforce.fields import SfField
from tailrace.sandbox.salesforce.ids import parse_id
from tailrace.sandbox.salesforce.manner import Manner
from tailrace.sandbox.salesforce.org import Org
from tailrace.sandbox.salesforce.table import Table, Values

CHUNK = 200
"""Rows of one transaction."""
CLEAR = "#N/A"
DELETES = frozenset({"delete", "hardDelete"})
YES, NO = ("true", "yes", "y", "on", "1"), ("false", "no", "n", "off", "0")
TRUTH = dict.fromkeys(YES, "true") | dict.fromkeys(NO, "false")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column of the file is: a field, or a parent's key behind a relationship."""

    shown: str
    """The column's name as results write it."""
    field: SfField
    parent_key: str | None = None
    parent_type: str | None = None

    def put(self, text: str, record: Values) -> None:
        """Enter the cell into a record: nothing when empty, null for `#N/A`."""
        if text == "":
            return
        name = self.field.name if self.parent_key is None else str(self.field.relationshipName)
        if text == CLEAR:
            record[name] = None
        elif self.parent_key is not None:
            stated = {"attributes": {"type": self.parent_type}} if self.parent_type else {}
            record[name] = stated | {self.parent_key: text}
        else:
            record[name] = TRUTH.get(text.lower(), text) if self.field.type == "boolean" else text


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a row; `error` is the vendor's text when it was refused."""

    id: str = ""
    created: bool = False
    error: str | None = None


class BulkRows:
    """Carries out the rows of one job."""

    def __init__(self, org: Org, collections: Collections, order: Mapping[str, Any], header: Sequence[str]) -> None:
        """CsvError when the header does not fit the job, which fails as a whole then."""
        self._org = org
        self._collections = collections
        self._table = org.table(order["object"])
        self._operation: str = order["operation"]
        self._key: str | None = order.get("externalIdFieldName")
        self._manner = Manner.of_job(order)
        self.cells = [_cell(org, self._table, name) for name in header]
        self._check()

    def _check(self) -> None:
        names = [cell.shown.lower() for cell in self.cells]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise CsvError(f"InvalidBatch : Duplicate column in header : {twice}")
        if self._operation in DELETES and names != ["id"]:
            raise CsvError("InvalidBatch : delete batch must contain only ids")
        needed = {"update": "Id", "upsert": self._key}.get(self._operation)
        if needed is not None and needed.lower() not in names:
            raise CsvError(f"InvalidBatch : Field name not found : {needed}")

    @staticmethod
    def column(org: Org, object: str, name: str) -> str:
        """A column's name as results write it; CsvError when it matches nothing."""
        return _cell(org, org.table(object), name).shown

    def carry_out(self, rows: Sequence[Sequence[str]]) -> list[Told]:
        """Write rows, each chunk by itself; what became of each."""
        told: list[Told] = []
        with self._org.in_manner(self._manner):
            for start in range(0, len(rows), CHUNK):
                told += self._chunk(rows[start : start + CHUNK])
        return told

    def _chunk(self, rows: Sequence[Sequence[str]]) -> list[Told]:
        whole = [row for row in rows if len(row) == len(self.cells)]
        results = iter(self._results([self._record(row) for row in whole]))
        ragged = "INVALID_ROW:the number of values is not that of the header:--"
        return [self._told(row, next(results)) if len(row) == len(self.cells) else Told(error=ragged) for row in rows]

    def _record(self, row: Sequence[str]) -> Values:
        record: Values = {"attributes": {"type": self._table.object.name}}
        for cell, text in zip(self.cells, row, strict=True):
            cell.put(text, record)
        return record

    def _results(self, records: list[Values]) -> list[Result]:
        if self._operation in DELETES:
            return self._delete([str(record.get("Id") or "") for record in records])
        body = {"records": records, "allOrNone": False}
        if self._operation == "upsert":
            return self._collections.upsert(self._table.object.name, str(self._key), body)
        return self._collections.create(body) if self._operation == "insert" else self._collections.update(body)

    def _delete(self, ids: list[str]) -> list[Result]:
        results = self._collections.delete(ids, all_or_none=False)
        if self._operation == "hardDelete":
            for result in results:
                self._table.records.pop(result["id"] if result["success"] else "", None)
        return results

    def _told(self, row: Sequence[str], result: Result) -> Told:
        if result["success"]:
            created = self._operation == "insert" or bool(result.get("created"))
            return Told(result["id"], created)
        error = result["errors"][0]
        text = f"{error['statusCode']}:{error['message']}:{' '.join(error['fields'])} --".replace(": --", ":--")
        given = next((text for cell, text in zip(self.cells, row, strict=True) if cell.shown == "Id"), "")
        return Told(parse_id(given) or "", error=text)


def _cell(org: Org, table: Table, name: str) -> Cell:
    made = table.object.get(name)
    if made is not None:
        return Cell(made.name, made)
    path, _, key = name.partition(".")
    stated, _, relation = path.rpartition(":")
    field = table.object.relation(relation) if key else None
    targets = {target.lower(): target for target in field.referenceTo} if field else {}
    target = targets.get(stated.lower()) if stated else next(iter(targets.values()), None)
    parent_key = org.table(target).object.get(key) if target else None
    if field is None or target is None or parent_key is None:
        raise CsvError(f"InvalidBatch : Field name not found : {name}")
    shown = f"{field.relationshipName}.{parent_key.name}"
    return Cell(f"{target}:{shown}" if stated else shown, field, parent_key.name, target if stated else None)
