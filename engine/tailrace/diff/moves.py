"""Records that go by another match value from now on, and the rows that must wait for the old one.

A row that is written under its match value is written to whatever record has that value. As long as
another row's record still has it, that would be the wrong record: the row has to wait.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import polars as pl

from tailrace.diff.columns import match_values

if TYPE_CHECKING:
    from tailrace.rowset import Rows


def moving(match: Sequence[str], fold: Collection[str], schema: pl.Schema) -> pl.Expr:
    """Whether a row of a plan frame takes its record to another match value."""
    if not match:
        return pl.lit(value=False)
    old, new = match_values("om", match, fold, schema), match_values("m", match, fold, schema)
    differs = pl.any_horizontal(before.ne_missing(after) for before, after in zip(old, new, strict=True))
    known = pl.all_horizontal(pl.col(f"om:{name}").is_not_null() for name in match)
    return (pl.col("action") == "update") & known & differs


def held_values(frame: pl.DataFrame, match: Sequence[str], fold: Collection[str]) -> pl.DataFrame:
    """The match values (`h:*`) by which the snapshot knows the records of these rows, beside `seq` if there is one."""
    values = [
        value.alias(f"h:{name}")
        for name, value in zip(match, match_values("om", match, fold, frame.schema), strict=True)
    ]
    return frame.select(*(name for name in ("seq",) if name in frame.columns), *values)


def claiming(rows: Rows, held: pl.DataFrame, match: Sequence[str], fold: Collection[str]) -> list[int]:
    """The numbers of those rows whose new match value is among the held ones."""
    if not match or held.is_empty() or not rows.sources:
        return []
    names = [f"h:{name}" for name in match]
    new = [value.alias(name) for name, value in zip(names, match_values("m", match, fold, rows.schema), strict=True)]
    claimed = rows.lazy(["seq", *new]).join(held.lazy(), on=names, how="semi")
    return claimed.select("seq").collect(engine="streaming")["seq"].to_list()
