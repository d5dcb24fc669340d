"""Making tables and columns, typed from the first values that arrive for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tailrace.destination import Batch, Operation
from tailrace.values import Value

_EXACT = sa.Numeric().with_variant(sa.Numeric(38, 10), "mysql", "mariadb", "mssql", "oracle")
"""PostgreSQL's NUMERIC without a precision keeps every digit; others would cut it down to an integer."""


def field_names(batch: Batch) -> set[str]:
    """Give all fields of a batch."""
    matched = batch.match if batch.operation in (Operation.UPSERT, Operation.CREATE) else ()
    return set(matched).union(*(row.values for row in batch.rows))


def first_values(batch: Batch) -> dict[str, Value]:
    """Give for each field of the batch its first value that is not null; fields with nulls only are left out."""
    found: dict[str, Value] = {}
    for row in batch.rows:
        for name, value in _fields(batch, row.match, row.values):
            if value is not None and name not in found:
                found[name] = value
    return found


def _fields(batch: Batch, match: Sequence[Value], values: Mapping[str, Value]) -> Iterable[tuple[str, Value]]:
    if batch.operation in (Operation.UPSERT, Operation.CREATE):
        yield from zip(batch.match, match, strict=True)
    yield from values.items()


def column_type(value: Value, *, matched: bool = False) -> sa.types.TypeEngine[Any]:
    """Choose the type of a new column by a value for it; MySQL needs a length to index text."""
    match value:
        case bool():
            return sa.Boolean()
        case int():
            return sa.BigInteger() if -(2**63) <= value < 2**63 else _EXACT
        case float():
            return sa.Double()
        case Decimal():
            return _EXACT
        case datetime():
            return sa.DateTime(timezone=value.tzinfo is not None)
        case date():
            return sa.Date()
        case time():
            return sa.Time()
        case bytes():
            return sa.LargeBinary()
        case str() | None:
            return sa.Text().with_variant(sa.String(255), "mysql", "mariadb", "mssql") if matched else sa.Text()
        case _:
            return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def create_table(connection: sa.Connection, name: str, schema: str | None, batch: Batch) -> None:
    """Make the table of a batch, with its match fields unique and never null."""
    columns = [
        sa.Column(field, column_type(value, matched=field in batch.match), nullable=field not in batch.match)
        for field, value in first_values(batch).items()
    ]
    unique = [sa.UniqueConstraint(*batch.match)] if batch.match else []
    sa.Table(name, sa.MetaData(), *columns, *unique, schema=schema).create(connection, checkfirst=True)


def add_columns(connection: sa.Connection, name: str, schema: str | None, values: Mapping[str, Value]) -> None:
    """Add a nullable column for each of the values."""
    from alembic.operations import Operations  # noqa: PLC0415  # slow to import and seldom needed
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    operations = Operations(MigrationContext.configure(connection))
    for field, value in values.items():
        operations.add_column(name, sa.Column(field, column_type(value)), schema=schema)
