"""Canonical JSON text of lists, structs and maps: compact, keys sorted, numbers exact.

Two values have the same text exactly when they mean the same: the order of a struct's fields, the
width of an integer and the trailing zeros of a decimal do not show. Dates and times are ISO text,
binary is base64, and the floats JSON has no word for are `"NaN"`, `"Infinity"` and `"-Infinity"`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
from pyarrow import types as at

PLAIN_DIGITS = 60
"""Decimals whose first digit is further than this from the point are written with an exponent."""


def encode(value: object) -> str:
    """Canonical JSON text of one Python value as Arrow hands it out; TypeError if it has none."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        encoder = next((e for kind, e in _ENCODERS.items() if isinstance(value, kind)), None)
    if encoder is None:
        raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")
    return encoder(value)


def decode(text: str | None) -> Any:
    """Lists and dicts back from canonical text; text that is no JSON is given back as it is."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_float=_number)
    except (ValueError, RecursionError):
        return text


def canonical_json(text: str | None) -> str | None:
    """Rewrite JSON text of any style canonically; ValueError when it is none."""
    return None if text is None else encode(json.loads(text, parse_float=Decimal))


def _number(text: str) -> float | Decimal:
    # A float where that is exact, for adapters print floats more easily than decimals.
    value = float(text)
    return value if repr(value) == text else Decimal(text)


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value + 0.0)  # adding zero takes the sign off -0.0
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def decimal_text(value: Decimal) -> str:
    """Exact text without trailing zeros, so that a wider scale does not show."""
    if not value:
        return "0"
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return f'"{value}"'
    number = "".join(map(str, digits)).lstrip("0")
    stripped = number.rstrip("0")
    short = Decimal((sign, tuple(map(int, stripped)), exponent + len(number) - len(stripped)))
    return f"{short:f}" if abs(short.adjusted()) <= PLAIN_DIGITS else f"{short:E}"


def _datetime(value: datetime) -> str:
    zone = "" if value.tzinfo is None else "Z"
    moment = value.astimezone(UTC).replace(tzinfo=None) if zone else value
    return f'"{moment.isoformat()}{zone}"'


def duration_text(value: timedelta) -> str:
    """ISO 8601 in seconds, exact to the microsecond: `PT90.5S`."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    return f"PT{decimal_text(Decimal(micros).scaleb(-6))}S"


def interval_text(value: pa.MonthDayNano) -> str:
    """ISO 8601 with the three parts kept apart, for a month has no fixed number of days: `P1M2DT3.5S`."""
    return f"P{value.months}M{value.days}DT{decimal_text(Decimal(value.nanoseconds).scaleb(-9))}S"


def _object(value: Mapping[Any, Any]) -> str:
    named = {_name(key): item for key, item in value.items()}
    return "{" + ",".join(f"{encode_basestring(name)}:{encode(named[name])}" for name in sorted(named)) + "}"


def _name(key: object) -> str:
    return key if isinstance(key, str) else encode(key).strip('"')


def _array(value: Iterable[Any]) -> str:
    return "[" + ",".join([encode(item) for item in value]) + "]"


_ENCODERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    str: encode_basestring,
    int: str,
    float: _float,
    Decimal: decimal_text,
    dict: _object,
    pa.MonthDayNano: lambda value: f'"{interval_text(value)}"',
    list: _array,
    tuple: _array,
    datetime: _datetime,
    date: lambda value: f'"{value.isoformat()}"',
    time: lambda value: f'"{value.isoformat()}"',
    timedelta: lambda value: f'"{duration_text(value)}"',
    bytes: lambda value: f'"{base64.b64encode(value).decode()}"',
    UUID: lambda value: f'"{value}"',
}

_ESCAPES = {chr(code): encode_basestring(chr(code))[1:-1] for code in (*range(0x20), ord('"'), ord("\\"))}


def json_texts(name: str, column: pa.ChunkedArray) -> pl.Series:
    """A nested Arrow column as canonical JSON text. Lists of plain values go the fast, vectorised way."""
    if _is_list(column.type) and _is_plain(column.type.value_type):
        return _plain_lists(name, column)
    column = column.cast(_micros(column.type), safe=False) if _has_nanos(column.type) else column
    texts: list[str | None] = []
    for chunk in column.chunks:
        values = chunk.to_pylist(maps_as_pydicts="strict")
        texts.extend([None if value is None else encode(value) for value in values])
    return pl.Series(name, texts, dtype=pl.String)


def list_texts(value: pl.Expr, element: pl.DataType) -> pl.Expr:
    """A list column of texts, whole numbers or Booleans as canonical JSON text."""
    item = pl.element()
    if element == pl.String:
        text = pl.concat_str(pl.lit('"'), item.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())), pl.lit('"'))
    else:
        text = item.cast(pl.String)
    joined = value.list.eval(text.fill_null("null")).list.join(",")
    return pl.concat_str(pl.lit("["), joined, pl.lit("]"))


def _plain_lists(name: str, column: pa.ChunkedArray) -> pl.Series:
    series = pl.Series(name, pl.from_arrow(column.cast(pa.large_list(column.type.value_type))))
    element = pl.String() if series.dtype == pl.List(pl.String) else series.dtype.inner  # type: ignore[attr-defined]
    return series.to_frame().select(list_texts(pl.col(name), element).alias(name)).to_series()


def _is_list(arrow: pa.DataType) -> bool:
    return bool(at.is_list(arrow) or at.is_large_list(arrow))


def _is_plain(arrow: pa.DataType) -> bool:
    return bool(at.is_string(arrow) or at.is_large_string(arrow) or at.is_integer(arrow) or at.is_boolean(arrow))


def _children(arrow: pa.DataType) -> list[pa.DataType]:
    if isinstance(arrow, pa.BaseExtensionType):
        return []
    return [arrow.field(index).type for index in range(arrow.num_fields)]


def _has_nanos(arrow: pa.DataType) -> bool:
    return getattr(arrow, "unit", None) == "ns" or any(map(_has_nanos, _children(arrow)))


def _micros(arrow: pa.DataType) -> pa.DataType:
    """The same nested type with microseconds in place of nanoseconds, which Python cannot hold."""
    if getattr(arrow, "unit", None) == "ns":
        return _micro_scalar(arrow)
    if at.is_struct(arrow):
        return pa.struct([item.with_type(_micros(item.type)) for item in arrow.fields])
    if at.is_map(arrow):
        return pa.map_(arrow.key_type, _micros(arrow.item_type))
    if at.is_fixed_size_list(arrow):
        return pa.list_(_micros(arrow.value_type), arrow.list_size)
    if _is_list(arrow) or at.is_list_view(arrow) or at.is_large_list_view(arrow):
        return pa.large_list(_micros(arrow.value_type))
    return arrow


def _micro_scalar(arrow: pa.DataType) -> pa.DataType:
    if at.is_timestamp(arrow):
        return pa.timestamp("us", arrow.tz)
    return pa.time64("us") if at.is_time(arrow) else pa.duration("us")
