"""JSON Schemas about which keys a mapping has."""

from __future__ import annotations

from typing import Any


def given(name: str, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON Schema that wants a key with a value, and the others absent or null."""
    wanted: dict[str, Any] = {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
    return {**wanted, "not": {"anyOf": [given(other) for other in without]}} if without else wanted
