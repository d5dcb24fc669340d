"""A storm of requests against a vendor that counts them: `make storm`, or `python -m benchmarks.storm [SECONDS]`.

Syncs of one account want to send more than its plan permits, for SECONDS seconds (60), in one process and in three that
share the state database. The simulator counts what arrives in its sliding window: the permitted rate must never
be exceeded, and 95 % of it used. Then, without any limit, how many rows a second the engine sends; the simulator takes
its part of the machine, so that a real server would leave more. Exit code 1 when a promise is not kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.sandbox import HubSpotOptions, SandboxServer
from tailrace.sandbox.options import HubSpotPlan

PLAN: Final = "professional"
CALLS, PER = 190, 10.0
"""HubSpot's limit under that plan: so many requests in any so many seconds."""
USED = 0.95
"""Share of the permitted rate that must be used."""
ROWS = 20_000
"""Rows that are sent without a limit."""
OBJECTS = ("contacts", "companies", "deals")
PROJECT = """\
{state}
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hub:
    type: hubspot
    access_token: "${{env:STORM_TOKEN}}"
    base_url: "{url}"
    {limits}
    batch_size: {batch}
    concurrency: {concurrency}
"""
MODEL = "select i as id, 'Name ' || i as name from range({rows}) as numbers(i)"
SYNC = """\
model: rows
destination: hub
object: {object}
mode: upsert
key: id
match: {{warehouse_id: id}}
fields: {{{field}: name}}
"""
FIELDS = {"contacts": "lastname", "companies": "name", "deals": "dealname"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What the simulator counted."""

    processes: int
    requests: int
    refused: int
    """Requests answered with 429."""
    peak: int
    """Most requests in any one window."""
    used: float
    """Share of the permitted rate that was used, from the first request to that which opened the last window."""
    records: int


def storm(
    folder: Path,
    *,
    processes: int,
    windows: int,
    calls: int = CALLS,
    per: float = PER,
    concurrency: int = 4,
    state: str = "",
    plan: HubSpotPlan | None = None,
) -> Figures:
    """Fill so many windows from so many processes at once; `state` is the project's line for the state database.

    With `plan`, whose limits `calls` and `per` must be, both sides know the limits by the plan alone.
    """
    rows = windows * calls // processes
    with SandboxServer(salesforce=False, hubspot=HubSpotOptions(plan=plan or PLAN), rate_limits=True) as server:
        if plan is None:
            server.control.hubspot.limit(burst=calls, per=per)
        limits = f"plan: {plan}" if plan else f"rate: [{{calls: {calls}, per: {per:g}s}}]"
        settings = {"url": server.hubspot_url, "limits": limits, "batch": 1, "concurrency": concurrency}
        names = _write_project(folder, rows, processes, PROJECT.format(state=state, **settings))
        _call(folder, "status")  # so that they do not meet while the tables are made
        begun = [subprocess.Popen(_command("run", name), cwd=folder, stdout=subprocess.DEVNULL) for name in names]
        try:
            codes = [process.wait() for process in begun]
        finally:
            for process in begun:
                process.kill()
        assert codes == [0] * processes, codes
        counted = server.control.hubspot.counters()
        records = sum(len(server.control.hubspot.records(name)) for name in names)
    used = (windows - 1) * per / counted["turns"][windows - 2]
    return Figures(processes, counted["requests"], counted["refused"], counted["peak_window"], used, records)


def speed(folder: Path, rows: int = ROWS) -> float:
    """Rows a second that one process sends in whole batches where nothing limits it."""
    with SandboxServer(salesforce=False) as server:
        settings = {"url": server.hubspot_url, "limits": "rate: []", "batch": 100, "concurrency": 8}
        (name,) = _write_project(folder, rows, 1, PROJECT.format(state="", **settings))
        told = subprocess.run(_command("run", name, "--json"), cwd=folder, check=True, stdout=subprocess.PIPE)
        assert len(server.control.hubspot.records(name)) == rows
    (run,) = json.loads(told.stdout)["runs"]
    return float(rows / run["seconds"]["deliver"])


def _write_project(folder: Path, rows: int, processes: int, project: str) -> tuple[str, ...]:
    names = OBJECTS[:processes]
    texts = {"tailrace.yml": project, "models/rows.sql": MODEL.format(rows=rows)}
    texts |= {f"syncs/{name}.yml": SYNC.format(object=name, field=FIELDS[name]) for name in names}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return names


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tailrace", *arguments]


def _call(folder: Path, *arguments: str) -> None:
    subprocess.run(_command(*arguments), cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run both storms and the run without a limit, print what was counted, and whether it is as promised."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    windows = 1 + max(1, round(seconds / PER))
    kept = True
    print(f"plan {PLAN}: {CALLS} requests in any {PER:g} s, {windows} windows of them")
    print("processes  requests  refused  peak in a window  rate used  records")
    for processes in (1, 3):
        with tempfile.TemporaryDirectory() as place:
            found = storm(Path(place), processes=processes, windows=windows, plan=PLAN)
        print(
            f"{found.processes:9}  {found.requests:8}  {found.refused:7}  {found.peak:16}  {found.used:9.1%}"
            f"  {found.records:7}"
        )
        kept &= found.refused == 0 and found.peak <= CALLS and found.used >= USED
    with tempfile.TemporaryDirectory() as place:
        print(
            f"without a limit: {speed(Path(place)):,.0f} rows a second in batches of 100, the simulator's time included"
        )
    print(f"as promised: no refusal, {USED:.0%} of the rate used" if kept else "NOT as promised")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
