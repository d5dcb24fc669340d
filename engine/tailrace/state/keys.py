"""A row's key as text: what rejected rows are filed under, and what users see of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from tailrace.values import Value


def key_json(key: Mapping[str, Value]) -> str:
    """The key as JSON, names sorted; dates, decimals and bytes become text."""
    return json.dumps(dict(key), sort_keys=True, separators=(",", ":"), default=_text, ensure_ascii=False)


def key_hash(key: Mapping[str, Value]) -> str:
    """What the key is filed under: 32 hex digits."""
    return hashlib.blake2b(key_json(key).encode(), digest_size=16).hexdigest()


def _text(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
