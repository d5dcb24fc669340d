"""One measurement in a process of its own: `python -m benchmarks.measure CASE FOLDER`, one JSON object on stdout.

CASE is the name of a sync, whose run is measured, or `bare-sqlite` or `bare-hubspot`, which write the same rows
with the bare library in a plain loop. Peak memory is that of the whole process, interpreter and libraries included.
"""

# ruff: noqa: PLC0415 - each case loads only what it measures
from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HUBSPOT_BATCH = 100
SQL_BATCH = 1_000
ROWS = """
    SELECT customer_id, name, phone, segment, lifetime_value, orders, last_order
    FROM ({model})
"""


def main() -> None:
    """Measure and print."""
    case, folder = sys.argv[1], Path(sys.argv[2])
    bare = {"bare-sqlite": bare_sqlite, "bare-hubspot": bare_hubspot}.get(case)
    started = time.perf_counter()
    figures = bare(folder) if bare else run_sync(case, folder)
    figures.setdefault("seconds", time.perf_counter() - started)
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = {"cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
    print(json.dumps(figures | spent))


def run_sync(name: str, folder: Path) -> dict[str, Any]:
    """Run one sync of the project; `deliver` is the part of its seconds spent on sending."""
    from tailrace import Project

    with Project.load(folder) as project:
        result = project.run(name)
    if result.exit_code:
        raise SystemExit(f"{name}: {result.status}: {result.message} {result.errors}")
    return {"rows": result.acknowledged, "calls": result.calls, "phases": dict(result.seconds)}


def bare_sqlite(folder: Path) -> dict[str, Any]:
    """Upsert all rows by SQLAlchemy Core, a transaction for each batch, as the adapter does."""
    from sqlalchemy import BigInteger, Column, Date, MetaData, Numeric, Table, Text, create_engine
    from sqlalchemy.dialects.sqlite import insert

    names = ("customer_id", "name", "phone", "segment", "lifetime_value", "orders", "last_order")
    kinds = (BigInteger, Text, Text, Text, Numeric(18, 2, asdecimal=True), BigInteger, Date)
    columns = [Column(name, kind, primary_key=not i) for i, (name, kind) in enumerate(zip(names, kinds, strict=True))]
    table = Table("customers", MetaData(), *columns)
    engine = create_engine(f"sqlite:///{folder / 'bare.db'}")
    table.create(engine)
    statement = insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=["customer_id"], set_={name: statement.excluded[name] for name in names[1:]}
    )
    rows = [dict(zip(names, row, strict=True)) for row in read_rows(folder)]

    def send(batch: Sequence[dict[str, Any]]) -> None:
        with engine.begin() as connection:
            connection.execute(statement, batch)

    return timed(rows, SQL_BATCH, send, threads=1)


def bare_hubspot(folder: Path) -> dict[str, Any]:
    """Upsert all rows by the vendor's client, as many requests at once as the adapter has."""
    from hubspot import HubSpot
    from hubspot.crm.contacts import BatchInputSimplePublicObjectBatchInputUpsert as Batch

    from tailrace_destinations.hubspot import CONCURRENCY

    client = HubSpot(access_token=os.environ["TPCH_TOKEN"])
    api = client.crm.contacts.batch_api
    api.api_client.configuration.host = os.environ["TPCH_HUBSPOT_URL"]
    inputs = [
        {
            "id": f"bare-{key}",
            "idProperty": "warehouse_id",
            "properties": {
                "firstname": name,
                "phone": phone,
                "jobtitle": segment,
                "lifetime_value": str(value),
                "n_orders": str(orders),
                "last_order": last.isoformat() if last else "",
            },
        }
        for key, name, phone, segment, value, orders, last in read_rows(folder)
    ]
    return timed(inputs, HUBSPOT_BATCH, lambda batch: api.upsert(Batch(inputs=batch)), threads=CONCURRENCY)


def read_rows(folder: Path) -> list[tuple[Any, ...]]:
    """Read the model's rows as Python values."""
    import duckdb

    model = (folder / "models" / "customers.sql").read_text(encoding="utf-8")
    with duckdb.connect(folder / "tpch.duckdb", read_only=True) as connection:
        return connection.execute(ROWS.format(model=model)).fetchall()


def timed(rows: Sequence[Any], size: int, send: Callable[[Any], object], *, threads: int) -> dict[str, Any]:
    """Send all batches; only the sending is timed."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _answer in pool.map(send, batches(rows, size)):
            pass
    return {"rows": len(rows), "calls": -(-len(rows) // size), "seconds": time.perf_counter() - started}


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut rows into batches."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


if __name__ == "__main__":
    main()
