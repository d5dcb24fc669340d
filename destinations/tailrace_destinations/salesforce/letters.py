"""Columns of text looked at byte by byte, which is far cheaper than text by text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from tailrace_destinations.plain import CONTROL

_SPACE: Final = 0x20
_LAST_ASCII: Final = 0x7F


@dataclass(frozen=True, slots=True)
class Letters:
    """What is known of all texts of a column."""

    texts: pa.Array
    control: bool
    """Whether a byte is below the space: a line break, a tab or a control character."""
    ascii: bool


def letters(texts: pl.Series) -> Letters:
    """Look at all bytes at once."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    data = array.buffers()[2]
    if data is None or not data.size:
        return Letters(array, control=False, ascii=True)
    found = pc.min_max(pa.Array.from_buffers(pa.uint8(), data.size, [None, data])).as_py()
    return Letters(array, control=found["min"] < _SPACE, ascii=found["max"] <= _LAST_ASCII)


def clean(texts: pl.Series) -> pl.Series:
    """As `tailrace_destinations.plain.clean_text`: without NUL and control characters."""
    return texts.str.replace_all(CONTROL, "") if letters(texts).control else texts


def odd_letters(texts: pl.Series) -> pl.Series:
    """Which texts hold more than ASCII."""
    return (texts.str.len_bytes() != texts.str.len_chars()).fill_null(value=False)


def ascii_trimmed(found: Letters, *, lower: bool = False) -> pl.Series:
    """Texts without outer ASCII white space; with `lower`, capital ASCII letters small."""
    array = pc.ascii_trim_whitespace(found.texts)
    return pl.Series("", pc.ascii_lower(array) if lower else array, dtype=pl.String)
