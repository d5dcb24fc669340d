"""Processes that can die: a project as a new process would open it, over parts that stop answering at its death.

Real processes are killed by `tests.sweep`. Here a process is an object, so that ten thousand steps take minutes: its
death is an exception that nothing in the engine catches, and after it neither state database nor storage nor
destination does anything for it any more. So whatever runs while the exception passes does no harm and no good,
as in a process that is no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailrace.api import Project
from tailrace.destination import Batch, Capabilities, Context, Outcome, Plugin
from tailrace.project import LoadedProject
from tailrace.running.session import Session
from tailrace.snapshot.history import RunFiles
from tailrace.snapshot.storage import LocalStorage
from tailrace.snapshot.store import SnapshotStore
from tailrace.state import StateDB
from tailrace.testing.memory import MemoryDestination, MemoryStore
from tailrace.testing.plugin import MemoryConfig
from tailrace.warehouses.base import Projection


class Died(BaseException):
    """The process is killed. No Exception, so that nothing that is meant for errors takes it."""


@dataclass
class Clock:
    """The time of all processes, in seconds since the epoch."""

    now: float = datetime(2026, 11, 23, 6, tzinfo=UTC).timestamp()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def read(self) -> float:
        """The time."""
        return self.now

    def moment(self) -> datetime:
        """The time in UTC."""
        return datetime.fromtimestamp(self.now, UTC)


@dataclass
class Twist:
    """What happens to a process at one moment of its life: at the `count`-th called `at`, or of all if that is None."""

    count: int
    act: Callable[[Life], None]
    at: str | None = None

    def due(self, name: str) -> bool:
        """Count a moment; whether it is the one."""
        self.count -= self.at in {None, name}
        return self.count == 0 and self.at in {None, name}


@dataclass
class Life:
    """One process."""

    number: int
    twist: Twist | None = None
    dead: bool = False
    far: bool = False
    """On another machine, where nobody sees that it has died."""
    overtaken: bool = False
    """Another process has taken its sync over."""
    passed: list[str] = field(default_factory=list)
    """The moments so far."""

    @property
    def name(self) -> str:
        """What it calls its machine: each process has one of its own."""
        return f"process-{self.number}"

    def moment(self, name: str) -> None:
        """Say that the process is there; the twist may strike."""
        self.check()
        self.passed.append(name)
        twist = self.twist
        if twist is not None and twist.due(name):
            self.twist = None
            twist.act(self)

    def check(self) -> None:
        """Nothing is done for the dead."""
        if self.dead:
            raise Died(f"process {self.number} is dead")

    def die(self) -> None:
        """Be killed."""
        self.dead = True
        self.check()


class Stage:
    """Who is on: processes may be nested, as one does its work while another stands still."""

    def __init__(self) -> None:
        self._lives: list[Life] = []
        self._all: list[Life] = []

    @contextmanager
    def on(self, life: Life) -> Iterator[None]:
        """The block is that process's doing."""
        self._lives.append(life)
        self._all.append(life)
        try:
            yield
        finally:
            self._lives.pop()

    def passed(self, name: str) -> None:
        """What `tailrace.failpoints` asks of an armed place."""
        if self._lives:
            self._lives[-1].moment(name)

    def machine(self) -> str:
        """What `tailrace.state.machine.this_machine` says."""
        return self._lives[-1].name

    def is_dead(self, machine: str | None, _pid: int | None) -> bool:
        """What `tailrace.state.machine.is_dead` says."""
        return any(life.dead and not life.far for life in self._all if life.name == machine)


class State(StateDB):
    """The state database as a mortal process has it."""

    life: Life

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A transaction, with a moment before it and one after its commit."""
        self.life.moment("state.begin")
        with super().transaction() as connection:
            yield connection
        self.life.moment("state.done")

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A look."""
        self.life.check()
        with super().reading() as connection:
            yield connection

    def close(self) -> None:
        """The connections are kept for the processes to come."""


class Disk(LocalStorage):
    """A folder as a mortal process has it."""

    def __init__(self, root: Path, life: Life) -> None:
        super().__init__(root)
        self._life = life

    def read(self, name: str) -> bytes | None:
        """A look."""
        self._life.check()
        return super().read(name)

    def publish(self, name: str, source: Path) -> None:
        """With a moment before and after."""
        self._life.moment("disk.publish")
        super().publish(name, source)
        self._life.moment("disk.published")

    def replace(self, name: str, data: bytes, *, was: bytes | None) -> None:
        """With a moment before and after."""
        self._life.moment("disk.replace")
        super().replace(name, data, was=was)
        self._life.moment("disk.replaced")

    def remove(self, names: Iterable[str]) -> None:
        """With a moment before each."""
        for name in names:
            self._life.moment("disk.remove")
            super().remove([name])


class Adapter(MemoryDestination):
    """The destination as a mortal process has it."""

    def __init__(self, store: MemoryStore, context: Context, capabilities: Capabilities, life: Life) -> None:
        super().__init__(store, context, capabilities)
        self._life = life

    def push(self, batch: Batch) -> Iterator[Outcome]:
        """With a moment before the request leaves, when nothing can hold it back any more, and one after its answer."""
        self._calls.spend(write=True)
        self._life.moment("vendor.asked")
        answers = self._store.write(batch)
        self._life.moment("vendor.answered")
        yield from answers


class Rows:
    """A warehouse over rows in this process: it is not what is tested, and DuckDB takes longer to open than a run."""

    def __init__(self, types: Mapping[str, pa.DataType], rows: Iterable[Mapping[str, Any]]) -> None:
        self._types = types
        self._rows = list(rows)

    def check(self) -> str:
        """Say what it is."""
        return "rows of a test"

    def columns(self, model_sql: str) -> tuple[str, ...]:
        """The model's columns."""
        return tuple(self._types)

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """All rows as one batch; of the mapping's sources it knows columns and constants."""
        sources = [*projection.key, *projection.match.values()]
        columns = [self._column(name) for name in sources]
        for spec in projection.fields.values():
            constant = pa.array([spec.value] * len(self._rows), pa.string())
            columns.append(self._column(spec.column) if spec.column else constant)
        yield iter([pa.RecordBatch.from_arrays(columns, names=list(projection.names))])

    def close(self) -> None:
        """Nothing is open."""

    def _column(self, name: str) -> pa.Array:
        return pa.array([row[name] for row in self._rows], self._types[name])


@dataclass(frozen=True)
class Bench:
    """What all processes of a world share."""

    root: Path
    engine: Any
    clock: Clock
    vendor: MemoryStore
    capabilities: Capabilities
    warehouse: Callable[[], Rows]


class Resources(Session):
    """The resources of one process."""

    def __init__(self, project: LoadedProject, bench: Bench, life: Life) -> None:
        super().__init__(project)
        self._bench, self._life = bench, life

    @cached_property
    def _plugins(self) -> Mapping[str, Plugin]:
        return {"memory": adapter(self._bench, self._life)}

    @cached_property
    def state(self) -> StateDB:
        """The state database, over connections that outlive the process: to open them takes longer than to use them."""
        state = State(self._bench.engine, "the state database", self._bench.clock.read)
        state.life = self._life
        return state

    @cached_property
    def storage(self) -> Disk:
        """The snapshots' folder."""
        return Disk(self._bench.root / ".tailrace/snapshots", self._life)

    @cached_property
    def store(self) -> SnapshotStore:
        """The snapshots, by the clock of all."""
        return SnapshotStore(self.storage, work=self.work, clock=self._bench.clock.moment)

    @cached_property
    def files(self) -> RunFiles:
        """The runs' files, by the clock of all."""
        return RunFiles(self.storage, work=self.work, clock=self._bench.clock.moment)

    def warehouse(self, name: str) -> Rows:
        """The model's rows as they are now."""
        return self._bench.warehouse()


class Process(Project):
    """A project, opened by one process."""

    def __init__(self, loaded: LoadedProject, bench: Bench, life: Life) -> None:
        self._loaded = loaded
        self._session = Resources(loaded, bench, life)

    @property
    def session(self) -> Session:
        """What it has open."""
        return self._session


def adapter(bench: Bench, life: Life) -> Plugin:
    """The destination of a project, for one process."""
    return Plugin(
        name="memory",
        summary="records kept in this process",
        config=MemoryConfig,
        open=lambda _config, context: Adapter(bench.vendor, context, bench.capabilities, life),
        capabilities=lambda _config: bench.capabilities,
        account_hint=lambda config: str(config.store),
    )
