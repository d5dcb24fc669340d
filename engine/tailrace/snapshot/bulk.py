"""Plain inserts as a segment: the file the model was streamed to becomes the segment's values, unread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.diff.changefiles import BITS, NAMES, PLAIN, read_bits
from tailrace.snapshot.naming import write_names
from tailrace.snapshot.writing import Draft, write_ids, write_live

if TYPE_CHECKING:
    from tailrace.diff.changefiles import Bulk
    from tailrace.diff.hashset import Hashes
    from tailrace.diff.known import Origin
    from tailrace.values import LogicalType

WORTH = 0.5
"""The share of the file's rows that must be live: below, they are better written anew."""
_PIECE = 1_000_000


@dataclass(frozen=True, slots=True)
class BulkDraft:
    """The segment, and what else must be known of its rows."""

    draft: Draft
    ids: pl.Series
    """Record ids of its live rows, where known."""
    rest: pl.Series
    """Numbers (`seq`) of settled rows of the file that are not among the live ones."""
    pinned: Mapping[str, LogicalType]
    """Types of the columns that hold a value."""


def bulk_draft(origin: Origin, answers: pl.DataFrame, work: Path, identity: str) -> BulkDraft | None:
    """The plain inserts that were acknowledged as they were sent; None where they are too few."""
    bulk = origin.layout.bulk
    if bulk is None:
        return None
    mine = answers.filter(pl.col("seq").is_between(bulk.first_seq, bulk.first_seq + bulk.rows, closed="left"))
    plain = pl.col("sent") & pl.col("kept").is_null()
    sent, rest = mine.filter(plain), mine.filter(~plain)["seq"]
    if sent.height < bulk.rows * WORTH:
        return None
    path = origin.folder / PLAIN
    files = {"values": path, "names": _names(origin, bulk.rows, work / f"{identity}.names")}
    live = np.zeros(bulk.rows, np.bool_)
    live[sent["seq"].to_numpy() - bulk.first_seq] = True
    live &= read_bits(origin.folder / BITS, bulk.rows)
    if not live.all():
        files["live"] = write_live(work / f"{identity}.live", live)
    if sent["answered"].null_count() < sent.height:
        files["ids"] = work / f"{identity}.ids"
        write_ids(files["ids"], _ids(sent, bulk))
    draft = Draft(identity, bulk.rows, int(live.sum()), files, bulk.nullable)
    return BulkDraft(draft, sent["answered"].drop_nulls(), rest, _pinned(path, origin.pinning.types))


def _names(origin: Origin, rows: int, path: Path) -> Path:
    """The file that the rows' names went to as they streamed by; another where that is not as a segment has it."""
    streamed = [origin.folder / name for name in NAMES[: 2 if origin.recipe.wide else 1]]
    if not all(file.exists() for file in streamed):
        write_names(path, _made(origin, rows))
    elif len(streamed) == 1:
        return streamed[0]
    else:
        write_names(path, [np.fromfile(file, np.uint64) for file in streamed])
    return path


def _made(origin: Origin, rows: int) -> list[Hashes]:
    """Names made of the rows, where these came in other types than they are kept in."""
    lanes = [np.zeros(rows, np.uint64) for _ in range(2 if origin.recipe.wide else 1)]
    at = 0

    def take(batch: pl.DataFrame) -> None:
        nonlocal at
        for lane, column in zip(lanes, batch.iter_columns(), strict=True):
            lane[at : at + batch.height] = column.to_numpy()
        at += batch.height

    pl.scan_parquet(origin.folder / PLAIN).select(origin.recipe.stored(origin.pinning.types)).sink_batches(take)
    return lanes


def _ids(sent: pl.DataFrame, bulk: Bulk) -> Iterator[pl.Series]:
    """The record id of each row of the file, null where there is none."""
    known = sent.select("answered", row=pl.col("seq") - bulk.first_seq).drop_nulls().sort("row")
    for start in range(0, bulk.rows, _PIECE):
        size = min(_PIECE, bulk.rows - start)
        piece = known.filter(pl.col("row").is_between(start, start + size, closed="left"))
        numbers = pl.DataFrame({"row": pl.int_range(start, start + size, dtype=pl.Int64, eager=True)})
        yield numbers.join(piece, on="row", how="left", maintain_order="left")["answered"]


def _pinned(path: Path, types: Mapping[str, LogicalType]) -> dict[str, LogicalType]:
    """Types of columns with a value; most show one at once."""
    scan = pl.scan_parquet(path)
    found = set()
    left = list(types)
    for part in (scan.head(_PIECE // 100), scan):
        if left:
            counts = part.select(pl.col(left).count()).collect(engine="streaming").row(0, named=True)
            found |= {name for name, values in counts.items() if values}
            left = [name for name in left if name not in found]
    return {name: types[name] for name in found}
