"""Which references lock the record they name while a row is written, by the object's describe.

Writing a child locks its master, whose roll-ups may change; writing a lookup locks the record it names as a rule, so
that it cannot be deleted meanwhile. Salesforce's Record Locking Cheat Sheet has the particulars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tailrace_destinations.salesforce.schema import Column, SObject

_NOT_LOCKED: Final = frozenset({"user", "group", "recordtype", "profile", "organization"})
"""Objects of the set-up, which rows name and do not lock: half of an org's records may have one owner."""


def contended(sobject: SObject, fields: Iterable[str]) -> tuple[str, ...]:
    """Of these fields those that lock a record: masters first, which are locked with every write; then lookups."""
    known = [(name, sobject.columns.get(name.casefold())) for name in fields]
    locking = [(name, column) for name, column in known if column is not None and _locks(column)]
    return tuple(name for name, _ in sorted(locking, key=lambda named: not named[1].is_master))


def _locks(column: Column) -> bool:
    return any(target.casefold() not in _NOT_LOCKED for target in column.targets)
