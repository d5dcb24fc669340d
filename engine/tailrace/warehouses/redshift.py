"""Redshift: rows by a cursor in the warehouse, as its driver would hold a whole result in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tailrace.warehouses.projection import compile_projection, known_types
from tailrace.warehouses.rows import Chunk, batches
from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse, description_of
from tailrace.warehouses.types import declared_types

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult

    from tailrace.warehouses.base import Projection

_CURSOR: Final = "tailrace_rows"


class RedshiftWarehouse(SQLAlchemyWarehouse):
    """As any other, but for how rows are read."""

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model in one transaction; batches of at most `batch_rows` rows."""
        sql = compile_projection(projection, self._dialect)
        with self._connect() as connection:
            with self._explained(projection), self._guard("the projected model fails"):
                self._execute(connection, f"DECLARE {_CURSOR} CURSOR FOR {sql}")
                first = self._fetched(connection, batch_rows)
            known = known_types(projection)
            declared = declared_types("postgresql", description_of(first))
            types = [known.get(at, kind) for at, kind in enumerate(declared)]
            yield batches(self._following(connection, first, batch_rows), projection.names, types)

    def _following(self, connection: Connection, first: CursorResult[Any], batch_rows: int) -> Iterator[Chunk]:
        with self._guard("reading the model failed"):
            rows = first.fetchall()
            while rows:
                yield rows
                rows = self._fetched(connection, batch_rows).fetchall()

    def _fetched(self, connection: Connection, rows: int) -> CursorResult[Any]:
        return self._execute(connection, f"FETCH FORWARD {rows} FROM {_CURSOR}")
