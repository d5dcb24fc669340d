"""What runs did, as tables in the warehouse: a copy, for SQL. Nothing is ever read from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from tailrace.pushdown import tables
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk

_TEXT, _NUMBER, _MOMENT = LogicalType("string"), LogicalType("int64"), LogicalType("timestamptz")
_COUNTS = ("inserts", "updates", "deletes", "acknowledged", "rejected", "unknown", "skipped")
RUNS: Final[Mapping[str, LogicalType]] = {
    **dict.fromkeys(("run_id", "sync", "mode", "destination", "object", "status"), _TEXT),
    **dict.fromkeys(("started_at", "finished_at"), _MOMENT),
    **dict.fromkeys(_COUNTS, _NUMBER),
    "message": _TEXT,
}
"""Columns of `tailrace_runs`."""
ROWS: Final[Mapping[str, LogicalType]] = dict.fromkeys(
    ("run_id", "sync", "key", "operation", "outcome", "record_id", "code", "error"), _TEXT
)
"""Columns of `tailrace_rows`; `key` is JSON."""
TABLES: Final = {"tailrace_runs": RUNS, "tailrace_rows": ROWS}


def write(desk: Desk, schema: str, run: pl.DataFrame, rows: Iterator[pl.DataFrame]) -> None:
    """Write one run and its rows, in place of what there may be of it already."""
    if not all(desk.has_table(schema, name) for name in TABLES):
        tables.make_schema(desk, schema)
    run_id, words = run["run_id"][0], desk.words
    for name, columns in TABLES.items():
        if not desk.has_table(schema, name):
            made = ", ".join(f"{words.named(column)} {words.column(kind)}" for column, kind in columns.items())
            desk.run(f"CREATE TABLE{words.unless} {words.place(schema, name)} ({made})")
    desk.begin()
    for name in TABLES:
        desk.run(f"DELETE FROM {words.place(schema, name)} WHERE run_id = {words.mark}", [run_id])  # noqa: S608
    desk.load(words.place(schema, "tailrace_runs"), list(RUNS), run, RUNS)
    names = [words.named(column) for column in ROWS]
    for batch in rows:
        desk.load(words.place(schema, "tailrace_rows"), names, batch, ROWS)
