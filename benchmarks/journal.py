"""Measure what the journal costs: `python -m benchmarks.journal`, 1,000,000 rows in batches of 100 by default.

The same run is made with the journal, and with one that does nothing, in turns and in one process, so that whatever
else the machine does meets both. Where that is much, the two differ by more than the journal: so the time is taken,
too, that a run spends in its journal, against what is left of the same run.

The destination is a store in the same process: the hardest case, as whatever the journal costs stands beside next to
nothing. Then it is one whose requests take 20 ms each, as those over a network do, or 100. Room on disk is that of the
state database with its write-ahead log, and of the notes beside it, at the end of sending, before anything is folded.
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
from benchmarks.processes import measured
from tailrace.destination import Batch, Outcome
from tailrace.running import runner
from tailrace.state import Journal
from tailrace.testing.memory import MemoryDestination
from tailrace.testing.plugin import forget_stores

ROWS = 1_000_000
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


class Clocked:
    """A journal that takes the time of all that is asked of it, in all threads and of all such journals together."""

    inside = 0.0
    """Seconds by the clock."""
    worked = 0.0
    """Seconds of the processor."""

    def __init__(self, *arguments: Any) -> None:
        self._journal = self._clocked(Journal)(*arguments)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)
        return self._clocked(found) if callable(found) else found

    @staticmethod
    def _clocked(call: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*arguments: Any, **named: Any) -> Any:
            began, working = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                Clocked.inside += time.perf_counter() - began
                Clocked.worked += time.thread_time() - working

        return clocked


class NoJournal:
    """Takes the journal's place, and writes nothing down."""

    def __init__(self, *_: object) -> None:
        pass

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_arguments, **_named: None


def main() -> None:
    """Measure all cases, or one in this process, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="Measure the journal's cost.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a run")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is made")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="all, if not given")
    parser.add_argument("--here", action="store_true", help="measure the first case in this process, and print JSON")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(measure(CASES[asked.cases[0]], asked.rows, asked.rounds)))
        return
    text = section(asked)
    print(text)
    if asked.write_docs:
        report.write_section("journal", text)


def measure(case: Case, rows: int, rounds: int) -> dict[str, Any]:
    """Runs with and without the journal, in turns: seconds of each, and bytes of the state database."""
    count = int(rows * case.share)
    with_journal, without, room = [], [], 0
    for turn in range(rounds):
        # Who goes second finds the machine warm: they take turns at that too.
        for journaled in (turn % 2 == 0, turn % 2 == 1):
            taken, found = run(case, count, Clocked if journaled else NoJournal)
            (with_journal if journaled else without).append(taken)
            room = max(room, found)
    return {"rows": count, "with": with_journal, "without": without, "room": room}


def run(case: Case, rows: int, journal: Any) -> tuple[dict[str, float], int]:
    """One first run of the sync, and bytes of the state database.

    Of the run: seconds by the clock and of the processor, and the `share` of those in the journal, against all others.
    By the clock where one batch at a time is sent; else of the processor, as threads wait for each other in there, too.
    """
    forget_stores()
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
            Clocked.inside = Clocked.worked = 0.0
            started, worked = time.perf_counter(), time.process_time()
            result = project.run("rows")
            taken = {"wall": time.perf_counter() - started, "cpu": time.process_time() - worked}
            inside, whole = (Clocked.inside, "wall") if case.concurrency == 1 else (Clocked.worked, "cpu")
            taken["share"] = inside / (taken[whole] - inside)
    if result.acknowledged != rows:
        raise SystemExit(f"bench: {result.status}: {result.message}")
    return taken, sizes[0]


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
limit: the whole run from query to snapshot, with the journal and with one that does nothing, in turns in one process
that is tuned as the program's is ([why](decisions/0039-processes-of-our-own.md)).
The destination is a store in that process: as fast as none that is worth a sync, which makes the journal's share the
largest there can be. In the other cases each request takes its time. Room is that of the state database, its
write-ahead log and the notes beside it when all is sent.

What the journal adds is measured twice. By clocks about all that a run asks of it: the time in there against all other
time of the same run, median and extremes of {rounds} rounds; of the processor where four threads send from memory, as
they wait for each other in there, too, and not where they wait for a network, which takes no processor. And as the
ratio of the medians with and without it, which has all else in it that the machine did meanwhile: the ratios of the
pairs of runs say how much that was. What must be met is the ratio; the clocks tell how much of it is the journal's.

| run | rows | with | without | by clocks | least to most | ratio | pairs | CPU, ratio | must | | room a row |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|
{lines}
"""


def section(asked: argparse.Namespace) -> str:
    """All figures, as Markdown."""
    load = os.getloadavg()[0]
    lines = [line(name, once(name, asked)) for name in asked.cases]
    when = report.when(load, asked.rounds, LIBRARIES)
    return SECTION.format(rows=asked.rows, rounds=asked.rounds, when=when, lines="\n".join(lines))


def line(name: str, found: dict[str, Any]) -> str:
    """A case as a row of the table."""
    walls, worked = ([middle(found[side], kind) for side in ("with", "without")] for kind in ("wall", "cpu"))
    ratio, cpu = walls[0] / walls[1], worked[0] / worked[1]
    pairs = sorted(one["wall"] / other["wall"] for one, other in zip(found["with"], found["without"], strict=True))
    shares = sorted(1 + sample["share"] for sample in found["with"])
    clocks = CASES[name].concurrency == 1 or not CASES[name].latency
    room = found["room"] / found["rows"]
    cells = [
        f"{found['rows']:,}",
        *(f"{wall:.2f} s" for wall in walls),
        *((f"{statistics.median(shares):.3f}", extremes(shares)) if clocks else ("", "")),
        *(f"{ratio:.3f}", extremes(pairs), f"{cpu:.3f}", f"< {1 + LIMIT}"),
        "met" if ratio < 1 + LIMIT and room < ROOM else "**missed**",
        f"{room:.0f} B",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def extremes(ordered: Sequence[float]) -> str:
    """The least and the most of some ascending samples."""
    return f"{ordered[0]:.3f} to {ordered[-1]:.3f}"


def middle(samples: Sequence[dict[str, float]], kind: str) -> float:
    """The median of some samples."""
    return statistics.median(sample[kind] for sample in samples)


def once(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """One case, in a process of its own."""
    print(f"bench: measuring {name}", file=sys.stderr, flush=True)
    figures = ("--rows", asked.rows, "--rounds", asked.rounds)
    return measured("benchmarks.journal", "--here", "--cases", name, *figures)


if __name__ == "__main__":
    main()
