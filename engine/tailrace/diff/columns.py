"""Names of columns by role, and how match values compare."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from tailrace.changes import DiffSpec


def role(prefix: str, names: Iterable[str]) -> list[str]:
    """Column names of one role, in the order given."""
    return [f"{prefix}:{name}" for name in names]


def folded(prefix: str, spec: DiffSpec, schema: pl.Schema) -> list[pl.Expr]:
    """Match values as the destination tells records apart, under their own names."""
    return [
        _folded(f"{prefix}:{name}", schema) if name in spec.fold_match else pl.col(f"{prefix}:{name}")
        for name in spec.match
    ]


def _folded(column: str, schema: pl.Schema) -> pl.Expr:
    text = schema[column] == pl.String
    return pl.col(column).str.strip_chars().str.to_lowercase() if text else pl.col(column)
