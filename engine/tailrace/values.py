"""The values a row can hold on its way, and the logical types they are pinned to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

Scalar: TypeAlias = bool | int | float | Decimal | str | bytes | date | datetime | time | None
Value: TypeAlias = Scalar | Sequence["Value"] | Mapping[str, "Value"]
"""What adapters receive: plain Python values. A `datetime` with a zone is always UTC; one without
was naive in the warehouse. Lists and structs arrive as Python lists and dicts."""

Kind: TypeAlias = Literal[
    "bool",
    "int64",
    "float64",
    "decimal",
    "string",
    "binary",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "json",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class LogicalType:
    """A column's type, independent of driver and width: what a snapshot pins.

    `scale` is set for decimals only (digits after the point). `timestamp` is naive, `timestamptz`
    is UTC; both hold microseconds. `json` is a list or struct kept as canonical JSON text.
    """

    kind: Kind
    scale: int | None = None

    def __str__(self) -> str:
        return self.kind if self.scale is None else f"{self.kind}({self.scale})"

    @classmethod
    def parse(cls, text: str) -> LogicalType:
        """Read the form that `str` gives, such as `decimal(2)`; ValueError when it is no type."""
        name, _, rest = text.partition("(")
        for kind in KINDS:
            if kind == name:
                return cls(kind, int(rest.rstrip(")")) if rest else None)
        raise ValueError(f"{text!r} is no logical type")
