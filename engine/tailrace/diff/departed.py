"""Snapshot rows whose key left the model."""

from __future__ import annotations

import polars as pl

from tailrace.changes import DiffSpec
from tailrace.diff.columns import folded, role


def departed_rows(keyed: pl.DataFrame, old: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """Rows of the snapshot whose key no model row has, be it valid or not.

    A row that came back under another key with the same match is the same record: were its old
    key taken for a delete, the delete would destroy what the new key has just written.
    """
    keys = role("k", spec.key)
    departed = old.join(keyed.select(keys), on=keys, how="anti")
    if departed.height == 0 or not spec.match:
        return departed
    names = [f"h:{name}" for name in spec.match]
    held = [expr.alias(name) for expr, name in zip(folded("om", spec, old.schema), names, strict=True)]
    return departed.with_columns(held).join(_heirs(keyed, old, spec), on=names, how="anti").drop(names)


def _heirs(keyed: pl.DataFrame, old: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """Match values of model rows that are new, or that went by the same value before: `h:` columns.

    A known row that only now takes the value over has a record of its own; there the delete must
    happen, or the value would never become free.
    """
    keys = role("k", spec.key)
    claims = zip(spec.match, folded("m", spec, keyed.schema), folded("om", spec, old.schema), strict=True)
    new, before = [], []
    for name, claim, held in claims:
        new.append(claim.alias(f"h:{name}"))
        before.append(held.alias(f"b:{name}"))
    past = old.select(*keys, *before, known=pl.lit(value=True))
    both = keyed.select(*keys, *new).drop_nulls().join(past, on=keys, how="left")
    same = pl.all_horizontal(pl.col(f"h:{name}") == pl.col(f"b:{name}") for name in spec.match)
    return both.filter(pl.col("known").is_null() | same).select(f"h:{name}" for name in spec.match)
