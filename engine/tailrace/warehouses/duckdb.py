"""DuckDB, through its own API: Arrow batches without a row ever becoming Python objects."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from tailrace.errors import WarehouseError
from tailrace.project.warehouses import DuckDBConfig
from tailrace.warehouses.base import Projection
from tailrace.warehouses.dialects import duckdb_dialect
from tailrace.warehouses.faults import explain, model_lines
from tailrace.warehouses.gate import Gate
from tailrace.warehouses.projection import compile_columns, compile_projection
from tailrace.warehouses.relation import FAILURES, batches, begun

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk

_MEMORY = ":memory:"
_LOOK_S: Final = 0.1
"""Seconds between two tries to open a file that another process holds."""
_FULL = "Out of Memory"
_OF_QUERIES = (
    "Binder", "Catalog", "Connection", "HTTP", "IO", "Missing Extension", "Not implemented", "Out of Memory", "Parser",
    "Permission", "Syntax", "Settings",
)  # fmt: skip
"""Beginnings of messages that speak of queries, files and settings, and never quote a row."""


class DuckDBWarehouse:
    """A DuckDB file, opened read-only at first use; `:memory:` for models that read files themselves.

    Several threads may read at once.
    """

    def __init__(
        self,
        name: str,
        config: DuckDBConfig,
        project_dir: Path,
        *,
        memory: int | None = None,
        spill: Path | None = None,
        patience: float = 0.0,
    ) -> None:
        self._name = name
        self._patience = patience
        self._memory, self._spill = memory, spill
        self._root = project_dir.resolve()
        remote = config.path == _MEMORY or config.path.startswith("md:")
        self._path = config.path if remote else str(self._root / config.path)
        self._shown = config.path
        self._dialect = duckdb_dialect()
        self._lock = threading.Lock()
        self._gate = Gate()
        self._opened: duckdb.DuckDBPyConnection | None = None

    def check(self) -> str:
        """Open the file and say what answered."""
        self._connection()
        return f"DuckDB {duckdb.__version__}, {self._shown}"

    def columns(self, model_sql: str) -> tuple[str, ...]:
        """The model's columns; binds the query without running it."""
        sql = compile_columns(model_sql, self._dialect)
        try:
            with self._asking() as connection:
                return tuple(_relation(connection, sql).columns)
        except FAILURES as error:
            raise self._fault("the model's SQL fails", error, model_lines) from error

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model; batches of at most `batch_rows` rows."""
        sql = compile_projection(projection, self._dialect)
        with self._asking() as connection:
            try:
                reader = begun(_relation(connection, sql), connection, batch_rows)
            except FAILURES as error:
                fault = self._fault("the projected model fails", error)
                raise explain(fault, projection, self._dialect, self.columns, self._bind) from error
            try:
                yield self._batches(reader, projection, connection)
            finally:
                reader.close()

    @contextmanager
    def desk(self, *, write: bool) -> Iterator[Desk]:
        """A transaction, committed at the end of a block that may write; the file is held only meanwhile."""
        from tailrace.pushdown.duckdb import DuckDBDesk  # noqa: PLC0415 - only for snapshots in the warehouse

        if self._path == _MEMORY:
            raise WarehouseError(
                f"warehouse {self._name!r} is a DuckDB in memory, which cannot hold snapshots",
                hint="give the warehouse a file as its path, or keep snapshots in a folder",
            )
        with self._writing() if write else self._asking() as connection:
            desk = DuckDBDesk(connection, self._fault)
            desk.rows("BEGIN TRANSACTION")
            try:
                yield desk
            except BaseException:
                with suppress(*FAILURES):
                    connection.execute("ROLLBACK")
                raise
            desk.rows("COMMIT" if write else "ROLLBACK")
        with self._gate.alone() as alone:
            if alone:  # a run that sends for hours must not keep others from writing to the file
                self.close()

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file as its only user; it must not be open in this process in another way meanwhile."""
        with self._gate.writing():
            self.close()
            connection = self._open(write=True)
            try:
                self._prepare(connection)
                yield connection
            finally:
                connection.close()

    def close(self) -> None:
        """Close the file, so that another process may write to it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _batches(
        self, reader: pa.RecordBatchReader, projection: Projection, connection: duckdb.DuckDBPyConnection
    ) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches(reader, connection, projection.names)
        except FAILURES as error:
            raise self._fault("reading the model failed", error) from error
        reader.close()
        self._give_back(connection)

    def _give_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Have DuckDB return memory to the system that it has no use for any more, where memory is limited.

        Its allocator does so only now and then, so that by chance all of its share may stay with it after a query,
        while what comes next counts on it. Setting the limit makes it do so at once, even where it stays the same.
        """
        if self._memory is not None:
            with suppress(*FAILURES):  # another query may need all of it just now
                self._limit(connection, self._memory)

    @staticmethod
    def _limit(connection: duckdb.DuckDBPyConnection, memory: int) -> None:
        connection.execute("SET memory_limit = ?", [f"{memory // 1024}KiB"])

    def _bind(self, sql: str) -> None:
        try:
            with self._asking() as connection:
                _relation(connection, sql)
        except FAILURES as error:
            raise self._fault("the query fails", error) from error

    @contextmanager
    def _asking(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of one's own to the same database: each has one query under way at most."""
        with self._gate.reading():
            connection = self._connection().cursor()
            try:
                self._prepare(connection)
                yield connection
            finally:
                connection.close()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self, *, write: bool = False) -> duckdb.DuckDBPyConnection:
        in_memory = self._path == _MEMORY
        if not (in_memory or self._path.startswith("md:") or Path(self._path).is_file()):
            raise WarehouseError(
                f"warehouse {self._name!r}: there is no DuckDB file {self._path}",
                hint="build it first, or correct `path` in tailrace.yml (relative paths count from the project)",
            )
        try:
            connection = self._connected(read_only=not (in_memory or write))
        except FAILURES as error:
            raise self._unopened(error) from error
        # These hold for all connections to the database.
        if self._memory is not None:
            self._limit(connection, self._memory)
        if self._spill is not None:
            # Else rows would go to a folder beside the database, or in whatever folder the command was called from.
            connection.execute("SET temp_directory = ?", [str(self._spill)])
        return connection

    def _connected(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        end = time.monotonic() + self._patience
        while True:
            try:
                return duckdb.connect(self._path, read_only=read_only)
            except duckdb.Error as error:
                if "lock" not in str(error).lower() or time.monotonic() >= end:
                    raise
            time.sleep(_LOOK_S)

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the settings that each connection has for itself."""
        # As a setting of `connect`, TimeZone fails offline in duckdb 2.0; as a statement it works.
        connection.execute("SET TimeZone = 'UTC'")
        # Else a table's name could be answered by a variable of this very process.
        connection.execute("SET python_enable_replacements = false")
        # The setting is a list split at commas, which cannot be escaped.
        if "," not in str(self._root):
            connection.execute("SET file_search_path = ?", [str(self._root)])

    def _unopened(self, error: Exception) -> WarehouseError:
        text = str(error)
        if "lock" in text.lower() or "different configuration" in text:
            hint = "another connection holds the file for writing: close it, or give Tailrace a copy of the file"
        elif "not a valid" in text or "in-memory" in text:
            hint = "point `path` in tailrace.yml at a DuckDB database; CSV and Parquet are read by a `:memory:` one"
        else:
            hint = "look at the file's permissions, and whether a newer DuckDB wrote it"
        return WarehouseError(f"warehouse {self._name!r} cannot be opened: {text}", hint=hint)

    def _fault(self, what: str, error: Exception, reword: Callable[[str], str] = str) -> WarehouseError:
        message = reword(re.sub(r"\n\s*\n", "\n", str(error)).strip())
        hint = "try the model's SQL in the duckdb shell; relative file names count from the project's folder"
        if self._memory is not None and _FULL in message:
            hint = f"raise `memory` in tailrace.yml: DuckDB was given {self._memory // 1024**2} MiB of it"
        told = f"warehouse {self._name!r}: {what}"
        if message.startswith(_OF_QUERIES):
            return WarehouseError(f"{told}: {message}", hint=hint)
        return WarehouseError(told, said=message, hint=hint)


def _relation(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    relation = connection.sql(sql)
    if relation is None:
        raise WarehouseError("the model is no query", hint="a model is one SELECT")
    return relation
