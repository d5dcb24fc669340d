"""SOQL look-ups: literals, and queries cut so that each fits into a URL."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

from tailrace_destinations.plain import Unfit, instant_text, key_text, number_text
from tailrace_destinations.salesforce.encode import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from tailrace.values import Value

MOST_VALUES: Final = 200
MOST_CHARACTERS: Final = 7_000
"""Length of a query, URL-encoded; servers and proxies cut URLs off not far above."""
_ESCAPES: Final = str.maketrans({
    "\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f",
})  # fmt: skip


def literal(value: Value, type_: str, zone: ZoneInfo | None = None) -> str:
    """A value as SOQL writes it for a field of that describe type; Unfit when it cannot be one."""
    match value:
        case bool() if type_ == "boolean":
            return "TRUE" if value else "FALSE"
        case int() | float() | Decimal() if type_ in NUMERIC and not isinstance(value, bool):
            return number_text(value)
        case datetime() if type_ == "datetime":
            return instant_text(value, zone)
        case date() if type_ == "date":
            return value.isoformat()
        case _ if type_ in NUMERIC | {"boolean", "date", "datetime"}:
            raise Unfit("WRONG_TYPE", f"the value is no {type_}")
        case _:
            return f"'{key_text(value).translate(_ESCAPES)}'"


def queries(select: Sequence[str], object: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Queries that together find all rows of literals: `IN` for one field, alternatives for several."""
    head = f"SELECT {', '.join(select)} FROM {object} WHERE "  # noqa: S608  names are checked, literals escaped
    if len(names) == 1:
        head, joint, tail = f"{head}{names[0]} IN (", ",", ")"
        terms = [row[0] for row in rows]
    else:
        joint, tail = " OR ", ""
        pairs = [zip(names, row, strict=True) for row in rows]
        terms = [f"({' AND '.join(f'{name} = {value}' for name, value in pair)})" for pair in pairs]
    for chunk in _chunks(terms, MOST_CHARACTERS - len(quote_plus(head + tail)), len(quote_plus(joint))):
        yield head + joint.join(chunk) + tail


def _chunks(terms: Sequence[str], room: int, between: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    used = 0
    for term in terms:
        size = len(quote_plus(term)) + between
        if chunk and (used + size > room or len(chunk) >= MOST_VALUES):
            yield chunk
            chunk, used = [], 0
        chunk.append(term)
        used += size
    if chunk:
        yield chunk
