"""The destination as the oracle: what is there, who made it, and what of it the engine cannot know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tailrace.destination import Batch, Operation, Outcome, Record, Row
from tailrace.testing.memory import MatchKey, MemoryStore
from tailrace.values import Value

OBJECT = "people"
ALL = "*"
"""Stands for all fields of a record."""


class Vendor(MemoryStore):
    """A store that remembers whose each record is. `unique` refuses a second record with one match value."""

    def __init__(self, *, unique: bool, several: bool = False) -> None:
        super().__init__(account="first")
        self.unique, self.several = unique, several
        self.makers: dict[str, int] = {}
        """By record that we made: the key of the row it was made for."""
        self.excused: dict[str, set[str]] = defaultdict(set)
        """By record: fields whose value the engine cannot know, as it is not of our doing, or as someone said so."""
        self.gone: dict[str, int | None] = {}
        """By record that someone else has deleted: the key it was made for, if we made it."""
        self.made: Counter[tuple[int, str]] = Counter()
        """Records made, by key and name."""
        self.trusted: set[int] = set()
        """Keys of rows that were taken as delivered on someone's word."""
        self.taken: set[str] = set()
        """Records that may be taken for any row with their match value, in mode append: someone said so."""
        self.vouched: dict[str, int] = {}
        """What `makers` had of such rows: known again once the record is written again."""
        self.allowed: Counter[int] = Counter()
        """By key: how many records more than one may have been made of it, as someone asked for that."""
        self.stale: int | None = None
        """Requests of a process after another has taken its sync over; None while there is no such process."""
        self.late_refs: Counter[Value] = Counter()
        """By match value: records made by such a process."""

    def write(self, batch: Batch) -> list[Outcome]:
        """Answer a push."""
        if self.stale is not None:
            self.stale += 1
        return super().write(batch)

    def spoil(self, record_id: str, values: dict[str, Value]) -> None:
        """Someone else changes a record."""
        self._update(self._table(OBJECT), record_id, values)
        self.excused[record_id] |= values.keys()

    def lose(self, record_id: str) -> None:
        """Someone else deletes a record."""
        self._remove(self._table(OBJECT), record_id, archive=False)
        maker = self._pop(record_id)
        self.gone[record_id] = maker
        if maker is not None:
            self.allowed[maker] += 1  # adopt finds it absent, and then its row is new

    def trust(self, keys: set[int]) -> None:
        """Someone says that these rows are delivered: to which record is not known, and may be to none of ours."""
        self.trusted |= keys
        self.vouched |= {record_id: key for record_id, key in self.makers.items() if key in keys}
        self.makers = {record_id: key for record_id, key in self.makers.items() if key not in keys}

    def forget(self) -> None:
        """Whatever is there is no longer known to be ours, and may be made once more."""
        self.makers.clear()
        self.vouched.clear()
        for (key, _), times in self.made.items():
            self.allowed[key] += times

    def disown(self, keys: set[int]) -> None:
        """What may have been made of these rows is no longer ours to know: someone asked to send them anyway."""
        self.allowed.update(keys)
        self.makers = {record_id: key for record_id, key in self.makers.items() if key not in keys}
        self.vouched = {record_id: key for record_id, key in self.vouched.items() if key not in keys}

    def with_ref(self, ref: Value) -> list[str]:
        """The records that have a match value."""
        return [record_id for record_id, values in self.records(OBJECT).items() if values.get("Ref") == ref]

    def made_with(self, refs: set[Value]) -> set[int]:
        """The keys whose records have one of these match values."""
        records = self.records(OBJECT)
        return {key for record_id, key in self.makers.items() if records.get(record_id, {}).get("Ref") in refs}

    def lookup(
        self, object: str, match: tuple[str, ...], values: Sequence[MatchKey], fields: Sequence[str]
    ) -> list[Record]:
        """Answer a look-up: with all records that have a match value, where `several` may have it."""
        found = super().lookup(object, match, values, fields)
        if not self.several:
            return found
        alike = {(ref,): self.with_ref(ref) for (ref,) in values}
        known = self.records(object)
        return [
            Record(record_id, value, {name: known[record_id].get(name) for name in fields})
            for value, records in alike.items()
            for record_id in records
        ]

    def _pop(self, record_id: str) -> int | None:
        """A record is no longer there: whose it was."""
        vouched = self.vouched.pop(record_id, None)
        return self.makers.pop(record_id, vouched)

    def _locate(self, table: Any, batch: Batch, row: Row) -> str | None:
        if batch.operation is Operation.CREATE and not self.unique:
            return None
        found: str | None = super()._locate(table, batch, row)
        return found

    def _write_row(self, table: Any, batch: Batch, row: Row) -> Outcome:
        before = set(table.records)
        outcome = super()._write_row(table, batch, row)
        if outcome.status == "acknowledged" and outcome.record_id is not None:
            self._note(batch, row, outcome.record_id, created=outcome.record_id not in before)
        return outcome

    def _note(self, batch: Batch, row: Row, record_id: str, *, created: bool) -> None:
        key = _key(row)
        if batch.operation in {Operation.DELETE, Operation.ARCHIVE}:
            self._pop(record_id)
        elif created:
            self.makers[record_id] = key
            self.made[key, str(row.values.get("Name"))] += 1
        elif record_id in self.makers.keys() | self.vouched:
            self.vouched.pop(record_id, None)
            self.makers[record_id] = key
        if batch.operation in {Operation.UPSERT, Operation.CREATE}:
            self.trusted.discard(key)
        self.excused[record_id] -= row.values.keys()
        if self.stale is not None:
            self._late(batch, row, record_id, created=created)

    def _late(self, batch: Batch, row: Row, record_id: str, *, created: bool) -> None:
        """What a process does that was overtaken between the intent of a batch and its sending, nobody can know."""
        self.excused[record_id].add(ALL)
        self.allowed[_key(row)] += 1
        if self.makers.pop(record_id, None) is None:
            self.gone[record_id] = _key(row)
        if created:
            self.late_refs[row.match[0] if row.match else None] += 1


def _key(row: Row) -> int:
    (key,) = row.key
    assert isinstance(key, int)
    return key
