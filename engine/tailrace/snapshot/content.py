"""A hash of what a change frame says, whatever the order of rows and columns and the library's version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import polars as pl

from tailrace.canonical import text, type_of
from tailrace.errors import SnapshotError

_SLICE = 65_536
_NULL = "~"


def content_hash(frame: pl.DataFrame) -> str:
    """SHA-256 in hex over the frame's values.

    Every value is written as `LENGTH:TEXT` in its canonical text, null as `~`; a row is its values in
    the order of the columns' names; rows are hashed one by one and their hashes sorted. `seq` takes
    no part, for it only numbers the rows.
    """
    names = sorted(name for name in frame.columns if name != "seq")
    total = hashlib.sha256()
    for name in names:
        total.update(f"{len(name)}:{name}={_kind(frame[name])};".encode())
    for digest in sorted(_row_hashes(frame.select(names))):
        total.update(digest)
    return total.hexdigest()


def _kind(series: pl.Series) -> str:
    return "list" if isinstance(series.dtype, pl.List) else str(type_of(series.dtype))


def _row_hashes(frame: pl.DataFrame) -> Iterator[bytes]:
    for part in frame.iter_slices(_SLICE):
        columns = [_tagged(_text(series)) for series in part.get_columns()]
        rows = pl.DataFrame(columns).select(pl.concat_str(pl.all()).alias("row")).to_series()
        yield from (hashlib.sha256(row.encode()).digest() for row in rows)


def _tagged(values: pl.Series) -> pl.Series:
    column = pl.col(values.name)
    tagged = pl.concat_str(column.str.len_bytes().cast(pl.String), pl.lit(":"), column).fill_null(_NULL)
    return values.to_frame().select(tagged.alias(values.name)).to_series()


def _text(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.List) and series.dtype.inner == pl.String:
        lists = pl.col(series.name).list.eval(_element()).list.join("")
        return series.to_frame().select(lists).to_series()
    if series.dtype.is_nested():
        raise SnapshotError(f"column {series.name!r} of type {series.dtype} is no part of a change set")
    plain = series.cast(pl.String) if isinstance(series.dtype, pl.Enum | pl.Categorical) else series
    return text(plain, type_of(plain.dtype))


def _element() -> pl.Expr:
    item = pl.element()
    return pl.concat_str(item.str.len_bytes().cast(pl.String), pl.lit(":"), item).fill_null(_NULL)
