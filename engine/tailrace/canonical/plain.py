"""Canonical values of ordinary polars columns, as expressions that stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tailrace.canonical.nested import list_texts
from tailrace.canonical.types import decimal_type, dtype
from tailrace.values import LogicalType

_NARROW = frozenset({pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32})
_ELEMENTS: dict[type[pl.DataType], pl.DataType] = {
    **dict.fromkeys(_NARROW, pl.Int64()),
    pl.Boolean: pl.Boolean(),
    pl.String: pl.String(),
}
_SAME: dict[type[pl.DataType], LogicalType] = {
    pl.Boolean: LogicalType("bool"),
    pl.String: LogicalType("string"),
    pl.Binary: LogicalType("binary"),
    pl.Date: LogicalType("date"),
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a physical column becomes canonical.

    `carrier` names what fingerprints are taken of where that is not the canonical value itself:
    `list:ELEMENT` for lists of plain values, whose text costs more to write than to compare.
    """

    type: LogicalType
    value: Callable[[pl.Expr], pl.Expr]
    """The canonical value."""
    carried: Callable[[pl.Expr], pl.Expr]
    """What is hashed: equal exactly when the canonical values are."""
    carrier: str = ""


def form_of(physical: pl.DataType) -> Form | None:
    """The form of a physical type; None when its values cannot be told by expressions alone."""
    kind = physical.base_type()
    if isinstance(physical, pl.List):
        return _list_form(physical)
    if kind in _SAME:
        return _simple(_SAME[kind], _as_is)
    if kind in _NARROW:
        return _simple(LogicalType("int64"), _as_is if kind is pl.Int64 else _cast(pl.Int64()))
    if isinstance(physical, pl.Enum | pl.Categorical):
        return _simple(LogicalType("string"), _cast(pl.String()))
    if kind in {pl.Float32, pl.Float64}:
        return _simple(LogicalType("float64"), normal_float if kind is pl.Float64 else _widened)
    if isinstance(physical, pl.Decimal) or kind is pl.UInt64:
        return _number_form(physical)
    return _moment_form(physical) if isinstance(physical, pl.Datetime) else None


def carried_of(carrier: str, value: pl.Expr) -> pl.Expr:
    """What is hashed, from the canonical value: the way back from JSON text to its carrier."""
    if not carrier:
        return value
    element = {"string": pl.String(), "int64": pl.Int64(), "bool": pl.Boolean()}[carrier.removeprefix("list:")]
    return value.str.json_decode(pl.List(element))


def normal_float(value: pl.Expr) -> pl.Expr:
    """One bit pattern for NaN, and no negative zero."""
    return pl.when(value == 0.0).then(0.0).otherwise(value.fill_nan(float("nan")))


def _widened(value: pl.Expr) -> pl.Expr:
    return normal_float(value.cast(pl.Float64))


def _as_is(value: pl.Expr) -> pl.Expr:
    return value


def _cast(target: pl.DataType) -> Callable[[pl.Expr], pl.Expr]:
    return lambda value: value.cast(target)


def _simple(logical: LogicalType, value: Callable[[pl.Expr], pl.Expr]) -> Form:
    return Form(logical, value, value)


def _number_form(physical: pl.DataType) -> Form:
    if not isinstance(physical, pl.Decimal):
        logical = LogicalType("decimal", 0)
    else:
        logical = decimal_type(physical.precision, physical.scale)
    return _simple(logical, _as_is if physical == dtype(logical) else _cast(dtype(logical)))


def _moment_form(physical: pl.Datetime) -> Form | None:
    if physical.time_unit == "ns":
        return None  # what is finer than a microsecond is cut off, which must be told
    if physical.time_zone is None:
        return _simple(LogicalType("timestamp"), _as_is if physical.time_unit == "us" else _cast(pl.Datetime("us")))
    target = pl.Datetime("us", "UTC")
    return _simple(LogicalType("timestamptz"), _as_is if physical == target else _cast(target))


def _list_form(physical: pl.List) -> Form | None:
    inner = physical.inner
    element = _ELEMENTS.get(inner.base_type()) if isinstance(inner, pl.DataType) else None
    if element is None:
        return None
    target = pl.List(element)
    name = {pl.String: "string", pl.Int64: "int64", pl.Boolean: "bool"}[element.base_type()]
    carried = _as_is if physical == target else _cast(target)
    return Form(LogicalType("json"), lambda value: list_texts(carried(value), element), carried, carrier=f"list:{name}")
