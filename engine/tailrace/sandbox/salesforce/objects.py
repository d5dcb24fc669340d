"""The objects a new org has, with a realistic core of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.sandbox.salesforce.fields import SfField, from_json, with_defaults
from tailrace.sandbox.salesforce.recordtypes import MASTER, RecordType, record_types

SALUTATIONS = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")
LEAD_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
INDUSTRIES = ("Agriculture", "Banking", "Construction", "Education", "Insurance", "Retail", "Technology", "Other")
STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost")
LEAD_STATUS = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")


@dataclass(slots=True)
class SfObject:
    """An object: its fields by name, found without regard to case."""

    name: str
    label: str
    prefix: str
    fields: dict[str, SfField] = field(default_factory=dict)
    createable: bool = True
    _folded: dict[str, SfField] = field(default_factory=dict)
    _relations: dict[str, SfField] = field(default_factory=dict)
    _defaults: dict[str, Any] = field(default_factory=dict)
    required: list[SfField] = field(default_factory=list)
    """Fields without which a create is refused."""
    record_types: dict[str, RecordType] = field(default_factory=dict)
    """By id, but for the master."""

    def add(self, *fields: SfField) -> None:
        """Add fields, in place of those of the same name."""
        for made in fields:
            self.fields[made.name] = made
            self._folded[made.name.lower()] = made
            if made.relationshipName:
                self._relations[made.relationshipName.lower()] = made
        # Asked for each new record, of which there may be very many.
        self.required = [made for made in self.fields.values() if made.required]
        self._defaults = {made.name: made.defaultValue for made in self.fields.values()}

    def get(self, name: str) -> SfField | None:
        """The field of that name."""
        return self.fields.get(name) or self._folded.get(name.lower())

    def relation(self, name: str) -> SfField | None:
        """The reference field whose relationship has that name."""
        return self._relations.get(name.lower())

    def defaults(self) -> dict[str, Any]:
        """Values of a new record that gives none."""
        return dict(self._defaults)

    def summary(self) -> dict[str, Any]:
        """As the list of objects shows it."""
        url = f"/sobjects/{self.name}"
        return {
            "name": self.name,
            "label": self.label,
            "labelPlural": f"{self.label}s",
            "keyPrefix": self.prefix,
            "createable": self.createable,
            "updateable": self.createable,
            "deletable": self.createable,
            "undeletable": self.createable,
            "queryable": True,
            "retrieveable": True,
            "searchable": True,
            "custom": self.name.endswith("__c"),
            "customSetting": False,
            "deprecatedAndHidden": False,
            "layoutable": True,
            "replicateable": True,
            "triggerable": True,
            "mergeable": False,
            "feedEnabled": False,
            "urls": {"sobject": url, "describe": f"{url}/describe", "rowTemplate": f"{url}/{{ID}}"},
        }

    def describe(self) -> dict[str, Any]:
        """The whole description."""
        described = [made.describe() for made in self.fields.values()]
        infos = [*(known.describe() for known in self.record_types.values()), MASTER]
        return self.summary() | {"fields": described, "recordTypeInfos": infos, "childRelationships": []}


def standard_objects() -> list[SfObject]:
    """A new org's objects."""
    writable = [_account(), _contact(), _lead(), _opportunity(), _task()]
    return [*writable, _user(), _group(), _organization(), _assignment_rule(), _record_type()]


def declared_object(name: str, data: Mapping[str, Any], number: int) -> SfObject:
    """A custom object, from data shaped like describe's."""
    prefix = data.get("keyPrefix") or f"a{number:02d}"
    made = SfObject(name, data.get("label") or name, prefix)
    made.add(*_system(), _f("Name", "string", length=80), _external_id(), _owner("Group", "User"))
    return made


def declare(made: SfObject, data: Mapping[str, Any]) -> None:
    """Add fields and record types from data shaped like describe's; ValueError when one cannot be."""
    made.add(*(from_json(item) for item in data.get("fields") or ()))
    types = record_types(made.prefix, data.get("recordTypeInfos") or (), made.record_types)
    if types:
        made.record_types |= types
        made.add(_ref("RecordTypeId", "RecordType", label="Record Type ID"))


def _f(name: str, type: str, **attributes: Any) -> SfField:
    return SfField(**with_defaults({"name": name, "type": type} | attributes))


def _fixed(name: str, type: str, **attributes: Any) -> SfField:
    fixed = {"createable": False, "updateable": False, "nillable": False, "defaultedOnCreate": True}
    return _f(name, type, **(fixed | attributes))


def _ref(name: str, target: str, **attributes: Any) -> SfField:
    relation = attributes.pop("relationshipName", name.removesuffix("Id") if name.endswith("Id") else None)
    return _f(name, "reference", referenceTo=(target,), relationshipName=relation, **attributes)


def _owner(*targets: str) -> SfField:
    several = {"polymorphicForeignKey": len(targets) > 1, "nillable": False, "defaultedOnCreate": True}
    return _f("OwnerId", "reference", label="Owner ID", referenceTo=targets, relationshipName="Owner", **several)


def _picklist(name: str, values: tuple[str, ...], **attributes: Any) -> SfField:
    return _f(name, "picklist", picklistValues=values, **attributes)


def _external_id() -> SfField:
    marks = {"externalId": True, "idLookup": True, "unique": True}
    return _f("External_Id__c", "string", label="External Id", length=80, **marks)


def _system() -> list[SfField]:
    user = {"referenceTo": ("User",)}
    return [
        _fixed("Id", "id", idLookup=True),
        _fixed("IsDeleted", "boolean"),
        _owner("User"),
        _fixed("CreatedDate", "datetime"),
        _fixed("CreatedById", "reference", relationshipName="CreatedBy", **user),
        _fixed("LastModifiedDate", "datetime"),
        _fixed("LastModifiedById", "reference", relationshipName="LastModifiedBy", **user),
        _fixed("SystemModstamp", "datetime"),
    ]


def _custom() -> list[SfField]:
    return [
        _external_id(),
        _f("LTV__c", "currency", label="LTV", precision=18, scale=2),
        _f("Source__c", "string", label="Source", length=80),
        _f("Email_Hash__c", "string", label="Email Hash", length=64),
        _f("Welcome__c", "string", label="Welcome", length=255),
        _f("Orders__c", "double", label="Orders", precision=18, scale=0),
        _f("Last_Order__c", "date", label="Last Order"),
        _f("Last_Seen__c", "datetime", label="Last Seen"),
        _f("Active__c", "boolean", label="Active"),
        _f("Discount__c", "percent", label="Discount", precision=5, scale=2),
        _picklist("Tier__c", ("Gold", "Silver", "Bronze"), label="Tier", restrictedPicklist=True),
        _f("Interests__c", "multipicklist", label="Interests", picklistValues=("Art", "Music", "Sport"),
           restrictedPicklist=True),
        _f("Notes__c", "textarea", label="Notes"),
        _f("Score__c", "double", label="Score", precision=18, scale=2, calculated=True, createable=False,
           updateable=False),
    ]  # fmt: skip


def _address(kind: str) -> list[SfField]:
    lengths = {"City": 40, "State": 80, "PostalCode": 20, "Country": 80}
    street = _f(f"{kind}Street", "textarea", length=255)
    return [street, *(_f(kind + part, "string", length=length) for part, length in lengths.items())]


def _person() -> list[SfField]:
    return [
        _picklist("Salutation", SALUTATIONS, length=40),
        _f("FirstName", "string", label="First Name", length=40),
        _f("LastName", "string", label="Last Name", length=80, nillable=False),
        _f("Name", "string", label="Full Name", length=121, nillable=False, createable=False, updateable=False),
        _f("Email", "email", label="Email", idLookup=True),
        _f("Phone", "phone", label="Business Phone"),
        _f("MobilePhone", "phone", label="Mobile Phone"),
        _f("Title", "string", label="Title", length=128),
        _picklist("LeadSource", LEAD_SOURCES, label="Lead Source"),
        _f("Description", "textarea", label="Description", length=32_000),
    ]


def _contact() -> SfObject:
    made = SfObject("Contact", "Contact", "003")
    made.add(*_system(), *_person(), *_address("Mailing"), *_custom())
    made.add(
        _ref("AccountId", "Account", label="Account ID"),
        _ref("ReportsToId", "Contact", label="Reports To ID"),
        _f("Birthdate", "date"),
        _f("Department", "string", length=80),
        _f("HomePhone", "phone", label="Home Phone"),
        _f("Fax", "phone"),
        _f("DoNotCall", "boolean", label="Do Not Call"),
        _f("HasOptedOutOfEmail", "boolean", label="Email Opt Out"),
    )
    return made


def _account() -> SfObject:
    made = SfObject("Account", "Account", "001")
    made.add(*_system(), *_address("Billing"), *_custom())
    made.add(
        _f("Name", "string", label="Account Name", length=255, nillable=False),
        _ref("ParentId", "Account", label="Parent Account ID"),
        _f("AccountNumber", "string", label="Account Number", length=40),
        _picklist("Type", ("Prospect", "Customer - Direct", "Partner", "Other"), label="Account Type"),
        _picklist("Industry", INDUSTRIES, label="Industry"),
        _f("AnnualRevenue", "currency", label="Annual Revenue", precision=18, scale=0),
        _f("NumberOfEmployees", "int", label="Employees", digits=8),
        _f("Phone", "phone", label="Account Phone"),
        _f("Website", "url", label="Website"),
        _f("Description", "textarea", label="Account Description", length=32_000),
    )
    return made


def _lead() -> SfObject:
    made = SfObject("Lead", "Lead", "00Q")
    made.add(*_system(), *_person(), *_custom())
    made.add(_owner("Group", "User"))
    status = {"nillable": False, "defaultedOnCreate": True, "defaultValue": LEAD_STATUS[0]}
    made.add(
        _f("Company", "string", label="Company", length=255, nillable=False),
        _picklist("Status", LEAD_STATUS, label="Status", **status),
        _picklist("Industry", INDUSTRIES, label="Industry"),
        _f("AnnualRevenue", "currency", label="Annual Revenue", precision=18, scale=0),
        _f("City", "string", label="City", length=40),
        _f("Country", "string", label="Country", length=80),
        _fixed("IsConverted", "boolean", label="Converted"),
    )
    return made


def _opportunity() -> SfObject:
    made = SfObject("Opportunity", "Opportunity", "006")
    made.add(*_system(), *_custom())
    made.add(
        _f("Name", "string", label="Name", length=120, nillable=False),
        _ref("AccountId", "Account", label="Account ID"),
        _picklist("StageName", STAGES, label="Stage", nillable=False),
        _f("CloseDate", "date", label="Close Date", nillable=False),
        _f("Amount", "currency", label="Amount", precision=18, scale=2),
        _f("Probability", "percent", label="Probability (%)", precision=3, scale=0),
        _f("NextStep", "string", label="Next Step", length=255),
        _picklist("LeadSource", LEAD_SOURCES, label="Lead Source"),
        _f("Description", "textarea", label="Description", length=32_000),
        _fixed("IsWon", "boolean", label="Won"),
        _fixed("IsClosed", "boolean", label="Closed"),
    )
    return made


def _task() -> SfObject:
    made = SfObject("Task", "Task", "00T")
    made.add(*_system(), _owner("Group", "User"), _external_id())
    several = {"polymorphicForeignKey": True}
    made.add(
        _f("Subject", "combobox", label="Subject"),
        _f("ActivityDate", "date", label="Due Date Only"),
        _f("Description", "textarea", label="Description", length=32_000),
        _f("WhoId", "reference", label="Name ID", referenceTo=("Contact", "Lead"), relationshipName="Who", **several),
        _f("WhatId", "reference", label="Related To ID", referenceTo=("Account", "Opportunity"),
           relationshipName="What", **several),
    )  # fmt: skip
    return made


def _group() -> SfObject:
    made = SfObject("Group", "Group", "00G", createable=False)
    made.add(
        _fixed("Id", "id", idLookup=True),
        _f("Name", "string", length=40),
        _f("DeveloperName", "string", length=80),
        _f("Type", "string", length=40),
    )
    return made


def _record_type() -> SfObject:
    made = SfObject("RecordType", "Record Type", "012", createable=False)
    made.add(
        _fixed("Id", "id", idLookup=True),
        _f("Name", "string", length=80),
        _f("DeveloperName", "string", length=80),
        _f("SobjectType", "string", length=40),
        _f("IsActive", "boolean"),
        _f("IsPersonType", "boolean"),
    )
    return made


def _user() -> SfObject:
    made = SfObject("User", "User", "005", createable=False)
    made.add(
        _fixed("Id", "id", idLookup=True),
        _f("Username", "string", length=80, nillable=False),
        _f("Name", "string", length=121),
        _f("Email", "email"),
        _f("IsActive", "boolean"),
    )
    return made


def _assignment_rule() -> SfObject:
    made = SfObject("AssignmentRule", "Assignment Rule", "01Q", createable=False)
    made.add(
        _fixed("Id", "id"),
        _f("Name", "string", length=120),
        _f("SobjectType", "string", length=40),
        _f("Active", "boolean"),
    )
    return made


def _organization() -> SfObject:
    made = SfObject("Organization", "Organization", "00D", createable=False)
    made.add(
        _fixed("Id", "id"),
        _f("Name", "string", length=80),
        _f("OrganizationType", "string", length=40),
        _f("InstanceName", "string", length=40),
        _f("IsSandbox", "boolean"),
    )
    return made
