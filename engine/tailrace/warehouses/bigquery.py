"""BigQuery: Arrow batches from Google's client, by the Storage API where its package is installed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tailrace.errors import WarehouseError
from tailrace.tagging import billed
from tailrace.warehouses.arrow import pieced
from tailrace.warehouses.driven import DrivenWarehouse, each
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.projection import compile_columns, compile_projection, known_types
from tailrace.warehouses.rows import batches
from tailrace.warehouses.tags import labels

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tailrace.project.clouds import BigQueryConfig
    from tailrace.pushdown.desk import Desk
    from tailrace.warehouses.base import Projection

_STREAMS: Final = 4
"""Streams of the Storage API at once: each keeps a piece of the result in memory."""
_MAX_DIGITS: Final = 38
_SCALARS: Final[dict[str, pa.DataType]] = {
    **dict.fromkeys(("INTEGER", "INT64"), pa.int64()),
    **dict.fromkeys(("FLOAT", "FLOAT64"), pa.float64()),
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("STRING", "GEOGRAPHY", "JSON"), pa.string()),
    "NUMERIC": pa.decimal128(_MAX_DIGITS, 9),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


class BigQueryWarehouse(DrivenWarehouse):
    """Queries as jobs with labels; what only asks for columns is a dry run, which bills nothing."""

    def __init__(self, name: str, engine: Engine, config: BigQueryConfig | None) -> None:
        super().__init__(name, engine)
        self._timeout = None if config is None else config.timeout
        self._max_bytes = None if config is None else config.max_bytes_billed

    def check(self) -> str:
        """Have a query judged, which tells whether credentials and rights suffice for one."""
        with self._failing("cannot be asked"):
            self._described("SELECT 1")
        where = self._engine.url.set(query={}).render_as_string(hide_password=True)
        return f"bigquery, {where}"

    def columns(self, model_sql: str) -> tuple[str, ...]:
        """The model's columns, by a dry run."""
        with self._failing("the model's SQL fails"):
            return tuple(field.name for field in self._described(compile_columns(model_sql, self._dialect)))

    @contextmanager
    def read(self, projection: Projection, *, batch_rows: int = 65_536) -> Iterator[Iterator[pa.RecordBatch]]:
        """Run the projected model; batches of at most `batch_rows` rows."""
        sql = compile_projection(projection, self._dialect)
        with self._driver() as raw:
            with self._explained(projection), self._failing("the projected model fails"):
                job = _client(raw).query(sql, job_config=self._job())
                rows = interruptibly(partial(job.result, page_size=batch_rows), job.cancel)
            billed(job.total_bytes_billed)
            yield self._arrow(raw, job, rows, projection, batch_rows)

    @contextmanager
    def desk(self, *, write: bool) -> Iterator[Desk]:
        """Statements one by one, of which the last that a block may write makes the others' work known."""
        from tailrace.pushdown.bigquery import BigQueryDesk  # noqa: PLC0415 - only for snapshots in the warehouse

        with self._driver() as raw:
            storage = raw._bqstorage_client  # noqa: SLF001 - no other way
            yield BigQueryDesk(_client(raw), storage, self._dialect, self._told, self._job, write=write)

    def _told(self, what: str, error: Exception) -> WarehouseError:
        """The error for a failure of the client; one for want of rights says where to find out which."""
        reasons = {said.get("reason") for said in getattr(error, "errors", ()) if isinstance(said, dict)}
        if "accessDenied" not in reasons:
            return super()._told(what, error)
        return WarehouseError(
            f"warehouse {self._name!r}: {what}: {error}",
            hint="`tailrace check` prints the statements that grant what snapshots there need",
        )

    def _arrow(
        self, raw: Any, job: Any, rows: Any, projection: Projection, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        with self._failing("reading the model failed"):
            # By the Storage API, of which the connection has a client where the package is installed.
            storage = raw._bqstorage_client  # noqa: SLF001 - no other way
            yield from arrow_batches(storage, job, rows, projection.names, known_types(projection), batch_rows)

    def _probe(self, sql: str) -> None:
        with self._failing("the query fails"):
            self._described(sql)

    def _described(self, sql: str) -> Sequence[Any]:
        """The columns of a query, without running it."""
        with self._driver() as raw:
            job = _client(raw).query(sql, job_config=self._job(dry_run=True))
            return job.schema or ()

    def _job(self, *, dry_run: bool = False) -> Any:
        from google.cloud.bigquery import QueryJobConfig  # noqa: PLC0415 - loaded by now

        job = QueryJobConfig(labels=labels(), dry_run=dry_run)
        if dry_run:
            job.use_query_cache = False
        if self._timeout is not None:
            job.job_timeout_ms = math.ceil(self._timeout * 1000)
        if self._max_bytes is not None:
            job.maximum_bytes_billed = self._max_bytes
        return job


def _client(raw: Any) -> Any:
    return raw._client  # noqa: SLF001 - the DB-API gives no other way to it


def arrow_batches(
    storage: Any, job: Any, rows: Any, names: Sequence[str], known: Mapping[int, pa.DataType], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of a job, batch by batch: as Arrow, but where only values tell what a column is."""
    types = [known.get(at) or arrow_type(rows.schema[at]) for at in range(len(names))]
    if None in types:
        chunks = iter(partial(_chunk, iter(rows), batch_rows), [])
        yield from batches(each(chunks, job.cancel), names, types)
        return
    pieces = rows.to_arrow_iterable(storage, max_stream_count=_STREAMS)
    yield from pieced(each(iter(pieces), job.cancel), names, types, batch_rows)


def arrow_type(field: Any) -> pa.DataType | None:
    """The type of a column by its `SchemaField`; None where only the values can tell, as of a bare BIGNUMERIC."""
    inner = _record(field.fields) if field.field_type in {"RECORD", "STRUCT"} else _scalar(field)
    return pa.list_(inner) if inner is not None and field.mode == "REPEATED" else inner


def _record(fields: Sequence[Any]) -> pa.DataType | None:
    kinds = [(field.name, arrow_type(field)) for field in fields]
    return None if any(kind is None for _, kind in kinds) else pa.struct(kinds)


def _scalar(field: Any) -> pa.DataType | None:
    if field.field_type != "BIGNUMERIC":
        return _SCALARS.get(field.field_type)
    short = field.precision is not None and field.precision <= _MAX_DIGITS
    return pa.decimal128(_MAX_DIGITS, field.scale or 0) if short else None


def _chunk(rows: Iterator[Any], size: int) -> list[Any]:
    return [row.values() for row in islice(rows, size)]
