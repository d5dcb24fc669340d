"""Person accounts: accounts that are people, each with a contact of its own behind it.

An org has them when the describe of Account has `IsPersonAccount`. What is told here follows from Salesforce's
documentation of Account; which row is a person's is decided by its record type, in the org.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tailrace.destination import Operation
from tailrace_destinations.salesforce.schema import PERSON_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tailrace.judging import Mapped, Wish
    from tailrace_destinations.salesforce.schema import SObject

_PERSONS_OWN: Final = ("firstname", "lastname", "middlename", "salutation", "suffix")
"""Fields of an account that only a person has, beside `Person…` and `…__pc`."""
_CREATES: Final = frozenset({Operation.CREATE, Operation.UPSERT})


def faults(wish: Wish, sobject: SObject) -> dict[str, str]:
    """Fields that no account can have together."""
    if not _has_persons(wish, sobject, "account"):
        return {}
    by_name = {mapped.name.casefold(): mapped for mapped in wish.fields}
    name, own = by_name.get("name"), _persons_own(wish)
    if name is None or not own or name.skips_nulls or all(mapped.skips_nulls for mapped in own):
        return {}
    first = own[0].name
    return {
        name.name: (
            f"an account is a business, with Name, or a person, with {first} and no Name of its own; map one of them, "
            f"make a sync for each, or set `nulls: skip` on Name or on the person's fields"
        )
    }


def notes(wish: Wish, sobject: SObject) -> Iterator[str]:
    """What may surprise in an org with person accounts."""
    if _has_persons(wish, sobject, "contact"):
        yield (
            "the contact behind a person account cannot be written as a Contact; such rows are rejected: write its "
            "Account, where the contact's fields are PersonEmail and the like, and custom ones end in __pc"
        )
    if not _has_persons(wish, sobject, "account") or not _persons_own(wish) or not wish.operations & _CREATES:
        return
    if not any(mapped.name.casefold() == "recordtypeid" for mapped in wish.fields):
        yield (
            "a new account becomes a person only by its record type, and the mapping has no RecordTypeId: the "
            "integration user's default record type decides"
        )


def _has_persons(wish: Wish, sobject: SObject, object: str) -> bool:
    return wish.object.casefold() == object and PERSON_MARK in sobject.columns


def _persons_own(wish: Wish) -> list[Mapped]:
    """Mapped fields that only persons have."""
    return [mapped for mapped in wish.fields if _is_persons(mapped.name.casefold())]


def _is_persons(name: str) -> bool:
    return name in _PERSONS_OWN or name.startswith("person") or name.endswith("__pc")
