"""Whether values fit an object's schema: what a strict vendor checks before it writes a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tailrace.destination import Field, ObjectSchema, OpenFields, Recovery
from tailrace.values import Value

Fit: TypeAlias = tuple[str, str, Recovery | None] | None
"""A rejection's code, message and recovery; None when the values fit."""


def misfit(schema: ObjectSchema, values: Mapping[str, Value], *, creating: bool) -> Fit:
    """Say why these values cannot be written to an object of that schema; None when they can."""
    if isinstance(schema.fields, OpenFields):
        return None
    for name, value in values.items():
        fault = _field_misfit(schema.get(name), name, value)
        if fault is not None:
            return (*fault, None)
    missing = [f.name for f in schema.fields.values() if f.required and values.get(f.name) is None] if creating else []
    return ("REQUIRED", f"a value is required: {', '.join(missing)}", None) if missing else None


def _field_misfit(known: Field | None, name: str, value: Value) -> tuple[str, str] | None:
    if known is None:
        return "UNKNOWN_FIELD", f"there is no field {name!r}"
    if value is None:
        return None if known.nullable else ("NOT_NULL", f"{name} cannot be cleared")
    if isinstance(value, str) and known.length is not None and len(value) > known.length:
        return "TOO_LONG", f"{name} takes {known.length} characters, not {len(value)}"
    if known.options and value not in known.options:
        return "OPTION", f"{name} does not take {value!r}"
    return None
