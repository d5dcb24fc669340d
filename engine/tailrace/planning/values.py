"""Values that a destination's closed sets do not have: which rows of a plan they will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from tailrace.canonical.python import python_values
from tailrace.canonical.types import dtype

if TYPE_CHECKING:
    from tailrace.judging import Refusal
    from tailrace.rowset import Rows
    from tailrace.values import LogicalType

_TOLD = 3
"""Reasons told of one field."""


def refused(rows: Rows, types: Mapping[str, LogicalType], closed: Mapping[str, Refusal]) -> tuple[str, ...]:
    """A note for each field with values that will be refused: how many rows, and why. Values are not shown.

    `rows` are those of a plan.
    """
    columns = rows.schema
    return tuple(
        note
        for name, why in closed.items()
        if f"n:{name}" in columns and f"f:{name}" in types
        for note in _notes(rows, name, types[f"f:{name}"], why)
    )


def _notes(rows: Rows, name: str, logical: LogicalType, why: Refusal) -> Iterator[str]:
    written = (pl.col("op") != "delete") & pl.col(f"c:{name}")
    counted = rows.tally(pl.when(written).then(pl.col(f"n:{name}")))
    counted.pop(None, None)
    values = pl.Series(list(counted), dtype=dtype(logical))
    reasons: Counter[str] = Counter()
    for value, times in zip(python_values(values, logical), counted.values(), strict=True):
        reason = why(value)
        if reason is not None:
            reasons[reason] += times
    for reason, times in reasons.most_common(_TOLD):
        yield f"{name}: {times:,} {'row' if times == 1 else 'rows'} will be rejected: {reason}"
    if len(reasons) > _TOLD:
        yield f"{name}: {sum(reasons.values()):,} rows will be rejected in all"
