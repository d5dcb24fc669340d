"""Lossless conversion between logical types, proved by going there and back."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from tailrace.canonical.text import parse, text
from tailrace.canonical.types import dtype
from tailrace.values import LogicalType

_NUMBERS = frozenset({"bool", "int64", "float64", "decimal"})
_DAYS = frozenset({"date", "timestamp"})
_TEXTLESS = frozenset({"json", "binary"})
EXACT_FLOAT = 2**53
"""Below this a float holds every whole number, so that scaling it to a decimal is exact."""


def convert(series: pl.Series, source: LogicalType, target: LogicalType) -> pl.Series | None:
    """The same values under another type; None when any value would lose something.

    Naive and zoned times never convert into each other, nor do JSON or binary into text: that
    would change what the value means.
    """
    if source == target and series.dtype != pl.Null:
        return series
    if series.null_count() == len(series):
        return _nulls(series, target)
    there = _step(series, source, target)
    if there is None or there.null_count() != series.null_count():
        return None
    back = _step(there, target, source)
    return there if back is not None and back.eq_missing(series).all() else None


def convert_rows(series: pl.Series, source: LogicalType, target: LogicalType) -> pl.Series:
    """The same values under another type, row by row; null where a value would lose something.

    A column without a value may have no type of its own yet, whatever its source is said to be.
    """
    if source == target and series.dtype != pl.Null:
        return series
    if series.null_count() == len(series):
        return _nulls(series, target)
    there = _row_step(series, source, target)
    back = None if there is None else _row_step(there, target, source)
    if there is None or back is None:
        return _nulls(series, target)
    kept = pl.when(pl.lit(back.eq_missing(series))).then(pl.col(there.name))
    return there.to_frame().select(kept.alias(series.name)).to_series()


def _nulls(series: pl.Series, target: LogicalType) -> pl.Series:
    return pl.Series(series.name, [None], dtype=dtype(target)).new_from_index(0, len(series))


def caster(source: LogicalType, target: LogicalType) -> Callable[[pl.Series], pl.Series]:
    """`convert_rows` between two types, for use within an expression."""
    return lambda values: convert_rows(values, source, target)


def _row_step(series: pl.Series, source: LogicalType, target: LogicalType) -> pl.Series | None:
    """One way of `convert_rows`: a number that cannot go leaves the others alone."""
    exact = _scalable(series, target.scale or 0) if (source.kind, target.kind) == ("float64", "decimal") else series
    return _step(exact, source, target)


def _step(series: pl.Series, source: LogicalType, target: LogicalType) -> pl.Series | None:
    kinds = {source.kind, target.kind}
    if kinds <= _NUMBERS:
        return _number(series, source, target)
    if kinds <= _DAYS:
        return series.cast(dtype(target), strict=False)
    if kinds & _TEXTLESS:
        return None
    if target.kind == "string":
        return text(series, source)
    return parse(series, target) if source.kind == "string" else None


def _number(series: pl.Series, source: LogicalType, target: LogicalType) -> pl.Series | None:
    if source.kind == "float64" and target.kind == "decimal" and not _scales(series, target.scale or 0):
        return None
    through = series.cast(pl.Int64, strict=False) if "bool" in {source.kind, target.kind} else series
    return through.cast(dtype(target), strict=False)


def _scalable(series: pl.Series, scale: int) -> pl.Series:
    """Floats, without those that are too large to be scaled exactly."""
    column = pl.col(series.name)
    small = pl.when(column.abs() * 10.0**scale < EXACT_FLOAT).then(column)
    return series.to_frame().select(small.alias(series.name)).to_series()


def _scales(series: pl.Series, scale: int) -> bool:
    largest = series.abs().max()
    return isinstance(largest, float) and largest * 10.0**scale < EXACT_FLOAT
