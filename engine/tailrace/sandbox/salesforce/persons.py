"""Person accounts: accounts that are people, told by their record type, each with a contact of its own behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tailrace.sandbox.salesforce.errors import RowError
from tailrace.sandbox.salesforce.fields import SfField, with_defaults
from tailrace.sandbox.salesforce.objects import SfObject, declare

if TYPE_CHECKING:
    from tailrace.sandbox.salesforce.table import Values

BUSINESS, PERSON = "Business_Account", "PersonAccount"
_NAMES = ("FirstName", "LastName", "Salutation")
_OF_CONTACT = ("Email", "MobilePhone", "HomePhone", "Birthdate", "Title", "MailingStreet", "MailingCity")
"""Fields of contacts that accounts have as `Person…`."""
_TYPES: list[dict[str, Any]] = [
    {"developerName": BUSINESS, "name": "Business Account"},
    {"developerName": PERSON, "name": "Person Account", "person": True},
]


def enable(account: SfObject, contact: SfObject) -> None:
    """Give the objects of an org what person accounts bring along."""
    custom = [made for name, made in contact.fields.items() if name.endswith("__c")]
    account.add(
        _mark(),
        replace(account.fields["Name"], nillable=True),
        _fixed("PersonContactId", "reference", referenceTo=("Contact",), relationshipName="PersonContact"),
        *(replace(contact.fields[name], nillable=True) for name in _NAMES),
        *(replace(contact.fields[name], name=f"Person{name}", idLookup=False) for name in _OF_CONTACT),
        *(replace(made, name=f"{made.name[:-1]}pc", externalId=False, idLookup=False, unique=False) for made in custom),
    )
    contact.add(_mark())
    declare(account, {"recordTypeInfos": _TYPES})


def check(account: SfObject, values: Mapping[str, Any], record: Mapping[str, Any] | None) -> bool:
    """Whether an account is a person; RowError when it is given what the other kind has.

    `record` is None for a new one.
    """
    if record is None:
        known = account.record_types.get(values.get("RecordTypeId") or "")
        person = known is not None and known.person
    else:
        person = bool(record["IsPersonAccount"])
    wrong = [name for name, value in values.items() if value is not None and _foreign(name, person=person)]
    if wrong:
        message = f"Account: bad field names on insert/update call: {', '.join(wrong)}"
        raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, wrong)
    needed = "LastName" if person else "Name"
    if (record is None or needed in values) and values.get(needed) is None:
        raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{needed}]", [needed])
    return person


def refuse_contact(record: Mapping[str, Any]) -> None:
    """RowError for the contact of a person account, which is written through its account."""
    if record.get("IsPersonAccount"):
        # The vendor's own code is not known here; clients must take any.
        raise RowError("INVALID_OPERATION", "The contact of a person account cannot be changed by itself.")


def contact_of(record: Values) -> Values:
    """What the contact behind a new person account is made of."""
    shared = {name: record[name] for name in _NAMES} | {name: record[f"Person{name}"] for name in _OF_CONTACT}
    return {name: value for name, value in shared.items() if value is not None} | {"AccountId": record["Id"]}


def _foreign(name: str, *, person: bool) -> bool:
    return name == "Name" if person else name in _NAMES or name.startswith("Person") or name.endswith("__pc")


def _mark() -> SfField:
    return _fixed("IsPersonAccount", "boolean")


def _fixed(name: str, type: str, **attributes: Any) -> SfField:
    fixed = {"name": name, "type": type, "createable": False, "updateable": False}
    return SfField(**with_defaults(fixed | attributes))
