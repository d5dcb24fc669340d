"""A desk over a driver of Python's DB-API: rows as Python values; values to select from as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pyarrow as pa

from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.pushdown.catalogue import Catalogued
from tailrace.pushdown.slices import sliced
from tailrace.pushdown.words import Sort, Words, insertion
from tailrace.warehouses.projection import compile_projection
from tailrace.warehouses.rows import batches

if TYPE_CHECKING:
    from tailrace.errors import WarehouseError
    from tailrace.pushdown.desk import Columns
    from tailrace.values import LogicalType
    from tailrace.warehouses.base import Projection
    from tailrace.warehouses.dialects import Dialect

Fault = Callable[[str, Exception], "WarehouseError"]
Given = Callable[[Sequence["LogicalType"], str], str]
"""From the types of some columns and a parameter's mark, the query of what a JSON list of lists of texts holds."""
LOADED = 8_192
"""Rows written by one statement at most."""


class DBAPIDesk(Catalogued):
    """One transaction of a connection of its own; it begins with the desk, unless tables may have to be made first."""

    begins: ClassVar[Mapping[bool, Sequence[str]]] = {False: ("BEGIN",), True: ("BEGIN",)}
    """Statements that begin a transaction: one that may write, or not."""

    def __init__(
        self,
        connection: Any,
        words: Words,
        dialect: Dialect,
        fault: Fault,
        *,
        given: Given,
        write: bool,
    ) -> None:
        self.words = words
        self._connection, self._dialect, self._fault = connection, dialect, fault
        self._given, self._write, self._begun = given, write, False
        if not (write and words.commits):
            self.begin()

    def begin(self) -> None:
        """Begin the transaction where none has begun; until then each statement is one by itself."""
        if not self._begun:
            self._begun = True
            for statement in self.begins[self._write]:
                self.rows(statement)

    def end(self) -> None:
        """Commit what was written."""
        if self._begun:
            with self._told("writing the snapshot failed"):
                self._run("COMMIT" if self._write else "ROLLBACK")

    def give_up(self) -> None:
        """Take back what was written."""
        with suppress(Exception):  # the server may be gone; what went wrong before matters more
            self._run("ROLLBACK")

    def compiled(self, projection: Projection) -> str:
        """A projected model as a query, whose columns are c0, c1 and so on."""
        return compile_projection(projection, self._dialect)

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, without running it."""
        with self._told("the projected model fails"), closing(self._cursor()) as cursor:
            cursor.execute(f"SELECT * FROM (\n{sql}\n) AS described LIMIT 0")  # noqa: S608 - bracketed, whatever it is
            return [self._sort(column) for column in self._columns(cursor)]

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch."""
        with self._told("comparing in the warehouse failed"), closing(self._cursor(streaming=True)) as cursor:
            _execute(cursor, sql, parameters)
            types: list[pa.DataType | None] = [known.get(at) for at in range(len(names))]
            yield from batches(chunks(cursor, batch_rows, types), names, types)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        with self._told("a query of the snapshot failed"), closing(self._cursor()) as cursor:
            _execute(cursor, sql, parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote."""
        # It would end the transaction, and so make known what is half done.
        assert not (self._begun and self.words.commits and sql.startswith(_OF_TABLES)), sql  # noqa: S101
        with self._told("writing the snapshot failed"):
            return self._run(sql, parameters)

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a table to select from."""
        yield self._given(list(columns.values()), self.words.mark), [given_text(frame, columns)]

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        for part in sliced(frame, LOADED, self.words.size) if frame.height else ():
            with self.values(part, columns) as (given, parameters):
                self.run(insertion(table, names, given), parameters)

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with closing(self._cursor()) as cursor:
            _execute(cursor, sql, parameters)
            return max(int(cursor.rowcount), 0)

    def _cursor(self, *, streaming: bool = False) -> Any:
        """A cursor; `streaming` may leave rows at the server until they are asked for."""
        del streaming
        return self._connection.cursor()

    def _columns(self, cursor: Any) -> Sequence[Any]:
        """What the driver tells of a result's columns."""
        return cursor.description or ()

    def _sort(self, column: Any) -> Sort:
        raise NotImplementedError

    def _failure(self, error: Exception) -> bool:
        """Whether it is the driver's."""
        raise NotImplementedError

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self._failure(error):
                raise
            raise self._fault(what, error) from error


_OF_TABLES = ("CREATE", "ALTER", "DROP")


def given_text(
    frame: pl.DataFrame, columns: Columns, written: Callable[[pl.Series, LogicalType], pl.Series] = text
) -> str:
    """Canonical values as a JSON list with a list of texts, or null, for each row; bytes are hexadecimal."""
    texts = [written(frame[name].cast(dtype(kind)), kind).to_list() for name, kind in columns.items()]
    return json.dumps(list(zip(*texts, strict=True)), ensure_ascii=False, separators=(",", ":"))


@contextmanager
def ending(desk: DBAPIDesk) -> Iterator[DBAPIDesk]:
    """The desk, whose transaction ends well with the block or is taken back."""
    try:
        yield desk
    except BaseException:
        desk.give_up()
        raise
    desk.end()


def _execute(cursor: Any, sql: str, parameters: Sequence[Any]) -> None:
    if parameters:
        cursor.execute(sql, tuple(parameters))
    else:
        cursor.execute(sql)  # else drivers would look for parameters in the model's own SQL


def chunks(cursor: Any, size: int, types: Sequence[pa.DataType | None]) -> Iterator[Sequence[Sequence[Any]]]:
    """What is left of a result, so many rows at once, as values that Arrow takes under the types that are known."""
    casts = {at: cast for at, kind in enumerate(types) if kind is not None and (cast := _cast(kind))}
    while rows := cursor.fetchmany(size):
        if not casts:
            yield rows
            continue
        columns = list(zip(*rows, strict=True))
        for at, cast in casts.items():
            columns[at] = tuple(None if value is None else cast(value) for value in columns[at])
        yield list(zip(*columns, strict=True))


def _cast(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """From what drivers give for a stored value to what Arrow takes for one of that type."""
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _zoned
    return next((cast for test, cast in _CASTS if test(kind)), None)


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _date(value: Any) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _time(value: Any) -> time:
    if isinstance(value, timedelta):
        return (datetime(1, 1, 1, tzinfo=UTC) + value).time()
    return time.fromisoformat(value) if isinstance(value, str) else value


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    return bytes.fromhex(value) if isinstance(value, str) else value


def _zoned(value: Any) -> datetime:
    moment = _moment(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_CASTS: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = (
    (pa.types.is_decimal, _decimal),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), _bytes),
    (pa.types.is_date, _date),
    (pa.types.is_time, _time),
    (pa.types.is_timestamp, _moment),
)
