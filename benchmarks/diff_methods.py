"""One measurement of the diff: `python -m benchmarks.diff_methods METHOD DATA PLACE`, one JSON object on stdout.

DATA is a folder of `benchmarks.diff_data`, PLACE a folder to write to. `wall` and `cpu` are seconds of the
operation itself, libraries loaded, all threads; `peak_mib` is of the whole process up to the operation's end.
"""

# ruff: noqa: PLC0415 - each method loads only what it measures
from __future__ import annotations

import importlib.util
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.snapshot.store import Snapshot

Figures: TypeAlias = dict[str, Any]

FIRST, SECOND = "first.parquet", "second.parquet"
FIELDS = ("email", "first", "last", "city", "visits", "score", "ltv", "active", "signup", "seen", "tags")
PLAN_ROWS, PLAN_STARTS = 10_000, 11
PLAN_PROJECT = {
    "tailrace.yml": "warehouses: {main: {type: duckdb, path: people.duckdb}}\n"
    'destinations: {out: {type: sql, url: "sqlite:///out.db", create_table: true}}\n',
    # SQLite has no NaN.
    "models/people.sql": "SELECT * REPLACE (CASE WHEN NOT isnan(score) THEN score END AS score) FROM people\n",
    "syncs/people.yml": "{model: people, destination: out, object: people, mode: mirror, key: id, match: {id: id}, "
    f"fields: {{{', '.join(f'{name}: {name}' for name in FIELDS)}}}}}\n",
}


def main() -> None:
    """Measure and print."""
    method, data, place = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps(METHODS[method](data, place)))


class Measured:
    """Takes the time of what is done within it."""

    def __init__(self) -> None:
        self.figures: Figures = {"phases": {}}

    def __enter__(self) -> Self:
        self._began = self._lapped = time.perf_counter()
        self._cpu = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.figures["wall"] = time.perf_counter() - self._began
        self.figures["cpu"] = time.process_time() - self._cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.figures["peak_mib"] = peak / (2**20 if sys.platform == "darwin" else 2**10)

    def lap(self, phase: str) -> None:
        """The time since the last one belongs to this phase."""
        now = time.perf_counter()
        self.figures["phases"][phase] = now - self._lapped
        self._lapped = now


def decode(data: Path, _place: Path) -> Figures:
    """Read both versions as a stream, and do nothing with them."""
    import polars as pl

    with Measured() as measured:
        for version in (FIRST, SECOND):
            pl.scan_parquet(data / version).sink_batches(lambda _batch: None)
    return measured.figures


def rewrite(data: Path, place: Path) -> Figures:
    """Write the first version once more."""
    import polars as pl

    with Measured() as measured:
        pl.scan_parquet(data / FIRST).sink_parquet(place / "rewritten.parquet", compression="zstd")
    return measured.figures


def duckdb(data: Path, place: Path) -> Figures:
    """Join both versions in full, and write what differs: kind, id, and each column's new and old value and flag."""
    import duckdb as library

    changes = place / "changes.parquet"
    columns = ", ".join(
        f"new.{name} AS new_{name}, old.{name} AS old_{name}, new.{name} IS DISTINCT FROM old.{name} AS changed_{name}"
        for name in FIELDS
    )
    differs = " OR ".join(f"new.{name} IS DISTINCT FROM old.{name}" for name in FIELDS)
    query = f"""
        COPY (
            SELECT CASE WHEN old.id IS NULL THEN 'insert' WHEN new.id IS NULL THEN 'delete' ELSE 'update' END AS kind,
                coalesce(new.id, old.id) AS id, {columns}
            FROM '{data / SECOND}' AS new FULL OUTER JOIN '{data / FIRST}' AS old ON new.id = old.id
            WHERE new.id IS NULL OR old.id IS NULL OR {differs}
        ) TO '{changes}' (FORMAT parquet)"""
    with library.connect(config={"temp_directory": str(place)}) as connection:
        with Measured() as measured:
            connection.execute(query)
        flags = ", ".join(f"count(*) FILTER (changed_{name}) AS {name}" for name in FIELDS)
        found = connection.execute(f"SELECT kind, count(*), sum(id), {flags} FROM '{changes}' GROUP BY ALL").fetchall()
    kinds = {kind: [rows, int(ids), list(flags)] for kind, rows, ids, *flags in found}
    return measured.figures | {"changes": told(kinds)}


def told(kinds: Mapping[str, tuple[int, int, list[int]]]) -> Figures:
    """What two change sets must agree on: by kind, how many rows and the sum of their ids; how many cells changed."""
    rows = {kind: list(kinds[kind][:2]) if kind in kinds else [0, 0] for kind in ("insert", "update", "delete")}
    cells = kinds["update"][2] if "update" in kinds else [0] * len(FIELDS)
    return {"rows": rows, "cells": dict(zip(FIELDS, cells, strict=True))}


def sync(model: Path, place: Path, *, commit: bool = True) -> tuple[Figures, ChangeSet, Snapshot]:
    """Compare a model with the snapshot at a place, take every change as acknowledged, and commit.

    All that is used of the engine is here and in `acknowledged`. Files of the comparison are left in the place.
    """
    if importlib.util.find_spec("tailrace.tuning"):  # what it sets, polars reads when it is loaded
        importlib.import_module("tailrace.tuning").prepare()
    from tailrace.canonical.source import ModelRows
    from tailrace.changes import DiffSpec
    from tailrace.diff.engine import diff
    from tailrace.snapshot.store import Delivered, Identity, SnapshotStore

    identity = Identity("people", "crm", "account", "Contact", ("id",), ("external",))
    spec = DiffSpec(("id",), ("external",), FIELDS, match_is_key=True)
    columns = {"k:id": "id", "m:external": "id", **{f"f:{name}": name for name in FIELDS}}
    store = SnapshotStore(place / "snapshots", work=place / "work")
    folder = place / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Measured() as measured:
        snapshot = store.open(identity)
        changes = diff(ModelRows.from_parquet(model, columns), snapshot, spec, folder)
        measured.lap("diff")
        if commit and any(changes.counts.values()):
            outcomes = acknowledged(changes)
            measured.lap("acknowledge")
            delivered = Delivered(changes.rows, changes.types, outcomes, spec, changes.origin)
            snapshot = store.commit(snapshot, delivered, "run")
            measured.lap("commit")
    assert not changes.invalid, changes.invalid
    return measured.figures | {"counts": dict(changes.counts)}, changes, snapshot


def acknowledged(changes: ChangeSet) -> Any:
    """The outcomes of a delivery in which all went well."""
    import polars as pl

    nothing = {name: pl.lit(None, pl.String) for name in ("record_id", "code", "message")}
    numbers = changes.rows.lazy(["seq"])
    return numbers.with_columns(status=pl.lit("acknowledged"), **nothing).collect(engine="streaming")


def first(data: Path, place: Path) -> Figures:
    """The first sync: everything is new."""
    figures, _, snapshot = sync(data / FIRST, place)
    return figures | size(snapshot, data / FIRST)


def second(data: Path, place: Path) -> Figures:
    """The second version, where the first has been acknowledged."""
    figures, changes, snapshot = sync(data / SECOND, place)
    import polars as pl  # only now: `sync` sets what polars reads when it is loaded

    flags = [pl.col(f"c:{name}").sum() for name in FIELDS]
    kinds = changes.rows.lazy().group_by("op").agg(pl.len(), pl.col("k:id").sum(), *flags).collect().rows()
    found = {kind: (rows, ids, list(cells)) for kind, rows, ids, *cells in kinds}
    return figures | size(snapshot, data / SECOND) | {"changes": told(found)}


def nothing(data: Path, place: Path) -> Figures:
    """The first version, where it has been acknowledged."""
    figures, changes, _ = sync(data / FIRST, place)
    assert not any(changes.counts.values()), changes.counts
    return figures


def day(data: Path, place: Path) -> Figures:
    """One day's version, DATA, after the days before."""
    figures, _, snapshot = sync(data, place)
    return figures | size(snapshot, data)


def compare(data: Path, place: Path) -> Figures:
    """The same without commit: the place stays as it is."""
    return sync(data, place, commit=False)[0]


def size(snapshot: Snapshot, source: Path) -> Figures:
    """Segments and bytes of the files that hold its rows, and bytes of the rows' source."""
    manifest = snapshot.manifest
    assert manifest is not None
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    return {
        "segments": len(manifest.segments),
        "bytes": sum(file.size for file in manifest.files),
        "source_bytes": sum(file.stat().st_size for file in files),
    }


def plan(data: Path, place: Path) -> Figures:
    """The command `tailrace plan`, from its start to its end, after a first run and a change of 1% of the rows."""
    import duckdb as library

    for name, content in PLAN_PROJECT.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content, encoding="utf-8")
    rows = f"SELECT * FROM '{data / FIRST}' WHERE id <= {PLAN_ROWS}"
    with library.connect(place / "people.duckdb") as connection:
        connection.execute(f"CREATE TABLE people AS {rows}")
    command(place, "run", "people")
    with library.connect(place / "people.duckdb") as connection:
        connection.execute("UPDATE people SET visits = visits + 1 WHERE id % 100 = 0")
    taken = [command(place, "plan", "people") for _ in range(PLAN_STARTS)]
    return {"wall": statistics.median(taken), "samples": taken}


def command(project: Path, *arguments: str) -> float:
    """Seconds that a command takes."""
    program = str(Path(sys.executable).with_name("tailrace"))
    began = time.perf_counter()
    done = subprocess.run([program, *arguments], cwd=project, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"tailrace {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return seconds


METHODS: dict[str, Callable[[Path, Path], Figures]] = {
    "decode": decode,
    "duckdb": duckdb,
    "ours": second,
    "ours-nothing": nothing,
    "rewrite": rewrite,
    "ours-first": first,
    "day": day,
    "compare": compare,
    "plan": plan,
}

if __name__ == "__main__":
    main()
