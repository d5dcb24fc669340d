"""Snapshot rows whose key left the model."""

from __future__ import annotations

import polars as pl

from tailrace.changes import DiffSpec
from tailrace.diff.columns import folded, role
from tailrace.diff.invalid import Checked


def departed_rows(rows: pl.DataFrame, checked: Checked, old: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """Rows of the snapshot whose key no model row has, be it valid or not.

    A row that came back under another key with the same match is the same record: were its old
    key taken for a delete, the delete would destroy what the new key has just written. The same
    holds for a row that lost its key, or that was set aside for another reason. A row that lost its
    key and its match value with it is known by its payload.
    """
    keys = role("k", spec.key)
    departed = _without_lost(old.join(checked.keyed.select(keys), on=keys, how="anti"), rows, spec)
    if departed.height == 0 or not spec.match:
        return departed
    names = [f"h:{name}" for name in spec.match]
    held = [expr.alias(name) for expr, name in zip(folded("om", spec, old.schema), names, strict=True)]
    return departed.with_columns(held).join(_heirs(rows, checked.valid, old, spec), on=names, how="anti").drop(names)


def _without_lost(departed: pl.DataFrame, rows: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """Leave out rows whose payload a row without a key has now: that may be the same row, and it is still there."""
    lost = rows.filter(pl.any_horizontal(pl.col(role("k", spec.key)).is_null()))
    if departed.height == 0 or lost.height == 0 or not spec.fields:
        return departed
    return departed.join(
        lost, left_on=role("o", spec.fields), right_on=role("n", spec.fields), how="anti", nulls_equal=True
    )


def _heirs(rows: pl.DataFrame, valid: pl.DataFrame, old: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """Match values of all rows of the model but those that move there: `h:` columns.

    A known row that only now takes the value over has a record of its own; there the delete must
    happen, or the value would never become free.
    """
    keys = role("k", spec.key)
    past = old.select(*keys, *(f"om:{name}" for name in spec.match))
    both = valid.select(*keys, *role("m", spec.match)).join(past, on=keys, how="inner")
    pairs = zip(folded("m", spec, both.schema), folded("om", spec, both.schema), strict=True)
    takers = both.filter(pl.any_horizontal(new.ne_missing(before) for new, before in pairs))
    staying = rows.join(takers, on=keys, how="anti")
    named = zip(spec.match, folded("m", spec, rows.schema), strict=True)
    return staying.select(value.alias(f"h:{name}") for name, value in named).drop_nulls()
