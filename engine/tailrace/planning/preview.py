"""Which changes of a plan are shown, in which order: what hurts most comes first, and no kind hides another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from tailrace.changes import Op
from tailrace.planning.modes import shown_op
from tailrace.rowset import Rows

ORDER: tuple[Op, ...] = ("delete", "update", "insert")


def shares(counts: Mapping[Op, int], limit: int) -> dict[Op, int]:
    """How many changes of each kind are shown of at most `limit`; 0 shows all.

    Each kind has an equal part; what one does not need goes to the others, to deletes first, then to updates.
    """
    left = sum(counts.values()) if limit == 0 else limit
    shown: dict[Op, int] = dict.fromkeys(ORDER, 0)
    while left > 0:
        open_kinds = [op for op in ORDER if shown[op] < counts[op]]
        if not open_kinds:
            break
        part = max(1, left // len(open_kinds))
        for op in open_kinds:
            more = min(part, counts[op] - shown[op], left)
            shown[op] += more
            left -= more
    return shown


def frames(rows: Rows, counts: Mapping[Op, int], limit: int, size: int) -> Iterator[pl.DataFrame]:
    """The rows to be shown, kind by kind, each kind in the order of its numbers, in frames of at most `size`."""
    several = sum(number > 0 for number in counts.values()) > 1
    for op, wanted in shares(counts, limit).items():
        left = wanted
        if not left:
            continue
        for frame in (_of_kind(rows, op) if several else rows).batches(min(size, left)):
            yield frame.head(left)
            left -= frame.height
            if left <= 0:
                break


def _of_kind(rows: Rows, op: Op) -> Rows:
    """The rows that are shown as this; plain inserts, which are shown alike, are read only where they are this."""
    first = rows.part(bulk=True).head(1)
    bulk = first.height > 0 and first.select(shown_op()).item() == op
    here = replace(rows, sources=tuple(source for source in rows.sources if bulk or not source.bulk))
    return here.where(shown_op() == op)
