"""Canonical values as the plain Python values adapters receive."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import polars as pl

from tailrace.canonical.nested import decode
from tailrace.values import LogicalType, Value


def python_values(series: pl.Series, logical: LogicalType) -> list[Value]:
    """Python values in the same order; JSON is parsed, zoned times are UTC."""
    if logical.kind == "json":
        return [decode(text) for text in series.to_list()]
    if logical.kind == "timestamptz":
        naive: list[Any] = series.dt.replace_time_zone(None).to_list()
        return [None if value is None else value.replace(tzinfo=UTC) for value in naive]
    values: list[Value] = series.to_list()
    return values
