"""One Arrow column into canonical values, whatever its width, unit, encoding or extension."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa
from pyarrow import types as at

from tailrace.canonical.nested import canonical_json, duration_text, interval_text, json_texts
from tailrace.canonical.types import DECIMAL_DIGITS, dtype, logical_type
from tailrace.errors import WarehouseError
from tailrace.values import Kind, LogicalType

_CALENDAR: dict[Kind, tuple[date, date]] = {
    "date": (date.min, date.max),
    "timestamp": (datetime.min, datetime.max),  # noqa: DTZ901 - naive by meaning
}


@dataclass(frozen=True, slots=True)
class Column:
    """Canonical values, their type, and a word on what had to be given up (None: nothing)."""

    values: pl.Series
    type: LogicalType
    note: str | None = None


def canonical_column(name: str, column: pa.ChunkedArray) -> Column:
    """Canonical values of one column; WarehouseError for values no destination could hold."""
    try:
        return _column(name, column)
    except (
        pa.ArrowException,
        pl.exceptions.PolarsError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise WarehouseError(
            f"column {name!r} of type {column.type} cannot be read: {error}",
            hint="Cast the column to a plain type in the model.",
        ) from error


def _column(name: str, column: pa.ChunkedArray) -> Column:
    logical = logical_type(column.type)
    if isinstance(column.type, pa.BaseExtensionType):
        return _extension(name, column)
    if at.is_dictionary(column.type):
        return _column(name, column.cast(column.type.value_type))
    if at.is_run_end_encoded(column.type):
        import pyarrow.compute as pc  # noqa: PLC0415 - slow to import, and hardly ever needed

        return _column(name, pa.chunked_array([pc.run_end_decode(c) for c in column.chunks], column.type.value_type))
    read = _READERS.get(logical.kind, _direct)
    return read(name, column, logical)


def _extension(name: str, column: pa.ChunkedArray) -> Column:
    logical = logical_type(column.type)
    storage = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if logical.kind == "json" and column.type.extension_name == "arrow.json":
        texts = [canonical_json(value) for value in storage.to_pylist()]
        return Column(pl.Series(name, texts, dtype=pl.String), logical)
    if column.type.extension_name == "arrow.uuid":
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return Column(pl.Series(name, texts, dtype=pl.String), logical)
    if column.type.extension_name == "arrow.bool8":
        return Column(_series(name, storage).cast(pl.Boolean), logical)
    return _column(name, storage)


def _series(name: str, column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(name, pl.from_arrow(column))


def _direct(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    return Column(_series(name, column).cast(dtype(logical)), logical)


def _floats(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    wide = column.cast(pa.float32()) if at.is_float16(column.type) else column
    return Column(normal_floats(_series(name, wide).cast(pl.Float64)), logical)


def normal_floats(series: pl.Series) -> pl.Series:
    """One bit pattern for NaN, and no negative zero."""
    column = pl.col(series.name)
    normal = pl.when(column == 0.0).then(0.0).otherwise(column.fill_nan(float("nan")))
    return series.to_frame().select(normal.alias(series.name)).to_series()


def _decimals(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    if at.is_uint64(column.type):
        return _direct(name, column, logical)
    try:
        fitted = column.cast(pa.decimal128(DECIMAL_DIGITS, logical.scale or 0))
    except pa.ArrowInvalid:
        return _long_decimals(name, column)
    return Column(_series(name, fitted).cast(dtype(logical)), logical)


def _long_decimals(name: str, column: pa.ChunkedArray) -> Column:
    texts = [None if value is None else f"{value:f}" for value in column.to_pylist()]
    note = f"holds numbers of more than {DECIMAL_DIGITS} digits and is carried as text"
    return Column(pl.Series(name, texts, dtype=pl.String), LogicalType("string"), note)


def _integers(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    whole = column.cast(pa.decimal128(DECIMAL_DIGITS, 0)) if at.is_decimal(column.type) else column
    return _direct(name, whole, logical)


def _strings(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    if at.is_decimal(column.type):
        return replace(_long_decimals(name, column), note=None)
    if at.is_duration(column.type):
        return _durations(name, column, logical)
    if at.is_interval(column.type):
        texts = [None if value is None else interval_text(value) for value in column.to_pylist()]
        return Column(pl.Series(name, texts, dtype=pl.String), logical)
    return _direct(name, column, logical)


def _durations(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    micros = column.cast(pa.duration("us"), safe=column.type.unit != "ns")
    values: list[timedelta | None] = micros.to_pylist()
    texts = [None if value is None else duration_text(value) for value in values]
    return Column(pl.Series(name, texts, dtype=pl.String), logical, _cut(column, micros))


def _binaries(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    return _direct(name, column.cast(pa.large_binary()), logical)


def _dates(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    return Column(_in_calendar(_series(name, column.cast(pa.date32(), safe=False)), logical), logical)


def _times(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    micros = column.cast(pa.time64("us"), safe=False)
    return Column(_series(name, micros).cast(pl.Time), logical, _cut(column, micros))


def _timestamps(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    zone = None if column.type.tz is None else "UTC"
    micros = column.cast(pa.timestamp("us", zone), safe=column.type.unit != "ns")
    values = _in_calendar(_series(name, micros).cast(dtype(logical)), logical)
    return Column(values, logical, _cut(column, micros))


def _in_calendar(values: pl.Series, logical: LogicalType) -> pl.Series:
    """Refuse what Python's calendar, and every destination's, cannot hold: `infinity` for one."""
    naive = values.dt.replace_time_zone(None) if logical.kind == "timestamptz" else values
    first, last = _CALENDAR["date" if logical.kind == "date" else "timestamp"]
    outside = int((~naive.is_between(first, last)).sum())
    if outside:
        raise WarehouseError(
            f"column {values.name!r} holds {outside} value(s) outside the years 1 to 9999, such as 'infinity'",
            hint="Turn them into NULL, or into a real date, in the model.",
        )
    return values


def _cut(column: pa.ChunkedArray, micros: pa.ChunkedArray) -> str | None:
    if column.type.unit != "ns" or micros.cast(column.type, safe=False).equals(column):
        return None
    return "holds nanoseconds; what is finer than a microsecond is cut off"


def _nested(name: str, column: pa.ChunkedArray, logical: LogicalType) -> Column:
    return Column(json_texts(name, column), logical)


_READERS: dict[Kind, Callable[[str, pa.ChunkedArray, LogicalType], Column]] = {
    "float64": _floats,
    "int64": _integers,
    "decimal": _decimals,
    "string": _strings,
    "binary": _binaries,
    "date": _dates,
    "time": _times,
    "timestamp": _timestamps,
    "timestamptz": _timestamps,
    "json": _nested,
}
