"""What tells a job's rows from each other: worked out from the cells that were uploaded, and from those that come back.

Both sides use the same functions on the same texts, so that a mark does not depend on where it was made.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl
from xxhash import xxh3_128_hexdigest

from tailrace_destinations.plain import fold, key_text
from tailrace_destinations.salesforce.encode import NUMERIC, id18
from tailrace_destinations.salesforce.letters import ascii_trimmed, letters, odd_letters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tailrace_destinations.salesforce.schema import Column

_ID: Final = 18
_BETWEEN: Final = "\x1f"
"""No cell holds it: control characters are never sent."""


def key_marks(cells: pl.Series, column: Column) -> pl.Series:
    """Keys as Salesforce compares them."""
    if column.type in NUMERIC:
        zeros = cells.str.contains(".", literal=True)
        return cells.zip_with(~zeros.fill_null(value=False), cells.str.strip_chars_end("0").str.strip_suffix("."))
    if column.type in {"id", "reference"}:
        return id_marks(cells)
    found = letters(cells)
    marks = ascii_trimmed(found, lower=column.ignores_case)
    return marks if found.ascii else _by_python(marks, cells, partial(fold, ignore_case=column.ignores_case))


def key_cells(texts: pl.Series) -> pl.Series:
    """As `key_text`: trimmed, in Unicode NFC and without control characters."""
    found = letters(texts)
    if found.control:
        return pl.Series([None if text is None else key_text(text) for text in texts], dtype=pl.String)
    made = ascii_trimmed(found)
    return made if found.ascii else _by_python(made, texts, key_text)


def _by_python(made: pl.Series, texts: pl.Series, say: Callable[[str], str]) -> pl.Series:
    """Letters beyond ASCII are read by Python, as elsewhere."""
    odd = odd_letters(texts)
    return made.scatter(odd.arg_true(), pl.Series([say(text) for text in texts.filter(odd)], dtype=pl.String))


def id_marks(ids: pl.Series) -> pl.Series:
    """Record ids in their 18-character form."""
    short = (ids.str.len_chars() != _ID).fill_null(value=False)
    if not short.any():
        return ids
    return ids.scatter(short.arg_true(), pl.Series([id18(text) for text in ids.filter(short)], dtype=pl.String))


def digest_marks(cells: pl.DataFrame, headers: Sequence[str]) -> pl.Series:
    """A digest of a row's cells, in the order of `headers`; a column that is not there counts as empty.

    The kind of line break does not count: a vendor may give another one back.
    """
    row = [pl.col(name).fill_null("") if name in cells.columns else pl.lit("") for name in headers]
    texts = cells.select(pl.concat_str(row, separator=_BETWEEN).alias("row")).to_series()
    if texts.str.contains("\r", literal=True).any():
        texts = texts.str.replace_all("\r\n", "\n", literal=True).str.replace_all("\r", "\n", literal=True)
    return pl.Series("mark", [xxh3_128_hexdigest(text.encode()) for text in texts.to_list()], dtype=pl.String)


def by_lower(headers: Sequence[str]) -> Mapping[str, str]:
    """Headers by their name in lower case: results write them in a case of their own."""
    return {header.lower(): header for header in headers}
