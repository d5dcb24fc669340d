"""Names of columns by role, and how match values compare."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import polars as pl

from tailrace.changes import DiffSpec

BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""Unicode's white space, spelled out: what else counts as blank differs between Python and Polars."""


def role(prefix: str, names: Iterable[str]) -> list[str]:
    """Column names of one role, in the order given."""
    return [f"{prefix}:{name}" for name in names]


def fold_text(text: str) -> str:
    """A match value without what some destinations overlook: case and outer blanks."""
    return text.strip(BLANKS).lower()


def match_values(prefix: str, match: Sequence[str], fold: Collection[str], schema: pl.Schema) -> list[pl.Expr]:
    """Match values as the destination tells records apart, under their own names; `fold` as `fold_text` has it."""
    return [_folded(f"{prefix}:{name}", schema) if name in fold else pl.col(f"{prefix}:{name}") for name in match]


def folded(prefix: str, spec: DiffSpec, schema: pl.Schema) -> list[pl.Expr]:
    """The match values of one side of a diff, as `match_values` gives them."""
    return match_values(prefix, spec.match, spec.fold_match, schema)


def _folded(column: str, schema: pl.Schema) -> pl.Expr:
    text = schema[column] == pl.String
    return pl.col(column).str.strip_chars(BLANKS).str.to_lowercase() if text else pl.col(column)
