"""A column's values as the texts that Salesforce's CSV takes: each as `encode` would write it in JSON, without quotes.

Plain types are written by expressions. What these cannot say, or what does not fit the field, goes value by value
through the field's own encoder, each distinct value once: there alone is decided what is refused, and in which words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from tailrace.canonical.python import python_values
from tailrace_destinations.plain import Unfit
from tailrace_destinations.salesforce.encode import NUMERIC, plain_encoded
from tailrace_destinations.salesforce.letters import clean
from tailrace_destinations.salesforce.moments import date_texts, moment_texts

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tailrace.values import LogicalType, Value
    from tailrace_destinations.salesforce.encode import Encoder
    from tailrace_destinations.salesforce.schema import Column

CLEAR: Final = "#N/A"
"""What clears a field; the text itself cannot be sent."""
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
_TABLED: Final = (1970, 2037)
"""Years for which everybody has tables of all zones; what follows is computed, or not."""
_WHOLE: Final = frozenset({"int", "long"})


@dataclass(frozen=True, slots=True)
class Cells:
    """The texts of a column, and the rows that have none because their value does not fit."""

    texts: pl.Series
    """Null where there is no value, and where it was refused."""
    refused: dict[int, Unfit]
    """By position."""


def cells(values: pl.Series, logical: LogicalType, column: Column, zone: ZoneInfo | None) -> Cells:
    """Canonical values as a field of that describe type takes them."""
    fast = _fast(values, logical, column.type, zone)
    suspects = None if fast is None else column.bounds.suspects(fast)
    if fast is not None and suspects is not None:
        fast = _where(~suspects, fast)
    texts = pl.Series(values.name, [None], dtype=pl.String).new_from_index(0, len(values)) if fast is None else fast
    if texts.null_count() == values.null_count():
        return Cells(texts, {})
    return _by_value(values, texts, logical, column.encode)


def _by_value(values: pl.Series, texts: pl.Series, logical: LogicalType, encode: Encoder) -> Cells:
    """Fill the gaps: rows that have a value and no text."""
    gaps = values.is_not_null() & texts.is_null()
    rows, odd = gaps.arg_true(), values.filter(gaps)
    # No join finds a NaN again.
    distinct = odd if odd.dtype == pl.Float64 else odd.unique()
    said: list[str | None] = []
    unfit: dict[int, Unfit] = {}
    for number, value in enumerate(python_values(distinct, logical)):
        try:
            said.append(_said(value, encode))
        except Unfit as why:
            unfit[number] = why
            said.append(None)
    known = pl.DataFrame({"value": distinct, "text": pl.Series(said, dtype=pl.String)}).with_row_index("number")
    found = known if distinct is odd else _joined(odd, known)
    found = found.with_columns(rows.alias("row"))
    wrong = found.filter(pl.col("text").is_null())
    refused = {row: unfit[number] for row, number in wrong.select("row", "number").iter_rows()}
    return Cells(texts.scatter(rows, found["text"]), refused)


def _joined(values: pl.Series, known: pl.DataFrame) -> pl.DataFrame:
    return values.alias("value").to_frame().join(known, on="value", how="left", maintain_order="left")


def _said(value: Value, encode: Encoder) -> str:
    """What the encoder writes, taken out of JSON's quotes; numbers have none, and keep all their digits."""
    written = encode(value)
    return str(json.loads(written)) if written.startswith('"') else written


def _fast(values: pl.Series, logical: LogicalType, type_: str, zone: ZoneInfo | None) -> pl.Series | None:
    """Texts by expression; null where the value must be looked at, None where all must."""
    kind = logical.kind
    if type_ in NUMERIC:
        return _numbers(values, kind, whole=type_ in _WHOLE)
    if type_ == "boolean":
        return values.cast(pl.String) if kind == "bool" else None
    if type_ == "datetime":
        return _instants(values, kind, zone)
    if type_ == "multipicklist":
        return _choices(values, kind)
    exact = {
        ("date", "date"): lambda: date_texts(values),
        ("time", "time"): lambda: values.dt.to_string("%H:%M:%S%.3fZ"),
        ("base64", "binary"): lambda: values.bin.encode("base64"),
    }.get((type_, kind))
    if exact is not None:
        return exact()
    return _texts(values, kind) if plain_encoded(type_) else None


def _texts(values: pl.Series, kind: str) -> pl.Series | None:
    """For fields that hold text of any kind."""
    match kind:
        case "string":
            return clean(values)
        case "bool":
            return values.cast(pl.String)
        case "int64" | "decimal" | "float64":
            return _numbers(values, kind, whole=False)
        case "date":
            return date_texts(values)
        case "time":
            return _with_micros(values, "%H:%M:%S", values.dt.microsecond())
        case "timestamp":
            return _with_micros(values, _MOMENT, values.dt.microsecond())
        case "timestamptz":
            return _instants(values, kind, None)
        case _:
            return None


def _choices(values: pl.Series, kind: str) -> pl.Series | None:
    if kind not in {"string", "bool", "int64", "decimal", "float64"}:
        return None
    texts = _texts(values, kind)
    return texts if texts is None or kind != "string" else _where(~texts.str.starts_with(";"), texts)


def _numbers(values: pl.Series, kind: str, *, whole: bool) -> pl.Series | None:
    if kind == "int64":
        return values.cast(pl.String)
    if kind == "decimal":
        texts = values.cast(pl.String)
    elif kind == "float64":
        texts = values.cast(pl.String).str.strip_suffix(".0")
        # Exponents, NaN and the infinities are looked at; a zero has no sign.
        texts = _where(~texts.str.contains("[eEnN]"), texts).replace("-0", "0")
    else:
        return None
    if not whole:
        return texts
    fraction = texts.str.extract(r"\.(\d+)$")
    return _where(fraction.is_null() | (fraction.str.strip_chars("0") == ""), texts.str.replace(r"\.\d+$", ""))


def _instants(values: pl.Series, kind: str, zone: ZoneInfo | None) -> pl.Series | None:
    if kind == "timestamp" and zone is not None:
        # What the clocks skipped is left to Python, whose reading of it is the one of batches; so is what lies
        # beyond the tables of some library's zones.
        near = values.dt.year().is_between(*_TABLED).fill_null(value=True)
        zoned = _where(near, values).dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
        return _instants(zoned.dt.convert_time_zone("UTC"), "timestamptz", None)
    return moment_texts(values) if kind == "timestamptz" else None


def _with_micros(values: pl.Series, form: str, micros: pl.Series) -> pl.Series:
    """ISO text as Python writes it: with microseconds only where there are any."""
    short, long = values.dt.to_string(form), values.dt.to_string(f"{form}%.6f")
    return short.zip_with((micros == 0).fill_null(value=True), long)


def _where(kept: pl.Series, values: pl.Series) -> pl.Series:
    return values.set(~kept, None) if not kept.all() else values
