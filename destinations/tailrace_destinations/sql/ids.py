"""A record's id in a table: the text of its match values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tailrace.values import Value
from tailrace_destinations.sql.codec import Codec, UnfitError, text

Encoded = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class MatchIds:
    """Record ids of a table under some match columns: the value's text, or a JSON list of texts for several."""

    codecs: tuple[Codec, ...]

    def encode(self, values: Sequence[Value]) -> Encoded:
        """Encode match values for the database; UnfitError when a column cannot hold one, or it is null."""
        if any(value is None for value in values):
            raise UnfitError("a match value is null")
        return tuple(codec.encode(value) for codec, value in zip(self.codecs, values, strict=True))

    def id(self, encoded: Encoded) -> str:
        """Give the record id of encoded match values: the same text that reading the record back gives."""
        texts = [_text(codec.decode(value)) for codec, value in zip(self.codecs, encoded, strict=True)]
        return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)

    def address(self, values: Sequence[Value], record_id: str | None) -> Encoded:
        """Say which record is meant: the one with that id, else the one with those match values."""
        encoded = self.encode(values)
        if record_id is None or record_id == self.id(encoded):
            return encoded
        return self.encode(self._parse(record_id))

    def _parse(self, record_id: str) -> list[Value]:
        if len(self.codecs) == 1:
            return [record_id]
        try:
            parts = json.loads(record_id)
        except ValueError:
            parts = None
        if not isinstance(parts, list) or len(parts) != len(self.codecs):
            raise UnfitError(f"record id {record_id!r} is no list of {len(self.codecs)} match values")
        return parts


def _text(value: Value) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else text(value)
