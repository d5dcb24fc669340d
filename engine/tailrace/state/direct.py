"""Small transactions, one after another, by the driver alone: the way through SQLAlchemy takes longer than the writing.

Statements are SQLAlchemy's all the same, compiled once, so that both dialects get their own.
"""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from operator import itemgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import DBAPIError

from tailrace.state.errors import explain

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tailrace.state.database import Database

_CHUNK = 1_000
"""Rows given to the driver at once."""
_AT_ONCE = (1, 4, 16)
"""Rows in one execution of a statement that takes many: few numbers, as it is compiled for each of them."""
_JOINS_UPDATES = (3, 33)
"""The version of SQLite since which rows can be updated from others."""


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    def execute(self, text: str, values: Any = ...) -> Any:
        """Execute a statement once."""

    def executemany(self, text: str, values: Any) -> Any:
        """Execute it for each row."""

    def fetchone(self) -> Any:
        """The next row of the result; None after the last."""


class Prepared:
    """A statement, compiled; `names` are the values that a row binds."""

    def __init__(self, database: Database, statement: Any, names: Iterable[str] = ()) -> None:
        compiled = statement.compile(dialect=database.engine.dialect, column_keys=list(names) or None)
        self._text: str = compiled.string
        self._constant: dict[str, Any] = compiled.params
        self._order: tuple[str, ...] | None = tuple(compiled.positiontup) if compiled.positional else None
        self._pick = itemgetter(*self._order) if self._order and len(self._order) > 1 else None

    def execute(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute it for each row, in a transaction of SQLAlchemy's."""
        values = iter(self._filled(rows))
        while chunk := list(islice(values, _CHUNK)):
            connection.exec_driver_sql(self._text, chunk)

    def run(self, cursor: Cursor, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute it for each row."""
        cursor.executemany(self._text, list(self._filled(rows)))

    def scalar(self, cursor: Cursor) -> Any:
        """Execute it, and give the first value of the first row; None where there is no row."""
        cursor.execute(self._text, self._values({}))
        row = cursor.fetchone()
        return None if row is None else row[0]

    def _filled(self, rows: Iterable[Mapping[str, Any]]) -> Iterable[Any]:
        left = iter(rows)
        first = next(left, None)
        if first is None:
            return ()
        fill: Callable[[Mapping[str, Any]], Any] = self._values
        if self._pick is not None and self._constant.keys() <= first.keys():
            fill = self._pick  # this row binds all there is, and so do the others
        return map(fill, chain([first], left))

    def _values(self, row: Mapping[str, Any]) -> Any:
        filled = {**self._constant, **row}
        if self._pick is not None:
            return self._pick(filled)
        return filled if self._order is None else tuple(filled[name] for name in self._order)


class PreparedMany:
    """A statement that takes many rows at once: each execution lets other threads run, and then waits for its turn.

    `made` gives it for so many rows. Their values are bound to `names` with the row's number behind, as in `name_0`,
    and what all share to `shared`.
    """

    def __init__(
        self, database: Database, made: Callable[[int], Any], names: Sequence[str], shared: Sequence[str]
    ) -> None:
        self._database, self._made, self._names, self._shared = database, made, names, shared
        able = database.engine.dialect.name != "sqlite" or sqlite3.sqlite_version_info >= _JOINS_UPDATES
        self._at_once = _AT_ONCE if able else _AT_ONCE[:1]
        self._prepared: dict[int, tuple[Prepared, Sequence[str]]] = {}

    def run(self, cursor: Cursor, rows: Sequence[Sequence[Any]], *shared: Any) -> None:
        """Execute it for all rows, each with its values in the order of `names`."""
        start = 0
        while left := len(rows) - start:
            count = max(size for size in self._at_once if size <= left)
            prepared, names = self._prepared.get(count) or self._prepare(count)
            values = chain(chain.from_iterable(rows[start : start + count]), shared)
            prepared.run(cursor, [dict(zip(names, values, strict=True))])
            start += count

    def _prepare(self, count: int) -> tuple[Prepared, Sequence[str]]:
        names = [*(f"{name}_{row}" for row in range(count) for name in self._names), *self._shared]
        self._prepared[count] = Prepared(self._database, self._made(count)), names
        return self._prepared[count]


class Direct:
    """A connection of its own, opened when it is needed, for one thread at a time.

    It is given back by `close`, when the database is closed, or when nobody has it any more; a transaction that goes on
    in another thread is waited for, as SQLite crashes where a connection is closed in the middle of a statement.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: list[Any] = []
        self._used = RLock()
        database.directs.add(self)
        weakref.finalize(self, _give_back, self._held, database.engine.dialect.loaded_dbapi.Error)
        self._sqlite = database.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A transaction that is durable when the block ends; errors come as StateError."""
        with self._database.queue(), self._used, self._told():
            cursor = self._begun()
            try:
                yield cursor
                self._held[0].commit()
            except BaseException:
                self.close()  # and with it what was not committed
                raise

    def now(self, cursor: Cursor) -> float:
        """Seconds since the epoch, as `Database.now` tells them."""
        if self._database.clock is not None:
            return self._database.clock()
        if self._sqlite:
            return time.time()
        cursor.execute("select extract(epoch from clock_timestamp())")
        return float(cursor.fetchone()[0])

    def close(self) -> None:
        """Give the connection back, rolled back; the next use opens another."""
        with self._used:
            _give_back(self._held, self._database.engine.dialect.loaded_dbapi.Error)

    def _begun(self) -> Cursor:
        cursor: Cursor = self._opened().cursor()
        if self._sqlite:
            cursor.execute("BEGIN IMMEDIATE")  # psycopg begins by itself
        return cursor

    def _opened(self) -> Any:
        if not self._held:
            self._held.append(self._database.engine.raw_connection())
        return self._held[0]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._database.engine.dialect.loaded_dbapi.Error as error:
            raise explain(DBAPIError(None, None, error), self._database.where) from error


def _give_back(held: list[Any], failure: type[Exception]) -> None:
    while held:
        connection = held.pop()
        with suppress(failure):
            connection.rollback()
        connection.close()
