"""How each warehouse says what a snapshot there needs: types, equality of values, lists of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tailrace.values import LogicalType

SortKind: TypeAlias = Literal[
    "bool", "int", "decimal", "float", "text", "char", "bytes", "date", "time", "timestamp", "timestamptz",
    "nanoseconds", "list", "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """What a column of a model is in its warehouse; `other` is what nothing there compares as we do."""

    kind: SortKind
    scale: int = 0


OTHER = Sort("other")


@dataclass(frozen=True, slots=True)
class Terms:
    """Two terms that are equal only where a value of the model and a stored one are, in canonical form."""

    model: str
    stored: str
    total: bool = True
    """Whether a term is null only where its value is; else also where a value has no place in the other's type."""


Equal: TypeAlias = Callable[[str, Sort, str, LogicalType], Terms | None]
"""The terms for a model's column, its sort, a stored column and its type; None where there are none."""


@dataclass(frozen=True, slots=True)
class Words:
    """One warehouse's words."""

    name: str
    types: Mapping[str, str]
    """What a logical kind is stored as; `decimal` takes a scale."""
    equal: Equal
    fold: str
    """Template: a text without case and blanks, alike at least for all texts that `fold_text` makes alike."""
    find_schema: str
    """Query of one row where there is a schema of a name."""
    find_table: str
    """Query of one row where a schema has a table of a name."""
    mark: str = "?"
    """What stands for a parameter."""
    nul: bool = True
    """Whether a text may hold the character U+0000."""
    alone: str = ""
    """Query that waits until no other transaction has asked it; nothing where there is no other."""
    locks: bool = False
    """Whether rows can be held with FOR UPDATE; else nobody else writes meanwhile."""

    def column(self, logical: LogicalType) -> str:
        """The type of a stored column."""
        return self.types[logical.kind].format(logical.scale or 0)

    def same(self, model: str, sort: Sort, stored: str, logical: LogicalType) -> str:
        """Whether a value of the model is what is stored; NULL is NULL."""
        terms = self.equal(model, sort, stored, logical)
        both_null = f"({model} IS NULL AND {stored} IS NULL)"
        if terms is None:
            return both_null
        if terms.total:
            return f"{terms.model} IS NOT DISTINCT FROM {terms.stored}"
        return f"({both_null} OR COALESCE({terms.model} = {terms.stored}, FALSE))"

    def strict(self, model: str, sort: Sort, stored: str, logical: LogicalType) -> str | None:
        """The same where a NULL is equal to nothing; None where nothing can be told."""
        terms = self.equal(model, sort, stored, logical)
        return None if terms is None else f"{terms.model} = {terms.stored}"


def quoted(name: str) -> str:
    """A name in double quotes, taken as it is."""
    return '"' + name.replace('"', '""') + '"'


_WHOLE = frozenset({"int", "decimal"})


def _number(sort: Sort, logical: LogicalType) -> bool:
    return sort.kind in _WHOLE and logical.kind in {"int64", "decimal"}


# --- PostgreSQL -------------------------------------------------------------------------------------------------------

_C = 'COLLATE "C"'


def _postgres_text(model: str, sort: Sort) -> str:
    # A cast of char(n) to text drops the blanks that its output function, which drivers read, shows.
    return f"textin(bpcharout({model})) {_C}" if sort.kind == "char" else f"({model})::text {_C}"


def _postgres(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if _number(sort, logical):
        if sort.kind == "int" and logical.kind == "int64":
            return Terms(f"({model})::bigint", stored)
        return Terms(f"({model})::numeric", f"({stored})::numeric")
    if logical.kind == "string" and sort.kind in {"text", "char"}:
        return Terms(_postgres_text(model, sort), stored)
    if logical.kind == "string" and sort.kind == "int":
        return Terms(f"({model})::text {_C}", stored)
    if logical.kind == "json" and sort.kind == "list":
        return Terms(f"to_json({model})::text {_C}", stored)
    if (sort.kind, logical.kind) == ("float", "float64"):
        return Terms(f"({model})::float8", stored)
    alike = {"bool": "bool", "bytes": "binary", "date": "date", "time": "time", "timestamp": "timestamp"}
    alike["timestamptz"] = "timestamptz"
    return Terms(model, stored) if alike.get(sort.kind) == logical.kind else None


POSTGRES = Words(
    name="postgresql",
    types={
        "bool": "boolean",
        "int64": "bigint",
        "float64": "double precision",
        "decimal": "numeric(38, {})",
        "string": f"text {_C}",
        "binary": "bytea",
        "date": "date",
        "time": "time",
        "timestamp": "timestamp",
        "timestamptz": "timestamptz",
        "json": f"text {_C}",
    },
    equal=_postgres,
    fold=(
        "(CASE WHEN octet_length({0}) = length({0}) THEN lower(translate({0}, E' \\t\\n\\v\\f\\r', '') COLLATE \"C\") "
        "ELSE lower(regexp_replace(translate({0}, chr(8490) || chr(304) || E' \\t\\n\\v\\f\\r', 'ki'), "
        "'[^\\x01-\\x7f]', '', 'g') COLLATE \"C\") END)"
    ),
    # Not those of `information_schema`, which has only what the user may use already.
    find_schema="SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s",
    find_table="SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = %s",
    mark="%s",
    nul=False,
    alone="SELECT pg_advisory_xact_lock(7305813264)",
    locks=True,
)


# --- DuckDB -----------------------------------------------------------------------------------------------------------


def _duckdb(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if _number(sort, logical):
        return _duckdb_number(model, sort, stored, logical)
    # As bytes: a collation, of a column or of the session, would compare texts otherwise.
    if logical.kind == "string" and sort.kind in {"text", "int"}:
        return Terms(f"encode(CAST({model} AS VARCHAR))", f"encode({stored})")
    if logical.kind == "json" and sort.kind == "list":
        return Terms(f"encode(CAST(to_json({model}) AS VARCHAR))", f"encode({stored})")
    if (sort.kind, logical.kind) == ("float", "float64"):
        return Terms(f"CAST({model} AS DOUBLE)", stored)
    if (sort.kind, logical.kind) == ("timestamp", "timestamp"):
        return Terms(f"CAST({model} AS TIMESTAMP)", stored)
    if (sort.kind, logical.kind) == ("nanoseconds", "timestamp"):
        return Terms(model, f"TRY_CAST({stored} AS TIMESTAMP_NS)", total=False)
    alike = {"bool": "bool", "bytes": "binary", "date": "date", "time": "time", "timestamptz": "timestamptz"}
    return Terms(model, stored) if alike.get(sort.kind) == logical.kind else None


def _duckdb_number(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms:
    """Both under the larger scale, as a cast to a smaller one rounds; null where the digits are too many."""
    if sort.kind == "int" and logical.kind == "int64":
        return Terms(f"CAST({model} AS BIGINT)", stored)
    scale = max(sort.scale, logical.scale or 0)
    wide = f"DECIMAL(38, {scale})"
    kept = stored if logical.kind == "decimal" and (logical.scale or 0) == scale else f"TRY_CAST({stored} AS {wide})"
    return Terms(f"TRY_CAST({model} AS {wide})", kept, total=False)


DUCKDB = Words(
    name="duckdb",
    types={
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "float64": "DOUBLE",
        "decimal": "DECIMAL(38, {})",
        "string": "VARCHAR",
        "binary": "BLOB",
        "date": "DATE",
        "time": "TIME",
        "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMP WITH TIME ZONE",
        "json": "VARCHAR",
    },
    equal=_duckdb,
    find_schema="SELECT 1 FROM information_schema.schemata WHERE schema_name = ? AND catalog_name = current_database()",
    find_table="SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ? "
    "AND table_catalog = current_database()",
    fold=(
        "lower(regexp_replace(translate({0}, chr(8490) || chr(304) || chr(32) || chr(9) || chr(10) || chr(11) || "
        "chr(12) || chr(13), 'ki'), '[^\\x00-\\x7f]', '', 'g'))"
    ),
)
