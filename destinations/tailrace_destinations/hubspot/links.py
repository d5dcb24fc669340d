"""Associations of records with their parents, written after the records themselves.

A row is done when both are. Parents are found before anything is written, so that a row without its parent is left as
it is. Old associations are taken away before new ones are made, as an account may permit one only. All of it may be
repeated, with the same end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.destination import Operation, Outcome, acknowledged, rejected
from tailrace.errors import DestinationError
from tailrace_destinations.hubspot.errors import NOT_FOUND
from tailrace_destinations.hubspot.linkkinds import LinkKinds, spec
from tailrace_destinations.hubspot.linkwriter import Fault, LinkWriter, Pair

if TYPE_CHECKING:
    from tailrace.destination import Batch, Lookup, Record, Row
    from tailrace.values import Value

Associations: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""By marker what a record is created with, as requests have it."""
Write: TypeAlias = "Callable[[Batch, Associations], list[Outcome]]"
Find: TypeAlias = "Callable[[str, Sequence[str], Sequence[tuple[Value, ...]]], Iterable[Record]]"
NO_PARENT: Final = "PARENT_NOT_FOUND"
_REMEMBERED: Final = 50_000
"""Parents whose ids are kept in memory."""


@dataclass(slots=True)
class _Wanted:
    """One row's references: the parents' ids, by field."""

    now: dict[str, str | None] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)


class Links:
    """Writes batches whose rows have references."""

    def __init__(self, kinds: LinkKinds, writer: LinkWriter, find: Find) -> None:
        self._kinds = kinds
        self._writer = writer
        self._find = find
        self._lock = threading.Lock()
        self._parents: dict[tuple[str, str, Value], str] = {}

    def push(self, batch: Batch, write: Write) -> list[Outcome]:
        """Write rows and their associations; outcomes as of `Destination.push`."""
        wanted, refused = self._resolved(batch)
        rows = [row for row in batch.rows if row.marker in wanted]
        if not rows:
            return refused
        if batch.operation is Operation.CREATE:
            inline = {row.marker: self._inline(batch, wanted[row.marker]) for row in rows}
            return [*refused, *write(_plain(batch, rows), inline)]
        bare = [row for row in rows if batch.operation is Operation.UPDATE and not _properties(batch, row)]
        marked = {row.marker for row in bare}
        whole = _plain(batch, [row for row in rows if row.marker not in marked])
        outcomes = [*self._there(batch, bare), *(write(whole, {}) if whole.rows else ())]
        try:
            return [*refused, *self._linked(batch, outcomes, wanted)]
        except DestinationError as error:
            error.partly = error.partly or bool(whole.rows)
            raise

    def _resolved(self, batch: Batch) -> tuple[dict[str, _Wanted], list[Outcome]]:
        """By marker the parents of each row; rows that lack one are refused."""
        wanted: dict[str, _Wanted] = {row.marker: _Wanted() for row in batch.rows}
        refused: dict[str, Outcome] = {}
        for name, lookup in batch.lookups.items():
            rows = [row for row in batch.rows if name in row.values]
            ids = self._ids(lookup, [value for row in rows for value in (row.values[name], row.before.get(name))])
            for row in rows:
                value, old = row.values[name], row.before.get(name)
                parent = None if value is None else ids.get(value)
                if value is not None and parent is None:
                    refused.setdefault(row.marker, _orphan(row, name, lookup))
                wanted[row.marker].now[name] = parent
                if old is not None and old in ids:
                    wanted[row.marker].before[name] = ids[old]
        return {marker: each for marker, each in wanted.items() if marker not in refused}, list(refused.values())

    def _ids(self, lookup: Lookup, values: Iterable[Value]) -> dict[Value, str]:
        """Ids of the parents that have these values; those that were found once are remembered."""
        asked = [value for value in dict.fromkeys(values) if value is not None]
        place = (lookup.object, lookup.by)
        with self._lock:
            known = {value: self._parents[*place, value] for value in asked if (*place, value) in self._parents}
        rest = [(value,) for value in asked if value not in known]
        found = {record.match[0]: record.id for record in self._find(lookup.object, (lookup.by,), rest)} if rest else {}
        with self._lock:
            if len(self._parents) > _REMEMBERED:
                self._parents.clear()
            self._parents |= {(*place, value): id_ for value, id_ in found.items()}
        return known | found

    def _forget(self, parents: Iterable[str]) -> None:
        """Look these up anew next time: they may be gone."""
        gone = set(parents)
        with self._lock:
            self._parents = {key: id_ for key, id_ in self._parents.items() if id_ not in gone}

    def _inline(self, batch: Batch, wanted: _Wanted) -> list[dict[str, Any]]:
        return [
            {"to": {"id": parent}, "types": [spec(self._kinds.meant(batch.object, batch.lookups[name]))]}
            for name, parent in wanted.now.items()
            if parent is not None
        ]

    def _there(self, batch: Batch, rows: Sequence[Row]) -> list[Outcome]:
        """Outcomes of rows of which only references are written: whether their records are there."""
        ids = [(row.record_id,) for row in rows if row.record_id]
        there = {record.id for record in self._find(batch.object, ("hs_object_id",), ids)} if ids else set()
        return [_found(row, there=row.record_id in there) for row in rows]

    def _linked(self, batch: Batch, outcomes: list[Outcome], wanted: Mapping[str, _Wanted]) -> list[Outcome]:
        """The outcomes, after the associations of those that were written."""
        ids = self._record_ids(batch, outcomes)
        faults: dict[str, Fault] = {}
        for name, lookup in batch.lookups.items():
            rows = {marker: id_ for marker, id_ in ids.items() if name in wanted[marker].now and marker not in faults}
            gone, made = _pairs(rows, wanted, name)
            kinds = self._kinds.between(batch.object, lookup.object)
            others = [other for each, other in batch.lookups.items() if each != name]
            theirs = any(other.primary and other.object == lookup.object for other in others)
            self._writer.remove(batch.object, lookup, kinds, gone.values(), primary_kept=theirs)
            failed = self._writer.create(batch.object, lookup, kinds, list(made.values()))
            faults |= {marker: failed[pair] for marker, pair in made.items() if pair in failed}
            self._forget(parent for _, parent in failed)
        return [_outcome(outcome, ids, faults) for outcome in outcomes]

    def _record_ids(self, batch: Batch, outcomes: Iterable[Outcome]) -> dict[str, str]:
        """By marker the ids of records that were written; an answer that does not tell them is made up for."""
        done = [outcome for outcome in outcomes if outcome.status == "acknowledged"]
        ids = {outcome.marker: outcome.record_id for outcome in done if outcome.record_id}
        nameless = {outcome.marker for outcome in done if not outcome.record_id}
        rows = [row for row in batch.rows if row.marker in nameless]
        if rows:
            found = {
                record.match: record.id for record in self._find(batch.object, batch.match, [r.match for r in rows])
            }
            ids |= {row.marker: found[row.match] for row in rows if row.match in found}
        return ids


def _properties(batch: Batch, row: Row) -> dict[str, Value]:
    return {name: value for name, value in row.values.items() if name not in batch.lookups}


def _plain(batch: Batch, rows: Sequence[Row]) -> Batch:
    """Those rows of the batch, without their references."""
    return replace(batch, rows=tuple(replace(row, values=_properties(batch, row)) for row in rows), lookups={})


def _pairs(
    rows: Mapping[str, str], wanted: Mapping[str, _Wanted], name: str
) -> tuple[dict[str, Pair], dict[str, Pair]]:
    """By marker the associations to take away, and those to make."""
    gone: dict[str, Pair] = {}
    made: dict[str, Pair] = {}
    for marker, record_id in rows.items():
        now, old = wanted[marker].now[name], wanted[marker].before.get(name)
        if old is not None and old != now:
            gone[marker] = (record_id, old)
        if now is not None:
            made[marker] = (record_id, now)
    return gone, made


def _orphan(row: Row, name: str, lookup: Lookup) -> Outcome:
    words = f"{name}: there is no record of {lookup.object} whose {lookup.by} is that of the row"
    return rejected(row.marker, NO_PARENT, f"{words}; the row is sent again by later runs, when it may be there")


def _found(row: Row, *, there: bool) -> Outcome:
    if there:
        return acknowledged(row.marker, row.record_id)
    return rejected(row.marker, NOT_FOUND, "the record to associate does not exist", "missing")


def _outcome(outcome: Outcome, ids: Mapping[str, str], faults: Mapping[str, Fault]) -> Outcome:
    if outcome.status != "acknowledged":
        return outcome
    if outcome.marker not in ids:
        words = "the record was written, but its id is not known, so it is associated with nothing"
        return Outcome(outcome.marker, "rejected", code="NO_RECORD_ID", message=words, partly=True)
    if outcome.marker in faults:
        code, message = faults[outcome.marker]
        words = f"the record was written, but not its association: {message}"
        return Outcome(outcome.marker, "rejected", outcome.record_id, code=code, message=words, partly=True)
    return replace(outcome, record_id=ids[outcome.marker])
