"""Measure the diff and print tables: `make bench-diff`, or `python -m benchmarks.diff --rows 50000000`.

Each measurement is a process of its own (`benchmarks.diff_methods`). Methods take turns within each round, so that
whatever else the machine does meets them all. Figures are kept in `.tailrace/bench-diff.json`: those of a number of
rows replace earlier ones of the same number, and leave those of others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import report

Figures: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".tailrace" / "bench" / "diff-place"
KEPT = ROOT / ".tailrace" / "bench-diff.json"
PAGE = ROOT / "docs" / "benchmarks.md"
LIBRARIES = ("duckdb", "numpy", "polars", "pyarrow")

SMALL, LARGE, HUGE = 1_000_000, 10_000_000, 50_000_000
DAYS = 30
NAMES = {
    "decode": "polars reads both versions as a stream",
    "duckdb": "DuckDB joins both in full, writes what differs",
    "ours": "Tailrace compares, commits what was acknowledged",
    "ours-nothing": "Tailrace compares, nothing has changed",
    "rewrite": "polars writes the first version anew",
    "ours-first": "Tailrace's first sync: all is new, and committed",
}
RESUMED = frozenset({"ours", "ours-nothing"})
"""Methods that begin with the snapshot of the first version."""
BARE = frozenset({"decode", "ours"})
"""Methods that are measured with more than `LARGE` rows."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One method beside another, at any number of rows; the limits are for `LARGE`."""

    name: str
    method: str
    other: str
    kind: str
    must: float
    reach: float


RATIOS = (
    Ratio("wall, against DuckDB", "ours", "duckdb", "wall", 0.75, 0.50),
    Ratio("CPU, against DuckDB", "ours", "duckdb", "cpu", 0.65, 0.45),
    Ratio("wall, against reading both versions", "ours", "decode", "wall", 2.6, 1.6),
    Ratio("nothing changed: wall, against reading both versions", "ours-nothing", "decode", "wall", 1.8, 1.2),
    Ratio("first sync: wall, against writing the version anew", "ours-first", "rewrite", "wall", 2.0, 1.2),
)
MEMORY = {LARGE: (700, 450), HUGE: (1024, 700)}
GROWTH = (("CPU", "cpu", 5.5, 5.0), ("peak memory", "peak_mib", 1.7, 1.3))
DISK = (1.6, 1.2)
MONTH = (1.3, 1.05)
PLAN = (1.0, 0.6)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure and its limits, if it has any."""

    name: str
    rows: str
    figure: float | None
    unit: str
    must: float | None = None
    reach: float | None = None

    def cells(self) -> str:
        """As a row of a table."""
        limits = " | ".join("" if limit is None else f"≤ {limit:g}{self.unit}" for limit in (self.must, self.reach))
        return f"| {self.name} | {self.rows} | {self._shown()} | {limits} | {self._verdict()} |"

    def _shown(self) -> str:
        digits = 0 if self.unit == " MiB" else 2
        return "" if self.figure is None else f"{self.figure:.{digits}f}{self.unit}"

    def _verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if self.must is None or self.reach is None:
            return ""
        return "reached" if self.figure <= self.reach else "met" if self.figure <= self.must else "**missed**"


def main() -> None:
    """Measure what is asked for, show all that is known."""
    asked = arguments()
    about = {
        "date": str(datetime.now(UTC).date()),
        "load": os.getloadavg()[0],
        "machine": report.machine(LIBRARIES),
        "rounds": asked.rounds,
    }
    found: Figures = {"sizes": {}}
    with suppress(FileNotFoundError):
        found = json.loads(KEPT.read_text(encoding="utf-8"))
    try:
        measure(found, asked, about)
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
        text = section(found)
        print(text)
    if asked.write_docs:
        PAGE.write_text(report.with_section(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diff", description="Measure the diff.")
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALL, LARGE], help="numbers of rows")
    parser.add_argument("--rounds", type=int, default=5, help="how often each method is measured")
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES), help="all, if not given")
    parser.add_argument("--days", type=int, default=DAYS, help=f"daily versions, at {LARGE} rows only; 0 for none")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    return parser.parse_args()


def measure(found: Figures, asked: argparse.Namespace, about: Figures) -> None:
    """Add the figures to those that are there."""
    places = {rows: (generate(rows), emptied(PLACE / f"base-{rows}")) for rows in asked.rows}
    for data, base in places.values():
        run("ours-first", data, base)
    for rows, samples in sweep(places, asked).items():
        found["sizes"][str(rows)] = about | {"samples": samples}
    keep(found)
    if LARGE in places and asked.days:
        found["month"] = about | {"rows": LARGE} | month(LARGE, places[LARGE][1], asked)
    found["plan"] = about | run("plan", generate(min(asked.rows)), emptied(PLACE / "plan"))
    keep(found)


def sweep(places: Mapping[int, tuple[Path, Path]], asked: argparse.Namespace) -> dict[int, Figures]:
    """Samples of each method by number of rows. All take turns, so that whatever else the machine does meets all."""
    samples: dict[int, Figures] = {
        rows: {method: [] for method in asked.methods if rows <= LARGE or method in BARE} for rows in places
    }
    for turn in range(asked.rounds):
        say(f"round {turn + 1} of {asked.rounds}")
        for rows, (data, base) in places.items():
            for method, found in samples[rows].items():
                place = restored(base) if method in RESUMED else emptied(PLACE / "now")
                found.append(run(method, data, place))
    for methods in samples.values():
        answers = {json.dumps(one["changes"]) for found in methods.values() for one in found if "changes" in one}
        if len(answers) > 1:
            raise SystemExit(f"bench: the methods found different changes: {' and '.join(sorted(answers))}")
    return samples


def month(rows: int, base: Path, asked: argparse.Namespace) -> Figures:
    """Each day compared and committed; the first and the last one compared again and again, in turns."""
    place, begun = restored(base, "month"), restored(base, "begun")
    first, days = generate(rows, 1), []
    for number in range(1, asked.days + 1):
        today = first if number == 1 else generate(rows, number)
        if number == asked.days:
            turns = [(run("compare", first, begun), run("compare", today, place)) for _ in range(asked.rounds)]
        days.append(run("day", today, place))
        if number > 1:
            shutil.rmtree(today)
    shutil.rmtree(first)
    return {"days": days, "first": [turn[0] for turn in turns], "last": [turn[1] for turn in turns]}


def generate(rows: int, day: int | None = None) -> Path:
    """The data's folder; they are made in a process of its own, as a large one would count in those it starts."""
    say(f"making {rows:,} rows" + (f", day {day}" if day else ""))
    return Path(answer("benchmarks.diff_data", rows, *([day] if day else [])))


def run(method: str, data: Path, place: Path) -> Figures:
    """Take one measurement in a process of its own."""
    say(f"measuring {method}")
    os.sync()  # what others wrote must not be waited for within the measurement
    figures: Figures = json.loads(answer("benchmarks.diff_methods", method, data, place))
    return figures


def answer(module: str, *words: object) -> str:
    """The last line that a module prints."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {module} {' '.join(map(str, words))} failed")
    return done.stdout.splitlines()[-1]


def restored(base: Path, name: str = "now") -> Path:
    """A folder with the base's snapshot, whose files are never written to, so that links will do."""
    place = emptied(PLACE / name)
    shutil.copytree(base / "snapshots", place / "snapshots", copy_function=os.link)
    return place


def emptied(place: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def keep(found: Figures) -> None:
    """Save the figures."""
    KEPT.write_text(json.dumps(found, indent=1), encoding="utf-8")


def median(found: Figures, rows: int, method: str, kind: str) -> float | None:
    """The median of a method's samples; None where there are none."""
    samples = found["sizes"].get(str(rows), {}).get("samples", {}).get(method)
    return statistics.median(sample[kind] for sample in samples) if samples else None


def over(figure: float | None, other: float | None) -> float | None:
    """A ratio, of figures that may not be there."""
    return None if figure is None or other is None else figure / other


def lines(found: Figures) -> Iterator[Line]:
    """All ratios and limits: those of numbers of rows without a limit only where they were measured."""
    sizes = sorted({*map(int, found["sizes"]), LARGE})
    for ratio in RATIOS:
        for rows in sizes:
            figure = over(*(median(found, rows, method, ratio.kind) for method in (ratio.method, ratio.other)))
            limits = (ratio.must, ratio.reach) if rows == LARGE else ()
            if figure is not None or limits:
                yield Line(ratio.name, f"{rows:,}", figure, "", *limits)
    for rows, limits in MEMORY.items():
        yield Line("peak memory", f"{rows:,}", median(found, rows, "ours", "peak_mib"), " MiB", *limits)
    for name, kind, *limits in GROWTH:
        figure = over(*(median(found, rows, "ours", kind) for rows in (HUGE, LARGE)))
        yield Line(f"{name}, against {LARGE:,} rows", f"{HUGE:,}", figure, "", *limits)
    for method, when in (("ours-first", "after the first sync"), ("ours", "after the changes")):
        figure = over(*(median(found, LARGE, method, kind) for kind in ("bytes", "source_bytes")))
        yield Line(f"disk {when}, against the parquet file", f"{LARGE:,}", figure, "", *DISK)
    last = len(found["month"]["days"]) if "month" in found else DAYS
    yield Line(f"diff on day {last}, against day 1", f"{LARGE:,}", flatness(found), "", *MONTH)
    yield Line("`tailrace plan`, with its start", "10,000", found.get("plan", {}).get("wall"), " s", *PLAN)


def flatness(found: Figures) -> float | None:
    """The last day's diff against the first day's."""
    if "month" not in found:
        return None
    last, first = (statistics.median(turn["wall"] for turn in found["month"][name]) for name in ("last", "first"))
    return last / first


SECTION = """\
## The diff

Measured by `make bench-diff`, other numbers of rows by `python -m benchmarks.diff --rows N`:

{runs}

A row has 12 columns: id, four texts, 32-bit integer, float with NaN and negative zero, Decimal(12, 2), Boolean, date,
timestamp, list of texts; six of them have nulls. In the second version 1% of the rows are updated, 0.5% new and 0.5%
gone, and all come in another order. Both are zstd parquet in the page cache. DuckDB and Tailrace must find the same
changes: as many rows of each kind, with the same sum of ids, and as many changed cells of each column. A commit's time
ends when it is durable.

A figure is the median of the rounds, each of a process of its own. Times are of the operation alone, without start and
imports; CPU time is of all threads; peak memory is of the whole process.

| method | rows | wall | least to most | CPU | peak memory |
|---|---:|---:|---:|---:|---:|
{medians}

| ratios and limits | rows | figure | must | reach for | |
|---|---:|---:|---:|---:|---|
{lines}
"""
MONTH_SECTION = """
A month of daily versions of {rows:,} rows, on {date}: each day 0.6% of the rows are updated, 0.2% new and 0.2%
gone. Every day is compared and committed, and a commit merges segments by itself when that is due. A day's times are
those of one process; the ratio above is of medians of {rounds} rounds, in which both days take turns. Disk is that of
the snapshot's files, against the day's parquet files.

| day | diff | commit | segments | disk | against parquet |
|---:|---:|---:|---:|---:|---:|
{days}
"""


def section(found: Figures) -> str:
    """All that is known, as Markdown."""
    sizes = sorted(found["sizes"].items(), key=lambda item: int(item[0]))
    runs = "\n".join(f"- {int(rows):,} rows: {told(about)}" for rows, about in sizes)
    text = SECTION.format(
        runs=runs,
        medians="\n".join(row for rows, _ in sizes for row in medians(found, int(rows))),
        lines="\n".join(line.cells() for line in lines(found)),
    )
    if "month" in found:
        text += MONTH_SECTION.format(**found["month"] | {"days": "\n".join(days(found["month"]["days"]))})
    return text


def told(about: Figures) -> str:
    """When and where figures were measured."""
    busy = " (busy with other work)" if about["load"] > (os.cpu_count() or 1) / 2 else ""
    load = f"load before the start {about['load']:.1f}{busy}"
    return f"{about['date']}, {about['rounds']} rounds, {load}, {about['machine']}"


def medians(found: Figures, rows: int) -> Iterator[str]:
    """A table's row for each method."""
    for method, name in NAMES.items():
        samples = found["sizes"][str(rows)]["samples"].get(method)
        if samples:
            wall, cpu, peak = (median(found, rows, method, kind) for kind in ("wall", "cpu", "peak_mib"))
            taken = [sample["wall"] for sample in samples]
            spread = f"{min(taken):.2f} to {max(taken):.2f} s"
            yield f"| {name} | {rows:,} | {wall:.2f} s | {spread} | {cpu:.2f} s | {peak:.0f} MiB |"


def days(found: Sequence[Figures]) -> Iterator[str]:
    """A table's row for each day."""
    for number, day in enumerate(found, 1):
        times = " | ".join(f"{day['phases'].get(phase, 0):.2f} s" for phase in ("diff", "commit"))
        disk = f"{day['bytes'] / 2**20:.0f} MiB | {day['bytes'] / day['source_bytes']:.2f}"
        yield f"| {number} | {times} | {day['segments']} | {disk} |"


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
