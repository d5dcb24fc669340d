"""A projection as SQL: the mapping of a sync, computed by the warehouse around the model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa

from tailrace.errors import WarehouseError
from tailrace.project.config import FieldMap
from tailrace.warehouses.base import Projection, Window
from tailrace.warehouses.dialects import Dialect
from tailrace.warehouses.literals import Literal, literal
from tailrace.warehouses.syntax import expression, single_query


def compile_projection(projection: Projection, dialect: Dialect) -> str:
    """One SELECT whose columns are called c0, c1 … in the order of `projection.names`.

    Positions instead of names, so that warehouses which fold case, and fields that are called like
    nothing a warehouse would accept, cannot collide. WarehouseError when the model is not one query.
    """
    model = single_query(projection.model_sql, dialect.syntax)
    columns = [_column(name, dialect) for name in (*projection.key, *projection.match.values())]
    fields = [_field(name, source, dialect) for name, source in projection.fields.items()]
    cursor = [] if projection.window is None else [_cursor(projection.window, dialect)]
    selected = _select([f"{sql} AS c{i}" for i, sql in enumerate((*columns, *fields, *cursor))], model)
    return selected + _windowed(projection, dialect)


def compile_columns(model_sql: str, dialect: Dialect) -> str:
    """A query that has the model's columns and no rows."""
    return _select(["*"], single_query(model_sql, dialect.syntax)) + "\nWHERE 1 = 0"


def compile_column(model_sql: str, column: str, dialect: Dialect) -> str:
    """A query of one column and no rows: shows whether the model has that column."""
    return _select([_column(column, dialect)], single_query(model_sql, dialect.syntax)) + "\nWHERE 1 = 0"


def compile_field(projection: Projection, field: str, dialect: Dialect) -> str:
    """A query of one field and no rows: shows whether that field's source is at fault."""
    model = single_query(projection.model_sql, dialect.syntax)
    return _select([_field(field, projection.fields[field], dialect)], model) + "\nWHERE 1 = 0"


def used_columns(projection: Projection) -> tuple[str, ...]:
    """The model's columns that the mapping names, each once, in order; those inside `sql` are not known."""
    named = (source.column for source in projection.fields.values() if source.column is not None)
    cursor = () if projection.window is None else (projection.window.column,)
    return tuple(dict.fromkeys((*projection.key, *projection.match.values(), *named, *cursor)))


def known_types(projection: Projection) -> dict[int, pa.DataType]:
    """Positions whose type the mapping itself decides, whatever the warehouse says: constants and hashes."""
    first = len(projection.key) + len(projection.match)
    types = ((first + i, _known_type(source)) for i, source in enumerate(projection.fields.values()))
    return {position: kind for position, kind in types if kind is not None}


def _known_type(source: FieldMap) -> pa.DataType | None:
    if source.hash or isinstance(source.value, str):
        return pa.string()
    return pa.bool_() if isinstance(source.value, bool) else None


def _cursor(window: Window, dialect: Dialect) -> str:
    column = _column(window.column, dialect)
    return f"max({column})" if window.highest else column


def _windowed(projection: Projection, dialect: Dialect) -> str:
    """The condition under which a row is in the window; nothing where all are."""
    window = projection.window
    if window is None or window.since is None:
        return ""
    cursor = _column(window.column, dialect)
    # A row without a cursor cannot be told from a new one.
    wanted = [f"{cursor} >= {literal(window.since, dialect)}", f"{cursor} IS NULL"]
    return "\nWHERE " + "\n   OR ".join([*wanted, *_keyed(projection.key, window.keys, dialect)])


def _keyed(key: Sequence[str], keys: Sequence[Sequence[Literal]], dialect: Dialect) -> list[str]:
    columns = [_column(name, dialect) for name in key]
    if len(columns) == 1 and keys:
        return [f"{columns[0]} IN ({', '.join(literal(value, dialect) for (value,) in keys)})"]
    pairs = [zip(columns, values, strict=True) for values in keys]
    return ["(" + " AND ".join(f"{c} = {literal(value, dialect)}" for c, value in pair) + ")" for pair in pairs]


def _select(columns: Sequence[str], model: str) -> str:
    # The brackets stand on lines of their own, so that a comment at the model's end cannot swallow them.
    return "SELECT\n  " + ",\n  ".join(columns) + f"\nFROM (\n{model}\n) AS model"


def _field(name: str, source: FieldMap, dialect: Dialect) -> str:
    if source.sql is not None:
        return f"(\n{expression(source.sql, dialect.syntax, name)}\n)"
    if source.column is None:
        return _literal(name, source.value, dialect)
    column = _column(source.column, dialect)
    return _hashed(name, column, dialect) if source.hash else column


def _column(name: str, dialect: Dialect) -> str:
    # Qualified, because SQLite takes an unknown name in double quotes for a string.
    return f"model.{dialect.quote(name)}"


def _hashed(name: str, column: str, dialect: Dialect) -> str:
    if dialect.sha256 is None:
        raise WarehouseError(
            f"field {name!r} asks for hash: sha256, which Tailrace cannot write for {dialect.name}",
            hint="compute the hash with {sql: …} or in the model",
        )
    return dialect.sha256.format(column)


def _literal(name: str, value: str | float | bool | None, dialect: Dialect) -> str:  # noqa: FBT001 - a value
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return dialect.boolean(value)
    if isinstance(value, str):
        return dialect.text(value)
    if not math.isfinite(value):
        raise WarehouseError(f"field {name!r} has the constant {value}, which SQL cannot write")
    return repr(value)
