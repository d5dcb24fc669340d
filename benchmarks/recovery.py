"""Measure recovery: `python -m benchmarks.recovery`, with 100,000 rows in flight unless `--rows` says otherwise.

A run is broken off when all its batches are journaled as about to be sent. Half of what it was creating is at the
destination, half is not. The next run recovers it; what is measured is that step of it, alone and in a process that
has done little else, from the look into the state database to the end of the broken run's record.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import report
from benchmarks.delivery_lab import break_off, build, opened, timed
from benchmarks.processes import measured
from tailrace.running import runner
from tailrace.testing.plugin import store

ROWS = 100_000
LIMIT_S = 5.0
CASES = (("upsert", 100), ("upsert", 10_000), ("insert", 100), ("insert", 10_000))
NAMES = {
    "upsert": "upserts: of unknown outcome, planned again",
    "insert": "creates: looked up, half of them found",
}
LIBRARIES = ("polars", "pyarrow", "sqlalchemy")


def main() -> None:
    """Measure all cases, or one in this process, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description="Measure recovery.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows in flight")
    parser.add_argument("--rounds", type=int, default=3, help="how often each case is measured")
    parser.add_argument("--case", nargs=2, help="mode and rows of a batch: measure once, in this process, print JSON")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(measure(asked.case[0], int(asked.case[1]), asked.rows)))
        return
    text = section(asked)
    print(text)
    if asked.write_docs:
        report.write_section("recovery", text)


def measure(mode: str, batch_size: int, rows: int) -> dict[str, Any]:
    """Break a run off and recover it; seconds of the recovery, and what it reported."""
    taken: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = build(Path(place) / "project", rows, mode=mode, batch_size=batch_size)
        break_off(folder)
        if mode == "insert":
            for number in range(0, rows, 2):
                store("bench").put("rows", {"ext": f"x-{number}"})
        # What comes after the recovery is not of interest here.
        with (
            opened(folder) as project,
            mock.patch.object(runner, "recover", timed(runner.recover, taken)),
            mock.patch.object(runner, "make_plan", side_effect=KeyboardInterrupt),
        ):
            try:
                project.run("rows")
            except KeyboardInterrupt:
                run = project.runs(limit=2)[1].record
    wall, cpu = taken[0]
    return {"wall": wall, "cpu": cpu, "found": run.tallies.acknowledged, "unknown": run.tallies.unknown}


SECTION = """\
## Recovery

Measured by `python -m benchmarks.recovery`, {when}: {rows:,} rows in flight when a run broke off. The destination is a
store in the same process, so that what is measured is the engine: reading the journal, looking up, recording outcomes,
moving the snapshot. A figure is the median of the rounds, each in a process of its own.

| in flight | rows in a batch | wall | least to most | CPU | must | |
|---|---:|---:|---:|---:|---:|---|
{lines}
"""


def section(asked: argparse.Namespace) -> str:
    """All figures, as Markdown."""
    load, lines = os.getloadavg()[0], []
    for mode, batch_size in CASES:
        samples = [once(mode, batch_size, asked.rows) for _ in range(asked.rounds)]
        wall, cpu = (statistics.median(sample[kind] for sample in samples) for kind in ("wall", "cpu"))
        spread = f"{min(sample['wall'] for sample in samples):.2f} to {max(sample['wall'] for sample in samples):.2f} s"
        verdict = "met" if wall < LIMIT_S else "**missed**"
        cells = f"{wall:.2f} s | {spread} | {cpu:.2f} s | < {LIMIT_S:g} s | {verdict}"
        lines.append(f"| {NAMES[mode]} | {batch_size:,} | {cells} |")
    when = report.when(load, asked.rounds, LIBRARIES)
    return SECTION.format(when=when, rows=asked.rows, lines="\n".join(lines))


def once(mode: str, batch_size: int, rows: int) -> dict[str, Any]:
    """One recovery, in a process of its own."""
    print(f"bench: measuring {mode}, batches of {batch_size:,}", file=sys.stderr, flush=True)
    return measured("benchmarks.recovery", "--rows", rows, "--case", mode, batch_size)


if __name__ == "__main__":
    main()
