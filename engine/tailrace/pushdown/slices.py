"""Values in as many parts as one statement can take them in."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

_OTHER = 24
"""Bytes that a number, a date or a moment takes at most times as text."""
_PART = "\0part"


def sliced(values: pl.DataFrame, rows: int, size: int) -> Iterator[pl.DataFrame]:
    """Parts of at most so many rows, that are about so many bytes long as text or one row; at least one, 0 is any."""
    for part in values.iter_slices(rows) if rows and values.height else (values,):
        if size and part.height > 1:
            ends = part.select(pl.sum_horizontal(*(_length(part[name]) for name in part.columns)).cum_sum()).to_series()
            number = (ends // size).alias(_PART)
            yield from part.with_columns(number).partition_by(_PART, include_key=False, maintain_order=True)
        else:
            yield part


def _length(values: pl.Series) -> pl.Expr:
    if values.dtype == pl.String:
        return pl.col(values.name).str.len_bytes().cast(pl.Int64)
    if values.dtype == pl.Binary:
        return pl.col(values.name).bin.size().cast(pl.Int64) * 2
    return pl.repeat(_OTHER, pl.len(), dtype=pl.Int64)
