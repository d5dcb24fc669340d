"""The `sql` destination: objects are tables, a record's id is its match value, a batch is a transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tailrace.destination import (
    Account,
    Batch,
    Context,
    ObjectSchema,
    OpenFields,
    Operation,
    Outcome,
    Record,
    acknowledged,
    rejected,
)
from tailrace.errors import ObjectNotFound, StopRun
from tailrace.values import Value
from tailrace_destinations.sql import statements, tables
from tailrace_destinations.sql.address import account_id, capabilities
from tailrace_destinations.sql.codec import UnfitError
from tailrace_destinations.sql.config import SqlConfig, SqlOptions
from tailrace_destinations.sql.connect import Database
from tailrace_destinations.sql.create import add_columns, create_table, field_names, first_values
from tailrace_destinations.sql.ids import Encoded, MatchIds
from tailrace_destinations.sql.tables import Table
from tailrace_destinations.sql.writer import BatchWriter

_FIND_SIZE = 500
"""Match values in one SELECT: below every database's limit of bound parameters, four-column keys included."""


class SqlDestination:
    """`tailrace.destination.Destination` over one database."""

    def __init__(self, config: SqlConfig, context: Context) -> None:
        self.capabilities = capabilities(config)
        self._config = config
        self._calls = context.calls
        self._database = Database(config, context.project_dir)
        self._grows = _grows(config, context)
        self._tables: dict[str, Table] = {}
        self._lock = threading.RLock()

    def check(self) -> Account:
        """Connect; AccessDenied, Retriable or StopRun when that does not work."""
        self._calls.spend(write=False)
        account = account_id(self._config)
        if self._grows and not self._database.exists():
            return Account(account, notes=(f"{self._database.file} will be made by the first push",))
        with self._database.reading() as connection:
            return Account(account, name=connection.engine.url.database or "")

    def describe(self, object: str) -> ObjectSchema:
        """The table's columns as they are now. With `create_table`, a missing table takes any field."""
        self._calls.spend(write=False)
        with self._lock:
            self._tables.pop(object, None)
        table = self._table(object)
        if table is None:
            return ObjectSchema(object, OpenFields())
        return table.object_schema(object, growing=self._grows)

    def push(self, batch: Batch) -> list[Outcome]:
        """Write the batch in one transaction: all rows that are acknowledged, or none."""
        self._calls.spend(write=True)
        table = self._grown(batch) if self._grows else self._table(batch.object)
        if table is None:
            return _nothing_there(batch)
        if self._grows:
            batch = _without_absent_columns(batch, table)
        try:
            with self._database.writing() as connection:
                return BatchWriter(connection, table, batch).write()
        except (ObjectNotFound, StopRun):
            self._tables.pop(batch.object, None)  # the table may have been changed under us: look again next time
            raise

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterator[Record]:
        """Look records up, one SELECT for each 500 values; a value no column can hold is not found."""
        table = self._table(object)
        if table is None or not values:
            return
        ids = MatchIds(tuple(table.column(name).codec for name in match))
        known = tuple(name for name in fields if name in table.columns or not self._grows)
        absent: Mapping[str, Value] = dict.fromkeys(name for name in fields if name not in known)
        asked = _asked(ids, values)
        keys = list(asked)
        for start in range(0, len(keys), _FIND_SIZE):
            chunk = [asked[key][0] for key in keys[start : start + _FIND_SIZE]]
            for record in self._select(table, tuple(match), chunk, known, ids):
                original = asked[record.id][1] if record.id in asked else record.match
                yield Record(record.id, original, {**absent, **record.values})

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def _select(
        self, table: Table, match: tuple[str, ...], keys: Sequence[Encoded], fields: tuple[str, ...], ids: MatchIds
    ) -> list[Record]:
        codecs = [table.column(name).codec for name in (*match, *fields)]
        self._calls.spend(write=False)
        with self._database.reading() as connection:
            rows = connection.execute(statements.select(table.clause, fields, match, keys)).all()
        width = len(match)
        records = []
        for row in rows:
            read = [None if value is None else codec.decode(value) for codec, value in zip(codecs, row, strict=True)]
            read_fields = dict(zip(fields, read[width:], strict=True))
            records.append(Record(ids.id(tuple(row[:width])), tuple(read[:width]), read_fields))
        return records

    def _table(self, object: str) -> Table | None:
        """The table, reflected once; None when it is missing and may be made."""
        with self._lock:
            if object not in self._tables:
                found = self._reflect(object)
                if found is None:
                    return None
                self._tables[object] = found
            return self._tables[object]

    def _reflect(self, object: str) -> Table | None:
        if self._grows and not self._database.exists():
            return None
        with self._database.reading() as connection:
            inspector = sa.inspect(connection)
            place = tables.locate(inspector, object, self._config.db_schema)
            if place is not None:
                return tables.reflect(inspector, *place)
            if self._grows:
                return None
            raise tables.not_found(inspector, object, self._config.db_schema)

    def _grown(self, batch: Batch) -> Table | None:
        """The table with a column for every field of the batch that has a value; made as far as it is missing.

        None when it is missing and the batch creates no record.
        """
        with self._lock:
            table = self._table(batch.object)
            if table is None and batch.operation not in (Operation.UPSERT, Operation.CREATE):
                return None
            if table is None:
                self._database.make_file()
                self._make(batch)
            elif field_names(batch) <= table.columns.keys() or not self._widen(table, batch):
                return table
            self._tables.pop(batch.object, None)
            return self._table(batch.object)

    def _make(self, batch: Batch) -> None:
        schema, _, name = batch.object.rpartition(".")
        with self._database.writing() as connection:
            create_table(connection, name, schema or self._config.db_schema, batch)

    def _widen(self, table: Table, batch: Batch) -> bool:
        """Add the columns for which there are values; false when there was none to add."""
        new = {name: value for name, value in first_values(batch).items() if name not in table.columns}
        if new:
            with self._database.writing() as connection:
                add_columns(connection, table.name, table.schema, new)
        return bool(new)


def _grows(config: SqlConfig, context: Context) -> bool:
    options = context.options
    if isinstance(options, SqlOptions) and options.create_table is not None:
        return options.create_table
    return config.create_table


def _nothing_there(batch: Batch) -> list[Outcome]:
    """Answer an update or delete of records of a table still to be made: they are missing, or gone."""
    if batch.operation is Operation.DELETE:
        return [acknowledged(row.marker, row.record_id) for row in batch.rows]
    message = f"the table {batch.object!r} is not made yet"
    return [rejected(row.marker, "NOT_FOUND", message, "missing") for row in batch.rows]


def _without_absent_columns(batch: Batch, table: Table) -> Batch:
    """Leave out fields that have no column, and therefore only nulls: a column that is not there is null."""
    if field_names(batch) <= table.columns.keys():
        return batch
    rows = tuple(
        replace(row, values={name: value for name, value in row.values.items() if name in table.columns})
        for row in batch.rows
    )
    return replace(batch, rows=rows)


def _asked(ids: MatchIds, values: Sequence[tuple[Value, ...]]) -> dict[str, tuple[Encoded, tuple[Value, ...]]]:
    asked: dict[str, tuple[Encoded, tuple[Any, ...]]] = {}
    for value in values:
        try:
            encoded = ids.encode(value)
        except UnfitError:
            continue
        asked[ids.id(encoded)] = (encoded, value)
    return asked
