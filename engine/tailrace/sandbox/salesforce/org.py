"""A Salesforce org: its objects and records, and the rules of writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tailrace.sandbox.options import SalesforceOptions
from tailrace.sandbox.salesforce import persons
from tailrace.sandbox.salesforce.errors import RowError, SalesforceError, not_found
from tailrace.sandbox.salesforce.fields import SfField, moment_text
from tailrace.sandbox.salesforce.ids import make_id
from tailrace.sandbox.salesforce.locks import NOT_LOCKED, Locks
from tailrace.sandbox.salesforce.manner import Manner
from tailrace.sandbox.salesforce.objects import SfObject, declare, declared_object, standard_objects
from tailrace.sandbox.salesforce.table import Table, Values

USER_ID = make_id("005", 1)
ASSIGNED_ID = make_id("005", 2)
"""The owner that assignment rules choose."""


class Org:
    """All that an org keeps."""

    def __init__(self, options: SalesforceOptions) -> None:
        self.options = options
        self.tables: dict[str, Table] = {}
        self._folded: dict[str, Table] = {}
        self.locks = Locks()
        self.manner = Manner()
        """Of the request that is carried out."""
        for made in standard_objects():
            self._add(made)
        if options.person_accounts:
            persons.enable(self.tables["Account"].object, self.tables["Contact"].object)
        self.declare(options.objects)
        self._furnish()

    def table(self, name: str) -> Table:
        """The records of an object; 404 when there is none of that name."""
        table = self._folded.get(name.lower())
        if table is None:
            raise not_found()
        return table

    def by_prefix(self, record_id: str) -> Table | None:
        """The table that an id belongs to."""
        return next((table for table in self.tables.values() if table.object.prefix == record_id[:3]), None)

    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and fields; ValueError when one cannot be."""
        for name, data in objects.items():
            if name.lower() not in self._folded:
                self._add(declared_object(name, data, len(self.tables)))
            table = self._folded[name.lower()]
            declare(table.object, data)
            self._check_references(table.object)
            self._furnish_types(table.object)
            for record in table.records.values():
                record.update({k: v for k, v in table.object.defaults().items() if k not in record})
            table.reindex()

    def _check_references(self, made: SfObject) -> None:
        targets = {target for field in made.fields.values() for target in field.referenceTo}
        unknown = sorted(target for target in targets if target.lower() not in self._folded)
        if unknown:
            raise ValueError(f"{made.name} refers to {', '.join(unknown)}, which must be declared before it.")

    def reset(self) -> None:
        """Forget all records; objects and fields stay."""
        self.locks.limit(0)
        self.locks.refused = 0
        for table in self.tables.values():
            table.records.clear()
            table.writes = table.last_number = 0
            table.reindex()
        self._furnish()

    def create(self, table: Table, payload: Mapping[str, Any]) -> Values:
        """A new record; RowError when it is refused."""
        values = self.checked(table, payload, creating=True)
        person = self._is_person(table, values, None)
        absent = [made.name for made in table.object.required if values.get(made.name) is None]
        if absent:
            raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(absent)}]", absent)
        if clash := table.clash(values, None):
            raise clash
        self._check_duplicates(table, values, None)
        self._lock(table, values)
        table.last_number += 1
        record = table.object.defaults() | _stamps() | values
        if self.manner.assign and table.object.name in self.options.assignment_rules:
            record["OwnerId"] = ASSIGNED_ID
        record["Id"] = make_id(table.object.prefix, table.last_number)
        _name(record)
        record |= {"IsPersonAccount": True} if person else {}
        table.records[record["Id"]] = record
        table.enter(record)
        table.writes += 1
        if person:
            behind = self.create(self.tables["Contact"], persons.contact_of(record))
            behind["IsPersonAccount"] = True
            record["PersonContactId"] = behind["Id"]
        return record

    def _is_person(self, table: Table, values: Mapping[str, Any], record: Values | None) -> bool:
        """Whether the account that is written is a person; RowError when it may not be written so."""
        if not self.options.person_accounts:
            return False
        if table.object.name == "Contact" and record is not None:
            persons.refuse_contact(record)
        return table.object.name == "Account" and persons.check(table.object, values, record)

    def update(self, table: Table, record_id: str, payload: Mapping[str, Any]) -> Values:
        """Write a record that exists; RowError when it is refused."""
        record = self.live(table, record_id)
        values = self.checked(table, payload, creating=False)
        self._is_person(table, values, record)
        for name, value in values.items():
            if value is None and table.object.fields[name].required:
                raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", [name])
        if clash := table.clash(values, record_id):
            raise clash
        self._check_duplicates(table, values, record_id)
        self._lock(table, record, values)
        table.leave(record)
        record.update(values)
        record["LastModifiedDate"] = record["SystemModstamp"] = moment_text(datetime.now(UTC))
        _name(record)
        table.enter(record)
        table.writes += 1
        return record

    def delete(self, table: Table, record_id: str) -> None:
        """Move a record to the recycle bin; RowError when it is there already or never was."""
        record = self.live(table, record_id)
        self._lock(table, record)
        table.leave(record)
        record["IsDeleted"] = True
        table.writes += 1

    def _check_duplicates(self, table: Table, values: Mapping[str, Any], own: str | None) -> None:
        """RowError where a duplicate rule finds another record, unless the request wants it saved all the same."""
        names = [name for name in self.options.duplicate_rules.get(table.object.name, ()) if values.get(name)]
        if not names or self.manner.allow_duplicates:
            return
        others = (record for record in table.live() if record["Id"] != own)
        if any(record.get(name) == values[name] for record in others for name in names):
            raise RowError("DUPLICATES_DETECTED", "Use one of these records?")

    @contextmanager
    def in_manner(self, manner: Manner) -> Iterator[None]:
        """Carry out what is within the block as a request or a job wants it."""
        self.manner = manner
        try:
            yield
        finally:
            self.manner = Manner()

    def _lock(self, table: Table, *versions: Mapping[str, Any]) -> None:
        """Lock a record and those it refers to, before and after; RowError when another request has one."""
        if self.locks.on:
            fields = table.object.fields.values()
            names = ["Id", *(made.name for made in fields if not NOT_LOCKED.issuperset(made.referenceTo))]
            self.locks.take(values[name] for values in versions for name in names if values.get(name))

    def live(self, table: Table, record_id: str) -> Values:
        """The record of an 18-character id; RowError when there is none, or it is deleted."""
        record = table.records.get(record_id)
        if record is None:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if record.get("IsDeleted"):
            raise RowError("ENTITY_IS_DELETED", "entity is deleted")
        return record

    def checked(self, table: Table, payload: Mapping[str, Any], *, creating: bool) -> Values:
        """The payload's values as they will be kept; RowError with the first that is refused."""
        values: Values = {}
        get = table.object.get
        for name, value in payload.items():
            if name == "attributes":
                continue
            made = get(name)
            if made is None:
                field, record_id = self._related(table, name, value)
                if get(field.name) in map(get, payload):
                    message = f"Cannot specify both an external ID reference and a salesforce id, {name}"
                    raise RowError("INVALID_FIELD", message, [name])
                values[field.name] = record_id
                continue
            if not (made.createable if creating else made.updateable):
                raise _read_only(made)
            values[made.name] = self._value(made, value)
        self._typed(table, values.get("RecordTypeId"))
        return values

    def _value(self, made: SfField, value: Any) -> Any:
        if value is None:
            if made.type == "boolean":
                message = f"{made.words}: value not of required type: null"
                raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, [made.name])
            return None
        kept = made.check(value)
        if made.type == "reference" and kept is not None:
            self._referenced(made, kept)
        return kept

    def _referenced(self, made: SfField, record_id: str) -> None:
        table = self.by_prefix(record_id)
        if table is None or table.object.name not in made.referenceTo:
            raise RowError(
                "FIELD_INTEGRITY_EXCEPTION", f"{made.words}: id value of incorrect type: {record_id}", [made.name]
            )
        record = table.records.get(record_id)
        if record is None or record.get("IsDeleted"):
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [made.name])

    def _typed(self, table: Table, record_type: Any) -> None:
        known = table.object.record_types.get(record_type)
        if record_type is not None and (known is None or not known.active or not known.available):
            message = f"Record Type ID: this ID value isn't valid for the user: {record_type}"
            raise RowError("INVALID_CROSS_REFERENCE_KEY", message, ["RecordTypeId"])

    def _related(self, table: Table, name: str, value: Any) -> tuple[SfField, str | None]:
        made = table.object.relation(name)
        if made is None:
            raise RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {table.object.name}", [name])
        if value is None:
            return made, None
        stated = value.get("attributes") if isinstance(value, Mapping) else None
        target = stated.get("type") if isinstance(stated, Mapping) else None
        if target is not None and target not in made.referenceTo:
            raise RowError("INVALID_FIELD", f"{name} does not refer to {target}", [name])
        parent = self.table(target or made.referenceTo[0])
        keys = {k: v for k, v in value.items() if k != "attributes"} if isinstance(value, Mapping) else {}
        if len(keys) != 1:
            raise RowError("INVALID_FIELD", f"{name} must name its record by one external id field", [name])
        field, wanted = next(iter(keys.items()))
        key = parent.object.get(field)
        if key is None or not (key.externalId or key.idLookup):
            message = f"{field} is not an External ID or indexed field for {parent.object.name}"
            raise RowError("INVALID_FIELD", message, [name])
        return made, _only(parent, key, wanted)

    def dump(self) -> dict[str, Any]:
        """Objects, fields and records as JSON-ready data."""
        return {
            name: {
                "label": table.object.label,
                "keyPrefix": table.object.prefix,
                "recordTypeInfos": [
                    known.describe() | {"person": known.person} for known in table.object.record_types.values()
                ],
                "fields": [_plain(made) for made in table.object.fields.values() if made.name.endswith("__c")],
                "last_number": table.last_number,
                "records": list(table.records.values()),
            }
            for name, table in self.tables.items()
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `dump`."""
        self.declare(data)
        for name, saved in data.items():
            table = self.tables[name]
            table.last_number = int(saved["last_number"])
            table.records = {record["Id"]: record for record in saved["records"]}
            table.reindex()
        self._furnish()

    def _add(self, made: SfObject) -> None:
        self.tables[made.name] = self._folded[made.name.lower()] = Table(made)

    def _furnish(self) -> None:
        rules = self.tables["AssignmentRule"].records
        for number, (ruled, name) in enumerate(self.options.assignment_rules.items(), 1):
            rule_id = make_id("01Q", number)
            rules[rule_id] = {"Id": rule_id, "Name": name, "SobjectType": ruled, "Active": True}
        for table in self.tables.values():
            self._furnish_types(table.object)
        if self.options.assignment_rules:
            name = "Assigned User"
            chosen = {"Id": ASSIGNED_ID, "Username": "assigned@example.com", "Name": name, "IsActive": True}
            self.tables["User"].records[ASSIGNED_ID] = chosen | {"Email": "assigned@example.com"}
        user = {"Id": USER_ID, "Username": "sandbox@example.com", "Name": "Sandbox User", "IsActive": True}
        self.tables["User"].records[USER_ID] = user | {"Email": "sandbox@example.com"}
        org_id = self.options.org_id
        org = {"Id": org_id, "Name": "Tailrace Sandbox", "OrganizationType": "Developer Edition"}
        self.tables["Organization"].records.clear()
        self.tables["Organization"].records[org_id] = org | {"InstanceName": "SBX1", "IsSandbox": True}

    def _furnish_types(self, made: SfObject) -> None:
        types = self.tables["RecordType"].records
        for known in made.record_types.values():
            types[known.id] = known.record(made.name)


def external_id_field(table: Table, name: str) -> SfField:
    """The field an upsert goes by; SalesforceError when it cannot."""
    made = table.object.get(name)
    if made is None or not (made.externalId or made.idLookup):
        message = "Provided external ID field does not exist or is not accessible: " + name
        raise SalesforceError(404, "NOT_FOUND", message)
    return made


def _only(parent: Table, key: SfField, wanted: Any) -> str:
    found = parent.find(key, wanted)
    if not found:
        message = f"Foreign key external ID: {wanted} not found for field {key.name} in entity {parent.object.name}"
        raise RowError("INVALID_FIELD", message)
    if len(found) > 1:
        raise ambiguous(key, found)
    return found[0]


def ambiguous(key: SfField, found: Iterable[str]) -> RowError:
    """The refusal of a key that several records have."""
    message = f"{key.name}: more than one record found for external id field: [{', '.join(found)}]"
    return RowError("DUPLICATE_EXTERNAL_ID", message)


def _read_only(made: SfField) -> RowError:
    message = (
        f"Unable to create/update fields: {made.name}. Please check the security settings of this field and verify "
        "that it is read/write for your profile or permission set."
    )
    return RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, [made.name])


def _stamps() -> Values:
    now = moment_text(datetime.now(UTC))
    times = {"CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
    return times | {"OwnerId": USER_ID, "CreatedById": USER_ID, "LastModifiedById": USER_ID, "IsDeleted": False}


def _name(record: Values) -> None:
    if record.get("LastName") is not None:
        record["Name"] = " ".join(filter(None, (record.get("FirstName"), record.get("LastName"))))


def _plain(made: SfField) -> dict[str, Any]:
    return {name: getattr(made, name) for name in SfField.__slots__ if name != "check"}
