"""Warehouses whose drivers give Arrow: their cursor runs the query, SQLAlchemy only connects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tailrace.errors import WarehouseError
from tailrace.warehouses.arrow import Piece, pieced
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.projection import compile_projection, known_types
from tailrace.warehouses.rows import Types, batches
from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse, of_data
from tailrace.warehouses.tags import commented
from tailrace.warehouses.types import declared_types

if TYPE_CHECKING:
    from tailrace.warehouses.base import Projection


class DrivenWarehouse(SQLAlchemyWarehouse):
    """As any other, but that rows are read from the driver's own cursor."""

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model; batches of at most `batch_rows` rows."""
        sql = compile_projection(projection, self._dialect)
        with self._driver() as raw:
            cursor = raw.cursor()
            cancel = self._cancel(raw, cursor)
            with self._explained(projection), self._failing("the projected model fails"):
                interruptibly(partial(cursor.execute, commented(self._dialect.name, sql)), cancel)
            try:
                yield self._read(cursor, projection, batch_rows, cancel)
            finally:
                with suppress(Exception):  # the server may be gone; what went wrong before matters more
                    cursor.close()

    def _read(
        self, cursor: Any, projection: Projection, batch_rows: int, cancel: Callable[[], object]
    ) -> Iterator[pa.RecordBatch]:
        with self._failing("reading the model failed"):
            known = known_types(projection)
            declared = declared_types(self._dialect.name, cursor.description or ())
            types = [known.get(at, kind) for at, kind in enumerate(declared)]
            yield from self._batched(cursor, projection, types, batch_rows, cancel)

    def _batched(
        self, cursor: Any, projection: Projection, types: Types, batch_rows: int, cancel: Callable[[], object]
    ) -> Iterator[pa.RecordBatch]:
        pieces = self._pieces(cursor, batch_rows)
        if pieces is None:
            chunks = iter(partial(cursor.fetchmany, batch_rows), [])
            return batches(each(chunks, cancel), projection.names, types)
        return pieced(each(pieces, cancel), projection.names, types, batch_rows)

    def _pieces(self, cursor: Any, batch_rows: int) -> Iterator[Piece] | None:
        """The rows as Arrow; None where the driver has them only as Python's objects."""
        raise NotImplementedError

    def _cancel(self, raw: Any, cursor: Any) -> Callable[[], object]:
        """What ends the query that the cursor runs, from another thread; may be called again and again."""
        raise NotImplementedError

    @contextmanager
    def _driver(self) -> Iterator[Any]:
        """The driver's own connection."""
        with self._connect() as connection:
            yield connection.connection.driver_connection

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except WarehouseError:
            raise
        except Exception as error:  # the driver's own, of whatever kind
            quotes = of_data(getattr(error, "sqlstate", None))
            raise self._fault(what, str(error).strip() or type(error).__name__, quotes=quotes) from error


def each(pieces: Iterator[Any], cancel: Callable[[], object]) -> Iterator[Any]:
    """One after the other, each of which may be waited for long."""
    while (piece := interruptibly(partial(next, pieces, None), cancel)) is not None:
        yield piece
