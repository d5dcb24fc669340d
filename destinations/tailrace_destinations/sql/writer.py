"""One batch inside one transaction: rows grouped by the fields they carry, each group in one round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from tailrace.destination import Batch, Operation, Outcome, Row, acknowledged, rejected
from tailrace.errors import StopRun
from tailrace_destinations.sql import statements
from tailrace_destinations.sql.codec import UnfitError
from tailrace_destinations.sql.ids import Encoded, MatchIds
from tailrace_destinations.sql.tables import Table, unique_index_hint

Params: TypeAlias = dict[str, Any]
Encoder: TypeAlias = Callable[[Any], Any]


class _Item:
    """A row ready to be sent: its parameters, and the id its record has afterwards."""

    __slots__ = ("marker", "params", "record_id")

    def __init__(self, marker: str, params: Params, record_id: str | None) -> None:
        self.marker = marker
        self.params = params
        self.record_id = record_id


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
        self._execute(statements.upsert(self._table.clause, columns, self._match, self._dialect), items)
        self._acknowledge(items)

    def _update_then_insert(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        """For dialects without an upsert, and for rows that lack a column only an INSERT must have."""
        others = tuple(name for name in names if name not in self._match)
        items = self._address_items(others, rows)
        found = self._each(statements.update(self._table.clause, others, self._match), items)
        self._acknowledge((item for item, there in zip(items, found, strict=True) if there), created=False)
        absent = {item.marker for item, there in zip(items, found, strict=True) if not there}
        columns = self._written(names)
        new = self._insert_items(columns, [row for row in rows if row.marker in absent])
        self._execute(statements.insert(self._table.clause, columns), new)
        self._acknowledge(new, created=True)

    def _create(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        columns = self._written(names)
        items = self._insert_items(columns, rows)
        if not self._match:
            self._execute(statements.insert(self._table.clause, columns), items)
            made = [True] * len(items)
        elif self._dialect in statements.ON_CONFLICT:
            made = self._each(statements.insert_absent(self._table.clause, columns, self._match, self._dialect), items)
        else:
            made = self._insert_if_absent(columns, items)
        self._acknowledge((item for item, new in zip(items, made, strict=True) if new), created=True)
        self._reject((item for item, new in zip(items, made, strict=True) if not new), "exists")

    def _insert_if_absent(self, columns: tuple[str, ...], items: Sequence[_Item]) -> list[bool]:
        places = [columns.index(name) for name in self._match]
        keys = [tuple(item.params[f"v{place}"] for place in places) for item in items]
        there = set(self._present(keys))
        made = [item.record_id not in there for item in items]
        new = [item for item, absent in zip(items, made, strict=True) if absent]
        self._execute(statements.insert(self._table.clause, columns), new)
        return made

    def _present(self, keys: Sequence[Encoded]) -> Iterable[str]:
        if keys:
            for row in self._connection.execute(statements.select(self._table.clause, (), self._match, keys)):
                yield self._ids.id(tuple(row))

    def _update(self, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        items = self._address_items(names, rows)
        found = self._each(statements.update(self._table.clause, names, self._match), items)
        self._acknowledge((item for item, there in zip(items, found, strict=True) if there), created=False)
        self._reject((item for item, there in zip(items, found, strict=True) if not there), "missing")

    def _delete(self, rows: Sequence[Row]) -> None:
        items = self._address_items((), rows)
        self._execute(statements.delete(self._table.clause, self._match), items)
        self._acknowledge(items)

    def _written(self, names: Iterable[str]) -> tuple[str, ...]:
        return (*self._match, *(name for name in names if name not in self._match))

    def _insert_items(self, columns: tuple[str, ...], rows: Sequence[Row]) -> list[_Item]:
        width = len(self._match)
        encoders = self._encoders(columns[width:], width)
        keys = statements.value_names(width)

        def item(row: Row) -> _Item:
            encoded = self._ids.encode(row.match) if width else ()
            params = dict(zip(keys, encoded, strict=True))
            params.update(_encoded(encoders, row))
            return _Item(row.marker, params, self._ids.id(encoded) if width else None)

        return self._fit(item, rows)

    def _address_items(self, names: tuple[str, ...], rows: Sequence[Row]) -> list[_Item]:
        encoders = self._encoders(names, 0)
        keys = statements.match_names(len(self._match))
        moved = {name: f"v{place}" for place, name in enumerate(names) if name in self._match}

        def item(row: Row) -> _Item:
            address = self._ids.address(row.match, row.record_id)
            params = dict(zip(keys, address, strict=True))
            params.update(_encoded(encoders, row))
            after = tuple(params[moved.get(name, key)] for name, key in zip(self._match, keys, strict=True))
            return _Item(row.marker, params, self._ids.id(after))

        return self._fit(item, rows)

    def _encoders(self, columns: Sequence[str], start: int) -> list[tuple[str, str, Encoder]]:
        return [(f"v{start + n}", name, self._table.columns[name].codec.encode) for n, name in enumerate(columns)]

    def _fit(self, item: Callable[[Row], _Item], rows: Sequence[Row]) -> list[_Item]:
        """Encode rows; those with a value that no column can hold are rejected, the others go on."""
        items = []
        for row in rows:
            try:
                items.append(item(row))
            except UnfitError as error:
                self._outcomes[row.marker] = rejected(row.marker, "VALUE_DOES_NOT_FIT", str(error))
        return items

    def _execute(self, statement: Any, items: Sequence[_Item]) -> int:
        if not items:
            return 0
        return self._connection.execute(statement, [item.params for item in items]).rowcount

    def _each(self, statement: Any, items: Sequence[_Item]) -> list[bool]:
        """Execute for all rows and say for each whether it touched a record.

        The database counts for all rows at once, so a mixed answer is undone and asked again by halves.
        """
        if not items:
            return []
        with self._connection.begin_nested() as savepoint:
            touched = self._execute(statement, items)
            if touched in (0, len(items)):
                return [touched > 0] * len(items)
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


def _encoded(encoders: Sequence[tuple[str, str, Encoder]], row: Row) -> Params:
    values = row.values
    return {
        parameter: None if (value := values[name]) is None else encode(value) for parameter, name, encode in encoders
    }
