"""Measure the files of Salesforce jobs: `python -m benchmarks.salesforce_bulk`, 1,000,000 rows by default.

Tailrace takes the engine's canonical rows, writes them as the files of as many jobs as it takes, and says how each row
is to be told in the results. polars writes the finished texts and does nothing else: no conversion, no limits, no
marks. simple-salesforce's own bulk handler takes the finished texts as a list of dicts, makes CSV of it and splits it.
Each figure is of a process of its own, whose peak memory includes interpreter, libraries and input.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import polars as pl

from benchmarks import report
from tailrace.bulk import Order
from tailrace.destination import Operation
from tailrace.values import LogicalType

ROOT = Path(__file__).parents[1]
ROWS, JOB_ROWS, LIMIT = 1_000_000, 150_000, 2.0
KEY = "External_Id__c"
TYPES = {
    "LastName": ("string", "string"), "Email": ("string", "email"), "Active__c": ("bool", "boolean"),
    "LTV__c": ("decimal(2)", "currency"), "Orders__c": ("int64", "double"), "Last_Order__c": ("date", "date"),
    "Last_Seen__c": ("timestamptz", "datetime"),
}  # fmt: skip
"""Logical and vendor's type of each field; the key is the eighth column."""
THIS = (sys.executable, "-m", "benchmarks.salesforce_bulk")
LIBRARIES = ("polars", "pyarrow", "simple-salesforce")
OPERATIONS = {"upsert": Operation.UPSERT, "create": Operation.CREATE}
NAMES = {
    "polars": "polars writes the finished texts",
    "typed": "polars writes the canonical values",
    "upsert": "Tailrace: files and marks of upserts",
    "create": "Tailrace: files and digests of creates",
    "simple": "simple-salesforce makes and splits CSV",
}


def main() -> None:
    """Measure all cases, or one in this process, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.salesforce_bulk", description="Measure job files.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows")
    parser.add_argument("--rounds", type=int, default=3, help="how often each case is measured")
    parser.add_argument("--here", choices=NAMES, help="measure this case in this process, and print JSON")
    parser.add_argument("--make", action="store_true", help="make the rows, and nothing else")
    parser.add_argument("--folder", type=Path, help="where the rows are")
    parser.add_argument("--write-docs", action="store_true", help="write the section in docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.make:
        make(asked.folder, asked.rows)
        return
    if asked.here:
        print(json.dumps(measure(asked.here, asked.folder)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        # Not in this process: its children would count its memory as theirs.
        subprocess.run([*THIS, "--make", "--rows", str(asked.rows), "--folder", place], cwd=ROOT, check=True)
        # In turns, so that whatever else the machine does meets all of them.
        turns = [{name: once(name, Path(place)) for name in NAMES} for _ in range(asked.rounds)]
    text = section(turns, asked.rows, load)
    print(text)
    if asked.write_docs:
        report.write_section("salesforce", text)


def make(folder: Path, rows: int) -> None:
    """Write the canonical rows, and the texts they become, as parquet."""
    number = pl.int_range(pl.len())
    moment = pl.datetime(2020, 1, 1, time_unit="us", time_zone="UTC") + pl.duration(microseconds=number * 61_234_567)
    # A comma in one name of five, quotes in one of fifty: what must be quoted costs more.
    name = pl.format("Zoë {}{}", number, pl.when(number % 5 == 0).then(pl.lit(", Ltd.")).otherwise(pl.lit("")))
    name = pl.when(number % 50 == 0).then(pl.format('"{}"', name)).otherwise(name)
    value = ((number * 7919) % 10_000_000).cast(pl.Decimal(38, 2))
    fields = {
        "LastName": name, "Email": pl.format("person{}@example.com", number), "Active__c": number % 3 == 0,
        "LTV__c": (value / 100).cast(pl.Decimal(38, 2)), "Orders__c": number % 97,
        "Last_Order__c": pl.date(2024, 1, 1) + pl.duration(days=number % 700), "Last_Seen__c": moment,
    }  # fmt: skip
    # One value of ten is null, but for the checkbox, which cannot be.
    nulls = {
        f: v if f == "Active__c" else pl.when(number % 10 != place).then(v)
        for place, (f, v) in enumerate(fields.items())
    }
    columns = {
        "seq": number.cast(pl.Int64),
        "record_id": pl.lit(None, pl.String),
        f"m:{KEY}": pl.format("K-{}", number),
    }
    columns |= {f"v:{field}": value for field, value in nulls.items()}
    columns |= {f"w:{field}": pl.lit(value=True) for field in fields}
    made = pl.DataFrame({"row": pl.repeat(0, rows, eager=True)}).select(**columns)
    made.write_parquet(folder / "rows.parquet")
    files = spooled(folder, "upsert", Watch())
    texts = pl.concat([pl.read_csv(path, infer_schema=False) for path in files])
    texts.write_parquet(folder / "texts.parquet")


class Watch:
    """Seconds by the clock, and of the processor, between its two ends; added up."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


def spooled(folder: Path, case: str, watch: Watch) -> list[Path]:
    """Write the files of as many jobs as it takes."""
    # Loaded here, so that the other cases do without.
    from tailrace_destinations.salesforce.csvfile import Layout, Spooler  # noqa: PLC0415
    from tailrace_destinations.salesforce.schema import read_describe  # noqa: PLC0415

    described = [{"name": name, "type": vendors} for name, (_, vendors) in TYPES.items()]
    key = {"name": KEY, "type": "string", "unique": True, "externalId": True}
    contact = read_describe({"name": "Contact", "fields": [*described, key]}, None)
    types = {f"v:{name}": LogicalType.parse(ours) for name, (ours, _) in TYPES.items()}
    types[f"m:{KEY}"] = LogicalType("string")
    order = Order("bench", "Contact", OPERATIONS[case], (KEY,), tuple(TYPES), types)
    spooler = Spooler(Layout(order, contact, {}), None)
    rows = pl.scan_parquet(folder / "rows.parquet")
    files: list[Path] = []
    start = 0
    while (piece := rows.slice(start, JOB_ROWS).collect()).height:
        path = folder / f"{case}-{len(files)}.csv"
        with watch:
            done = spooler.write(piece, path)
        files.append(path)
        if done.refused or done.aside or done.marks.height != done.taken:
            raise SystemExit("bench: rows were refused")
        start += done.taken
    return files


def measure(case: str, folder: Path) -> dict[str, float]:
    """Seconds of the writing alone, and peak memory."""
    watch = Watch()
    MEASURES[case](folder, watch)
    return {
        "seconds": watch.wall,
        "cpu": watch.cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def by_tailrace(case: str) -> Callable[[Path, Watch], object]:
    """The files of jobs."""
    return lambda folder, watch: spooled(folder, case, watch)


def by_polars(folder: Path, watch: Watch) -> None:
    """The finished texts, in one file."""
    texts = pl.read_parquet(folder / "texts.parquet")
    with watch:
        texts.write_csv(folder / "polars.csv", quote_style="necessary")


def by_polars_itself(folder: Path, watch: Watch) -> None:
    """The canonical values, formatted by polars as the texts are but for decimals; in one file."""
    columns = [*(pl.col(f"v:{name}").alias(name) for name in TYPES), pl.col(f"m:{KEY}").alias(KEY)]
    values = pl.read_parquet(folder / "rows.parquet").select(columns)
    form = "%Y-%m-%dT%H:%M:%S%.3fZ"
    with watch:
        values.write_csv(folder / "typed.csv", quote_style="necessary", null_value="#N/A", datetime_format=form)


def by_simple_salesforce(folder: Path, watch: Watch) -> None:
    """What its bulk handler does with records before it uploads them."""
    from simple_salesforce import bulk2  # noqa: PLC0415

    records = cast("list[dict[str, str]]", pl.read_parquet(folder / "texts.parquet").to_dicts())
    with watch:
        text = bulk2._convert_dict_to_csv(records)  # noqa: SLF001 - what is measured
        for _count, _part in bulk2._split_csv(records=text, max_records=JOB_ROWS):  # noqa: SLF001
            pass


MEASURES: dict[str, Callable[[Path, Watch], object]] = {
    "polars": by_polars,
    "typed": by_polars_itself,
    "upsert": by_tailrace("upsert"),
    "create": by_tailrace("create"),
    "simple": by_simple_salesforce,
}
SECTION = """\
## Files of Salesforce jobs

Measured by `python -m benchmarks.salesforce_bulk`, {when}. {rows:,} rows of 8 columns: two texts, a key, Boolean,
Decimal, integer, date and zoned timestamp, a tenth of the values null. Tailrace converts canonical values and writes
files of at most 150,000 rows, with the marks by which results are joined; polars only writes the finished texts, or
formats the canonical values as it writes them;
simple-salesforce makes CSV of finished texts and splits it, as its bulk handler does before it uploads. Medians; CPU
time is of all threads, peak memory of the whole process.

| | seconds | least to most | µs a row | CPU | peak memory |
|---|---:|---:|---:|---:|---:|
{lines}

| upserts, in proportion to polars | by the clock | CPU | wanted | |
|---|---:|---:|---|---|
{ratios}
"""


def section(turns: list[dict[str, Any]], rows: int, load: float) -> str:
    """All figures, as Markdown."""
    lines = []
    for name, label in NAMES.items():
        every = sorted(turn[name]["seconds"] for turn in turns)
        peak = max(turn[name]["peak_mib"] for turn in turns)
        wall, cpu = middle(turns, name, "seconds"), middle(turns, name, "cpu")
        figures = f"{wall:.2f} s | {every[0]:.2f} to {every[-1]:.2f} s | {wall / rows * 1e6:.2f} | {cpu:.2f} s"
        lines.append(f"| {label} | {figures} | {peak:.0f} MiB |")
    ratios = [
        ratio(turns, "typed", "that writes the same values", LIMIT),
        ratio(turns, "polars", "that writes finished texts, so that half of the work is done"),
    ]
    when = report.when(load, len(turns), LIBRARIES)
    return SECTION.format(when=when, rows=rows, lines="\n".join(lines), ratios="\n".join(ratios))


def ratio(turns: list[dict[str, Any]], name: str, label: str, limit: float | None = None) -> str:
    """Upserts in proportion to another case, as a row of a table."""
    wall, cpu = (middle(turns, "upsert", kind) / middle(turns, name, kind) for kind in ("seconds", "cpu"))
    wanted = "| |" if limit is None else f"≤ {limit:g} | {'met' if wall <= limit else '**missed**'} |"
    return f"| {label} | {wall:.2f} | {cpu:.2f} | {wanted}"


def middle(turns: list[dict[str, Any]], name: str, kind: str) -> float:
    """The median of a case's figures."""
    return statistics.median(turn[name][kind] for turn in turns)


def once(name: str, folder: Path) -> dict[str, Any]:
    """One case, in a process of its own."""
    print(f"bench: measuring {name}", file=sys.stderr, flush=True)
    command = [*THIS, "--here", name, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
