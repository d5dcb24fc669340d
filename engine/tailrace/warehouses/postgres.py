"""PostgreSQL's rows as Arrow, by ADBC: binary COPY, without a row ever becoming Python objects.

Psycopg is asked first what the columns are. Types that ADBC has no plain form for are read as their text, and results
with a column of which only its values could tell the type are left to SQLAlchemy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tailrace.warehouses.arrow import fitted
from tailrace.warehouses.engines import postgres_settings
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.projection import compile_projection, known_types
from tailrace.warehouses.sqlalchemy import SQLAlchemyWarehouse, of_data
from tailrace.warehouses.tags import connect_args
from tailrace.warehouses.types import declared_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from tailrace.warehouses.base import Projection

DRIVER: Final = "adbc_driver_postgresql"
_READ_AS: Final[Mapping[int, str]] = {
    # "char", name, json, interval, timetz, numeric, uuid, jsonb
    **dict.fromkeys((18, 19, 114, 1186, 1266, 1700, 2950, 3802), "text"),
    26: "bigint",  # oid, of which ADBC makes a signed number of 32 bits
}
_MESSAGE: Final = re.compile(r"ERROR:\s+(.*?)(?:\s*Query was:.*|\. SQLSTATE: \w+)?\s*\Z", re.DOTALL)


class PostgresWarehouse(SQLAlchemyWarehouse):
    """As any other, but for how rows are read."""

    def __init__(self, name: str, engine: Engine, *, timeout: float | None = None) -> None:
        super().__init__(name, engine)
        self._settings = postgres_settings(timeout)

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model in one read-only transaction; batches of at most `batch_rows` rows."""
        schema, query = self._described(projection) if self._has_adbc() else (None, "")
        if schema is None:
            with super().read(projection, batch_rows=batch_rows) as batches:
                yield batches
            return
        with self._adbc() as cursor:
            yield self._arrow(cursor, query, schema, batch_rows)

    def _has_adbc(self) -> bool:
        return self._engine.url.drivername == "postgresql+psycopg" and find_spec(DRIVER) is not None

    def _described(self, projection: Projection) -> tuple[pa.Schema | None, str]:
        """What the batches are to be, and the query for them; None where only values can tell."""
        sql = compile_projection(projection, self._dialect)
        with self._explained(projection):
            columns = self._description_of(f"SELECT * FROM (\n{sql}\n) AS described LIMIT 0")  # noqa: S608 - no data
        known = known_types(projection)
        types = [known.get(at, kind) for at, kind in enumerate(declared_types("postgresql", columns))]
        if any(kind is None for kind in types):
            return None, ""
        read = (f"c{at}::{_READ_AS[column[1]]} AS c{at}" if column[1] in _READ_AS else f"c{at}"
                for at, column in enumerate(columns))  # fmt: skip
        schema = pa.schema(list(zip(projection.names, types, strict=True)))
        return schema, f"SELECT {', '.join(read)} FROM (\n{sql}\n) AS projected"  # noqa: S608 - as above

    @contextmanager
    def _adbc(self) -> Iterator[Any]:
        import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415 - the driver loads when it is used

        url = self._engine.url.set(drivername="postgresql")
        url = url.update_query_dict(connect_args("postgresql", {}, url.query) or {})
        address = url.render_as_string(hide_password=False)
        try:
            connection = adbc.connect(address, autocommit=True)
        except adbc.Error as error:
            raise self._unreachable(error) from error
        try:
            with connection.cursor() as cursor:
                for setting in self._settings:
                    cursor.execute(setting)
                cursor.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield cursor
        finally:
            with suppress(Exception):  # the server may be gone; what went wrong before matters more
                connection.close()

    def _arrow(self, cursor: Any, query: str, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        import adbc_driver_manager as adbc  # noqa: PLC0415 - as above

        some = False
        try:
            interruptibly(partial(cursor.execute, query), cursor.adbc_cancel)
            following = partial(next, iter(cursor.fetch_record_batch()), None)
            while (batch := interruptibly(following, cursor.adbc_cancel)) is not None:
                for start in range(0, batch.num_rows, batch_rows):
                    some = True
                    yield fitted(batch.slice(start, batch_rows), schema)
        except (adbc.Error, OSError, pa.ArrowException) as error:
            state = getattr(error, "sqlstate", None)
            message = _said(error)
            raise self._fault("reading the model failed", message, quotes=of_data(state)) from error
        if not some:
            yield pa.RecordBatch.from_pylist([], schema=schema)


def _said(error: Exception) -> str:
    """The server's own words."""
    text = str(error).strip()
    found = _MESSAGE.search(text)
    return found[1] if found else text
