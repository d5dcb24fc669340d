"""From slices of the plan frame to the rows of jobs: what `tailrace.delivery.rows` does for batches, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tailrace.actions import ADDRESSED, operation
from tailrace.bulk import Order
from tailrace.delivery.rows import batch_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tailrace.delivery.job import Job


def make_order(job: Job, table: pl.DataFrame, action: str) -> Order:
    """What a job with these rows is to do; `table` is one of `make_table`."""
    fields = tuple(name[2:] for name in table.columns if name.startswith("v:"))
    types = {f"m:{name}": job.types[f"m:{name}"] for name in job.match}
    types |= {f"v:{name}": job.types.get(f"f:{name}") or job.types[f"m:{name}"] for name in fields}
    known = {name: lookup for name, lookup in job.lookups.items() if name in fields}
    wanted = operation(action)
    named = batch_id(job.run_id, wanted, map(str, table["seq"].to_list()), 0)
    return Order(named, job.object, wanted, job.match, fields, types, known)


def make_table(job: Job, frame: pl.DataFrame, action: str) -> pl.DataFrame:
    """The rows of a slice of the plan frame under one action, as `BulkDestination.spool` takes them.

    Which fields are written, and by which match value a row is addressed, is as in `make_rows`.
    """
    held = pl.all_horizontal(pl.col(f"om:{name}").is_not_null() for name in job.match) if job.match else pl.lit(False)
    old = held if action in ADDRESSED else pl.lit(False)
    match = [pl.when(old).then(f"om:{name}").otherwise(f"m:{name}").alias(f"m:{name}") for name in job.match]
    return frame.select("seq", "record_id", *match, *_fields(job, frame, action, held))


def _fields(job: Job, frame: pl.DataFrame, action: str, held: pl.Expr) -> Iterator[pl.Expr]:
    match action:
        case "delete" | "hard_delete" | "archive":
            return
        case "clear":
            for name in job.fields:
                if name not in job.match:
                    yield from _field(name, pl.lit(None, dtype=frame.schema[f"n:{name}"]), pl.lit(True))
        case "update" | "retire":
            yield from _changed(job, held)
        case _:
            for name in job.fields:
                yield from _field(name, pl.col(f"n:{name}"), _unless_skipped(job, name))


def _changed(job: Job, held: pl.Expr) -> Iterator[pl.Expr]:
    """Changed fields, and match fields whose value moved."""
    for name in job.fields:
        written = pl.col(f"c:{name}").fill_null(value=False) & _unless_skipped(job, name)
        value = pl.col(f"n:{name}")
        if name in job.match:
            moved = _moved(name, held)
            value, written = pl.when(moved).then(f"m:{name}").otherwise(value), written | moved
        yield from _field(name, value, written)
    for name in job.match:
        if name not in job.fields:
            yield from _field(name, pl.col(f"m:{name}"), _moved(name, held))


def _moved(name: str, held: pl.Expr) -> pl.Expr:
    return held & pl.col(f"m:{name}").is_not_null() & pl.col(f"om:{name}").ne_missing(pl.col(f"m:{name}"))


def _unless_skipped(job: Job, name: str) -> pl.Expr:
    return pl.col(f"n:{name}").is_not_null() if name in job.skip_nulls | job.fill_empty else pl.lit(True)


def _field(name: str, value: pl.Expr, written: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    return value.alias(f"v:{name}"), written.alias(f"w:{name}")
