"""What the database says of a table, and making one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedColumn

from tailrace.destination import Field, ObjectSchema, OpenFields
from tailrace.errors import ObjectNotFound, StopRun
from tailrace_destinations.sql.codec import Codec, codec
from tailrace_destinations.sql.statements import Prepared


@dataclass(frozen=True, slots=True)
class Column:
    """A column as reflected, and the codec of its values."""

    field: Field
    codec: Codec


@dataclass(frozen=True)
class Table:
    """A table as reflected. `uniques`: column sets under a primary key, unique constraint or full unique index."""

    name: str
    schema: str | None
    columns: Mapping[str, Column]
    uniques: frozenset[frozenset[str]]

    @cached_property
    def clause(self) -> sa.TableClause:
        """The table for statements; its columns are untyped, because values are encoded before they are bound."""
        return sa.table(self.name, *(sa.column(name) for name in self.columns), schema=self.schema)

    @cached_property
    def prepared(self) -> dict[Any, Prepared]:
        """Statements compiled so far; threads may share it, as two that compile the same one get the same text."""
        return {}

    @cached_property
    def required(self) -> frozenset[str]:
        """Columns an INSERT must name."""
        return frozenset(name for name, column in self.columns.items() if column.field.required)

    def column(self, name: str) -> Column:
        """The column of that name; StopRun with close names when the table has none."""
        found = self.columns.get(name)
        if found is None:
            raise StopRun(f"Table {self.name!r} has no column {name!r}.", hint=close_names(name, self.columns))
        return found

    def object_schema(self, name: str, *, growing: bool) -> ObjectSchema:
        """The table as the engine sees it; a growing one takes columns it does not have yet."""
        fields = {column: entry.field for column, entry in self.columns.items()}
        return ObjectSchema(name, OpenFields(fields) if growing else fields)


def close_names(name: str, names: Sequence[str] | Mapping[str, Any]) -> str | None:
    """A hint with up to three names like the given one; case is no difference."""
    by_fold = {known.casefold(): known for known in names}
    near = [by_fold[fold] for fold in difflib.get_close_matches(name.casefold(), by_fold, cutoff=0.5)]
    return f"Close names: {', '.join(near)}." if near else None


def locate(inspector: sa.Inspector, object: str, default_schema: str | None) -> tuple[str, str | None] | None:
    """Find table and schema of an object written `table` or `schema.table`; None when there is none."""
    if _exists(inspector, object, default_schema):
        return object, default_schema
    schema, _, name = object.partition(".")
    return (name, schema) if name and _exists(inspector, name, schema) else None


def _exists(inspector: sa.Inspector, name: str, schema: str | None) -> bool:
    return inspector.has_table(name, schema)


def not_found(inspector: sa.Inspector, object: str, default_schema: str | None) -> ObjectNotFound:
    """Say that there is no such table, with close names."""
    schema, _, name = object.rpartition(".")
    schema_name = schema if schema in inspector.get_schema_names() else default_schema
    names = [*inspector.get_table_names(schema_name), *inspector.get_view_names(schema_name)]
    hint = close_names(name, names)
    return ObjectNotFound(f"There is no table {object!r}.", hint=hint or "Set create_table: true to have it made.")


def reflect(inspector: sa.Inspector, name: str, schema: str | None) -> Table:
    """Read a table's columns and unique constraints from the database."""
    inspector.clear_cache()
    dialect = inspector.dialect.name
    uniques = _uniques(inspector, name, schema)
    primary = inspector.get_pk_constraint(name, schema)["constrained_columns"]
    matchable = frozenset[str]().union(*uniques)
    columns = {}
    for column in inspector.get_columns(name, schema):
        coded = codec(column["type"], dialect)
        generated = dialect == "sqlite" and primary == [column["name"]] and coded.form == "int"
        columns[column["name"]] = Column(
            _field(column, coded, matchable, inspector.dialect, generated=generated), coded
        )
    return Table(name, schema, columns, uniques)


def _uniques(inspector: sa.Inspector, name: str, schema: str | None) -> frozenset[frozenset[str]]:
    # SQLite keeps an index for each of its constraints; reading those from the table's SQL would miss some.
    every = {"include_auto_indexes": True} if inspector.dialect.name == "sqlite" else {}
    found = [inspector.get_pk_constraint(name, schema)["constrained_columns"]]
    found += [constraint["column_names"] for constraint in inspector.get_unique_constraints(name, schema)]
    found += [
        [column for column in index["column_names"] if column is not None]
        for index in inspector.get_indexes(name, schema, **every)
        if index["unique"] and None not in index["column_names"] and not _partial(index)
    ]
    return frozenset(frozenset(columns) for columns in found if columns)


def _partial(index: Any) -> bool:
    return any(
        option.endswith("_where") and value is not None for option, value in index.get("dialect_options", {}).items()
    )


def _field(
    column: ReflectedColumn, coded: Codec, matchable: frozenset[str], dialect: sa.Dialect, *, generated: bool
) -> Field:
    declared = column["type"]
    computed = "computed" in column
    identity: Mapping[str, Any] = column.get("identity") or {}
    filled = (
        generated
        or computed
        or bool(identity)
        or column.get("default") is not None
        or column.get("autoincrement") is True
    )
    return Field(
        column["name"],
        "" if isinstance(declared, sa.types.NullType) else declared.compile(dialect=dialect),
        coded.accepts,
        createable=not computed and not identity.get("always", False),
        updateable=not computed and not identity.get("always", False),
        required=not column["nullable"] and not filled,
        nullable=column["nullable"],
        unique=column["name"] in matchable,
        length=getattr(declared, "length", None) if coded.form == "string" else None,
        options=tuple(getattr(declared, "enums", ()) or ()),
    )


def unique_index_hint(table: Table, match: Sequence[str], dialect: sa.Dialect) -> str:
    """The statement that would make `match` unique."""
    index = sa.Index(f"uq_{table.name}_{'_'.join(match)}"[:60], *(sa.Column(name) for name in match), unique=True)
    sa.Table(table.name, sa.MetaData(), *index.columns, index, schema=table.schema)
    return f"{sa.schema.CreateIndex(index).compile(dialect=dialect)};"
