"""Opening the database, and transactions whose errors say how to recover."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, exc

from tailrace.errors import StopRun, UsageError
from tailrace_destinations.sql.address import parse, sqlite_file
from tailrace_destinations.sql.config import SqlConfig
from tailrace_destinations.sql.failures import failure

_LOCK_WAIT = 5.0
"""Seconds SQLite itself waits for another process's lock before the engine's own retry takes over."""
_EXTRAS = {"psycopg": "postgres"}
_CONNECT_WAIT = 10
_WRITES = "tailrace_writes"
_ENCODING_ERRORS = (OverflowError, UnicodeError)
"""What drivers raise, unwrapped, for values they cannot put on the wire."""


class Database:
    """An engine made on first use, and read and write transactions over it."""

    def __init__(self, config: SqlConfig, project_dir: str) -> None:
        self._config = config
        self._url = parse(config)
        self.dialect = self._url.get_backend_name()
        self.file: Path | None = sqlite_file(self._url, project_dir) if self.dialect == "sqlite" else None
        self._engine: sa.Engine | None = None

    def exists(self) -> bool:
        """Say whether there is something to connect to: false only for a SQLite file not made yet."""
        return self.file is None or self.file.exists()

    def make_file(self) -> None:
        """Make a missing SQLite file; its folder must be there."""
        if self.file is not None:
            try:
                self.file.touch()
            except OSError as error:
                raise StopRun(f"Cannot make the SQLite database {self.file}: {error.strerror}.") from None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for queries; what it began is rolled back."""
        with self._connection() as connection, _translated():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction, committed at the end; AnswerLost when the connection is lost during COMMIT."""
        with self._connection() as connection:
            with _translated():
                connection.execution_options(**{_WRITES: True})
                connection.begin()
                self._limit(connection)
                yield connection
            with _translated(committing=True):
                connection.commit()

    def close(self) -> None:
        """Give all connections back."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        self._require_file()
        with _translated(connecting=True):
            connection = self._opened().connect()
        try:
            yield connection
        finally:
            connection.close()

    def _limit(self, connection: sa.Connection) -> None:
        if self.dialect == "postgresql":
            milliseconds = max(1, round(self._config.timeout * 1000))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")

    def _require_file(self) -> None:
        if not self.exists():
            raise StopRun(
                f"There is no SQLite database at {self.file}.",
                hint="Correct the destination's url, or set create_table: true to have the file made.",
            )

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            self._engine = self._create()
        return self._engine

    def _options(self) -> dict[str, Any]:
        if self.file is not None:
            return {"creator": _sqlite_opener(self.file), "hide_parameters": True}
        options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True}
        if self._url.get_driver_name() == "psycopg":
            seconds = max(2, min(_CONNECT_WAIT, round(self._config.timeout)))
            options["connect_args"] = {"connect_timeout": seconds, "fallback_application_name": "tailrace"}
        return options

    def _create(self) -> sa.Engine:
        try:
            engine = sa.create_engine(self._url, **self._options())
        except ModuleNotFoundError as error:
            raise _missing_driver(error.name or "its driver") from None
        except exc.NoSuchModuleError:
            raise UsageError(
                f"SQLAlchemy has no dialect {self._url.drivername!r}.",
                hint="Correct the start of the destination's url, or install the package that brings the dialect.",
            ) from None
        if self.file is not None:
            event.listen(engine, "begin", _begin_sqlite)
        return engine


def _missing_driver(module: str) -> UsageError:
    extra = _EXTRAS.get(module.split(".", maxsplit=1)[0])
    package = f"'tailrace[{extra}]'" if extra else module
    return UsageError(f"The database driver {module} is not installed.", hint=f"Run: pip install {package}")


def _sqlite_opener(file: Path) -> Callable[[], sqlite3.Connection]:
    address = f"file:{quote(str(file.absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)

    return connect


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: one that has read first cannot wait for another writer to finish.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated(*, committing: bool = False, connecting: bool = False) -> Iterator[None]:
    try:
        yield
    except (exc.DBAPIError, *_ENCODING_ERRORS) as error:
        raise failure(error, committing=committing, connecting=connecting) from None
