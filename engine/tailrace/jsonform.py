"""Values as JSON: exact, so that a reader gets back what was compared."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from tailrace.clock import moment
from tailrace.values import Value

compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""JSON without blanks. Made once: it is called for each of very many keys."""

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def to_json(value: Value) -> Json:
    """Decimals as exact text, dates and times as ISO 8601 (UTC with Z), bytes as base64, NaN as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return iso(value)
        case date() | time():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case Mapping():
            return {name: to_json(inner) for name, inner in value.items()}
        case Sequence():
            return [to_json(inner) for inner in value]


def iso(value: datetime) -> str:
    """ISO 8601; a moment with a zone in UTC, with Z."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def iso_at(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, in UTC; None stays None."""
    return None if seconds is None else iso(moment(seconds))


def key_json(key: Mapping[str, Value]) -> str:
    """One text per key, the same whenever the key is the same: compact JSON, names sorted."""
    return compact({name: to_json(key[name]) for name in sorted(key)})


def show_key(key: Mapping[str, Value]) -> str:
    """A key for people: each column with its value."""
    return " ".join(f"{name}={show(value)}" for name, value in key.items())


_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal carries out rather than shows: control characters, line ends, and turns of the writing direction."""


def show(value: Value) -> str:
    """A value for people: null as ∅, text bare unless it is empty, has outer spaces, or what a terminal carries out."""
    if value is None:
        return "∅"
    if isinstance(value, str) and value == value.strip() and value and not _UNSEEN.search(value):
        return value
    form = to_json(value)
    if isinstance(form, str) and not isinstance(value, str):
        return form
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(form, ensure_ascii=False))
