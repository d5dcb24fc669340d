"""Rows to compare: two versions of a table, and a month of daily ones, as parquet files.

`python -m benchmarks.diff_data ROWS` writes both versions, `... ROWS DAY` one day of the month; prints the folder.
Every value is a hash of the row's id and of how often it was edited, so that any row can be made on its own:
memory stays bounded whatever the number of rows, and the same parameters give the same files.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Draws: TypeAlias = NDArray[np.uint64]

FOLDER = Path(__file__).parents[1] / ".tailrace" / "bench"
VERSION = 1
"""To be raised when other rows come of the same parameters: files that are there already are taken as they are."""
SEED = 7
GROUP = 65_536
PIECE = 8 * GROUP
"""Rows in memory at once."""
MILLE = 1_000
CITIES = ("Berlin", "Paris", "Lagos", "Lima", "Oslo", "Kyoto", "Austin", "Pune", "Quito", "Turin", "Accra", "Malmö")
TAGS = ("new", "vip", "churn", "beta", "emea", "apac", "amer", "trial", "paid", "web")
FIRST, SECOND = "first.parquet", "second.parquet"
STEADY, MOVING, MOVED = "steady.parquet", "moving.npy", "moved.parquet"


@dataclass(frozen=True, slots=True)
class Churn:
    """How many rows of a thousand change within a day, and for how many days."""

    updates: int
    deletes: int
    inserts: int
    days: int


ONCE = Churn(updates=10, deletes=5, inserts=5, days=1)
DAILY = Churn(updates=6, deletes=2, inserts=2, days=30)


def main() -> None:
    """Write what is asked for; both versions only if they are not there already."""
    rows = int(sys.argv[1])
    folder = FOLDER / f"diff-{rows}-seed-{SEED}-v{VERSION}"
    if not folder.exists():
        unfinished = folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_versions(unfinished, rows)
        unfinished.rename(folder)
    print(write_day(folder, rows, int(sys.argv[2])) if len(sys.argv) > 2 else folder)


def write_versions(folder: Path, rows: int) -> None:
    """Two versions: ids in order, and after `ONCE`, in no order."""
    write(folder / FIRST, spans(rows))
    born = rows + inserted(rows, ONCE)
    write(folder / SECOND, (shuffled(ids, born) for ids in spans(born)), rows, ONCE, day=1)


def write_day(folder: Path, rows: int, day: int) -> Path:
    """The folder `day-N`, which as a whole is the table of that day; gives its path.

    Most rows never change within the month: they are one file for all days, so that a day is written quickly.
    """
    if not (folder / MOVING).exists():  # written last
        moving = [ids[moves(ids, DAILY)] for ids in spans(rows)]
        write(folder / STEADY, (ids[~moves(ids, DAILY)] for ids in spans(rows)))
        np.save(folder / MOVING, np.concatenate(moving))
    ids = np.concatenate([np.load(folder / MOVING), rows + 1 + np.arange(day * inserted(rows, DAILY))])
    place = folder / f"day-{day}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.link(folder / STEADY, place / STEADY)
    write(place / MOVED, (ids[start : start + PIECE] for start in range(0, len(ids), PIECE)), rows, DAILY, day=day)
    return place


def write(path: Path, pieces: Iterable[Ids], rows: int = 0, churn: Churn = ONCE, *, day: int = 0) -> None:
    """The rows with these ids that are there on that day; all of them, never edited, on day 0."""
    with pq.ParquetWriter(path, table(np.empty(0, np.int64), np.empty(0, np.int64)).schema, compression="zstd") as file:
        for ids, edits in even(history(piece, rows, churn, day) for piece in pieces):
            file.write_table(table(ids, edits), row_group_size=GROUP)


def spans(rows: int) -> Iterator[Ids]:
    """Ids from 1, piece by piece."""
    return (np.arange(start, min(start + PIECE, rows)) + 1 for start in range(0, rows, PIECE))


def even(pieces: Iterable[tuple[Ids, Ids]]) -> Iterator[tuple[Ids, Ids]]:
    """The same rows in pieces of one size, so that all groups of a file but the last are full."""
    held: list[tuple[Ids, Ids]] = []
    for piece in pieces:
        held.append(piece)
        if sum(len(ids) for ids, _ in held) >= PIECE:
            ids, edits = (np.concatenate(part) for part in zip(*held, strict=True))
            yield ids[:PIECE], edits[:PIECE]
            held = [(ids[PIECE:], edits[PIECE:])]
    if held:
        ids, edits = (np.concatenate(part) for part in zip(*held, strict=True))
        yield ids, edits


def inserted(rows: int, churn: Churn) -> int:
    """New rows a day."""
    return rows * churn.inserts // MILLE


def history(ids: Ids, rows: int, churn: Churn, day: int) -> tuple[Ids, Ids]:
    """Those ids whose rows are there on that day, and how often each was edited by then."""
    edits, there = np.zeros(len(ids), np.int64), np.ones(len(ids), np.bool_)
    # Ids beyond the first rows were inserted: so many on day 1, the next so many on day 2.
    born = np.maximum(0, (ids - rows - 1) // max(1, inserted(rows, churn)) + 1) if day else 0
    for today in range(1, day + 1):
        chance = drawn(ids, MILLE + today) % MILLE
        known = there & (born < today)
        edits += known & (chance < churn.updates)
        there &= ~(known & (chance >= churn.updates) & (chance < churn.updates + churn.deletes))
    return ids[there], edits[there]


def moves(ids: Ids, churn: Churn) -> Mask:
    """Whether something happens to each of the first rows on any day."""
    found = np.zeros(len(ids), np.bool_)
    for today in range(1, churn.days + 1):
        found |= drawn(ids, MILLE + today) % MILLE < churn.updates + churn.deletes
    return found


def table(ids: Ids, edits: Ids) -> pa.Table:
    """The rows of these ids; an edit changes `visits`, `ltv` and `seen`."""
    number = pa.array(ids)
    cents = (drawn(ids, 7) % 10_000_000).astype(np.int64) + 137 * edits
    seen = 1_600_000_000_000_000 + (drawn(ids, 10) % 200_000_000_000).astype(np.int64) * 1_000 + edits * 86_400_000_000
    score = (drawn(ids, 6) % 1_000_000) / 1_000
    kind = drawn(ids, 16) % 50
    score[kind == 0], score[kind == 1] = np.nan, -0.0
    return pa.table(
        {
            "id": number,
            "email": nullable(
                text("user", number, ".", pa.array(drawn(ids, 1) % 100_000), "@example.com"), one_in(ids, 14, 100)
            ),
            "first": text("F", pa.array(drawn(ids, 2) % 5_000)),
            "last": nullable(text("Last", pa.array(drawn(ids, 3) % 90_000)), one_in(ids, 15, 200)),
            "city": chosen(CITIES, drawn(ids, 4)),
            "visits": pa.array((drawn(ids, 5) % 1_000).astype(np.int32) + edits.astype(np.int32)),
            "score": pa.array(score, mask=kind == 2),
            "ltv": nullable(decimals(cents), one_in(ids, 17, 50)),
            "active": pa.array(drawn(ids, 8) % 3 != 0),
            "signup": pa.array((10_000 + drawn(ids, 9) % 9_000).astype(np.int32), mask=one_in(ids, 18, 25)).cast(
                pa.date32()
            ),
            "seen": pa.array(seen).cast(pa.timestamp("us", "UTC")),
            "tags": tags(ids),
        }
    )


def tags(ids: Ids) -> pa.Array:
    """Lists of no, one or two texts; a quarter is null."""
    kind = drawn(ids, 13) % 8
    missing = kind < 2
    sizes = np.where(missing | (kind == 2), 0, np.where(kind < 5, 1, 2))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    words = np.stack([drawn(ids, 11), drawn(ids, 12)], axis=1)[np.arange(2) < sizes[:, None]]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), chosen(TAGS, words), mask=pa.array(missing))


def text(*parts: str | pa.Array) -> pa.Array:
    """Texts and numbers, one after the other."""
    pieces = [part if isinstance(part, str) else part.cast(pa.string()) for part in parts]
    return pc.binary_join_element_wise(*pieces, "")


def decimals(cents: Ids) -> pa.Array:
    """Amounts as Decimal(12, 2), of which the buffer holds two words each: all are positive, so the second is 0."""
    words = np.zeros((len(cents), 2), np.int64)
    words[:, 0] = cents
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words)])


def chosen(names: tuple[str, ...], draws: Draws) -> pa.Array:
    """One of a few texts each."""
    return pa.array(names).take(pa.array((draws % len(names)).astype(np.int32)))


def nullable(values: pa.Array, missing: Mask) -> pa.Array:
    """The values with some of them null."""
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


def one_in(ids: Ids, salt: int, share: int) -> Mask:
    """True for one row in so many."""
    return drawn(ids, salt) % share == 0


def drawn(ids: Ids, salt: int) -> Draws:
    """A number at random for each id: SplitMix64, which no library's new version changes."""
    state = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64((SEED * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % 2**64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def shuffled(ids: Ids, rows: int) -> Ids:
    """The ids 1 to `rows` in another order, any piece of it on its own: a Feistel network walks its cycles."""
    half = ((rows - 1).bit_length() + 1) // 2
    places = mixed(ids - 1, half)
    while (outside := places >= rows).any():
        places[outside] = mixed(places[outside], half)
    return places + 1


def mixed(places: Ids, half: int) -> Ids:
    """One to one within 2 ** (2 * half)."""
    low = (1 << half) - 1
    left, right = places >> half, places & low
    for turn in range(4):
        left, right = right, left ^ (drawn(right, 2 * MILLE + turn).astype(np.int64) & low)
    return (left << half) | right


if __name__ == "__main__":
    main()
