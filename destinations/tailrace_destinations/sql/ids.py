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

    def columns(self, matches: Sequence[Sequence[Value]]) -> list[Sequence[Any]]:
        """Encode the match values of many rows, one sequence per match column; UnfitError as `encode`."""
        if any(None in match for match in matches):
            raise UnfitError("a match value is null")
        return [codec.column(values) for codec, values in zip(self.codecs, zip(*matches, strict=True), strict=True)]

    def ids(self, columns: Sequence[Sequence[Any]]) -> list[str]:
        """Give the record ids of encoded match columns."""
        if len(columns) == 1 and self.codecs[0].form in ("string", "int"):
            return list(map(str, columns[0]))
        return [self.id(encoded) for encoded in zip(*columns, strict=True)]

    def id(self, encoded: Encoded) -> str:
        """Give the record id of encoded match values: the same text that reading the record back gives."""
        texts = [_text(codec.decode(value)) for codec, value in zip(self.codecs, encoded, strict=True)]
        return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)

    def parse(self, record_id: str) -> Encoded:
        """Read a record id back into encoded match values; UnfitError when it is none of this match."""
        return self.encode(self._parts(record_id))

    def _parts(self, record_id: str) -> list[Value]:
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
