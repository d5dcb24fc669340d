"""Measure the memory that sending to Salesforce in jobs takes: `python -m benchmarks.salesforce_run`, 5,000,000 rows.

The rows of a plan lie in a parquet file, as a run leaves them. A process of its own takes them through jobs of 50,000:
CSV, upload, polls, results, the journal in SQLite, outcomes. The org is on this machine, in the measuring process, and
takes everything. What counts is the most memory that the process ever has, interpreter and libraries included: at most
`LIMIT` MiB, however many the rows. Reading the model and saving the snapshot are measured elsewhere
(`benchmarks.diff`); with `--whole` it is `tailrace run` that is measured, with these and DuckDB in the same process.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.salesforce_org import salesforce_org

ROOT = Path(__file__).parents[1]
ROWS, JOB_ROWS, LIMIT = 5_000_000, 50_000, 400
FIELDS = {
    "LastName": "string",
    "Email": "email",
    "Active__c": "boolean",
    "LTV__c": "currency",
    "Last_Seen__c": "datetime",
}
TYPES = {
    "LastName": "string",
    "Email": "string",
    "Active__c": "bool",
    "LTV__c": "decimal(2)",
    "Last_Seen__c": "timestamptz",
}
KEY = "External_Id__c"
PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth: {{flow: client_credentials, login_url: "{url}", client_id: app, client_secret: "${{env:BENCH_SECRET}}"}}
    job_rows: {job_rows}
"""
SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
fields: {LastName: name, Email: email, Active__c: active, LTV__c: spent, Last_Seen__c: seen}
"""
MODEL = """\
select 'K-' || range as id, 'Zoë ' || range as name, 'person' || range || '@example.com' as email,
  range % 3 = 0 as active, (range % 100000 / 8)::decimal(12, 2) as spent,
  timestamptz '2026-01-01 00:00:00+00' + interval 1 second * range as seen
from range({rows})
"""
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
THIS = (sys.executable, "-m", "benchmarks.salesforce_run")


@dataclass(frozen=True, slots=True)
class Measured:
    """What sending came to."""

    acknowledged: int
    seconds: float
    peak_mib: int


def measure(rows: int, folder: Path, *, job_rows: int = JOB_ROWS, whole: bool = False) -> Measured:
    """Send so many new rows from a project in the folder, in a process of its own."""
    for name in ("models", "syncs", "jobs"):
        (folder / name).mkdir(parents=True)
    (folder / "syncs/people.yml").write_text(SYNC)
    (folder / "models/people.sql").write_text(MODEL.format(rows=rows))
    if not whole:
        _child("--make", rows, folder)
    with salesforce_org(folder / "jobs", FIELDS, KEY) as url:
        (folder / "tailrace.yml").write_text(PROJECT.format(url=url, job_rows=job_rows))
        started = time.perf_counter()
        said = _child("--whole-here" if whole else "--here", rows, folder)
        seconds = time.perf_counter() - started
    acknowledged, peak = map(int, said.split()[-2:])
    return Measured(acknowledged, seconds, peak // 1024)


def _child(what: str, rows: int, folder: Path) -> str:
    command = [*THIS, what, "--rows", str(rows), "--folder", str(folder)]
    env = os.environ | {"BENCH_SECRET": "bench-secret"}
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


def make(rows: int, folder: Path) -> None:
    """Write the rows of a plan."""
    import polars as pl  # noqa: PLC0415 - each process loads what it measures

    number = pl.int_range(rows, dtype=pl.Int64)
    seen = pl.datetime(2026, 1, 1, time_unit="us", time_zone="UTC") + pl.duration(seconds=number)
    values = {
        "LastName": pl.format("Zoë {}", number), "Email": pl.format("person{}@example.com", number),
        "Active__c": number % 3 == 0, "LTV__c": (number % 100_000).cast(pl.Decimal(38, 2)), "Last_Seen__c": seen,
    }  # fmt: skip
    key = pl.format("K-{}", number)
    columns = {
        "seq": number, "op": pl.lit("insert"), "action": pl.lit("upsert"), "record_id": pl.lit(None, pl.String),
        "k:id": key, f"m:{KEY}": key, f"om:{KEY}": pl.lit(None, pl.String),
    }  # fmt: skip
    for name, value in values.items():
        columns |= {f"n:{name}": value, f"o:{name}": pl.lit(None), f"c:{name}": pl.lit(value=True)}
    frame = pl.LazyFrame({"row": [0]}).select(**columns)
    frame.sink_parquet(folder / "rows.parquet", row_group_size=65_536)


def send(rows: int, folder: Path) -> int:
    """Deliver the plan's rows as a run does; gives how many were acknowledged."""
    import polars as pl  # noqa: PLC0415

    from tailrace.delivery import deliver  # noqa: PLC0415
    from tailrace.project import load_project  # noqa: PLC0415
    from tailrace.rowset import Rows, Source  # noqa: PLC0415
    from tailrace.running.job import job  # noqa: PLC0415
    from tailrace.running.lease import leased  # noqa: PLC0415
    from tailrace.running.session import Session  # noqa: PLC0415
    from tailrace.state import Journal  # noqa: PLC0415
    from tailrace.values import LogicalType  # noqa: PLC0415

    project = load_project(folder)
    sync = project.syncs["people"]
    types = {f"f:{name}": LogicalType.parse(kind) for name, kind in TYPES.items()}
    types |= {name: LogicalType("string") for name in ("k:id", f"m:{KEY}")}
    session = Session(project)
    try:
        target = session.target(sync)
        with leased(session, sync) as lease, session.destination(sync, target, lease=lease) as destination:
            destination.check()
            names = {"mode": "mirror", "destination": "crm", "object": "Contact"}
            session.state.start_run("bench", sync="people", identity="", token=lease.token, **names)
            journal = Journal(session.state, "bench", lease.token)
            report = deliver(
                job(sync, target, "bench", types),
                Rows((Source(pl.scan_parquet(folder / "rows.parquet"), rows, bulk=True),)),
                destination,
                journal,
                limiter=session.limiter(target),
                folder=folder,
                fold=lambda _outcomes, _whole: None,
                owned=lambda _ids: (),
            )
            journal.close()
    finally:
        session.close()
    return report.acknowledged


def run_whole(folder: Path) -> int:
    """`tailrace run`; gives how many rows were acknowledged."""
    from tailrace import Project  # noqa: PLC0415

    with Project.load(folder) as project:
        return project.run("people").acknowledged


def _said(acknowledged: int) -> None:
    status = Path("/proc/self/status").read_text()  # not `ru_maxrss`, which knows of the process it was forked from
    peak = PEAK.search(status)
    print(acknowledged, peak[1] if peak else 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; the exit code is 1 above the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.salesforce_run", description="Measure sending in jobs.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows")
    parser.add_argument("--job-rows", type=int, default=JOB_ROWS, help="most rows of one job")
    parser.add_argument("--whole", action="store_true", help="measure the whole run; there is no limit then")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    for hidden in ("--make", "--here", "--whole-here"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.make:
        make(asked.rows, asked.folder)
    elif asked.here or asked.whole_here:
        from tailrace import tuning  # noqa: PLC0415 - before polars is loaded, as the program does

        tuning.prepare()
        _said(send(asked.rows, asked.folder) if asked.here else run_whole(asked.folder))
    else:
        _measured(asked.rows, asked.job_rows, whole=asked.whole)


def _measured(rows: int, job_rows: int, *, whole: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        found = measure(rows, Path(place), job_rows=job_rows, whole=whole)
    speed = found.acknowledged / found.seconds
    print(f"{found.acknowledged:,} rows in {found.seconds:.0f} s, {speed:,.0f} rows/s, at most {found.peak_mib} MiB")
    if found.acknowledged != rows or (found.peak_mib > LIMIT and not whole):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
