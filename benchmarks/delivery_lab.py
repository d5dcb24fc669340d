"""A project whose destination is a store in this process: what is measured is the engine, and nothing beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tailrace import Project
from tailrace.actions import operation
from tailrace.delivery import DeliveryReport, Job
from tailrace.project import load_project
from tailrace.rowset import Rows
from tailrace.running import runner, session
from tailrace.state import Journal
from tailrace.testing.plugin import plugin

SYNC = """\
model: rows
destination: store
object: rows
mode: {mode}
key: id
match: {{ext: ext}}
fields: {{name: name, mail: mail, size: size, day: day}}
batch_size: {batch_size}
"""
CONFIG = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  store: {{type: memory, store: {store}, settle: 0s, concurrency: {concurrency}}}
"""
MODEL = """\
SELECT range AS id, 'x-' || range AS ext, 'Name of ' || range AS name, range || '@example.com' AS mail,
    range % 1000 AS size, DATE '2026-01-01' + (range % 365)::INTEGER AS day
FROM range({rows})
"""


class Killed(BaseException):
    """Ends a run as SIGKILL would, as far as its files and the state database are concerned."""


def build(
    folder: Path, rows: int, *, mode: str = "upsert", batch_size: int = 100, concurrency: int = 1, store: str = "bench"
) -> Path:
    """Write the project's files; gives the folder."""
    for name in ("models", "syncs"):
        (folder / name).mkdir(parents=True)
    (folder / "tailrace.yml").write_text(CONFIG.format(store=store, concurrency=concurrency), encoding="utf-8")
    (folder / "syncs" / "rows.yml").write_text(SYNC.format(mode=mode, batch_size=batch_size), encoding="utf-8")
    (folder / "models" / "rows.sql").write_text(MODEL.format(rows=rows), encoding="utf-8")
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[Project]:
    """The project, with the in-memory adapter installed."""
    adapters = {"memory": plugin}
    with (
        mock.patch.object(session, "plugins", return_value=adapters),
        Project(load_project(folder, plugins=adapters)) as project,
    ):
        yield project


def break_off(folder: Path) -> None:
    """Run the sync until all its batches are journaled as about to be sent, and end there."""

    def killed(job: Job, rows: Rows, _destination: object, journal: Journal, **_how: object) -> DeliveryReport:
        seqs = rows.collect(["seq", "action"]).sort("seq")
        actions = seqs["action"].to_list()
        for number, start in enumerate(range(0, seqs.height, job.batch_size), 1):
            batch = seqs["seq"][start : start + job.batch_size].to_list()
            journal.intend(number, str(operation(actions[start])), batch)
        raise Killed

    with mock.patch.object(runner, "deliver", killed), opened(folder) as project:
        try:
            project.run("rows")
        except Killed:
            return
    raise SystemExit("bench: the run was to break off, and did not")


def timed(function: Callable[..., object], taken: list[tuple[float, float]]) -> Callable[..., object]:
    """The same function, which notes how long each call takes: seconds by the clock, and of processor time."""

    def call(*arguments: object, **named: object) -> object:
        started, worked = time.perf_counter(), time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            taken.append((time.perf_counter() - started, time.process_time() - worked))

    return call
