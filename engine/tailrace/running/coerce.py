"""Values read back from a destination, brought into a snapshot column's type where nothing is lost by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

import polars as pl

from tailrace.canonical import dtype
from tailrace.canonical.nested import encode
from tailrace.values import LogicalType, Value


class _Unfit:
    """Marks a value that does not fit; not None, which is a value."""


UNFIT: Final = _Unfit()


def column(values: Sequence[Value], logical: LogicalType) -> tuple[pl.Series, list[bool]]:
    """The values as a canonical series, and which of them fit; the others are null there."""
    coerced = [coerce(value, logical) for value in values]
    fits = [not isinstance(value, _Unfit) for value in coerced]
    plain = [None if isinstance(value, _Unfit) else value for value in coerced]
    return pl.Series(plain, dtype=dtype(logical), strict=True), fits


def coerce(value: Value, logical: LogicalType) -> Value | _Unfit:
    """The value as the type has it, or UNFIT when it cannot be had exactly."""
    if value is None:
        return None
    try:
        return _COERCE[logical.kind](value, logical)
    except (ValueError, InvalidOperation, TypeError, OverflowError):
        return UNFIT


def _bool(value: Value, _: LogicalType) -> Value | _Unfit:
    known = {"true": True, "false": False, "1": True, "0": False}
    return value if isinstance(value, bool) else known.get(str(value).strip().casefold(), UNFIT)


def _int(value: Value, _: LogicalType) -> Value | _Unfit:
    number = _number(value)
    whole = int(number)
    return whole if number == whole and -(2**63) <= whole < 2**63 else UNFIT


def _float(value: Value, _: LogicalType) -> Value | _Unfit:
    number = float(_number(value))
    return number + 0.0 if math.isfinite(number) else UNFIT


def _decimal(value: Value, logical: LogicalType) -> Value | _Unfit:
    number = _number(value)
    scaled = number.quantize(Decimal(1).scaleb(-(logical.scale or 0)))
    return scaled if scaled == number else UNFIT


def _number(value: Value) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _string(value: Value, _: LogicalType) -> Value | _Unfit:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return value.isoformat()
    return UNFIT if isinstance(value, bytes | Mapping | list) else str(value)


def _binary(value: Value, _: LogicalType) -> Value | _Unfit:
    return value if isinstance(value, bytes) else UNFIT


def _date(value: Value, _: LogicalType) -> Value | _Unfit:
    if isinstance(value, datetime):
        return value.date() if value.time() == time() else UNFIT
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _time(value: Value, _: LogicalType) -> Value | _Unfit:
    return value if isinstance(value, time) else time.fromisoformat(str(value).removesuffix("Z"))


def _naive(value: Value, _: LogicalType) -> Value | _Unfit:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return UNFIT if moment.tzinfo else moment


def _zoned(value: Value, _: LogicalType) -> Value | _Unfit:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else UNFIT


def _json(value: Value, _: LogicalType) -> Value | _Unfit:
    return encode(value) if isinstance(value, Mapping | list | tuple) else UNFIT


_COERCE: Mapping[str, Callable[[Value, LogicalType], Value | _Unfit]] = {
    "bool": _bool,
    "int64": _int,
    "float64": _float,
    "decimal": _decimal,
    "string": _string,
    "binary": _binary,
    "date": _date,
    "time": _time,
    "timestamp": _naive,
    "timestamptz": _zoned,
    "json": _json,
}
