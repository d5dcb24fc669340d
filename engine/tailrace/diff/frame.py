"""The frame of changes, in the order and shape that `tailrace.changes` promises."""

from __future__ import annotations

import polars as pl

from tailrace.canonical import dtype
from tailrace.changes import DiffSpec
from tailrace.diff.align import CARRIED, Sides
from tailrace.diff.columns import role


def change_frame(changed: pl.DataFrame, departed: pl.DataFrame, sides: Sides, spec: DiffSpec) -> pl.DataFrame:
    """Inserts and updates by key, then deletes by key, numbered from 0."""
    keys = role("k", spec.key)
    numbers = [name for name in CARRIED if name in changed.columns]
    columns = [*_columns(spec), *numbers]
    deletes = departed.with_columns(
        pl.lit("delete").alias("op"),
        *(pl.col(f"om:{name}").alias(f"m:{name}") for name in spec.match),
        *(pl.lit(None, dtype(sides.types[f"f:{name}"])).alias(f"n:{name}") for name in spec.fields),
        *(pl.lit(value=False).alias(f"c:{name}") for name in spec.fields),
        *(pl.lit(None, pl.Int64).alias(name) for name in numbers if name == "row"),
    )
    parts = [part.select(columns).sort(keys) for part in (changed, deletes)]
    return pl.concat(parts).with_row_index("seq").with_columns(pl.col("seq").cast(pl.Int64))


def _columns(spec: DiffSpec) -> list[str]:
    matches = [name for field in spec.match for name in (f"m:{field}", f"om:{field}")]
    fields = [f"{prefix}:{field}" for field in spec.fields for prefix in "noc"]
    return ["op", "record_id", *role("k", spec.key), *matches, *fields]
