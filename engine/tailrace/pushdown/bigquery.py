"""The desk of a BigQuery project: Google's own client, each statement a job with the labels of whose work it is.

There is no transaction: of two that write to one table BigQuery cancels one, and what a killed run has begun would hold
its tables until its session ends. Each statement is one by itself, and rows of a snapshot never change in their table:
see `Words.copy`.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.errors import WarehouseError
from tailrace.pushdown.bigquery_words import BIGQUERY, given, sort
from tailrace.pushdown.slices import sliced
from tailrace.pushdown.words import Sort, insertion
from tailrace.tagging import billed
from tailrace.warehouses.bigquery import arrow_batches
from tailrace.warehouses.interrupt import interruptibly
from tailrace.warehouses.projection import compile_projection
from tailrace.warehouses.tags import labels

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

    from tailrace.pushdown.desk import Columns
    from tailrace.values import LogicalType
    from tailrace.warehouses.base import Projection
    from tailrace.warehouses.dialects import Dialect

Fault = Callable[[str, Exception], WarehouseError]
INLINE_ROWS: Final = 1_000
INLINE_BYTES: Final = 250_000
"""Values up to so many go with the statement, where a load job would take longer."""
_KEPT: Final = dt.timedelta(days=1)
"""How long values that a run could not take away again stay."""
_PLACE: Final = re.compile(r"`([^`]+)`\.\w+")


class BigQueryDesk:
    """Statements one by one, of which only the one that moves a manifest makes anything known."""

    words = BIGQUERY

    def __init__(
        self, client: Client, storage: Any, dialect: Dialect, fault: Fault, job: Callable[..., Any], *, write: bool
    ) -> None:
        self._client, self._storage, self._dialect, self._fault = client, storage, dialect, fault
        self._job, self._write = job, write
        self._described: dict[str, Sequence[Any]] = {}

    def begin(self) -> None:
        """Nothing begins."""

    def has_schema(self, schema: str) -> bool:
        """Whether there is such a data set; WarehouseError when one that is written to would not keep its tables."""
        found = self._found(self._client.get_dataset, schema)
        if found is not None and self._write and found.default_table_expiration_ms is not None:
            raise WarehouseError(
                f"data set {schema!r} drops its tables after {_days(found)} days, and snapshots with them",
                hint=lasting(schema),
            )
        return found is not None

    def has_table(self, schema: str, table: str) -> bool:
        """Whether a data set has such a table."""
        if self._write and not self.has_schema(schema):
            return False
        return self._found(self._client.get_table, f"{self._client.project}.{schema}.{table}") is not None

    def listed(self, schema: str, beginning: str) -> Mapping[str, dt.datetime | None]:
        """Tables whose names begin so, and since when they are there."""
        found = self._found(lambda name: list(self._client.list_tables(name)), schema) or []
        return {table.table_id: table.created for table in found if table.table_id.startswith(beginning)}

    def compiled(self, projection: Projection) -> str:
        """A projected model as a query, whose columns are c0, c1 and so on.

        An array that is NULL comes out as an empty one, and so it must be for what compares here.
        """
        sql = compile_projection(projection, self._dialect)
        fields = self._fields(sql)
        lists = {at for at, field in enumerate(fields) if field.mode == "REPEATED"}
        if not lists:
            return sql
        shown = [f"IFNULL(a.c{at}, []) AS c{at}" if at in lists else f"a.c{at}" for at in range(len(fields))]
        wrapped = f"SELECT {', '.join(shown)} FROM (\n{sql}\n) AS a"  # noqa: S608 - our own names
        self._described[wrapped] = fields
        return wrapped

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, by a dry run, which bills nothing."""
        return [sort(field) for field in self._fields(sql)]

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch; as Arrow, but where only values tell what a column is."""
        with self._told("comparing in the warehouse failed"):
            job, rows = self._ran(sql, parameters, batch_rows)
            yield from arrow_batches(self._storage, job, rows, names, known, batch_rows)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""
        with self._told("a query of the snapshot failed"):
            return [tuple(row.values()) for row in self._ran(sql, parameters)[1]]

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote."""
        with self._told("writing the snapshot failed"):
            job, _ = self._ran(sql, parameters)
            return int(job.num_dml_affected_rows or 0)

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:
        """Canonical values as a table to select from: a parameter, or what a load job has put down as texts."""
        kinds, texts = list(columns.values()), _texts(frame, columns)
        place = _PLACE.fullmatch(beside)
        if place is None or _few(texts):
            yield given(kinds, f"UNNEST({self.words.mark})"), [_array(texts)]
            return
        name = f"tailrace_given_{secrets.token_hex(8)}"
        table = f"{self._client.project}.{place[1]}.{name}"
        try:
            with self._told("writing the snapshot failed"):
                self._put(table, texts)
            yield given(kinds, self.words.place(place[1], name)), []
        finally:
            with suppress(Exception):  # it goes by itself
                self._client.delete_table(table, not_found_ok=True)

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        whole = _PLACE.fullmatch(table) is not None
        parts = [frame] if whole else sliced(frame, self.words.batch, self.words.size)
        for part in parts if frame.height else ():
            with self.values(part, columns, table) as (values, parameters):
                self.run(insertion(table, names, values), parameters)

    def lacking(self, schema: str) -> list[str]:
        """What the account must be granted to keep snapshots in a data set; by dry runs, and what tables there say."""
        place = partial(self.words.place, schema)
        dataset = self._found(self._client.get_dataset, schema)
        if dataset is None:
            may = self._may(f"CREATE SCHEMA IF NOT EXISTS {self.words.quote(schema)}")
            return [] if may else [f"CREATE SCHEMA {self.words.quote(schema)};", self._grant(schema)]
        found = [] if dataset.default_table_expiration_ms is None else [lasting(schema)]
        ours = next(iter(self.listed(schema, "tailrace_snapshots_")), None)
        may = self._may(f"CREATE TABLE IF NOT EXISTS {place('tailrace_check')} (digest STRING)")
        if may and ours is not None:
            with self._told("a query of the snapshot failed"):
                said = self._client.test_iam_permissions(f"{self._client.project}.{schema}.{ours}", list(_RIGHTS))
                may = set(said.get("permissions", ())) >= _RIGHTS
        return found if may else [*found, self._grant(schema)]

    def _may(self, sql: str) -> bool:
        from google.api_core.exceptions import Forbidden  # noqa: PLC0415 - loaded by now

        with self._told("a query of the snapshot failed"):
            try:
                self._client.query(sql, job_config=self._job(dry_run=True))
            except Forbidden:
                return False
            return True

    def _grant(self, schema: str) -> str:
        who = str(self.rows("SELECT SESSION_USER()")[0][0])
        kind = "serviceAccount" if who.endswith("gserviceaccount.com") else "user"
        return f'GRANT `roles/bigquery.dataEditor` ON SCHEMA {self.words.quote(schema)} TO "{kind}:{who}";'

    def _found(self, look: Callable[[str], Any], name: str) -> Any:
        """What there is of that name; None where there is nothing."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415 - loaded by now

        with self._told("a query of the snapshot failed"):
            try:
                return look(name)
            except NotFound:
                return None

    def _fields(self, sql: str) -> Sequence[Any]:
        if sql not in self._described:
            with self._told("the projected model fails"):
                job = self._client.query(sql, job_config=self._job(dry_run=True))
                self._described[sql] = job.schema or ()
        return self._described[sql]

    def _ran(self, sql: str, parameters: Sequence[Any] = (), page: int | None = None) -> tuple[Any, Any]:
        """A job that has ended well, and its rows."""
        settings = self._job()
        settings.query_parameters = [_parameter(value) for value in parameters]
        job = self._client.query(sql, job_config=settings)
        rows = interruptibly(partial(job.result, page_size=page), job.cancel)
        billed(job.total_bytes_billed)
        return job, rows

    def _put(self, name: str, texts: pl.DataFrame) -> None:
        """Make a table of texts, which goes by itself if nobody takes it away."""
        from google.cloud import bigquery  # noqa: PLC0415 - loaded by now

        schema = [bigquery.SchemaField(column, "STRING") for column in texts.columns]
        table = bigquery.Table(name, schema=schema)
        table.expires = dt.datetime.now(dt.UTC) + _KEPT
        self._client.create_table(table)
        settings = bigquery.LoadJobConfig(
            labels=labels(), schema=schema, source_format="PARQUET", write_disposition="WRITE_APPEND"
        )
        with io.BytesIO() as file:
            texts.write_parquet(file)
            job = self._client.load_table_from_file(file, name, rewind=True, job_config=settings)
            interruptibly(job.result, job.cancel)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except WarehouseError:
            raise
        except Exception as error:  # the client's own, of whatever kind
            raise self._fault(what, error) from error


_RIGHTS: Final = frozenset({"bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.delete"})


def lasting(schema: str) -> str:
    """The statement that has a data set keep its tables."""
    return f"ALTER SCHEMA {BIGQUERY.quote(schema)} SET OPTIONS (default_table_expiration_days = NULL);"


def _days(dataset: Any) -> int:
    return int(dataset.default_table_expiration_ms) // 86_400_000


def _texts(frame: pl.DataFrame, columns: Mapping[str, LogicalType]) -> pl.DataFrame:
    """Canonical values as texts, in columns t0, t1 and so on."""
    made = [text(frame[name].cast(dtype(kind)), kind) for name, kind in columns.items()]
    return pl.DataFrame([values.cast(pl.String).alias(f"t{at}") for at, values in enumerate(made)])


def _few(texts: pl.DataFrame) -> bool:
    if texts.height > INLINE_ROWS:
        return False
    return int(texts.select(pl.sum_horizontal(pl.all().str.len_bytes().sum())).item() or 0) <= INLINE_BYTES


def _array(texts: pl.DataFrame) -> Any:
    import google.cloud.bigquery  # noqa: PLC0415 - loaded by now

    bigquery: Any = google.cloud.bigquery
    kinds = [bigquery.ScalarQueryParameterType("STRING", name=name) for name in texts.columns]
    rows = [
        bigquery.StructQueryParameter(
            None, *(bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in row.items())
        )
        for row in texts.iter_rows(named=True)
    ]
    return bigquery.ArrayQueryParameter(None, bigquery.StructQueryParameterType(*kinds), rows)


def _parameter(value: Any) -> Any:
    from google.cloud import bigquery  # noqa: PLC0415 - loaded by now

    if isinstance(value, (str, int)):
        kind = "STRING" if isinstance(value, str) else "INT64"
        return bigquery.ScalarQueryParameter(None, kind, value)
    return value
