"""Properties that a mapping names and the account lacks: what they would be, and how they are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Field
from tailrace.errors import AccessDenied, Retriable, StopRun
from tailrace_destinations.hubspot.encode import accepts
from tailrace_destinations.hubspot.errors import Refused
from tailrace_destinations.plain import close_names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from tailrace.values import Kind, LogicalType
    from tailrace_destinations.hubspot.client import Client
    from tailrace_destinations.hubspot.schema import Properties

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
_TYPES: Final[Mapping[Kind, tuple[str, str]]] = {
    "string": ("string", "text"),
    "int64": ("number", "number"),
    "float64": ("number", "number"),
    "decimal": ("number", "number"),
    "bool": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "timestamp": ("datetime", "date"),
    "timestamptz": ("datetime", "date"),
}
"""Type and fieldType by the kind of a column. An enumeration is never guessed: its options are people's choice."""
_SCOPED: Final = frozenset({"contacts", "companies", "deals"})
"""Objects with a scope of their own for their properties."""
_YES_NO: Final = [{"value": "true", "label": "Yes"}, {"value": "false", "label": "No"}]
_WAIT: Final = 2.0  # seconds
_THERE: Final = re.compile("already exists", re.IGNORECASE)


def propose(name: str, logical: LogicalType, zone: ZoneInfo | None) -> Field | str:
    """The property that would be made for a column, or why none can be."""
    if not _NAME.fullmatch(name):
        fit = re.sub(r"[^a-z0-9_]+", "_", name.lower()).lstrip("_0123456789")[:100]
        instead = f"; call it {fit}" if fit else ""
        return f"it is no name of a property: lower-case letters, digits and _, a letter first, at most 100{instead}"
    if logical.kind not in _TYPES:
        return f"no property is made for a {logical}; cast it to a text, or make the property in HubSpot"
    type_, field_type = _TYPES[logical.kind]
    return Field(name, f"{type_}/{field_type}", accepts(type_, field_type, zone))


def announce(object: str, fields: Mapping[str, Field], known: Iterable[str]) -> str:
    """What plans tell of properties to be made; names that are nearly those of others may be slips."""
    others = list(known)
    told = [f"{name} ({field.vendor_type.partition('/')[0]}){_near(name, others)}" for name, field in fields.items()]
    what = "1 property" if len(told) == 1 else f"{len(told)} properties"
    return f"creates {what} of {object}: {', '.join(told)}; the app needs {scope(object)}"


def _near(name: str, known: list[str]) -> str:
    close = close_names(name, known)
    return f" [there is {close.removeprefix('; did you mean ').removesuffix('?')}]" if close else ""


def scope(object: str) -> str:
    """The scope that making properties of an object needs."""
    if object == "tickets":
        return "the scope tickets"
    return f"the scope crm.schemas.{object if object in _SCOPED else 'custom'}.write"


class Maker:
    """Makes properties of one account."""

    def __init__(self, client: Client, zone: ZoneInfo | None) -> None:
        self._client = client
        self._zone = zone

    def make(self, object: str, properties: Properties, types: Mapping[str, LogicalType]) -> None:
        """Make those that are not there; one that another run makes at the same time is fine."""
        for name, logical in types.items():
            if name not in properties.schema.fields:
                self._make(object, name, logical, properties.group or f"{object}information")

    def _make(self, object: str, name: str, logical: LogicalType, group: str) -> None:
        proposed = propose(name, logical, self._zone)
        if isinstance(proposed, str):
            raise StopRun(f"HubSpot property {name} cannot be made: {proposed}")
        type_, _, field_type = proposed.vendor_type.partition("/")
        label = name.replace("_", " ").capitalize()
        body: dict[str, Any] = {"name": name, "label": label, "type": type_, "fieldType": field_type}
        body |= {"groupName": group} | ({"options": _YES_NO} if type_ == "bool" else {})
        try:
            self._client.request("POST", self._client.paths.properties(object), body, write=True)
        except Refused as error:
            if not _is_there(error):
                raise StopRun(
                    f"HubSpot does not make the property {name} of {object}: {error.message}",
                    code=error.code,
                    hint="Make it in HubSpot, or leave it out of fields.",
                ) from None
        except AccessDenied as error:
            raise AccessDenied(
                f"HubSpot does not let this app make the property {name} of {object}: {error.message}",
                code=error.code,
                hint=f"Give the app {scope(object)}, or make the property in HubSpot.",
            ) from None

    def verify(self, object: str, properties: Properties, types: Mapping[str, LogicalType]) -> None:
        """StopRun where a property is not what its column needs, as when another run made it of another type."""
        for name, logical in types.items():
            field = properties.schema.fields.get(name)
            if field is None:
                raise Retriable(f"HubSpot made {name} and does not list it yet", code="NOT_LISTED", retry_after=_WAIT)
            if logical.kind not in field.accepts:
                raise StopRun(
                    f"HubSpot has a property {name} of {object} by now, and a {logical} does not fit its type "
                    f"{field.vendor_type}",
                    hint="Run `tailrace check`, which compares the mapping with the account.",
                )


def _is_there(error: Refused) -> bool:
    """Whether a property was refused because there is one of that name."""
    return error.body.get("category") == "OBJECT_ALREADY_EXISTS" or bool(_THERE.search(error.message))
