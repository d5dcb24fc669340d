"""A storm of requests against a vendor that counts them: `make storm`, or `python -m benchmarks.storm [SECONDS]`.

Syncs of one account want to send more than it permits, for SECONDS seconds (60), in one process and in three that
share the state database. The simulator counts what arrives in its sliding window: the permitted rate must never
be exceeded, and used as far as can be.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tailrace.sandbox import SandboxServer, VendorControl

CALLS, PER = 190, 10.0
"""HubSpot's limit: so many requests in any so many seconds."""
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
    rate: [{{calls: {calls}, per: {per}s}}]
    batch_size: 1
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
POLL_S = 0.02


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
) -> Figures:
    """Fill so many windows from so many processes at once; `state` is the project's line for the state database."""
    rows = windows * calls // processes
    with SandboxServer(salesforce=False) as server:
        server.control.hubspot.limit(burst=calls, per=per)
        settings = {"url": server.hubspot_url, "calls": calls, "per": f"{per:g}", "concurrency": concurrency}
        names = _write_project(folder, rows, processes, PROJECT.format(state=state, **settings))
        _call(folder, "status")  # so that they do not meet while the tables are made
        begun = [subprocess.Popen(_command("run", name), cwd=folder, stdout=subprocess.DEVNULL) for name in names]
        try:
            reached = _watch(server.control.hubspot, begun, (windows - 1) * calls)
            codes = [process.wait() for process in begun]
        finally:
            for process in begun:
                process.kill()
        assert codes == [0] * processes, codes
        counted = server.control.hubspot.counters()
        records = sum(len(server.control.hubspot.records(name)) for name in names)
    used = (windows - 1) * per / reached
    return Figures(processes, counted["requests"], counted["refused"], counted["peak_window"], used, records)


def _watch(control: VendorControl, begun: list[subprocess.Popen[bytes]], wanted: int) -> float:
    """Seconds from the first request to the one after so many."""
    first = None
    while True:
        requests, now = control.counters()["requests"], time.monotonic()
        first = now if first is None and requests else first
        if first is not None and requests > wanted:
            return now - first
        assert any(process.poll() is None for process in begun), "the runs ended before they had sent enough"
        time.sleep(POLL_S)


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


def main() -> None:
    """Run both storms and print what was counted."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    windows = 1 + max(1, round(seconds / PER))
    print(f"{CALLS} requests in any {PER:g} s, {windows} windows of them")
    print("processes  requests  refused  peak in a window  rate used  records")
    for processes in (1, 3):
        with tempfile.TemporaryDirectory() as place:
            found = storm(Path(place), processes=processes, windows=windows)
        print(
            f"{found.processes:9}  {found.requests:8}  {found.refused:7}  {found.peak:16}  {found.used:9.1%}"
            f"  {found.records:7}"
        )


if __name__ == "__main__":
    main()
