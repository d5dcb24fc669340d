"""Saying which part of a query is at fault, by asking the warehouse again in smaller pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from tailrace.errors import WarehouseError
from tailrace.warehouses.base import Projection
from tailrace.warehouses.dialects import Dialect
from tailrace.warehouses.projection import compile_column, compile_field, used_columns

_EXTRAS: Mapping[str, str] = {
    "postgresql": "postgres",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "redshift+redshift_connector": "redshift",
    "databricks": "databricks",
    "mysql+pymysql": "mysql",
    "mariadb+pymysql": "mysql",
    "mssql+pymssql": "mssql",
    "clickhousedb": "clickhouse",
    "trino": "trino",
}
"""What installs the driver that a URL names, or what a backend is reached by."""
_MODEL_BEGINS = 4
"""Line of a compiled query where the model's text begins, when the query selects one thing from it."""


def missing_driver(name: str, drivername: str, error: Exception) -> WarehouseError:
    """For a driver that is not installed: names what to install. `drivername` is a URL's, such as mysql+pymysql."""
    extra = _EXTRAS.get(drivername) or _EXTRAS.get(drivername.partition("+")[0])
    missing = getattr(error, "name", None) or drivername
    hint = f"pip install 'tailrace[{extra}]'" if extra else f"install the SQLAlchemy driver for {drivername}"
    return WarehouseError(f"warehouse {name!r} needs {missing}, which is not installed", hint=hint)


def model_lines(message: str) -> str:
    """DuckDB's and PostgreSQL's `LINE n:` counted from the model's own first line."""
    return re.sub(r"(?m)^LINE (\d+):", lambda m: f"LINE {int(m[1]) - _MODEL_BEGINS + 1:<{len(m[1])}}:", message)


def explain(
    error: WarehouseError,
    projection: Projection,
    dialect: Dialect,
    columns: Callable[[str], tuple[str, ...]],
    execute: Callable[[str], object],
) -> WarehouseError:
    """The most precise of: the model itself fails, a column is missing, one field's `sql` fails, `error`.

    `columns` gives a model's columns, `execute` runs a query without rows; both raise WarehouseError.
    """
    try:
        available = columns(projection.model_sql)
    except WarehouseError as fault:
        return fault
    missing = [
        name
        for name in used_columns(projection)
        if name not in available and _failure(execute, compile_column(projection.model_sql, name, dialect))
    ]
    return missing_column(missing, available) if missing else _field_at_fault(projection, dialect, execute) or error


def missing_column(missing: Sequence[str], available: Sequence[str]) -> WarehouseError:
    """Names what the model lacks, and the nearest of what it has."""
    lacking = ", ".join(repr(name) for name in missing)
    folded = {name.casefold(): name for name in available}
    near = [folded[found] for name in missing for found in get_close_matches(name.casefold(), folded, 1)]
    hint = f"did you mean {', '.join(repr(name) for name in dict.fromkeys(near))}? " if near else ""
    return WarehouseError(
        f"the model has no column {lacking}",
        hint=f"{hint}its columns are: {', '.join(available)}",
    )


def _field_at_fault(
    projection: Projection, dialect: Dialect, execute: Callable[[str], object]
) -> WarehouseError | None:
    for field in projection.fields:
        fault = _failure(execute, compile_field(projection, field, dialect))
        if fault is not None:
            told = fault.about(f"the source of field {field!r} fails")
            told.hint = (
                "look at that field in the sync's file; its sql may use the model's columns and the warehouse's own "
                "functions"
            )
            return told
    return None


def _failure(execute: Callable[[str], object], sql: str) -> WarehouseError | None:
    try:
        execute(sql)
    except WarehouseError as error:
        return error
    return None
