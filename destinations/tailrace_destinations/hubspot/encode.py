"""Values as HubSpot's property texts, and property texts as values.

All properties travel as texts; an empty text clears. Numbers go out with all digits, dates as `YYYY-MM-DD`
(never through a time zone), instants as UTC with milliseconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.values import KINDS, Kind, Value
from tailrace_destinations.plain import (
    Unfit,
    choices_text,
    instant_text,
    number_text,
    plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

Encoder: TypeAlias = "Callable[[Value], str]"

_TEXT: Final = frozenset(KINDS) - {"binary"}
_NUMBER: Final[frozenset[Kind]] = frozenset({"int64", "float64", "decimal"})
_ACCEPTS: Final[dict[str, frozenset[Kind]]] = {
    "number": _NUMBER,
    "bool": frozenset({"bool"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"timestamptz"}),
    "enumeration": frozenset({"string", "int64", "bool"}),
    "object_coordinates": frozenset(),
}


def accepts(type_: str, field_type: str, zone: ZoneInfo | None) -> frozenset[Kind]:
    """Logical kinds that a property of that type and fieldType can hold."""
    kinds = _ACCEPTS.get(type_, _TEXT)
    if type_ == "datetime" and zone is not None:
        kinds |= {"timestamp"}
    if type_ == "enumeration" and field_type == "checkbox":
        kinds |= {"json"}
    return kinds


def encoder(type_: str, field_type: str, zone: ZoneInfo | None) -> Encoder:
    """How values of a property become its text; the encoder raises Unfit for a value that does not fit."""

    def instant(value: Value) -> str:
        if not isinstance(value, datetime):
            raise Unfit("NOT_A_TIMESTAMP", "the property holds a date with time; cast the value to a timestamp")
        return instant_text(value, zone)

    if type_ == "datetime":
        return instant
    if type_ == "enumeration":
        return choices_text if field_type == "checkbox" else plain_text
    return _ENCODERS.get(type_, plain_text)


def _number(value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Unfit("NOT_A_NUMBER", "the property holds numbers; cast the value to a number")
    return number_text(value)


def _bool(value: Value) -> str:
    if not isinstance(value, bool):
        raise Unfit("NOT_A_BOOLEAN", "the property holds true or false; cast the value to a boolean")
    return "true" if value else "false"


def _date(value: Value) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit("NOT_A_DATE", "the property holds a date; cast the value to a date")
    return value.isoformat()


_ENCODERS: Final[dict[str, Encoder]] = {"number": _number, "bool": _bool, "date": _date}


def decode(text: object, type_: str) -> Value:
    """A property read back; empty is null. A text that is not of its type stays a text."""
    if text is None or text == "":
        return None
    try:
        return _DECODERS.get(type_, str)(str(text))
    except (ValueError, InvalidOperation, OverflowError):
        return str(text)


def _read_date(text: str) -> Value:
    # Dates written as epoch milliseconds are midnight UTC.
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC).date()
    return date.fromisoformat(text[:10])


def _read_instant(text: str) -> Value:
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def _read_bool(text: str) -> Value:
    return {"true": True, "false": False}[text.lower()] if text.lower() in {"true", "false"} else text


_DECODERS: Final[dict[str, Callable[[str], Value]]] = {
    "number": Decimal,
    "bool": _read_bool,
    "date": _read_date,
    "datetime": _read_instant,
}
