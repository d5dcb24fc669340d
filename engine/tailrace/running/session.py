"""The open resources of a project: state database, snapshots, warehouses, destinations. Opened when first used."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tailrace import memory
from tailrace.destination import Calls, Capabilities, Context, Destination, Plugin, Rate, plugins
from tailrace.diff.digests import Digests
from tailrace.errors import SnapshotError, TailraceError, UsageError
from tailrace.extras import need
from tailrace.planning import refusals
from tailrace.project import LoadedProject, Sync
from tailrace.project.config import DestinationConfig, InWarehouse
from tailrace.running.places import AnySnapshot, Store
from tailrace.snapshot.remote import open_storage
from tailrace.snapshot.storage import Storage
from tailrace.snapshot.store import SnapshotStore
from tailrace.snapshot.work import Workplace
from tailrace.state import StateDB
from tailrace.warehouses import Warehouse, open_warehouse

if TYPE_CHECKING:
    from tailrace.delivery.limiter import Limiter
    from tailrace.pushdown.store import WarehouseStore
    from tailrace.snapshot.history import RunFiles
    from tailrace.snapshot.identity import Identity
    from tailrace.state import Lease

WORK, CACHE = ".tailrace/work", ".tailrace/cache"
"""Folders of the project: for files in the making, and for what was fetched from an object store."""
WIDE = 128
PATIENCE_S = 30.0
"""How long a DuckDB file that another process holds is waited for, where snapshots are saved in it."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of a sync's destination without asking it."""

    name: str
    plugin: Plugin
    config: DestinationConfig
    capabilities: Capabilities
    batch_size: int
    concurrency: int
    rates: tuple[Rate, ...]
    sync: str = ""
    """The sync whose destination it is."""

    @property
    def hint(self) -> str:
        """What of the configuration tells accounts apart."""
        return self.plugin.account_hint(self.config)

    @property
    def account(self) -> str:
        """The name under which all who use the account share its budget, in whatever sync, process or project."""
        return f"{self.plugin.name} {self.hint}"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a snapshot keeps values: in clear, or with a secret as digests."""

    wide: bool = False
    """Whether fingerprints have 128 bits."""
    secret: bytes = b""

    @property
    def digests(self) -> Digests | None:
        """What makes digests of values; None where they are kept in clear."""
        return Digests(self.secret) if self.secret else None

    @property
    def salt(self) -> str:
        """What enters hashes of plans that are kept on record; nothing where values may be kept."""
        return hmac.digest(self.secret, b"tailrace plan", "sha256").hex()[:32] if self.secret else ""


@dataclass(frozen=True, slots=True)
class Fenced:
    """Calls of a run: each write is made only while the run holds its sync."""

    calls: Calls
    lease: Lease

    def spend(self, *, write: bool, cost: int = 1, bucket: str = "default") -> None:
        """As `Calls.spend`; LeaseLost when another run may have taken the sync over, be it during the wait."""
        self.calls.spend(write=write, cost=cost, bucket=bucket)
        if write:
            self.lease.ensure()

    def observe(self, *, quota_left: int | None = None, quota_max: int | None = None) -> None:
        """As `Calls.observe`."""
        self.calls.observe(quota_left=quota_left, quota_max=quota_max)


class Session:
    """Holds what is open. Close it, or use it as a context manager."""

    def __init__(self, project: LoadedProject) -> None:
        self.project = project
        self._stack = ExitStack()
        self._warehouses: dict[str, Warehouse] = {}
        self._limiters: dict[tuple[str, str, bool, threading.Event | None], Limiter] = {}
        self._lock = threading.RLock()
        self.counted_rows: dict[str, tuple[float, int | None]] = {}
        """By sync, when the rows of its snapshot were counted last, and how many there were; see `Browsing`."""

    def close(self) -> None:
        """Give everything back."""
        self.release_warehouses()
        self._stack.close()

    @cached_property
    def _plugins(self) -> Mapping[str, Plugin]:
        """The installed adapters; finding them reads the metadata of every installed package, so once is enough."""
        return plugins()

    @cached_property
    def state(self) -> StateDB:
        """The state database, migrated if need be."""
        state = StateDB.open(self.project.config.state.reveal(), self.project.root)
        self._stack.callback(state.close)
        return state

    @cached_property
    def work(self) -> Workplace:
        """Folders for files in the making."""
        work = Workplace(self.project.root / WORK)
        self._stack.callback(work.close)
        return work

    @cached_property
    def storage(self) -> Storage:
        """Where snapshots and runs are kept."""
        return open_storage(self.project.config.snapshots.folder, self.project.root, self.project.root / CACHE)

    @cached_property
    def store(self) -> SnapshotStore:
        """The snapshots that are kept in files."""
        return SnapshotStore(self.storage, work=self.work)

    def snapshots(self, sync: Sync) -> Store:
        """What keeps the snapshots of a sync."""
        return self.store if self.project.config.snapshots.warehouse is None else self.warehouse_store(sync)

    def warehouse_store(self, sync: Sync) -> WarehouseStore:
        """What keeps, or would keep, the snapshots of a sync in its warehouse; UsageError where it must not."""
        from tailrace.pushdown.store import WarehouseStore  # noqa: PLC0415 - only where snapshots are there

        config = sync.config.snapshot or self.project.config.snapshot
        if config.values == "hashed":
            raise UsageError(
                f"{sync.name}: digests of values cannot be compared in the warehouse",
                hint="leave out `values: hashed`, or `snapshots: warehouse`",
            )
        return WarehouseStore(self.warehouse(sync.warehouse), self.schema, work=self.work)

    @property
    def schema(self) -> str:
        """The schema of ours in warehouses."""
        return (self.project.config.snapshots.warehouse or InWarehouse()).db_schema

    def snapshot(self, sync: Sync, identity: Identity) -> AnySnapshot:
        """The latest snapshot; SnapshotError where the files still have one that should be in the warehouse."""
        found = self.snapshots(sync).open(identity)
        if self.project.config.snapshots.warehouse is not None and self.store.holds(identity):
            raise SnapshotError(
                f"the snapshot of {sync.name!r} is still in files, at {self.storage.where}",
                hint=f"tailrace snapshot move {sync.name} --to warehouse takes it there, and nothing is sent again",
            )
        return found

    def forget_snapshot(self, sync: Sync, identity: Identity) -> None:
        """Remove a snapshot, and what is left of it where it was before."""
        if self.project.config.snapshots.warehouse is not None:
            self.snapshots(sync).forget(identity)
        self.store.forget(identity)

    @cached_property
    def files(self) -> RunFiles:
        """The changes and outcomes of runs."""
        from tailrace.snapshot.history import RunFiles  # noqa: PLC0415 - a plan needs none

        return RunFiles(self.storage, work=self.work)

    def prepare(self) -> None:
        """Open what runs share, before several threads use it: from Python 3.12 on two of them could open it twice."""
        for held in (self._plugins, self.state, self.work, self.store, self.files):
            assert held is not None  # noqa: S101 - to look at it is to open it

    def keeping(self, sync: Sync) -> Keeping:
        """How the snapshot of a sync keeps values."""
        config = sync.config.snapshot or self.project.config.snapshot
        if config.values == "clear":
            return Keeping(wide=config.fingerprint == WIDE)
        key = config.key.reveal().encode() if config.key is not None else self.state.key("snapshot")
        return Keeping(wide=config.fingerprint == WIDE, secret=key)

    def finish_files(self, sync: Sync, run_id: str) -> None:
        """To be called when a run is settled: values that may not be kept are forgotten once no row of it is held."""
        if self.keeping(sync).secret and not any(issue.run_id == run_id for issue in self.state.held(sync.name)):
            self.files.forget_values(sync.name, run_id)

    def release_warehouses(self) -> None:
        """Close all warehouses; the next use opens them anew, and sees what was written meanwhile."""
        with self._lock:
            for warehouse in self._warehouses.values():
                warehouse.close()
            self._warehouses.clear()

    def release_warehouse(self, name: str) -> None:
        """Close one warehouse, which nobody uses now, as `release_warehouses` does all."""
        with self._lock:
            held = self._warehouses.pop(name, None)
        if held is not None:
            held.close()

    def warehouse(self, name: str) -> Warehouse:
        """An open warehouse, one per name and session."""
        with self._lock:
            if name not in self._warehouses:
                config, share = self.project.config.warehouses[name], memory.for_warehouse(self.project.config.memory)
                self._warehouses[name] = open_warehouse(
                    name,
                    config,
                    self.project.root,
                    memory=share,
                    spill=self.work.new(),
                    patience=PATIENCE_S if self.project.config.snapshots.warehouse or self.project.config.audit else 0,
                )
            return self._warehouses[name]

    def target(self, sync: Sync) -> Target:
        """The sync's destination as configured; UsageError when it cannot do what the sync asks."""
        config = self.project.config.destinations[sync.config.destination]
        plugin = self._plugins[config.type]
        need(*plugin.requires, extra=plugin.name, what=f"destination {sync.config.destination} ({plugin.name})")
        able = plugin.able(config, sync.config.object)
        if plugin.bulk is not None:
            able = replace(able, bulk=plugin.bulk(config, sync.options))
        found = [*refusals(sync.config, able), *self._unkept(sync, able)]
        if found:
            raise UsageError(f"{sync.name}: {'; '.join(found)}", hint=f"see {sync.path}")
        wanted = sync.config.batch_size or config.batch_size or able.batch_size
        return Target(
            name=sync.config.destination,
            plugin=plugin,
            config=config,
            capabilities=able,
            batch_size=min(wanted, able.batch_size),
            concurrency=config.concurrency or able.concurrency,
            rates=able.rates if config.rate is None else _replaced(able.rates, config.rate),
            sync=sync.name,
        )

    def _unkept(self, sync: Sync, able: Capabilities) -> list[str]:
        """What the destination must be told of the past, and a snapshot without values does not keep."""
        config = sync.config.snapshot or self.project.config.snapshot
        if not (able.unlinks and sync.lookups() and config.values == "hashed"):
            return []
        words = "this destination must be told which record a reference was to before, which a snapshot with "
        return [f"{words}values: hashed does not keep; give the sync a snapshot of its own with values: clear"]

    def limiter(self, target: Target, *, read_only: bool = False, stop: threading.Event | None = None) -> Limiter:
        """What a run may send to the account: of one budget for all syncs and processes. `stop` ends a wait."""
        from tailrace.delivery.limiter import Limiter  # noqa: PLC0415 - a plan needs none

        with self._lock:
            key = (target.name, target.sync, read_only, stop)
            if key not in self._limiters:
                self._limiters[key] = Limiter(
                    target.rates,
                    reserve=target.config.reserve,
                    store=self.state.limits(target.account),
                    sync=target.sync,
                    read_only=read_only,
                    stop=stop,
                    timeout=target.config.timeout,
                )
            return self._limiters[key]

    def drop_limiters(self, stop: threading.Event) -> None:
        """To be called when the run that this event stopped has ended: a process that stays has very many."""
        with self._lock:
            for key in [key for key in self._limiters if key[3] is stop]:
                del self._limiters[key]

    @contextmanager
    def destination(
        self,
        sync: Sync,
        target: Target,
        *,
        read_only: bool = False,
        lease: Lease | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Destination]:
        """The sync's destination, open; `read_only` refuses every write, `lease` those after it was lost.

        `stop` ends a wait for a permit.
        """
        limiter = self.limiter(target, read_only=read_only, stop=stop)
        calls: Calls = limiter
        context = Context(
            name=target.name,
            calls=calls if lease is None else Fenced(calls, lease),
            project_dir=str(self.project.root),
            options=sync.options,
            sync=sync.name,
            object=sync.config.object,
            mode=sync.config.mode,
        )
        opened = target.plugin.open(target.config, context)
        try:
            yield opened
        finally:
            opened.close()
            with suppress(TailraceError):  # what may be wrong with the state database is told where it matters
                limiter.tell()


def _replaced(rates: tuple[Rate, ...], given: tuple[Rate, ...]) -> tuple[Rate, ...]:
    """The project's rates in place of the adapter's; those of the adapter's own buckets stay."""
    return (*given, *(rate for rate in rates if rate.bucket not in {"default", "*"}))
