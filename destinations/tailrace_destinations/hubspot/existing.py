"""Upserts that HubSpot refuses because there is a record already, and says which: "Existing ID: N".

It happens when an address is a further one of a contact, or when somebody else makes the record at the same moment. If
the record is the one that the row means, the row is written to it by its id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tailrace.destination import Operation
from tailrace_destinations.hubspot.accounting import match_key
from tailrace_destinations.hubspot.errors import existing_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tailrace.destination import Batch, Outcome, Row
    from tailrace_destinations.hubspot.reading import Reader


class Existing:
    """Finds out which records refused rows mean. `update` writes a batch of updates."""

    def __init__(self, reader: Reader, update: Callable[[Batch], list[Outcome]]) -> None:
        self._reader = reader
        self._update = update

    def resolved(self, batch: Batch, outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes, with those rows updated whose record was named; the others are told whose it is not."""
        named = {each.marker: found for each in outcomes if (found := _named(each)) is not None}
        if batch.operation is not Operation.UPSERT or not named:
            return outcomes
        held = self._reader.keys(batch.object, batch.match[0], named.values())
        rows = {row.marker: row for row in batch.rows if row.marker in named}
        own = {m: row for m, row in rows.items() if match_key(batch, row) in held.get(named[m], ())}
        # Two rows that name one record would both refuse a batch: the second is written by the next run.
        updates = {named[marker]: replace(row, record_id=named[marker]) for marker, row in own.items()}
        done = self._updated(batch, updates)
        others = named.keys() - own.keys()
        return [
            done.get(each.marker) or (_not_own(each, batch) if each.marker in others else each) for each in outcomes
        ]

    def _updated(self, batch: Batch, updates: Mapping[str, Row]) -> dict[str, Outcome]:
        if not updates:
            return {}
        made = replace(batch, operation=Operation.UPDATE, rows=tuple(updates.values()))
        return {each.marker: replace(each, created=False) for each in self._update(made)}


def _named(outcome: Outcome) -> str | None:
    """The record that HubSpot names as being there already."""
    if outcome.status != "rejected" or outcome.recovery is not None:
        return None
    return existing_id(outcome.message or "")


def _not_own(outcome: Outcome, batch: Batch) -> Outcome:
    words = f"that record's {batch.match[0]} is another one or empty, so it is not taken for the row's"
    return replace(outcome, message=f"{outcome.message}; {words}")
