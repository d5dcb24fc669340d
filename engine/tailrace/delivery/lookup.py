"""Finding records by their match values, whatever form the vendor gives those values back in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from tailrace.delivery.retry import Retries
from tailrace.destination import Destination, Record, Row
from tailrace.diff.columns import fold_text
from tailrace.values import Value

if TYPE_CHECKING:
    from tailrace.delivery.job import Job

_Key = tuple[str, ...]
Owned: TypeAlias = Callable[[Collection[str]], Collection[str]]
"""Of some record ids those that rows of the snapshot have."""


class Finder:
    """Looks rows up at the destination, with retries."""

    def __init__(self, job: Job, destination: Destination, retries: Retries) -> None:
        self._job = job
        self._destination = destination
        self._retries = retries
        folded = destination.capabilities.case_insensitive_match
        self._forms: list[Callable[[Value], str]] = [_folded if name in folded else _form for name in job.match]

    @property
    def works(self) -> bool:
        """Whether records of this job can be looked up at all."""
        return self._destination.capabilities.find and bool(self._job.match)

    def find(self, rows: Sequence[Row], fields: Sequence[str] = ()) -> dict[str, list[Record]]:
        """Per marker the records that carry the row's match value: none, one, or too many."""
        if not rows:
            return {}
        values = list(dict.fromkeys(row.match for row in rows)) if _hashable(rows) else [row.match for row in rows]
        found: dict[_Key, dict[str, Record]] = {}
        for record in self._retries.call(lambda: self._ask(values, fields), idempotent=True):
            found.setdefault(self._key(record.match), {})[record.id] = record
        return {row.marker: list(found.get(self._key(row.match), {}).values()) for row in rows}

    def made(self, rows: Sequence[Row], owned: Owned) -> dict[str, list[Record] | None]:
        """Per marker the records that creating a row may have made, of rows that the snapshot does not know yet.

        In mode append each row makes a record of its own, whichever others have its match value: what rows of the
        snapshot have is not it. Where changes make records too, what is there beside those may be an earlier one of
        theirs, and nobody can tell: that is None. Where ids are made of match values, they pass from row to row.
        """
        found: dict[str, list[Record] | None] = {**self.find(rows)}
        ids = {record.id for records in found.values() for record in records or ()}
        if self._job.mode != "append" or self._destination.capabilities.addresses == "match" or not ids:
            return found
        others = frozenset(owned(ids))
        return {marker: self._apart(records or [], others) for marker, records in found.items()}

    def _apart(self, records: list[Record], others: Collection[str]) -> list[Record] | None:
        left = [record for record in records if record.id not in others]
        return None if self._job.appends_changes and 0 < len(left) < len(records) else left

    def _ask(self, values: Sequence[tuple[Value, ...]], fields: Sequence[str]) -> list[Record]:
        return list(self._destination.find(self._job.object, self._job.match, values, fields))

    def _key(self, match: tuple[Value, ...]) -> _Key:
        return tuple(form(value) for form, value in zip(self._forms, match, strict=True))


def _hashable(rows: Sequence[Row]) -> bool:
    return all(not isinstance(value, list | dict) for row in rows[:1] for value in row.match)


def _form(value: Value) -> str:
    """A text that is equal for values a vendor may give back in another type, such as 42 and '42'."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float() | Decimal():
            return _number(Decimal(str(value)))
        case datetime():
            return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _number(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _folded(value: Value) -> str:
    return fold_text(_form(value))
