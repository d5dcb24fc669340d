"""Properties of HubSpot objects, each with a check of its values that is made once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tailrace.sandbox.hubspot.errors import PropertyFault

Check = Callable[[str], str]
"""Takes a value that is not empty and gives it as HubSpot keeps it; ValueFaultError when it is refused."""

FURTHER_EMAILS = "hs_additional_emails"
"""Addresses that mean a contact besides its `email`, with `;` between them."""
TEXT_LIMIT = 65_536
TYPES = frozenset({"string", "number", "bool", "date", "datetime", "enumeration", "phone_number", "json"})
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
EMAIL = re.compile(r"[^@\s,;<>()\[\]]+@[^@\s.,;<>()\[\]]+(\.[^@\s.,;<>()\[\]]+)+")
EPOCH = re.compile(r"-?\d{1,15}")


class ValueFaultError(ValueError):
    """A value is refused, with HubSpot's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Property:
    """A property as the properties API describes it."""

    name: str
    type: str
    field_type: str = "text"
    label: str = ""
    options: tuple[Mapping[str, Any], ...] = ()
    unique: bool = False
    calculated: bool = False
    read_only: bool = False
    hubspot_defined: bool = False
    external_options: bool = False
    group: str = ""
    check: Check = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "check", _checker(self))

    def fault(self, error: ValueFaultError) -> PropertyFault:
        """The refusal of a value as HubSpot tells it."""
        return PropertyFault(self.name, error.code, error.message)

    @property
    def locked(self) -> bool:
        """Whether the API may not write it."""
        return self.read_only or self.calculated

    def describe(self) -> dict[str, Any]:
        """As the properties API shows it."""
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "fieldType": self.field_type,
            "description": "",
            "groupName": self.group,
            "options": [_option(option, number) for number, option in enumerate(self.options)],
            "displayOrder": -1,
            "calculated": self.calculated,
            "externalOptions": self.external_options,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.hubspot_defined,
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.locked,
            },
            "formField": not self.locked,
            "dataSensitivity": "non_sensitive",
            "archived": False,
        }


def from_json(data: Mapping[str, Any], group: str) -> Property:
    """A property as someone creates it over the API; ValueError when it cannot be."""
    for name in ("name", "type"):
        if not isinstance(data.get(name), str) or not data[name]:
            raise ValueError(f"A property needs a {name}.")
    if data["type"] not in TYPES:
        raise ValueError(f"{data['type']} is not a property type; it is one of {', '.join(sorted(TYPES))}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", data["name"]):
        raise ValueError(f"{data['name']} is not a property name: lower-case letters, digits and _, letter first.")
    return Property(
        data["name"],
        data["type"],
        data.get("fieldType") or "text",
        data.get("label") or data["name"],
        tuple(data.get("options") or ()),
        unique=bool(data.get("hasUniqueValue")),
        calculated=bool(data.get("calculated")),
        external_options=bool(data.get("externalOptions")),
        group=data.get("groupName") or group,
    )


def _option(option: Mapping[str, Any], order: int) -> dict[str, Any]:
    value = option["value"]
    return {
        "value": value,
        "label": option.get("label", value),
        "displayOrder": order,
        "hidden": bool(option.get("hidden")),
    }


def _checker(prop: Property) -> Check:
    if prop.type == "enumeration":
        return _enumeration(prop)
    if prop.type == "string":
        return _email if prop.name == "email" else _text
    return {"number": _number, "bool": _bool, "date": _date, "datetime": _datetime}.get(prop.type, _text)


def _text(value: str) -> str:
    if len(value) > TEXT_LIMIT:
        raise ValueFaultError("INVALID_LENGTH", f"Property value length exceeds the limit of {TEXT_LIMIT} characters.")
    return value


def _email(value: str) -> str:
    email = value.strip().lower()
    if not EMAIL.fullmatch(email):
        raise ValueFaultError("INVALID_EMAIL", f"Email address {value} is invalid")
    return email


def _number(value: str) -> str:
    if not NUMBER.fullmatch(value.strip()):
        raise ValueFaultError("INVALID_INTEGER", f'"{value}" was not a valid number.')
    return value.strip()


def _bool(value: str) -> str:
    folded = value.lower()
    if folded not in {"true", "false"}:
        raise ValueFaultError("INVALID_OPTION", f"{value} was not one of the allowed options: [true, false]")
    return folded


def _date(value: str) -> str:
    try:
        moment = _moment(value) if not re.fullmatch(r"\d{4}-\d\d-\d\d", value) else None
        day = moment.date() if moment else date.fromisoformat(value)
    except ValueError:
        raise ValueFaultError("INVALID_DATE", f'"{value}" was not a valid date.') from None
    if moment and moment != datetime(day.year, day.month, day.day, tzinfo=UTC):
        raise ValueFaultError("INVALID_DATE", f'"{value}" is at {moment:%H:%M:%S} UTC, not at midnight.')
    return day.isoformat()


def _datetime(value: str) -> str:
    try:
        moment = _moment(value)
    except ValueError:
        raise ValueFaultError("INVALID_LONG", f'"{value}" was not a valid long.') from None
    return iso(moment)


def _moment(value: str) -> datetime:
    if EPOCH.fullmatch(value):
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value))
        except OverflowError:
            raise ValueError(value) from None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """A moment as HubSpot writes it: UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _enumeration(prop: Property) -> Check:
    allowed = frozenset(option["value"] for option in prop.options)
    shown = ", ".join(option["value"] for option in prop.options)
    several = prop.field_type == "checkbox"

    def check(value: str) -> str:
        parts = value.lstrip(";").split(";") if several else [value]
        for part in parts:
            if part not in allowed and not prop.external_options:
                raise ValueFaultError("INVALID_OPTION", f"{part} was not one of the allowed options: [{shown}]")
        return value

    return check


def appended(old: str, value: str) -> str:
    """What a multiple choice becomes when a value that starts with `;` is added to it."""
    parts: Sequence[str] = [*filter(None, old.split(";")), *filter(None, value.split(";"))]
    return ";".join(dict.fromkeys(parts))
