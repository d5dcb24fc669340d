"""A hash of what change frames say, whatever the order of rows and columns and the library's version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import polars as pl

from tailrace.canonical import text, type_of
from tailrace.errors import SnapshotError

NUMBERING = frozenset({"seq", "row", "loc"})
"""Columns that only number the rows."""
_BYTES = 64
_MODULUS = 1 << (8 * _BYTES)
_NULL = "~"


def content_hash(frames: Iterable[pl.DataFrame]) -> str:
    """SHA-256 in hex over the values of frames with the same columns.

    A row is the values that it has, each as `COLUMN:LENGTH:TEXT` with the column's position among the
    sorted names and the canonical text; of Booleans, one letter each. Each row is hashed to 512 bits and
    those are added up, so that neither an order nor all rows at once are needed. It tells edits and other
    rows apart; it is no signature against someone who can choose very many rows. Numbering takes no part.
    """
    total, rows, names = 0, 0, ""
    for frame in frames:
        wanted = _content(frame)
        names = names or "".join(f"{len(n)}:{n}={_kind(wanted[n])};" for n in wanted.columns)
        total = (total + sum(_row_hashes(wanted))) % _MODULUS
        rows += frame.height
    return hashlib.sha256(f"{names}{rows};".encode() + total.to_bytes(_BYTES)).hexdigest()


def row_hashes(frame: pl.DataFrame) -> list[int]:
    """Per row the hash that `content_hash` adds up: equal in frames with the same columns when the rows are."""
    return list(_row_hashes(_content(frame)))


def _content(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(sorted(name for name in frame.columns if name not in NUMBERING))


def _kind(series: pl.Series) -> str:
    return "list" if isinstance(series.dtype, pl.List) else str(type_of(series.dtype))


def _row_hashes(frame: pl.DataFrame) -> Iterator[int]:
    columns = [
        _tagged(_text(series), at)
        for at, series in enumerate(frame.iter_columns())
        if series.dtype != pl.Boolean and series.null_count() < len(series)
    ]
    columns.append(_flags(frame))
    for row in pl.DataFrame(columns).select(pl.concat_str(pl.all(), ignore_nulls=True).alias("row")).to_series():
        yield int.from_bytes(hashlib.blake2b(row.encode(), digest_size=_BYTES).digest())


def _flags(frame: pl.DataFrame) -> pl.Series:
    """All Booleans of a row as one text, a letter each, so that they can come last without a length."""
    letters = [
        pl.when(pl.col(name)).then(pl.lit("y")).when(pl.col(name).is_null()).then(pl.lit(_NULL)).otherwise(pl.lit("n"))
        for name, kind in frame.schema.items()
        if kind == pl.Boolean
    ]
    if not letters:
        return pl.Series("flags", [""]).new_from_index(0, frame.height)
    return frame.select(pl.concat_str(letters).alias("flags")).to_series()


def _tagged(values: pl.Series, position: int) -> pl.Series:
    column = pl.col(values.name)
    tagged = pl.concat_str(pl.lit(f"{position}:"), column.str.len_bytes().cast(pl.String), pl.lit(":"), column)
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
