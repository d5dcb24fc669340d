"""Which valid rows are new, which changed, and in which fields."""

from __future__ import annotations

import polars as pl

from tailrace.changes import DiffSpec
from tailrace.diff.align import Sides
from tailrace.diff.columns import folded, role

_KNOWN = pl.col("known")


def changed_rows(valid: pl.DataFrame, sides: Sides, spec: DiffSpec, *, full: bool) -> tuple[int, pl.DataFrame]:
    """How many valid rows the snapshot knows, and the rows that differ from it, with `op` and `c:`."""
    keys = role("k", spec.key)
    old = sides.old.with_columns(known=pl.lit(value=True))
    joined = valid.join(old, on=keys, how="left").with_columns(_KNOWN.fill_null(value=False))
    unknown = _unknown(sides, spec)
    written = [_written(name, unknown[name], spec, full=full).alias(f"c:{name}") for name in spec.fields]
    marked = joined.with_columns(written)
    differs = pl.any_horizontal(~_KNOWN, *role("c", spec.fields), *_moved(spec, marked.schema))
    op = pl.when(_KNOWN).then(pl.lit("update")).otherwise(pl.lit("insert")).alias("op")
    return int(joined["known"].sum()), marked.filter(differs).with_columns(op)


def _unknown(sides: Sides, spec: DiffSpec) -> dict[str, pl.Expr]:
    """Per field: whether what the destination holds is unknown."""
    some = bool(sides.old["unknown"].list.len().sum())
    per_row = {name: pl.col("unknown").list.contains(name).fill_null(value=False) for name in spec.fields}
    lost = sides.incomparable
    return {name: pl.lit(name in lost) | (per_row[name] if some else pl.lit(value=False)) for name in spec.fields}


def _written(name: str, unknown: pl.Expr, spec: DiffSpec, *, full: bool) -> pl.Expr:
    new = pl.col(f"n:{name}")
    if name in spec.create_only:
        changed = pl.lit(value=False)
    elif name in spec.fill_empty:
        # Which value the destination holds need not be known, only whether it holds one.
        changed = pl.lit(full) | pl.col(f"e:{name}")
    else:
        changed = pl.lit(full) | unknown | new.ne_missing(pl.col(f"o:{name}"))
    # A null never fills anything, so filling skips nulls too.
    skips = name in spec.skip_nulls or name in spec.fill_empty
    return (~_KNOWN | changed) & (new.is_not_null() if skips else pl.lit(value=True))


def _moved(spec: DiffSpec, schema: pl.Schema) -> list[pl.Expr]:
    """Per match field: whether a known row's record goes by another value now."""
    pairs = zip(folded("m", spec, schema), folded("om", spec, schema), strict=True)
    return [_KNOWN & new.ne_missing(old) for new, old in pairs]
