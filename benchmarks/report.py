"""The figures as docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.tpch_data import CUSTOMERS

NAMES = {
    "sqlite": "`sql` on SQLite",
    "postgres": "`sql` on PostgreSQL",
    "hubspot": "`hubspot`, simulator",
    "salesforce": "`salesforce`, simulator",
    "webhook": "`webhook`, a receiver that takes all",
}
LIBRARIES = ("duckdb", "polars", "pyarrow", "sqlalchemy", "psycopg", "hubspot-api-client", "simple-salesforce")
FLOORS = {"sqlite": 20_000, "hubspot": 5_000}
"""Rows per second below which the engine would be the bottleneck."""
STARTUP_LIMIT = 0.3
PAGE_FILE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SECTIONS = ("diff", "reading", "recovery", "journal", "salesforce", "console", "pushdown")
"""Parts of the page that other scripts write, in their order; each is between two comments that name it."""

BUSY = """
**The machine was busy with other work**: times are longer, and rows per second fewer, than on a quiet one; processor
time and memory are what they are."""
PAGE = """\
# Benchmarks

Measured by `make bench` on {date}, on {machine}.
Load of the machine before the start: {load:.1f}.{busy}
Each figure is of one process of its own; the simulators and PostgreSQL run on the same cores beside it.
The data are TPC-H customers at scale {scale:g}: {rows:,} rows, each with lifetime value, number of orders and last
order computed by DuckDB from {orders:,} orders. The projects and scripts are under `benchmarks/`.

## First run, and a run after 1% of the rows changed

Total is the whole run: loading the project, query, diff, journal, sending, snapshot. CPU time (all threads) and peak
memory are of the whole process, with interpreter and libraries; CPU time above the total means both cores worked.

{runs}

## The engine beside a bare loop

What the same library reaches in a plain loop over the same rows, without diff, journal, outcomes or snapshot, with
batches and requests at once as in the engine's adapter. Rows per second while sending: for the engine that is its
phase `deliver`, with the journal and each row's outcome. Per CPU second counts the whole process, start-up, query and
snapshot included.

{bare}

## Start-up

`tailrace --help`: {startup:.2f} s (limit {limit} s).
"""


def document(figures: Mapping[str, Any], scale: float) -> str:
    """The page, as Markdown."""
    return PAGE.format(
        date=datetime.now(UTC).date(),
        machine=machine(),
        load=figures["load"],
        busy=BUSY if figures["load"] > (os.cpu_count() or 1) / 2 else "",
        scale=scale,
        rows=round(CUSTOMERS * scale),
        orders=round(CUSTOMERS * scale * 10),
        runs=runs(figures),
        bare=bare(figures),
        startup=figures["startup"],
        limit=STARTUP_LIMIT,
    )


def runs(figures: Mapping[str, Any]) -> str:
    """Time and memory by destination."""
    lines = ["| destination | run | rows sent | calls | query | diff | deliver | total | CPU | peak memory |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for case, name in NAMES.items():
        for run, key in (("first", case), ("1% changed", f"{case} changed")):
            found = figures[key]
            phases = " | ".join(f"{found['phases'].get(phase, 0):.1f} s" for phase in ("query", "diff", "deliver"))
            total = f"{found['seconds']:.1f} s | {found['cpu']:.1f} s | {found['peak_mib']:.0f} MiB"
            lines.append(f"| {name} | {run} | {found['rows']:,} | {found['calls']:,} | {phases} | {total} |")
    return "\n".join(lines)


def bare(figures: Mapping[str, Any]) -> str:
    """Rows per second of the engine and of the bare library, by the clock and by processor time."""
    lines = [
        "| destination | engine | bare loop | engine's share | wanted | engine, per CPU second | bare, per CPU second |"
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for case, floor in FLOORS.items():
        engine, loop = figures[case], figures[f"bare-{case}"]
        sent = engine["rows"] / engine["phases"]["deliver"]
        alone = loop["rows"] / loop["seconds"]
        cells = f"{sent:,.0f} | {alone:,.0f} | {sent / alone:.0%} | ≥ {floor:,}"
        worked = f"{engine['rows'] / engine['cpu']:,.0f} | {loop['rows'] / loop['cpu']:,.0f}"
        lines.append(f"| {NAMES[case]} | {cells} | {worked} |")
    return "\n".join(lines)


def with_section(page: str, section: str, name: str = "diff") -> str:
    """The page with one of its sections replaced, or put at its end where it has none of that name."""
    begin, end = _marks(name)
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2] or "\n"
    return f"{before.rstrip()}\n\n{begin}\n{section.strip()}\n{end}{after}"


def section_of(page: str, name: str = "diff") -> str:
    """A section of the page; empty where it has none of that name."""
    begin, end = _marks(name)
    return page.partition(begin)[2].partition(end)[0]


def write_section(name: str, section: str) -> None:
    """Replace a section in docs/benchmarks.md."""
    PAGE_FILE.write_text(with_section(PAGE_FILE.read_text(encoding="utf-8"), section, name), encoding="utf-8")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def when(load: float, rounds: int, libraries: Sequence[str]) -> str:
    """When and where figures were measured, and how busy the machine was."""
    busy = " (busy with other work)" if load > (os.cpu_count() or 1) / 2 else ""
    today = datetime.now(UTC).date()
    return f"{today}, {rounds} rounds, load before the start {load:.1f}{busy}, {machine(libraries)}"


def machine(names: Sequence[str] = LIBRARIES) -> str:
    """Processor, cores, memory, system and libraries."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()} ({libraries})"
    )


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.machine())
