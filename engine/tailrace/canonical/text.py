"""Canonical text of every logical type, and back. The text is ours: no library version changes it."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from tailrace.canonical.types import dtype
from tailrace.values import Kind, LogicalType

_DATE = "%Y-%m-%d"
_TIME = "%H:%M:%S%.6f"
_MOMENT = f"{_DATE}T{_TIME}"


def text(series: pl.Series, logical: LogicalType) -> pl.Series:
    """One text per value, nulls kept: exact, and equal exactly when the values are equal."""
    return _WRITERS[logical.kind](series).alias(series.name)


def parse(series: pl.Series, logical: LogicalType) -> pl.Series:
    """Values from text; a text that is none of that type becomes null."""
    return _READERS[logical.kind](series, dtype(logical)).alias(series.name)


def _plain(series: pl.Series) -> pl.Series:
    return series.cast(pl.String)


def _floats(series: pl.Series) -> pl.Series:
    # Python's repr is the shortest exact text, by definition; a library's formatting may change.
    return pl.Series([None if value is None else repr(value) for value in series.to_list()], dtype=pl.String)


_WRITERS: dict[Kind, Callable[[pl.Series], pl.Series]] = {
    "bool": _plain,
    "int64": _plain,
    "float64": _floats,
    "decimal": _plain,
    "string": _plain,
    "json": _plain,
    "binary": lambda series: series.bin.encode("hex"),
    "date": lambda series: series.dt.to_string(_DATE),
    "time": lambda series: series.dt.to_string(_TIME),
    "timestamp": lambda series: series.dt.to_string(_MOMENT),
    "timestamptz": lambda series: series.dt.to_string(_MOMENT + "Z"),
}


def _cast(series: pl.Series, target: pl.DataType) -> pl.Series:
    return series.cast(target, strict=False)


def _bools(series: pl.Series, target: pl.DataType) -> pl.Series:
    return series.replace_strict({"true": True, "false": False}, default=None, return_dtype=target)


def _zoned(series: pl.Series, target: pl.DataType) -> pl.Series:
    return _naive(series.str.strip_suffix("Z"), target).dt.replace_time_zone("UTC")


def _naive(series: pl.Series, _target: pl.DataType) -> pl.Series:
    return series.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)


_READERS: dict[Kind, Callable[[pl.Series, pl.DataType], pl.Series]] = {
    "bool": _bools,
    "int64": _cast,
    "float64": _cast,
    "decimal": _cast,
    "string": _cast,
    "json": _cast,
    "binary": lambda series, _: series.str.decode("hex", strict=False),
    "date": lambda series, _: series.str.to_date(_DATE, strict=False),
    "time": lambda series, _: series.str.to_time("%H:%M:%S%.f", strict=False),
    "timestamp": _naive,
    "timestamptz": _zoned,
}
