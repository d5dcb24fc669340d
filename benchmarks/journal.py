"""Measure what the journal costs: `python -m benchmarks.journal`, 1,000,000 rows in batches of 100 by default.

The same run is made with the journal, and with one that does nothing, in two processes that take turns: see
`benchmarks.turns`. Who begins takes turns as well.

The destination is a store in the run's process: the hardest case, as whatever the journal costs stands beside next to
nothing. Then it is one whose requests take 20 ms each, as those over a network do, or 100; such runs do not stand still
in between, as requests would not. Room on disk is that of the state database with its write-ahead log, and of the
notes beside it, at the end of sending, before anything is folded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import report
from benchmarks.delivery_lab import build, opened
from benchmarks.processes import begun
from benchmarks.turns import take_turns, wait_for_turn
from tailrace.destination import Batch, Outcome
from tailrace.running import runner
from tailrace.state import Journal
from tailrace.testing.memory import MemoryDestination

ROWS, ROUNDS = 1_000_000, 6
TURN_S = 1.0
LIMIT, ROOM = 0.05, 1_024
LIBRARIES = ("polars", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of run; `latency` is that of a request, in seconds."""

    name: str
    mode: str
    latency: float
    concurrency: int
    share: float = 1.0
    """Of the rows: slow requests take their time."""


CASES = {
    case.name: case
    for case in (
        Case("upsert, in memory", "upsert", 0.0, 1),
        Case("upsert, in memory, 4 at once", "upsert", 0.0, 4),
        Case("create, in memory", "append", 0.0, 1),
        Case("upsert, 20 ms a request", "upsert", 0.02, 1, 0.1),
        Case("upsert, 20 ms a request, 4 at once", "upsert", 0.02, 4, 0.25),
        Case("create, 20 ms a request, 4 at once", "append", 0.02, 4, 0.25),
        Case("create, 100 ms a request, 4 at once", "append", 0.1, 4, 0.1),
    )
}


class NoJournal:
    """Takes the journal's place, and writes nothing down."""

    def __init__(self, *_: object) -> None:
        pass

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_arguments, **_named: None


SIDES: dict[str, Callable[..., Any]] = {"with": Journal, "without": NoJournal}


def main() -> None:
    """Measure all cases, or make one run in this process, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="Measure the journal's cost.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a run")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each run is made: an even number")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="all, if not given")
    parser.add_argument("--side", choices=SIDES, help="make one run of the first case, when told to, and print JSON")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.side:
        run(CASES[asked.cases[0]], asked.rows, SIDES[asked.side])
        return
    text = section(asked)
    print(text)
    if asked.write_docs:
        report.write_section("journal", text)


def measure(case: Case, rows: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Runs with and without the journal: of each the seconds by the clock (`wall`) and of the processor (`cpu`).

    And bytes on disk (`room`).
    """
    print(f"bench: measuring {case.name}", file=sys.stderr, flush=True)
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(rounds):
        sides = list(SIDES)[:: 1 if turn % 2 else -1]
        words = ("--rows", rows, "--cases", case.name, "--side")
        processes = [begun("benchmarks.journal", *words, side) for side in sides]
        for side, (wall, line) in zip(sides, take_turns(processes, None if case.latency else TURN_S), strict=True):
            found[side].append({"wall": wall, **json.loads(line)})
    return found


def run(case: Case, rows: int, journal: Callable[..., Any]) -> None:
    """One first run of the sync, in turns with another process."""
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as place:
        folder = build(Path(place) / "project", rows, mode=case.mode, concurrency=case.concurrency)
        deliver = runner.deliver

        def delivered(*arguments: Any, **named: Any) -> Any:
            done = deliver(*arguments, **named)
            kept = [*(folder / ".tailrace").glob("state.db*"), *(folder / ".tailrace" / "sent").glob("*")]
            sizes.append(sum(path.stat().st_size for path in kept))
            return done

        with (
            opened(folder) as project,
            mock.patch.object(runner, "Journal", journal),
            mock.patch.object(runner, "deliver", delivered),
            mock.patch.object(MemoryDestination, "push", slowed(case.latency)),
        ):
            os.sync()
            wait_for_turn()
            worked = time.process_time()
            result = project.run("rows")
            print(json.dumps({"cpu": time.process_time() - worked, "room": sizes[0]}), flush=True)
    if result.acknowledged != rows:
        raise SystemExit(f"bench: {result.status}: {result.message}")


def slowed(latency: float) -> Callable[[MemoryDestination, Batch], Iterable[Outcome]]:
    """A push that takes so many seconds longer."""
    push = MemoryDestination.push

    def pushed(destination: MemoryDestination, batch: Batch) -> Iterable[Outcome]:
        if latency:
            time.sleep(latency)
        return push(destination, batch)

    return pushed


SECTION = """\
## The journal

Measured by `python -m benchmarks.journal --rows {rows}`, {when}. A first run in batches of 100 rows, without any rate
limit: the whole run from query to snapshot, with the journal and with one that does nothing, in processes
tuned as the program's is ([why](decisions/0039-processes-of-our-own.md)).
The destination is a store in the run's process: as fast as none that is worth a sync, which makes the journal's share
the largest there can be. In the other cases each request takes its time. Room is that of the state database, its
write-ahead log and the notes beside it when all is sent.

The two runs of a pair take turns of a second each, where requests take no time
([why](decisions/0044-runs-that-take-turns.md)); else one follows the other. Times are means, and the ratio is that of
the sums; the pairs' own ratios say how sure it is.

| run | rows | with | without | ratio | pairs | CPU, ratio | must | | room a row |
|---|---:|---:|---:|---:|---:|---:|---:|---|---:|
{lines}
"""


def section(asked: argparse.Namespace) -> str:
    """All figures, as Markdown."""
    load = os.getloadavg()[0]
    lines = [line(CASES[name], asked.rows, asked.rounds) for name in asked.cases]
    when = report.when(load, asked.rounds, LIBRARIES)
    return SECTION.format(rows=asked.rows, rounds=asked.rounds, when=when, lines="\n".join(lines))


def line(case: Case, rows: int, rounds: int) -> str:
    """A case as a row of the table."""
    rows = int(rows * case.share)
    found = measure(case, rows, rounds)
    walls, worked = ([middle(found[side], kind) for side in SIDES] for kind in ("wall", "cpu"))
    pairs = sorted(one["wall"] / other["wall"] for one, other in zip(found["with"], found["without"], strict=True))
    ratio, room = walls[0] / walls[1], max(each["room"] for each in found["with"]) / rows
    cells = [
        f"{rows:,}",
        *(f"{wall:.2f} s" for wall in walls),
        f"{ratio:.3f}",
        f"{pairs[0]:.3f} to {pairs[-1]:.3f}",
        f"{worked[0] / worked[1]:.3f}",
        f"< {1 + LIMIT}",
        "met" if ratio < 1 + LIMIT and room < ROOM else "**missed**",
        f"{room:.0f} B",
    ]
    return f"| {case.name} | {' | '.join(cells)} |"


def middle(samples: Sequence[dict[str, float]], kind: str) -> float:
    """The mean of some samples."""
    return statistics.mean(sample[kind] for sample in samples)


if __name__ == "__main__":
    main()
