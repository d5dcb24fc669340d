"""The connection to the state database: SQLite or PostgreSQL, made safe for a journal."""

from __future__ import annotations

import os
import random
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from tailrace.errors import StateError
from tailrace.state.dialect import DRIVER, compiled
from tailrace.state.direct import Direct, Prepared
from tailrace.state.errors import translated

BUSY_S = 10.0
"""How long a writer waits for another process before it gives up."""

_NAP_S = (0.001, 0.003)
"""Between two tries to begin while another process writes, which takes it a few milliseconds."""
_READ = "tailrace_read"
_LAX = "tailrace_lax"
_BUSY = "tailrace_busy_s"


class Database:
    """One state database; its methods may be called from several threads at once."""

    def __init__(self, engine: Engine, where: str, clock: Callable[[], float] | None = None) -> None:
        self.engine = engine
        self.where = where
        """The database's address, fit to be shown: no password."""
        self.clock = clock
        self.directs: weakref.WeakSet[Direct] = weakref.WeakSet()
        """Connections that are held for long."""
        self._writing = RLock()
        self._lax: Database | None = None

    @property
    def folder(self) -> Path | None:
        """Where the database is a file: the folder it is in."""
        return Path(self.engine.url.database or "").parent if self.engine.dialect.name == "sqlite" else None

    @property
    def lax(self) -> Database:
        """The same database for what may be forgotten in a power cut: its commits do not wait for the disk.

        They are as sure as any in a crash of this program, and come in order with the others.
        """
        with self._writing:
            if self._lax is None:
                self._lax = Database(_lax(self.engine), self.where, self.clock)
                self._lax._writing = self._writing  # noqa: SLF001 - one queue for both
            return self._lax

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that is durable when the block ends; errors come as StateError."""
        # Writers of this process queue here: SQLite's own wait for its lock sleeps far too long.
        with self.queue(), translated(self.where), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one moment, and neither waits for writers nor stops them."""
        with translated(self.where), self._reader.begin() as connection:
            yield connection

    @cached_property
    def _reader(self) -> Engine:
        return self.engine.execution_options(**{_READ: True})

    @contextmanager
    def queue(self) -> Iterator[None]:
        """Wait for this process's turn to write."""
        if self.engine.dialect.name != "sqlite":
            yield
            return
        with self._writing:
            yield

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch; by the server's clock where several machines share the database."""
        if self.clock is not None:
            return self.clock()
        if self.engine.dialect.name == "postgresql":
            return float(connection.scalar(sa.text("select extract(epoch from clock_timestamp())")) or 0)
        return time.time()

    def execute_many(self, connection: Connection, statement: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute a statement for each row: its bound values by name, the same names in all rows.

        Several times faster, for very many rows, than to have SQLAlchemy look at each.
        """
        left = iter(rows)
        first = next(left, None)
        if first is not None:
            Prepared(self, statement, first).execute(connection, chain([first], left))

    def insert(self, table: sa.Table) -> Any:
        """The dialect's own INSERT, which knows ON CONFLICT (both dialects spell it the same)."""
        return insert_into(self.engine.dialect.name, table)

    def close(self) -> None:
        """Give all connections back."""
        for direct in tuple(self.directs):
            direct.close()
        if self._lax is not None:
            self._lax.close()
        self.engine.dispose()


def insert_into(dialect: str, table: sa.Table) -> Any:
    """See `Database.insert`."""
    from sqlalchemy.dialects import postgresql, sqlite  # noqa: PLC0415 - one of them is not needed

    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def connect(url: str, base_dir: Path, busy_s: float = BUSY_S) -> tuple[Engine, str]:
    """An engine for the URL, and its address fit to be shown; relative SQLite paths start at `base_dir`."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, base_dir, busy_s)
    return _postgres(parsed)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError as error:
        raise StateError("`state:` is no database URL", hint=_FORMS) from error
    if backend not in ("sqlite", "postgresql", "postgres"):
        raise StateError(f"state cannot be kept in {backend}", hint=_FORMS)
    return parsed


_FORMS = "write state: sqlite:///.tailrace/state.db, or state: postgresql+psycopg://user@host/database"


def _sqlite(url: URL, base_dir: Path, busy_s: float) -> tuple[Engine, str]:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StateError("state must be kept in a file: a run could not recover otherwise", hint=_FORMS)
    path = base_dir / url.database
    _make_private(path)
    return _sqlite_engine(url.set(drivername=DRIVER, database=str(path)), busy_s, "FULL"), str(path)


def _sqlite_engine(url: URL, busy_s: float, synchronous: str) -> Engine:
    def pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin in _begin, not by the driver's guess
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    engine = sa.create_engine(url, connect_args={"timeout": busy_s, "check_same_thread": False})
    engine.update_execution_options(**{_BUSY: busy_s}, compiled_cache=compiled)
    sa.event.listen(engine, "connect", pragmas)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _lax(engine: Engine) -> Engine:
    """An engine for the same database whose commits do not wait for the disk."""
    if engine.dialect.name == "sqlite":
        # In WAL mode, NORMAL syncs at checkpoints alone, and leaves no damaged file behind.
        return _sqlite_engine(engine.url, engine.get_execution_options()[_BUSY], "NORMAL")
    return engine.execution_options(**{_LAX: True})


def _make_private(path: Path) -> None:
    """Make folder and file readable by their owner alone: error messages hold personal data."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        hint = "check that its folder is a folder, that this user may write there, and that the disk is not full"
        raise StateError(f"the state database {path} cannot be created: {error.strerror}", hint=hint) from error


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_READ):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    # SQLite's own wait sleeps for up to a tenth of a second at a time, and whoever comes meanwhile goes first.
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        if not _begun(driver, options[_BUSY]):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # for the error in its own words
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(options[_BUSY] * 1000)}")


def _begun(driver: Any, busy_s: float) -> bool:
    """Begin as soon as no other process writes; False when it cannot be, or takes longer than `busy_s`."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            # IMMEDIATE: take the write lock first, so that what is read in a transaction still holds at its end.
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                return False
            time.sleep(random.uniform(*_NAP_S))  # noqa: S311 - so that two who wait do not keep meeting
        else:
            return True


def _postgres(url: URL) -> tuple[Engine, str]:
    url = url.set(drivername="postgresql+psycopg")
    where = url.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StateError(f"{where} needs a driver", hint="pip install 'tailrace[postgres]'") from error
    sa.event.listen(engine, "begin", _begin_lax)
    return engine, where


def _begin_lax(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_LAX) and not options.get(_READ):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
