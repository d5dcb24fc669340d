"""The contract of a mapping, as far as only Salesforce's describes tell it: references, constants, closed sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tailrace.destination import Operation
from tailrace.errors import ObjectNotFound, StopRun
from tailrace.judging import Judgement, Mapped, Refusal, Wish
from tailrace_destinations.plain import close_names, refusal
from tailrace_destinations.salesforce import persons
from tailrace_destinations.salesforce.links import RECORD_TYPE
from tailrace_destinations.salesforce.schema import UNSEEN, upsert_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tailrace.destination import Lookup
    from tailrace_destinations.salesforce.links import Links
    from tailrace_destinations.salesforce.schema import Column, SObject

_VERBS: Final = {Operation.CREATE: "create", Operation.UPDATE: "edit", Operation.DELETE: "delete"}
_IMPLIED: Final = {Operation.UPSERT: frozenset({Operation.CREATE, Operation.UPDATE})}


def judge(wish: Wish, known: Callable[[str], SObject], links: Links) -> Judgement:
    """Faults and notes of a mapping; `known` describes objects."""
    sobject = known(wish.object)
    judge = _Judge(wish, sobject, known, links)
    faults = dict(judge.faults())
    notes = persons.notes(wish, sobject)
    return Judgement(persons.faults(wish, sobject) | faults, tuple(notes), judge.closed)


class _Judge:
    def __init__(self, wish: Wish, sobject: SObject, known: Callable[[str], SObject], links: Links) -> None:
        self._wish = wish
        self._sobject = sobject
        self._known = known
        self._links = links
        self.closed: dict[str, Refusal] = {}

    def faults(self) -> Iterator[tuple[str, str]]:
        """Each faulty field and its fault; fills `closed` on the way."""
        yield from self._forbidden()
        yield from self._key()
        for mapped in self._wish.fields:
            if mapped.name.casefold() not in self._sobject.columns:
                continue  # the engine tells of it, with what is near
            fault = self._lookup(mapped, mapped.lookup) if mapped.lookup else self._plain(mapped)
            if fault is not None:
                yield mapped.name, fault

    def _forbidden(self) -> Iterator[tuple[str, str]]:
        asked = self._wish.operations.union(*(_IMPLIED.get(op, frozenset()) for op in self._wish.operations))
        verbs = [_VERBS[operation] for operation in _VERBS if operation in asked & self._sobject.cannot]
        if verbs:
            name = self._sobject.name
            yield name, f"the integration user may not {' or '.join(verbs)} its records; give it the object permission"

    def _key(self) -> Iterator[tuple[str, str]]:
        if Operation.UPSERT not in self._wish.operations:
            return
        if all(name.casefold() in self._sobject.columns for name in self._wish.match):
            try:
                upsert_key(self._sobject, self._wish.match)
            except StopRun as stop:
                yield ", ".join(self._wish.match) or "match", _words(stop)

    def _plain(self, mapped: Mapped) -> str | None:
        column = self._sobject.written(mapped.name)
        if mapped.constant:
            return refusal(column.encode)(mapped.value)
        if column.bounds.active:
            self.closed[mapped.name] = refusal(column.encode)
        return None

    def _lookup(self, mapped: Mapped, lookup: Lookup) -> str | None:
        try:
            fault = self._parent(lookup)
            link = None if fault else self._links.link(self._sobject, mapped.name, lookup)
        except (StopRun, ObjectNotFound) as stop:
            return _words(stop)
        if link is None or lookup.object.casefold() != RECORD_TYPE:
            return fault
        why = refusal(link.column.encode)
        if mapped.constant:
            return why(mapped.value)
        self.closed[mapped.name] = why
        return None

    def _parent(self, lookup: Lookup) -> str | None:
        """What is wrong with the parent's field."""
        if lookup.object.casefold() == RECORD_TYPE:
            return None
        parent = self._known(lookup.object)
        by = parent.columns.get(lookup.by.casefold())
        if by is None:
            near = close_names(lookup.by, [column.name for column in parent.columns.values()])
            return f"{parent.name}, which it looks up, has no field {lookup.by!r}, or {UNSEEN}{near}"
        return _unsearchable(parent, by)


def _unsearchable(parent: SObject, by: Column) -> str | None:
    if by.names_parents or by.filterable:
        return None
    return f"no {parent.name} can be looked up by {by.name}: Salesforce cannot filter by fields of its type ({by.type})"


def _words(error: StopRun | ObjectNotFound) -> str:
    return f"{error.message.rstrip('.')}{f': {error.hint}' if error.hint else ''}"
