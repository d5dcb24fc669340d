"""One batch inside one transaction: rows grouped by the fields they carry, each group in one round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from tailrace.destination import Batch, Operation, Outcome, Row, acknowledged, rejected
from tailrace.errors import StopRun
from tailrace_destinations.sql import statements
from tailrace_destinations.sql.codec import UnfitError
from tailrace_destinations.sql.ids import Encoded, MatchIds
from tailrace_destinations.sql.statements import Prepared
from tailrace_destinations.sql.tables import Table, unique_index_hint


@dataclass(frozen=True, slots=True)
class _Item:
    """A row ready to be sent: values in the order of the parameters, and the id its record has afterwards."""

    marker: str
    values: tuple[Any, ...]
    record_id: str | None


class BatchWriter:
    """Writes a batch over an open transaction; whoever opened it commits."""

    def __init__(self, connection: sa.Connection, table: Table, batch: Batch) -> None:
        self._connection = connection.execution_options(preserve_rowcount=True)
        self._dialect = connection.dialect.name
        self._table = table
        self._batch = batch
        self._match = batch.match
        self._ids = MatchIds(tuple(table.column(name).codec for name in batch.match))
        self._outcomes: dict[str, Outcome] = {}

    def write(self) -> list[Outcome]:
        """Send all rows; one outcome per row, in their order. Driver errors pass through."""
        self._require_unique()
        for names, rows in self._groups().items():
            self._write_group(names, rows)
        return [self._outcomes[row.marker] for row in self._batch.rows]

    def _require_unique(self) -> None:
        if self._match and frozenset(self._match) not in self._table.uniques:
            raise StopRun(
                f"Table {self._table.name!r} has no unique index on {', '.join(self._match)},"
                " so a record cannot be told by its match value.",
                hint="Run this statement, then run again: "
                + unique_index_hint(self._table, self._match, self._connection.dialect),
            )

    def _groups(self) -> dict[tuple[str, ...], list[Row]]:
        groups: dict[tuple[str, ...], list[Row]] = {}
        by_match = self._batch.operation is Operation.DELETE
        for row in self._batch.rows:
            groups.setdefault(() if by_match else tuple(row.values), []).append(row)
        return groups

    def _write_group(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        fields = tuple(name for name in names if name in self._table.columns or self._table.column(name))
        match self._batch.operation:
            case Operation.UPSERT:
                self._upsert(fields, rows)
            case Operation.CREATE:
                self._create(fields, rows)
            case Operation.UPDATE:
                self._update(fields, rows)
            case _:
                self._delete(rows)

    def _upsert(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        columns = self._written(names)
        known = self._dialect in statements.ON_CONFLICT | statements.ON_DUPLICATE_KEY
        if not (known and self._table.required.issubset(columns)):
            self._update_then_insert(names, rows)
            return
        items = self._insert_items(columns, rows)
        self._execute(self._prepared(statements.upsert, columns, self._match, self._dialect), items)
        self._acknowledge(items)

    def _update_then_insert(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        """For dialects without an upsert, and for rows that lack a column only an INSERT must have."""
        others = tuple(name for name in names if name not in self._match)
        items = self._address_items(others, [replace(row, record_id=None) for row in rows])
        found = self._each(self._prepared(statements.update, others, self._match), items)
        self._acknowledge((item for item, there in zip(items, found, strict=True) if there), created=False)
        absent = {item.marker for item, there in zip(items, found, strict=True) if not there}
        columns = self._written(names)
        new = self._insert_items(columns, [row for row in rows if row.marker in absent])
        self._execute(self._prepared(statements.insert, columns), new)
        self._acknowledge(new, created=True)

    def _create(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        columns = self._written(names)
        items = self._insert_items(columns, rows)
        if not self._match:
            self._execute(self._prepared(statements.insert, columns), items)
            made = [True] * len(items)
        elif self._dialect in statements.ON_CONFLICT:
            made = self._each(self._prepared(statements.insert_absent, columns, self._match, self._dialect), items)
        else:
            made = self._insert_if_absent(columns, items)
        self._acknowledge((item for item, new in zip(items, made, strict=True) if new), created=True)
        self._reject((item for item, new in zip(items, made, strict=True) if not new), "exists")

    def _insert_if_absent(self, columns: tuple[str, ...], items: Sequence[_Item]) -> list[bool]:
        there = set(self._present([item.values[: len(self._match)] for item in items]))
        made = [item.record_id not in there for item in items]
        new = [item for item, absent in zip(items, made, strict=True) if absent]
        self._execute(self._prepared(statements.insert, columns), new)
        return made

    def _present(self, keys: Sequence[Encoded]) -> Iterable[str]:
        if keys:
            for row in self._connection.execute(statements.select(self._table.clause, (), self._match, keys)):
                yield self._ids.id(tuple(row))

    def _update(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        items = self._address_items(names, rows)
        found = self._each(self._prepared(statements.update, names, self._match), items)
        self._acknowledge((item for item, there in zip(items, found, strict=True) if there), created=False)
        self._reject((item for item, there in zip(items, found, strict=True) if not there), "missing")

    def _delete(self, rows: Sequence[Row]) -> None:
        items = self._address_items((), rows)
        self._execute(self._prepared(statements.delete, self._match), items)
        self._acknowledge(items)

    def _written(self, names: Iterable[str]) -> tuple[str, ...]:
        return (*self._match, *(name for name in names if name not in self._match))

    def _insert_items(self, columns: tuple[str, ...], rows: Sequence[Row]) -> list[_Item]:
        others = columns[len(self._match) :]

        def items(rows: Sequence[Row]) -> list[_Item]:
            keys = self._ids.columns([row.match for row in rows]) if self._match else []
            ids = self._ids.ids(keys) if keys else [None] * len(rows)
            return _items(rows, [*keys, *self._value_columns(others, rows)], ids)

        return self._fit(items, rows)

    def _address_items(self, columns: tuple[str, ...], rows: Sequence[Row]) -> list[_Item]:
        def items(rows: Sequence[Row]) -> list[_Item]:
            keys = self._addresses(rows)
            values = self._value_columns(columns, rows)
            new = dict(zip(columns, values, strict=True))
            after = [new.get(name, key) for name, key in zip(self._match, keys, strict=True)]
            return _items(rows, [*values, *keys], self._ids.ids(after))

        return self._fit(items, rows)

    def _addresses(self, rows: Sequence[Row]) -> list[Sequence[Any]]:
        """Give the match columns of the records meant: those with the rows' ids, else with their match values."""
        keys = self._ids.columns([row.match for row in rows])
        known = zip(rows, self._ids.ids(keys), strict=True)
        moved = {n for n, (row, own) in enumerate(known) if row.record_id is not None and row.record_id != own}
        if not moved:
            return keys
        encoded = list(zip(*keys, strict=True))
        for n in moved:
            encoded[n] = self._ids.parse(rows[n].record_id or "")
        return list(zip(*encoded, strict=True))

    def _value_columns(self, columns: Sequence[str], rows: Sequence[Row]) -> list[Sequence[Any]]:
        return [self._table.columns[name].codec.column([row.values[name] for row in rows]) for name in columns]

    def _fit(self, items: Callable[[Sequence[Row]], list[_Item]], rows: Sequence[Row]) -> list[_Item]:
        """Encode all rows; when a value does not fit, encode one by one and reject the rows at fault."""
        try:
            return items(rows) if rows else []
        except UnfitError as error:
            if len(rows) == 1:
                self._outcomes[rows[0].marker] = rejected(rows[0].marker, "VALUE_DOES_NOT_FIT", str(error))
                return []
            return [item for row in rows for item in self._fit(items, (row,))]

    def _prepared(self, make: Callable[..., Any], *args: Any) -> Prepared:
        key = (make, args)
        if key not in self._table.prepared:
            statement = make(self._table.clause, *args)
            self._table.prepared[key] = statements.prepare(statement, self._connection.dialect)
        return self._table.prepared[key]

    def _execute(self, statement: Prepared, items: Sequence[_Item]) -> int:
        if not items:
            return 0
        parameters = statement.parameters([item.values for item in items])
        return self._connection.exec_driver_sql(statement.text, parameters).rowcount

    def _each(self, statement: Prepared, items: Sequence[_Item]) -> list[bool]:
        """Execute for all rows and say for each whether it touched a record.

        The database counts for all rows at once, so a mixed answer is undone and asked again by halves.
        """
        if not items:
            return []
        with self._connection.begin_nested() as savepoint:
            touched = self._execute(statement, items)
            if touched in (0, len(items)):
                return [touched > 0] * len(items)
            if touched < 0 or len(items) == 1:
                raise StopRun(
                    f"The database did not say how many records it changed ({touched} for {len(items)} rows)."
                )
            savepoint.rollback()
        half = len(items) // 2
        return self._each(statement, items[:half]) + self._each(statement, items[half:])

    def _acknowledge(self, items: Iterable[_Item], *, created: bool | None = None) -> None:
        for item in items:
            self._outcomes[item.marker] = acknowledged(item.marker, item.record_id, created=created)

    def _reject(self, items: Iterable[_Item], recovery: Any) -> None:
        words = {"missing": "no record has", "exists": "a record exists with"}[recovery]
        code = {"missing": "NOT_FOUND", "exists": "EXISTS"}[recovery]
        for item in items:
            message = f"{words} {', '.join(self._match)} = {item.record_id}"
            self._outcomes[item.marker] = rejected(item.marker, code, message, recovery)


def _items(rows: Sequence[Row], columns: Sequence[Sequence[Any]], ids: Sequence[str | None]) -> list[_Item]:
    values = list(zip(*columns, strict=True)) if columns else [()] * len(rows)
    return [_Item(row.marker, own, record_id) for row, own, record_id in zip(rows, values, ids, strict=True)]
