"""Dates and times as text, put together from tables: formatting each by itself costs five times as much."""

from __future__ import annotations

from datetime import date, time
from functools import cache
from typing import Final

import polars as pl

_DATE: Final = "%Y-%m-%d"
_FIRST, _LAST = date(1900, 1, 1), date(2099, 12, 31)
_BEFORE_1970: Final = (date(1970, 1, 1) - _FIRST).days
_DAY: Final = 86_400
_SECOND: Final = 1_000_000
"""Microseconds."""


@cache
def _days() -> pl.Series:
    return pl.date_range(_FIRST, _LAST, eager=True).dt.to_string(_DATE)


@cache
def _seconds() -> pl.Series:
    """Of a day, with the letter before them."""
    return pl.time_range(time(0), time(23, 59, 59), "1s", eager=True).dt.to_string("T%H:%M:%S")


@cache
def _millis() -> pl.Series:
    return pl.Series([f".{number:03}Z" for number in range(1000)])


def date_texts(values: pl.Series) -> pl.Series:
    """Dates as `2026-01-31`."""
    numbers = values.to_physical() + _BEFORE_1970
    return _days().gather(numbers) if _tabled(numbers) else values.dt.to_string(_DATE)


def moment_texts(values: pl.Series) -> pl.Series:
    """Moments in UTC as `2026-01-31T01:02:03.456Z`, cut to milliseconds."""
    micros = pl.col("micros")
    parts = values.to_physical().alias("micros").to_frame().select(
        day=micros // (_DAY * _SECOND) + _BEFORE_1970,
        second=micros // _SECOND % _DAY,
        milli=micros // (_SECOND // 1000) % 1000,
    )  # fmt: skip
    if not _tabled(parts["day"]):
        return values.dt.to_string(f"{_DATE}T%H:%M:%S%.3fZ")
    texts = (_days().gather(parts["day"]), _seconds().gather(parts["second"]), _millis().gather(parts["milli"]))
    return pl.select(pl.concat_str(texts)).to_series()


def _tabled(numbers: pl.Series) -> bool:
    least, most = numbers.min(), numbers.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return True  # nothing but nulls
    return least >= 0 and most < len(_days())
