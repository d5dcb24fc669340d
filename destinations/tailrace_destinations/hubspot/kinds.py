"""Kinds of objects that a sync may name, CRM objects, `list:NAME` and `event:NAME`, and what can be done with each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tailrace.destination import Operation

if TYPE_CHECKING:
    from tailrace.destination import Capabilities

LIST: Final = "list:"
EVENT: Final = "event:"
CONTACTS: Final = frozenset({"contacts", "contact", "0-1"})
EVENT_BATCH: Final = 500
"""Most events of one request."""


def able(records: Capabilities, object: str, batch_size: int | None) -> Capabilities:
    """What can be done with an object of that name; `records` is what can be done with CRM objects."""
    if object.startswith(LIST):
        return _of_list(records, object.removeprefix(LIST).strip())
    if object.startswith(EVENT):
        return _of_event(records, object.removeprefix(EVENT).strip(), batch_size)
    return _of_contacts(records) if object in CONTACTS else records


def _of_contacts(records: Capabilities) -> Capabilities:
    """Contacts alone can be deleted for good; it takes a request for each."""
    more = frozenset({Operation.HARD_DELETE})
    return replace(
        records,
        operations=records.operations | more,
        idempotent=records.idempotent | more,
        row_calls=more,
        for_good="gdpr_delete",
    )


def _of_list(records: Capabilities, name: str) -> Capabilities:
    operations = frozenset({Operation.UPSERT, Operation.UPDATE, Operation.DELETE})
    return replace(
        records,
        operations=operations,
        idempotent=operations,
        modes=frozenset({"mirror", "upsert"}),
        fields=False,
        batch_calls=2,  # records are found, and put in
        lookups=False,
        labels=False,
        unlinks=False,
        about=f"rows are members of the list {name}: + puts a record in, - takes it out, and no record is changed",
    )


def _of_event(records: Capabilities, name: str, batch_size: int | None) -> Capabilities:
    return replace(
        records,
        operations=frozenset({Operation.CREATE}),
        idempotent=frozenset(),
        batch_size=min(batch_size or EVENT_BATCH, EVENT_BATCH),
        modes=frozenset({"append"}),
        find=False,
        match="unused",
        clears_nulls=False,
        lookups=False,
        labels=False,
        unlinks=False,
        about=f"rows are events {name}: what was sent can be neither changed nor taken back",
    )
