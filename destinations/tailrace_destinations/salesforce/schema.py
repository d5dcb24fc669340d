"""A describe answer, as the engine's fields and as what encoding needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Field, ObjectSchema, Operation
from tailrace.errors import StopRun
from tailrace_destinations.plain import close_names, fold, number_key
from tailrace_destinations.salesforce.bounds import ID_TYPES, RECORD_ID, Bounds, bounds
from tailrace_destinations.salesforce.encode import NUMERIC, Encoder, accepts, encoder, id18

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tailrace.destination import Lookup
    from tailrace.values import Value

PERSON_MARK: Final = "ispersonaccount"
"""The field, in lower case, by which an org with person accounts is known."""
UNSEEN: Final = "the integration user may not see it: check its field-level security"
"""Why a field that exists may be missing from a describe answer."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field, with what of its describe the engine does not need to know."""

    name: str
    type: str
    encode: Encoder
    nullable: bool
    ignores_case: bool
    length: int
    relationship: str | None
    targets: tuple[str, ...]
    bounds: Bounds = field(default_factory=Bounds)
    names_parents: bool = False
    """Whether Salesforce itself finds a parent by this field: an external id, or one with idLookup."""
    case_sensitive: bool = False
    filterable: bool = True
    is_master: bool = False
    """Whether it refers to the master of a master-detail relationship."""

    def comparable(self, value: Value) -> str:
        """A value of this field as Salesforce compares it when it matches records."""
        if isinstance(value, (int, float, Decimal)) and self.type in NUMERIC:
            return number_key(value)
        text = fold(value, ignore_case=self.ignores_case)
        return id18(text) if self.type in ID_TYPES else text

    def can_hold(self, value: Value) -> bool:
        """Whether any record can have this value, so that it is worth asking for."""
        if self.type in ID_TYPES:
            return isinstance(value, str) and RECORD_ID.fullmatch(value.strip()) is not None
        too_long = bool(self.length) and isinstance(value, str) and len(value.strip()) > self.length
        return value is not None and not too_long


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record type of an object."""

    id: str
    name: str
    """What people see."""
    developer_name: str
    active: bool
    available: bool
    """Whether the user may use it."""

    @property
    def usable(self) -> bool:
        """Whether records of it can be written."""
        return self.active and self.available


@dataclass(frozen=True, slots=True)
class SObject:
    """An object and its fields; names compare without regard to case."""

    name: str
    schema: ObjectSchema
    columns: Mapping[str, Column]
    """By name in lower case."""
    cut: Mapping[str, Column] = field(default_factory=dict)
    """Fields whose texts are cut to fit, as plain values of them are written; by name in lower case."""

    record_types: tuple[RecordType, ...] = ()
    """But for the master, which every object has."""
    cannot: frozenset[Operation] = frozenset()
    """What the user may not do with any record of it."""

    def written(self, name: str) -> Column:
        """The field as plain values are written to it. Keys and parents' keys are never cut: see `column`."""
        return self.cut.get(name.casefold()) or self.column(name)

    def column(self, name: str) -> Column:
        """The field of that name; StopRun when there is none, since no row could be written then."""
        column = self.columns.get(name.casefold())
        if column is None:
            known = [known.name for known in self.columns.values()]
            raise StopRun(
                f"{self.name} has no field {name!r}{close_names(name, known)}",
                code="INVALID_FIELD",
                hint=f"It does not exist, or {UNSEEN}.",
            )
        return column

    def relationship(self, name: str, lookup: Lookup) -> tuple[str, str | None]:
        """What a reference field is called inside a record, and the type to state when it may be several."""
        column = self.column(name)
        target = next((known for known in column.targets if known.casefold() == lookup.object.casefold()), None)
        if column.relationship is None or target is None:
            to = f"refers to {', '.join(column.targets)}" if column.targets else "refers to no other object"
            raise StopRun(
                f"{self.name}.{column.name} {to}, so it cannot look up {lookup.object}",
                code="INVALID_LOOKUP",
                hint="Correct `lookup:` in the sync.",
            )
        return column.relationship, target if len(column.targets) > 1 else None


def upsert_key(sobject: SObject, match: Sequence[str]) -> Column:
    """The field an upsert goes by; StopRun when there is none."""
    if len(match) != 1:
        raise StopRun("Salesforce upserts by one external-id field, so match must name exactly one.")
    column = sobject.column(match[0])
    if column.type == "id":
        raise StopRun("Salesforce cannot upsert by Id.", hint="Use mode: update, or match an external-id field.")
    return column


def read_describe(answer: Mapping[str, Any], zone: ZoneInfo | None, *, cuts: bool = False) -> SObject:
    """Make sense of what `/sobjects/X/describe` answers; with `cuts` free texts that are too long are cut."""
    entries = [entry for entry in answer.get("fields") or () if isinstance(entry, dict) and entry.get("name")]
    name = str(answer.get("name"))
    fields = {str(entry["name"]): _field(entry, zone) for entry in entries}
    columns = {str(entry["name"]).casefold(): _column(entry, zone) for entry in entries}
    if PERSON_MARK in columns and "Name" in fields:
        fields["Name"] = replace(fields["Name"], required=False)  # a person's is made of its parts
    cutting = [(entry, _column(entry, zone, cuts=cuts)) for entry in entries] if cuts else []
    cut = {str(entry["name"]).casefold(): column for entry, column in cutting if column.bounds.cuts}
    schema = ObjectSchema(name, fields, case_insensitive=True, unseen=UNSEEN)
    return SObject(name, schema, columns, cut, _record_types(answer), _cannot(answer))


def _record_types(answer: Mapping[str, Any]) -> tuple[RecordType, ...]:
    infos = [info for info in answer.get("recordTypeInfos") or () if isinstance(info, dict) and not info.get("master")]
    return tuple(
        RecordType(
            id18(str(info.get("recordTypeId"))),
            str(info.get("name")),
            str(info.get("developerName") or info.get("name")),
            active=bool(info.get("active", True)),
            available=bool(info.get("available", True)),
        )
        for info in infos
    )


def _cannot(answer: Mapping[str, Any]) -> frozenset[Operation]:
    named = {"createable": Operation.CREATE, "updateable": Operation.UPDATE, "deletable": Operation.DELETE}
    return frozenset(operation for name, operation in named.items() if answer.get(name) is False)


def _field(entry: Mapping[str, Any], zone: ZoneInfo | None) -> Field:
    type_ = str(entry.get("type"))
    createable = bool(entry.get("createable"))
    nullable = bool(entry.get("nillable", True))
    required = createable and not nullable and not entry.get("defaultedOnCreate") and type_ != "boolean"
    return Field(
        name=str(entry["name"]),
        vendor_type=type_,
        accepts=accepts(type_, zone),
        createable=createable,
        updateable=bool(entry.get("updateable")),
        required=required,
        nullable=nullable,
        unique=bool(entry.get("externalId") or entry.get("idLookup") or type_ == "id"),
        length=int(entry.get("length") or 0) or None,
        options=_options(entry, type_),
    )


def _options(entry: Mapping[str, Any], type_: str) -> tuple[str, ...]:
    if type_ != "picklist" or not entry.get("restrictedPicklist"):
        return ()
    return tuple(str(value.get("value")) for value in entry.get("picklistValues") or () if value.get("active", True))


def _column(entry: Mapping[str, Any], zone: ZoneInfo | None, *, cuts: bool = False) -> Column:
    type_ = str(entry.get("type"))
    limits = bounds(entry, cuts=cuts)
    # Keys of a case-insensitive unique field, and e-mail addresses, are one whatever their case.
    ignores_case = type_ == "email" or bool(entry.get("unique") and not entry.get("caseSensitive"))
    return Column(
        name=str(entry["name"]),
        type=type_,
        encode=encoder(type_, zone, limits.fit),
        nullable=bool(entry.get("nillable", True)) and type_ != "boolean",
        ignores_case=ignores_case,
        length=int(entry.get("length") or 0),
        relationship=str(entry["relationshipName"]) if entry.get("relationshipName") else None,
        targets=tuple(str(target) for target in entry.get("referenceTo") or ()),
        bounds=limits,
        names_parents=bool(entry.get("externalId") or entry.get("idLookup")),
        case_sensitive=bool(entry.get("caseSensitive")),
        filterable=bool(entry.get("filterable", True)),
        is_master=entry.get("relationshipOrder") is not None,
    )
