"""Values as SQL literals. Numbers and moments are written as Python says them, texts by the dialect's rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tailrace.warehouses.dialects import Dialect

Literal: TypeAlias = bool | int | Decimal | str | date | datetime
"""What can be written; a `datetime` without a zone is one of the warehouse's without a zone."""

_ANSI: Mapping[type, str] = {
    date: "DATE '{}'",
    datetime: "TIMESTAMP '{}'",
    type(UTC): "CAST('{}+00:00' AS TIMESTAMP WITH TIME ZONE)",
}
"""By type, with the type of a zone for moments that have one."""
_OWN: Mapping[str, Mapping[type, str]] = {
    "mssql": {
        date: "CAST('{}' AS DATE)",
        datetime: "CAST('{}' AS DATETIME2)",
        type(UTC): "CAST('{}+00:00' AS DATETIMEOFFSET)",
    },
    "snowflake": {datetime: "CAST('{}' AS TIMESTAMP_NTZ)", type(UTC): "CAST('{}+00:00' AS TIMESTAMP_TZ)"},
    "bigquery": {datetime: "DATETIME '{}'", type(UTC): "TIMESTAMP '{}+00:00'"},
    "databricks": {datetime: "CAST('{}' AS TIMESTAMP_NTZ)", type(UTC): "TIMESTAMP '{}+00:00'"},
    # Neither knows moments with a zone in SQL: both keep them as texts or in UTC.
    "sqlite": {date: "'{}'", datetime: "'{}'", type(UTC): "'{}'"},
    "mysql": {type(UTC): "TIMESTAMP '{}'"},
    "mariadb": {type(UTC): "TIMESTAMP '{}'"},
}


def literal(value: Literal, dialect: Dialect) -> str:
    """The value as the warehouse reads it; moments to the microsecond, those with a zone in UTC."""
    match value:
        case bool():
            return dialect.boolean(value)
        case str():
            return dialect.text(value)
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            kind: type = datetime if value.tzinfo is None else type(UTC)
            return _form(dialect, kind).format(naive.isoformat(" ", "microseconds"))
        case date():
            return _form(dialect, date).format(value.isoformat())


def _form(dialect: Dialect, kind: type) -> str:
    return _OWN.get(dialect.name, {}).get(kind, _ANSI[kind])


def is_literal(value: object) -> bool:
    """Whether a value can be written exactly."""
    return isinstance(value, bool | int | str | date) or (isinstance(value, Decimal) and value.is_finite())
