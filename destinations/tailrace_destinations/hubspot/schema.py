"""Properties of an object, as the engine's fields and as encoders ready for use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Field, ObjectSchema
from tailrace_destinations.hubspot.choices import Choices, read_choices
from tailrace_destinations.hubspot.encode import Encoder, accepts, encoder
from tailrace_destinations.hubspot.kinds import CONTACTS
from tailrace_destinations.plain import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

RECORD_ID: Final = "hs_object_id"
STANDARD_OBJECTS: Final = (
    "contacts", "companies", "deals", "tickets", "products", "line_items", "quotes", "calls", "emails",
    "meetings", "notes", "tasks",
)  # fmt: skip
_TEXT_LENGTH: Final = 65_536  # characters a text property holds


@dataclass(frozen=True, slots=True)
class Properties:
    """An object's properties."""

    schema: ObjectSchema
    encoders: Mapping[str, Encoder]
    choices: Mapping[str, Choices] = field(default_factory=dict)
    """Of enumerations that take nothing but their options."""
    calculated: frozenset[str] = frozenset()
    group: str = ""
    """The group that most properties people write are in."""

    def encoder(self, name: str) -> Encoder:
        """The property's encoder; one that HubSpot does not list takes plain texts, and HubSpot judges."""
        return self.encoders.get(name, plain_text)

    def type_of(self, name: str) -> str:
        """The property's type, `string` when unknown."""
        known = self.schema.fields.get(name)
        return known.vendor_type.partition("/")[0] if known else "string"


def read_properties(object: str, listed: Iterable[Mapping[str, Any]], zone: ZoneInfo | None) -> Properties:
    """Make sense of what the properties API lists."""
    entries = {str(entry["name"]): entry for entry in listed if entry.get("name") and not entry.get("archived")}
    fields = {name: _field(object, entry, zone) for name, entry in entries.items()}
    choices = {name: found for name, entry in entries.items() if (found := read_choices(entry)) is not None}
    encoders = {name: _encoder(entry, choices.get(name), zone) for name, entry in entries.items()}
    calculated = frozenset(name for name, entry in entries.items() if entry.get("calculated"))
    return Properties(ObjectSchema(object, fields), encoders, choices, calculated, _group(entries.values(), fields))


def _group(entries: Iterable[Mapping[str, Any]], fields: Mapping[str, Field]) -> str:
    groups = Counter(str(entry.get("groupName") or "") for entry in entries if fields[str(entry["name"])].updateable)
    groups.pop("", None)
    return max(groups, key=lambda name: groups[name], default="")


def _encoder(entry: Mapping[str, Any], choices: Choices | None, zone: ZoneInfo | None) -> Encoder:
    encode = encoder(str(entry.get("type")), str(entry.get("fieldType")), zone)
    return encode if choices is None else lambda value: choices.fit(encode(value))


def _field(object: str, entry: Mapping[str, Any], zone: ZoneInfo | None) -> Field:
    name, type_, field_type = str(entry["name"]), str(entry.get("type")), str(entry.get("fieldType"))
    writable = not (entry.get("calculated") or (entry.get("modificationMetadata") or {}).get("readOnlyValue"))
    # HubSpot keeps one contact per e-mail address without calling the property unique.
    by_email = name == "email" and object in CONTACTS
    return Field(
        name=name,
        vendor_type=f"{type_}/{field_type}",
        accepts=accepts(type_, field_type, zone),
        createable=writable,
        updateable=writable,
        unique=bool(entry.get("hasUniqueValue")) or by_email or name == RECORD_ID,
        length=_TEXT_LENGTH if type_ == "string" else None,
        options=_options(entry, type_),
    )


def _options(entry: Mapping[str, Any], type_: str) -> tuple[str, ...]:
    # A multiple choice holds several at once, so its options do not restrict a whole value.
    if type_ != "enumeration" or entry.get("externalOptions") or entry.get("fieldType") == "checkbox":
        return ()
    return tuple(str(option["value"]) for option in entry.get("options") or () if "value" in option)
