"""One sync with all that surrounds it: its files, its destination, the time, and processes that come and go."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import sqlalchemy as sa
from tests.stateful.lab import Bench, Clock, Died, Life, Process, Rows, Stage, Twist, adapter
from tests.stateful.model import TYPES, Model, Setup
from tests.stateful.vendor import Vendor

from tailrace import failpoints
from tailrace.delivery import checkpoints
from tailrace.delivery.allowance import Allowance
from tailrace.delivery.limiter import Limiter
from tailrace.project import LoadedProject, load_project
from tailrace.running import planner
from tailrace.running.planner import known_identity
from tailrace.running.result import RunResult
from tailrace.state import RowIssue, RunRecord, StateDB, leases, schema
from tailrace.state.database import connect
from tailrace.stopping import RunStop
from tailrace.testing.memory import CAPABILITIES

LEASE_S = 3600
PROJECT = json.dumps(
    {
        "lease": f"{LEASE_S}s",
        "warehouses": {"main": {"type": "duckdb", "path": ":memory:"}},
        "destinations": {"mem": {"type": "memory", "settle": "0s"}},
    }
)
SHM = Path("/dev/shm")  # noqa: S108 - a folder in memory, where there is one: nothing here has to outlive a power cut


@dataclass(frozen=True)
class Kind:
    """What stays the same in one world."""

    mode: str
    matched: bool = True
    unique: bool = True
    """Whether the destination refuses a second record with one match value."""
    addresses: str = "match"
    checkpoints: bool = False
    """Whether runs make one whenever there is something to fold in."""
    more: tuple[tuple[str, Any], ...] = ()
    """Further keys of the sync's file."""


@dataclass
class Facts:
    """What is on record."""

    snapshot: pl.DataFrame
    issues: tuple[RowIssue, ...]
    unfinished: tuple[RunRecord, ...]
    in_doubt: frozenset[int]
    """Keys of rows that are held, or sent again by themselves; and of those of runs that nobody has recovered yet."""

    @property
    def troubled(self) -> frozenset[int]:
        """Keys of all rows in trouble."""
        return frozenset(issue.key["id"] for issue in self.issues)


class World:
    """Close it."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.clock, self.stage, self.model = Clock(), Stage(), Model()
        self.vendor = Vendor(unique=kind.unique, several=kind.mode == "append" and kind.matched)
        self.setup = Setup(kind.mode, kind.matched, dict(kind.more), {"Name": {"column": "name"}})
        self.root = Path(tempfile.mkdtemp(prefix="tailrace-world-", dir=SHM if SHM.is_dir() else None))
        self.lives = 0
        self._loaded: dict[str, LoadedProject] = {}
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        self._lay_out()
        self._take_over_the_clock()

    def close(self) -> None:
        """Leave nothing behind."""
        self._stack.close()

    @contextmanager
    def process(self, twist: Twist | None = None, *, far: bool = False) -> Iterator[Process]:
        """A process that opens the project, does the block, and ends; its death ends the block quietly."""
        self.lives += 1
        self.clock.advance(1)
        life = Life(self.lives, twist, far=far)
        with self.stage.on(life):
            process = Process(self._load(), self._bench, life)
            try:
                yield process
                process.close()
            except Died:
                assert life.dead, "a process died of another's death"

    def run(self, twist: Twist | None = None, *, far: bool = False, **how: Any) -> RunResult | None:
        """Run the sync; None if the process died of it."""
        with self.process(twist, far=far) as process:
            return process.run("people", **how)
        return None

    def facts(self) -> Facts:
        """Look at the records, as a process of its own."""
        with self.process() as process:
            session, sync = process.session, process.syncs["people"]
            identity = known_identity(session, sync)
            issues = session.state.issues("people", identity.digest)
            unfinished = tuple(session.state.unfinished_runs("people"))
            doubt = {issue.key["id"] for issue in issues if issue.kind == "unknown" and issue.state != "dismissed"}
            for run in unfinished:
                saved = session.files.load("people", run.run_id)
                doubt |= set(saved.rows.collect(["k:id"])["k:id"]) if saved else set()
            return Facts(session.store.open(identity).frame(), issues, unfinished, frozenset(doubt))
        raise AssertionError("nothing kills this process")

    @property
    def appends_changes(self) -> bool:
        """Whether each change of a row makes a record."""
        return dict(self.kind.more).get("append") == "changes"

    def holds(self, life: Life | None = None) -> bool:
        """Whether some process holds the sync, or that one does: one of another machine may, though it has died."""
        with self.process() as process:
            state = process.session.state
            if life is None or not state.held_syncs():
                return bool(state.held_syncs())
            with state.reading() as connection:
                return bool(connection.scalar(sa.select(schema.leases.c.host)) == life.name)
        raise AssertionError("nothing kills this process")

    def holds_and_runs(self, life: Life) -> bool:
        """Whether that process holds the sync, and its run has not recorded its end."""
        held = self.holds(life)
        with self.process() as process:
            return held and bool("run.started" not in life.passed or process.session.state.unfinished_runs("people"))
        raise AssertionError("nothing kills this process")

    def a_day_passes(self) -> None:
        """Nobody waits any more: for a dead process of another machine, or to try a refused row again."""
        self.clock.advance(25 * 3600)

    def _lay_out(self) -> None:
        (self.root / "syncs").mkdir()
        (self.root / "models").mkdir()
        (self.root / "models/people.sql").write_text("select * from people")
        (self.root / "tailrace.yml").write_text(PROJECT)
        (self.root / ".tailrace").mkdir()
        shutil.copy(_new_state(), self.root / ".tailrace/state.db")
        engine, _ = connect("sqlite:///.tailrace/state.db", self.root)
        engine.update_execution_options(compiled_cache=_COMPILED)
        self._stack.callback(engine.dispose)
        capabilities = _with(self.kind)
        self._bench = Bench(self.root, engine, self.clock, self.vendor, capabilities, self._warehouse)

    def _take_over_the_clock(self) -> None:
        for patch in (
            mock.patch.object(failpoints, "_armed", self.stage),
            mock.patch.object(leases, "this_machine", self.stage.machine),
            mock.patch.object(leases, "is_dead", self.stage.is_dead),
            mock.patch.object(leases, "uptime", self.clock.read),
            mock.patch.object(planner, "now", self.clock.moment),
            mock.patch.dict(Limiter.__init__.__kwdefaults__, clock=self.clock.read),
            mock.patch.dict(Allowance.__init__.__kwdefaults__, clock=self.clock.read),
            mock.patch("time.sleep", self.clock.advance),
            mock.patch.object(RunStop, "wait", self._wait),
            mock.patch.object(checkpoints, "LEAST", 1 if self.kind.checkpoints else checkpoints.LEAST),
            mock.patch.object(checkpoints, "EVERY_S", 0.0 if self.kind.checkpoints else checkpoints.EVERY_S),
        ):
            self._stack.enter_context(patch)

    def _wait(self, timeout: float | None = None) -> bool:
        """What a run does that waits for its stop: nobody here stops one but by killing it."""
        assert timeout is not None, "a run would wait without end"
        self.clock.advance(timeout)
        return False

    def _warehouse(self) -> Rows:
        return Rows(TYPES, self.model.rows)

    def _load(self) -> LoadedProject:
        text = self.setup.text()
        if text not in self._loaded:
            (self.root / "syncs/people.yml").write_text(text)
            plugin = adapter(self._bench, Life(0))
            self._loaded[text] = load_project(self.root, plugins={"memory": plugin})
        return self._loaded[text]


_COMPILED: dict[Any, Any] = {}
"""Compiled statements, for all worlds: to compile them takes longer than to execute them."""


def _with(kind: Kind) -> Any:
    return replace(CAPABILITIES, addresses=kind.addresses)


@cache
def _new_state() -> Path:
    """A state database as the first run of a project makes it, to be copied: migrations take half a second."""
    folder = Path(tempfile.mkdtemp(prefix="tailrace-state-"))
    StateDB.open("sqlite:///state.db", folder).close()
    return folder / "state.db"
