"""Keyed digests of values, for snapshots that may not hold the values themselves.

A digest is HMAC-SHA-256 over the value's canonical text, cut to 128 bits: equal exactly when the values
are, and of no use to who does not have the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.changes import Difference

HEX_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests under one key."""

    key: bytes

    type: ClassVar[LogicalType] = LogicalType("string")
    """What a column of digests is."""

    def of(self, frame: pl.DataFrame, types: Mapping[str, LogicalType]) -> pl.DataFrame:
        """The frame with digests in place of its fields' values; NULL stays NULL."""
        names = [name for name in frame.columns if name.startswith("f:")]
        return frame.with_columns(self.series(frame[name], types[name], name) for name in names)

    def series(self, values: pl.Series, logical: LogicalType, column: str) -> pl.Series:
        """The digests of a column's values. The column's name enters, so that columns cannot be compared."""
        start = f"{column}\0{logical}\0".encode()
        made = [
            None if value is None else hmac.digest(self.key, start + value.encode(), "sha256").hex()[:HEX_DIGITS]
            for value in text(values, logical)
        ]
        return pl.Series(values.name, made, dtype=pl.String)

    def replaced(self, found: Difference, model: pl.DataFrame, types: Mapping[str, LogicalType]) -> Difference:
        """The difference with the model's values for what is to be sent; what was sent before is not known."""
        names = [name for name in model.columns if name.startswith("f:")]
        clear = model.select("row", *(pl.col(name).alias(f"n:{name[2:]}") for name in names))
        frame = found.frame.drop(f"n:{name[2:]}" for name in names).join(
            clear, on="row", how="left", maintain_order="left"
        )
        unknown = [pl.lit(None, dtype(types[name])).alias(f"o:{name[2:]}") for name in names]
        frame = frame.with_columns(unknown).select(found.frame.columns)
        return replace(found, frame=frame, types=dict(types))
