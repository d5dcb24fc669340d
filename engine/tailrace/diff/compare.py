"""Which valid rows are new, which changed, and in which fields."""

from __future__ import annotations

import polars as pl

from tailrace.changes import DiffSpec
from tailrace.diff.align import CARRIED, Sides
from tailrace.diff.columns import folded, role

_KNOWN = pl.col("known")


def changed_rows(
    valid: pl.DataFrame, sides: Sides, spec: DiffSpec, *, full: bool
) -> tuple[int, pl.DataFrame, pl.DataFrame]:
    """How many valid rows are known, those that differ from the snapshot (`op`, `c:`), the numbers of the others."""
    keys = role("k", spec.key)
    old = sides.old.with_columns(known=pl.lit(value=True))
    joined = valid.join(old, on=keys, how="left").with_columns(_KNOWN.fill_null(value=False))
    unknown = _unknown(sides, spec)
    written = [_written(name, unknown[name], spec, full=full).alias(f"c:{name}") for name in spec.fields]
    marked = joined.with_columns(written)
    # Without a field it is the row that is written: a member of a list.
    differs = pl.any_horizontal(
        ~_KNOWN, pl.lit(full and not spec.fields), *role("c", spec.fields), *_moved(spec, marked.schema)
    )
    op = pl.when(_KNOWN).then(pl.lit("update")).otherwise(pl.lit("insert")).alias("op")
    marked = marked.with_columns(differs=differs)
    numbers = [name for name in CARRIED if name in marked.columns]
    same = marked.filter(~pl.col("differs")).select(numbers)
    return int(joined["known"].sum()), marked.filter("differs").with_columns(op), same


def _unknown(sides: Sides, spec: DiffSpec) -> dict[str, pl.Expr]:
    """Per field: whether what the destination holds is unknown."""
    some = bool(sides.old["unknown"].list.len().sum())
    per_row = {name: pl.col("unknown").list.contains(name).fill_null(value=False) for name in spec.fields}
    lost = sides.incomparable
    return {name: pl.lit(name in lost) | (per_row[name] if some else pl.lit(value=False)) for name in spec.fields}


def _written(name: str, unknown: pl.Expr, spec: DiffSpec, *, full: bool) -> pl.Expr:
    new, old, empty = pl.col(f"n:{name}"), pl.col(f"o:{name}"), pl.col(f"e:{name}")
    changed = pl.lit(full and name not in spec.create_only) | wanted(name, new, old, empty, unknown, spec)
    # A null never fills anything, so filling skips nulls too.
    skips = name in spec.skip_nulls or name in spec.fill_empty
    return (~_KNOWN | changed) & (new.is_not_null() if skips else pl.lit(value=True))


def wanted(name: str, new: pl.Expr, old: pl.Expr, empty: pl.Expr, unknown: pl.Expr, spec: DiffSpec) -> pl.Expr:
    """Whether a known row's field is to be written, were a null written like any value."""
    if name in spec.create_only:
        return pl.lit(value=False)
    if name in spec.fill_empty:
        # Which value the destination holds need not be known, only whether it holds one.
        return empty
    return unknown | new.ne_missing(old)


def settled(spec: DiffSpec) -> pl.Expr:
    """Whether a row of the model (`n:`) needs nothing where the destination holds `f:`, but for what is `unknown`."""
    needs = [pl.lit(value=False)]
    for name in spec.fields:
        new, held = pl.col(f"n:{name}"), pl.col(f"f:{name}")
        unknown = pl.col("unknown").list.contains(name).fill_null(value=False)
        need = wanted(name, new, held, held.is_null(), unknown, spec)
        skips = name in spec.skip_nulls or name in spec.fill_empty
        needs.append(need & new.is_not_null() if skips else need)
    return ~pl.any_horizontal(needs)


def _moved(spec: DiffSpec, schema: pl.Schema) -> list[pl.Expr]:
    """Per match field: whether a known row's record goes by another value now."""
    pairs = zip(folded("m", spec, schema), folded("om", spec, schema), strict=True)
    return [_KNOWN & new.ne_missing(old) for new, old in pairs]
