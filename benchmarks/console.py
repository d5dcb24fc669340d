"""Measure the console over a large record: `python -m benchmarks.console`, 10,000 runs and 1,000,000 rejected rows.

The record is written into a state database (SQLite, or PostgreSQL by `--state URL`) as runs would have, but at once.
Then each page and each list of the API is asked for over HTTP, again and again, and what a browser waits for is told.
Wanted is that the median stays below 200 ms. The processor time beside it, client and server together, says how much
of that is ours where the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import sqlalchemy as sa

from benchmarks import report
from tailrace import Project
from tailrace.state.issues import key_hash
from tailrace.state.records import Counts, Tallies
from tailrace.state.schema import batches, row_issues, runs
from tailrace.web.server import Listening, serving

RUNS, REJECTED, SYNCS = 10_000, 1_000_000, 20
LIMIT_S = 0.2
LIBRARIES = ("starlette", "uvicorn", "sqlalchemy")
SECTION = """
## Pages of the console

Measured by `python -m benchmarks.console`, {when}: {runs:,} runs of {syncs} syncs and {rejected:,} rejected rows
of one of them, in {state}. Each page and list is asked for over HTTP by a client in the same process. The first answer
counts what changed; the median is wanted below {limit:.0f} ms.

| page | first | median | worst | processor time |
|---|---:|---:|---:|---:|
{lines}
"""
Figures: TypeAlias = tuple[float, float, float, float]
CODES = ("REQUIRED_FIELD_MISSING", "STRING_TOO_LONG", "DUPLICATE_VALUE", "UNABLE_TO_LOCK_ROW", "INVALID_EMAIL_ADDRESS")
CONFIG = """\
state: "{state}"
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  app: {{type: sql, url: "sqlite:///app.db", create_table: true}}
"""
SYNC = """\
model: people
destination: app
object: people_{number}
mode: upsert
key: id
match: {{id: id}}
fields: {{name: name}}
schedule: {{every: 1h}}
"""


def main() -> None:
    """Write the record, ask for everything, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description="Measure the console.")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs on record")
    parser.add_argument("--rejected", type=int, default=REJECTED, help="rejected rows of one sync")
    parser.add_argument("--rounds", type=int, default=9, help="how often each page is asked for")
    parser.add_argument("--state", default="sqlite:///.tailrace/state.db", help="where the record is kept")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tailrace-console-") as folder:
        root = Path(folder)
        _write_project(root, asked.state)
        began = time.perf_counter()
        _write_record(root, asked.runs, asked.rejected)
        print(
            f"{asked.runs:,} runs and {asked.rejected:,} rejected rows, written in {time.perf_counter() - began:.0f} s"
        )
        with serving(root, Listening(port=0)) as address:
            found = _measure(address, asked.rounds)
    if asked.write_docs:
        report.write_section("console", _section(asked, load, found))
    slow = [path for path, (_, median, _, _) in found.items() if median > LIMIT_S]
    sys.exit(f"slower than {LIMIT_S * 1000:.0f} ms: {', '.join(slow)}" if slow else 0)


def _section(asked: argparse.Namespace, load: float, found: Mapping[str, Figures]) -> str:
    """The figures as a part of docs/benchmarks.md; of a path with an id in it, one stands for all."""
    lines = [f"| `{_named(path)}` | {' | '.join(_ms(each) for each in figures)} |" for path, figures in found.items()]
    return SECTION.format(
        when=report.when(load, asked.rounds, LIBRARIES),
        runs=asked.runs,
        rejected=asked.rejected,
        syncs=SYNCS,
        state="SQLite" if asked.state.startswith("sqlite") else "PostgreSQL",
        limit=LIMIT_S * 1000,
        lines="\n".join(lines),
    )


def _named(path: str) -> str:
    """A path with words in place of ids, which say nothing."""
    return re.sub(r"=[0-9a-f]{32}$", "=…", re.sub(r"20260901T[0-9.a-f-]+", "RUN", path))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _write_project(root: Path, state: str) -> None:
    (root / "syncs").mkdir()
    (root / "models").mkdir()
    (root / "tailrace.yml").write_text(CONFIG.format(state=state))
    (root / "models/people.sql").write_text("select 1::bigint as id, 'Ann' as name")
    for number in range(SYNCS):
        (root / f"syncs/s{number:02}.yml").write_text(SYNC.format(number=number))


def _write_record(root: Path, run_count: int, rejected: int) -> None:
    with Project.load(root) as project:
        project.run("s00")
        first = project.runs(sync="s00")[0].record
        state = project.state
        with state.transaction() as connection:
            state.execute_many(connection, sa.insert(runs), _runs(first.identity, run_count))
            state.execute_many(connection, sa.insert(batches), _batches())
            state.execute_many(connection, sa.insert(row_issues), _issues(first.identity, first.run_id, rejected))
            state.mark_issues(connection, "s00")


def _run_id(number: int) -> str:
    return f"20260901T000000.000-{number:08x}"


def _runs(identity: str, count: int) -> Iterator[dict[str, Any]]:
    now = time.time()
    counts = json.dumps(vars_of(Counts(100_000, 99_000, 500, 500, 10, 98_000, 3)))
    tallies = json.dumps(vars_of(Tallies(900, 100, 10, 0, 12, 1, 0.5)))
    errors = json.dumps([{"code": CODES[0], "rows": 100, "example": {"key": {"id": 7}, "message": "it is missing"}}])
    for number in range(count):
        started = now - (count - number) * 600
        yield {
            "run_id": _run_id(number),
            "sync": f"s{number % SYNCS:02}",
            "mode": "upsert",
            "destination": "app",
            "object": "people",
            "identity": identity,
            "token": 1,
            "plan_hash": "a" * 64,
            "status": ("succeeded", "partial", "failed", "nothing_to_do")[number % 4],
            "started_at": started,
            "finished_at": started + 12,
            "counts": counts,
            "tallies": tallies,
            "errors": errors,
            "seconds": '{"query": 1.0, "diff": 0.5, "deliver": 9.0}',
            "message": None,
        }


def _batches() -> Iterator[dict[str, Any]]:
    """Of one run, as many as a large one has."""
    for number in range(1, 10_001):
        outcomes = {"acknowledged": 99, "rejected": 1, "unknown": 0, "skipped": 0}
        times = {"intended_at": 1.0 + number, "settled_at": 2.0 + number}
        what = {"operation": "upsert", "rows": 100, "seqs": None, "outcomes": None, "receipt": None}
        yield {"run_id": _run_id(0), "number": number, **what, **times, **outcomes}


def _issues(identity: str, run_id: str, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        key = f'{{"id":{number + 1000}}}'
        yield {
            "sync": "s00",
            "identity": identity,
            "key_hash": key_hash(key),
            "key_text": key,
            "op": "update",
            "action": "upsert",
            "kind": "rejected",
            "code": CODES[number % len(CODES)],
            "message": f"the destination does not take row {number}, and says so at some length in its own words",
            "payload_hash": "b" * 64,
            "attempts": 3,
            "first_seen": 1.0,
            "last_seen": 2.0 + number,
            "state": ("open", "dead", "dismissed")[number % 7 % 3],
            "due": False,
            "run_id": run_id,
            "retry_at": None,
        }


def vars_of(record: Any) -> dict[str, Any]:
    """A record's fields by name."""
    return {name: getattr(record, name) for name in record.__slots__}


def _measure(address: str, rounds: int) -> dict[str, Figures]:
    """Of each path the first, the median and the worst time, and the median of processor time, in seconds."""
    found = {}
    with httpx.Client(base_url=address, timeout=60) as client:
        print(f"{'page':<58} {'first':>8} {'median':>8} {'worst':>8} {'CPU':>8}")
        for path in _paths(client):
            took, spent = [], []
            for _ in range(rounds):
                began, busy = time.perf_counter(), time.process_time()
                answer = client.get(path)
                took.append(time.perf_counter() - began)
                spent.append(time.process_time() - busy)
                answer.raise_for_status()
            figures = took[0], statistics.median(took), max(took), statistics.median(spent)
            print(f"{path:<58} {''.join(f'{_ms(each):>9}' for each in figures)}", flush=True)
            found[path] = figures
    return found


def _paths(client: httpx.Client) -> Iterator[str]:
    code = CODES[1]
    yield from (
        "/",
        "/syncs/s00",
        "/syncs/s01",
        "/runs",
        f"/runs?before={_run_id(5000)}",
        "/runs?sync=s03&status=failed",
    )
    yield from (f"/runs/{_run_id(0)}", f"/runs/{_run_id(0)}?after=9000")
    yield from ("/rejected", "/syncs/s00/rejected", f"/syncs/s00/rejected?code={code}", "/unknown", "/accounts")
    yield from ("/lineage", "/audit", "/syncs/s00/row?key.id=1500", "/metrics")
    yield from ("/api/syncs", "/api/runs?limit=500", f"/api/runs?before={_run_id(200)}", f"/api/runs/{_run_id(0)}")
    yield from ("/api/syncs/s00/rejected", f"/api/syncs/s00/rejected?code={code}&limit=500", "/api/accounts")
    middle = client.get("/api/syncs/s00/rejected?after=80").json()["next"]
    yield f"/api/syncs/s00/rejected?after={middle}"


if __name__ == "__main__":
    main()
