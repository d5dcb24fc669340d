"""Any warehouse that SQLAlchemy reaches: one read-only connection, a streamed cursor, rows into Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Engine, Row
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tailrace.errors import WarehouseError
from tailrace.warehouses.base import Projection
from tailrace.warehouses.dialects import sqlalchemy_dialect
from tailrace.warehouses.faults import explain, model_lines
from tailrace.warehouses.interrupt import canceller, interruptibly
from tailrace.warehouses.projection import compile_columns, compile_projection, known_types
from tailrace.warehouses.rows import batches
from tailrace.warehouses.tags import commented
from tailrace.warehouses.types import declared_types

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk

_OF_DATA = frozenset({"21", "22", "23", "38", "P0"})
"""Classes of SQLSTATE whose messages may quote values: cardinality, data, constraints, routines."""
_RIGHTS = frozenset({"42501", "25006"})
"""Insufficient privilege, and a server that takes no writes."""


class SQLAlchemyWarehouse:
    """A warehouse behind an engine; `tailrace.warehouses.engines` makes the engine read-only and UTC."""

    def __init__(self, name: str, engine: Engine) -> None:
        self._name = name
        self._engine = engine
        self._dialect = sqlalchemy_dialect(engine.dialect)

    def check(self) -> str:
        """Connect and say what answered."""
        with self._connect() as connection:
            version = connection.dialect.server_version_info
        shown = ".".join(str(part) for part in version or ())
        address = self._engine.url.set(password=None, query={}).render_as_string(hide_password=True)
        return f"{self._engine.dialect.name} {shown}, {address}".replace(" ,", ",")

    def columns(self, model_sql: str) -> tuple[str, ...]:
        """The model's columns, from a query whose condition is never true."""
        sql = compile_columns(model_sql, self._dialect)
        with self._connect() as connection, self._guard("the model's SQL fails", model_lines):
            names = list(self._execute(connection, sql).keys())
            return tuple(self._plain(name) for name in names)

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model in one read-only transaction; batches of at most `batch_rows` rows."""
        sql = compile_projection(projection, self._dialect)
        with self._connect() as connection:
            with self._explained(projection):
                result = self._started(connection, sql, batch_rows)
            yield self._batches(result, projection, batch_rows)

    @contextmanager
    def desk(self, *, write: bool) -> Iterator[Desk]:
        """A transaction, committed at the end of a block that may write; WarehouseError where none is possible."""
        if (self._engine.dialect.name, self._engine.dialect.driver) == ("postgresql", "psycopg"):
            with self._postgres_desk(write=write) as desk:
                yield desk
            return
        from tailrace.pushdown.offered import holds, opened  # noqa: PLC0415 - only for snapshots in the warehouse

        holds(self._name, self._engine.url)
        with self._connect() as connection:
            raw: Any = connection.connection.driver_connection
            known = self._engine.dialect
            with opened(known.name, known.driver, raw, self._dialect, self._told, write=write) as desk:
                yield desk

    @contextmanager
    def _postgres_desk(self, *, write: bool) -> Iterator[Desk]:
        from psycopg import IsolationLevel  # noqa: PLC0415 - only for snapshots in the warehouse

        from tailrace.pushdown.postgres import PostgresDesk  # noqa: PLC0415 - as above

        with self._connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.rollback()
            raw.read_only = not write
            # A writer waits for another one, and must then see what it wrote.
            raw.isolation_level = IsolationLevel.READ_COMMITTED if write else IsolationLevel.REPEATABLE_READ
            yield PostgresDesk(raw, self._dialect, self._told)
            if write:
                with self._committing():
                    raw.commit()

    @contextmanager
    def _committing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the driver's own, of whatever kind
            raise self._told("writing the snapshot failed", error) from error

    def _told(self, what: str, error: Exception) -> WarehouseError:
        """The error for a failure of the driver."""
        state = getattr(error, "sqlstate", None)
        if state in _RIGHTS:
            return WarehouseError(
                f"warehouse {self._name!r}: {what}: {_message(error)}",
                hint="`tailrace check` prints the statements that grant what snapshots there need",
            )
        return self._fault(what, _message(error), quotes=not isinstance(state, str) or state[:2] in _OF_DATA)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _batches(self, result: CursorResult[Any], projection: Projection, batch_rows: int) -> Iterator[pa.RecordBatch]:
        declared = declared_types(self._engine.dialect.name, description_of(result))
        known = known_types(projection)
        types = [known.get(position, kind) for position, kind in enumerate(declared)]
        return batches(self._chunks(result, batch_rows), projection.names, types)

    def _chunks(self, result: CursorResult[Any], batch_rows: int) -> Iterator[Sequence[Row[Any]]]:
        with self._guard("reading the model failed"):
            cancel, following = canceller(result.connection), partial(next, result.partitions(batch_rows), None)
            while (rows := following() if cancel is None else interruptibly(following, cancel)) is not None:
                yield rows

    def _started(self, connection: Connection, sql: str, batch_rows: int) -> CursorResult[Any]:
        with self._guard("the projected model fails"):
            return self._execute(connection.execution_options(stream_results=True, max_row_buffer=batch_rows), sql)

    def _description_of(self, sql: str) -> list[Any]:
        """The columns of a query, as the driver tells them."""
        with self._connect() as connection, self._guard("the projected model fails"):
            return description_of(self._execute(connection, sql))

    @contextmanager
    def _explained(self, projection: Projection) -> Iterator[None]:
        """Where the block fails, say which part of the projection is at fault."""
        try:
            yield
        except WarehouseError as fault:
            raise explain(fault, projection, self._dialect, self.columns, self._probe) from fault

    def _probe(self, sql: str) -> None:
        with self._connect() as connection, self._guard("the query fails"):
            self._execute(connection, sql)

    def _execute(self, connection: Connection, sql: str) -> CursorResult[Any]:
        # BigQuery's driver halves percent signs even in a statement without parameters.
        text = sql.replace("%", "%%") if self._dialect.name == "bigquery" else commented(self._dialect.name, sql)
        act = partial(connection.exec_driver_sql, text, execution_options={"no_parameters": True})
        cancel = canceller(connection)
        return act() if cancel is None else interruptibly(act, cancel)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            connection = self._engine.connect()
        except Exception as error:
            raise self._unreachable(error) from error
        try:
            yield connection
        finally:
            with suppress(Exception):  # the server may be gone; what went wrong before matters more
                connection.close()

    @contextmanager
    def _guard(self, what: str, reword: Callable[[str], str] = str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._fault(what, reword(_message(error)), quotes=_quotes(error)) from error

    def _plain(self, name: str) -> str:
        dialect = self._engine.dialect
        if not dialect.requires_name_normalize:
            return name
        return dialect.normalize_name(name) or name

    def _fault(self, what: str, message: str, *, quotes: bool) -> WarehouseError:
        told = f"warehouse {self._name!r}: {what}"
        return WarehouseError(
            told if quotes else f"{told}: {message}",
            said=message if quotes else None,
            hint=f"try the model's SQL in {self._engine.dialect.name} itself, with the same user",
        )

    def _unreachable(self, error: BaseException) -> WarehouseError:
        where = self._engine.url.set(query={}).render_as_string(hide_password=True)
        return WarehouseError(
            f"warehouse {self._name!r} cannot be reached at {where}: {_message(error)}",
            hint="check the address, that the server is up, and the user's credentials",
        )


def description_of(result: CursorResult[Any]) -> list[Any]:
    """The columns of a result as the driver tells them; none of what is no query."""
    cursor = result.cursor
    return list(cursor.description or ()) if cursor is not None else []


def _quotes(error: SQLAlchemyError) -> bool:
    return of_data(getattr(getattr(error, "orig", None), "sqlstate", None))


def of_data(state: object) -> bool:
    """Whether an error of that SQLSTATE may quote a row. PostgreSQL tells errors of data from others; not all do."""
    return not isinstance(state, str) or state[:2] in _OF_DATA


def _message(error: BaseException) -> str:
    """The driver's own words, without SQLAlchemy's frame around them."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(origin).strip() or type(origin).__name__
