"""Rows that cannot be told apart, or cannot be addressed: set aside before anything is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from tailrace.canonical import python_values
from tailrace.changes import DiffSpec, InvalidReason, InvalidRows
from tailrace.diff.columns import folded, role
from tailrace.values import LogicalType, Value

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """`valid` rows take part; `keyed` are all rows with a key, whose keys are still in the model."""

    valid: pl.DataFrame
    keyed: pl.DataFrame
    invalid: tuple[InvalidRows, ...]


def set_aside(rows: pl.DataFrame, types: Mapping[str, LogicalType], spec: DiffSpec) -> Checked:
    """Part the rows; each invalid row is counted once, under the first reason that holds."""
    keys = role("k", spec.key)
    keyed, null_key = _part_nulls(rows, keys)
    repeated = _repeated(keyed.select(keys))
    single, duplicate_key = _part(keyed, repeated, keys)
    addressed, null_match = _part_nulls(single, role("m", spec.match))
    shared = _sharing(keyed, spec, distinct=repeated.height > 0)
    valid, duplicate_match = _part(addressed, shared, keys)
    parts: dict[InvalidReason, pl.DataFrame] = {
        "null_key": null_key,
        "duplicate_key": duplicate_key,
        "null_match": null_match,
        "duplicate_match": duplicate_match,
    }
    found = [InvalidRows(reason, bad.height, _examples(bad, types, spec)) for reason, bad in parts.items() if len(bad)]
    return Checked(valid, keyed, tuple(found))


def keyless(
    batches: Iterable[pl.DataFrame], types: Mapping[str, LogicalType], spec: DiffSpec
) -> tuple[InvalidRows, ...]:
    """Rows that all lack a key, batch by batch, as one group; none if there are none."""
    keys, rows, first = role("k", spec.key), 0, None
    for batch in batches:
        rows += batch.height
        least = batch.select(keys).sort(keys, nulls_last=True).head(EXAMPLES)
        first = least if first is None else pl.concat([first, least]).sort(keys, nulls_last=True).head(EXAMPLES)
    return (InvalidRows("null_key", rows, _examples(first, types, spec)),) if first is not None else ()


def occupied(checked: Checked, old: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    """The match values (`om:*`) of known rows that were set aside: they keep their records, and so the values."""
    keys, values = role("k", spec.key), old.select(role("om", spec.match))
    if checked.keyed.height == checked.valid.height:
        return values.clear()
    kept = old.join(checked.keyed, on=keys, how="semi").join(checked.valid, on=keys, how="anti")
    return kept.select(values.columns)


def _part_nulls(frame: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    if not any(frame[name].null_count() for name in names):
        return frame, frame.clear()
    null = pl.any_horizontal(pl.col(name).is_null() for name in names)
    return frame.filter(~null), frame.filter(null)


def _part(frame: pl.DataFrame, bad: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    if bad.height == 0:
        return frame, frame.clear()
    return frame.join(bad, on=keys, how="anti"), frame.join(bad, on=keys, how="semi")


def _repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """Each distinct row that comes more than once; the count of distinct rows is the cheap first look."""
    distinct = frame.to_series().n_unique() if frame.width == 1 else frame.n_unique()
    if distinct == frame.height:
        return frame.clear()
    return frame.group_by(frame.columns).len().filter(pl.col("len") > 1).drop("len")


def _sharing(keyed: pl.DataFrame, spec: DiffSpec, *, distinct: bool) -> pl.DataFrame:
    """Keys whose match value another key has too. Rows of one key that agree on it share nothing."""
    keys, matches = role("k", spec.key), role("m", spec.match)
    if not matches:
        return keyed.select(keys).clear()
    pairs = keyed.select(*keys, *folded("m", spec, keyed.schema)).drop_nulls()
    pairs = pairs.unique() if distinct else pairs
    shared = _repeated(pairs.select(matches))
    return pairs.join(shared, on=matches, how="semi").select(keys).unique()


def _examples(bad: pl.DataFrame, types: Mapping[str, LogicalType], spec: DiffSpec) -> tuple[Mapping[str, Value], ...]:
    keys = role("k", spec.key)
    first = bad.select(keys).sort(keys, nulls_last=True).head(EXAMPLES)
    columns = [python_values(first[key], types[key]) for key in keys]
    return tuple(dict(zip(spec.key, values, strict=True)) for values in zip(*columns, strict=True))
