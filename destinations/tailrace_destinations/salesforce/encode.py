"""Values as the JSON that Salesforce's field types take, and JSON as values.

Encoders return JSON *text*: a Decimal keeps all its digits that way, which Python's json module does not offer.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.values import KINDS, Kind, Value
from tailrace_destinations.plain import (
    Unfit,
    choices_text,
    clean_text,
    instant_text,
    number_text,
    plain_text,
    whole_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

Encoder: TypeAlias = "Callable[[Value], str]"
Fit: TypeAlias = "Callable[[str], str]"
"""A text as a field takes it; Unfit where it takes none like it."""

_TEXT: Final = frozenset(KINDS) - {"binary"}
_NUMBER: Final[frozenset[Kind]] = frozenset({"int64", "float64", "decimal"})
NUMERIC: Final = frozenset({"int", "long", "double", "currency", "percent"})
"""Describe types that hold numbers."""
_CHOICE: Final[frozenset[Kind]] = frozenset({"string", "int64", "bool"})
_ACCEPTS: Final[dict[str, frozenset[Kind]]] = {
    "boolean": frozenset({"bool"}),
    "int": _NUMBER,
    "long": _NUMBER,
    "double": _NUMBER,
    "currency": _NUMBER,
    "percent": _NUMBER,
    "date": frozenset({"date"}),
    "datetime": frozenset({"timestamptz"}),
    "time": frozenset({"time"}),
    "base64": frozenset({"binary"}),
    "picklist": _CHOICE,
    "combobox": _CHOICE,
    "multipicklist": _CHOICE | {"json"},
    "id": frozenset({"string"}),
    "reference": frozenset({"string"}),
    "email": frozenset({"string"}),
    "url": frozenset({"string"}),
    "phone": frozenset({"string", "int64"}),
    "address": frozenset(),
    "location": frozenset(),
}


def accepts(type_: str, zone: ZoneInfo | None) -> frozenset[Kind]:
    """Logical kinds that a field of that describe type can hold."""
    kinds = _ACCEPTS.get(type_, _TEXT)
    return kinds | {"timestamp"} if type_ == "datetime" and zone is not None else kinds


def encoder(type_: str, zone: ZoneInfo | None, fit: Fit | None = None) -> Encoder:
    """How values become JSON text for that describe type; the encoder raises Unfit for a value that does not fit.

    `fit` has the last word on the texts of types that hold any.
    """

    def instant(value: Value) -> str:
        if not isinstance(value, datetime):
            raise Unfit("NOT_A_TIMESTAMP", "the field holds a date with time; cast the value to a timestamp")
        return _quoted(instant_text(value, zone))

    if type_ == "datetime":
        return instant
    if fit is None or type_ in _EXACT:
        return _EXACT.get(type_) or _texts(_SAYERS.get(type_, _said))
    return _texts(_SAYERS.get(type_, _said), fit)


def plain_encoded(type_: str) -> bool:
    """Whether fields of that describe type take any value as plain text."""
    return type_ != "datetime" and type_ not in _EXACT and type_ not in _SAYERS


def _quoted(text: str) -> str:
    return json.dumps(text)


def _said(value: Value) -> str:
    return clean_text(value) if isinstance(value, str) else plain_text(value)


def _texts(say: Encoder, fit: Fit | None = None) -> Encoder:
    if fit is None:
        return lambda value: _quoted(say(value))
    return lambda value: _quoted(fit(say(value)))


def _boolean(value: Value) -> str:
    if not isinstance(value, bool):
        raise Unfit("NOT_A_BOOLEAN", "a checkbox holds true or false; cast the value to a boolean")
    return "true" if value else "false"


def _number(value: Value) -> str:
    return number_text(_numeric(value))


def _whole(value: Value) -> str:
    return whole_text(_numeric(value))


def _numeric(value: Value) -> int | float | Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Unfit("NOT_A_NUMBER", "the field holds numbers; cast the value to a number")
    return value


def _date(value: Value) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit("NOT_A_DATE", "the field holds a date; cast the value to a date")
    return _quoted(value.isoformat())


def _time(value: Value) -> str:
    if not isinstance(value, time):
        raise Unfit("NOT_A_TIME", "the field holds a time of day; cast the value to a time")
    return _quoted(f"{value.isoformat(timespec='milliseconds')}Z")


def _bytes(value: Value) -> str:
    if not isinstance(value, bytes):
        raise Unfit("NOT_BINARY", "the field holds bytes; cast the value to binary")
    return _quoted(b64encode(value).decode())


_SAYERS: Final[dict[str, Encoder]] = {"multipicklist": choices_text}
"""What says values of types that hold texts of a form of their own."""
_EXACT: Final[dict[str, Encoder]] = {
    "boolean": _boolean,
    "int": _whole,
    "long": _whole,
    "double": _number,
    "currency": _number,
    "percent": _number,
    "date": _date,
    "time": _time,
    "base64": _bytes,
}


def decode(value: object, type_: str) -> Value:
    """A field read back. A text that is not of its type stays a text."""
    if value is None or isinstance(value, (bool, int, Decimal)):
        return value
    text = str(value)
    try:
        return _DECODERS.get(type_, str)(text)
    except ValueError:
        return text


def _read_instant(text: str) -> Value:
    return datetime.fromisoformat(text).astimezone(UTC)


def _read_time(text: str) -> Value:
    return time.fromisoformat(text.removesuffix("Z"))


_DECODERS: Final[dict[str, Callable[[str], Value]]] = {
    "date": date.fromisoformat,
    "datetime": _read_instant,
    "time": _read_time,
}

SHORT_ID: Final = 15
CHECKSUMS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
"""The last three characters of a long id, by which of five others are capitals."""


def id18(text: str) -> str:
    """A record id in its 18-character form: three more letters tell which of the 15 are capitals."""
    if len(text) != SHORT_ID:
        return text
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(text[start : start + 5]) if letter.isupper())
        suffix += CHECKSUMS[bits]
    return text + suffix
