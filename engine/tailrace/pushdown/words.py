"""How each warehouse says what a snapshot there needs: types, equality of values, lists of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from tailrace.values import LogicalType

if TYPE_CHECKING:
    import pyarrow as pa

SortKind: TypeAlias = Literal[
    "bool", "int", "decimal", "float", "text", "char", "uuid", "bytes", "date", "time", "timestamp", "timestamptz",
    "milliseconds", "nanoseconds", "list", "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """What a column of a model is in its warehouse; `other` is what nothing there compares as we do."""

    kind: SortKind
    scale: int = 0
    arrow: pa.DataType | None = None
    """The type that its values are read under, where the driver would not tell it of what comes out."""


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


def quoted(name: str) -> str:
    """A name in double quotes, taken as it is."""
    return '"' + name.replace('"', '""') + '"'


HELD = "INSERT INTO {manifests} (digest, sync, revision, body) VALUES ({mark}, {mark}, 0, '')"
"""Makes a snapshot's row among the manifests; each warehouse says what becomes of it where there is one."""


@dataclass(frozen=True, slots=True)
class Words:
    """One warehouse's words. Templates are filled by `str.format`, but for `fold`."""

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
    quote: Callable[[str], str] = quoted
    """A name of the user's, such as the schema's, taken as it is."""
    place: Callable[[str, str], str] = lambda schema, name: f"{quoted(schema)}.{name}"
    """A table of ours in a schema."""
    reserved: frozenset[str] = frozenset()
    """Names of columns of ours that are words of the language there."""
    unless: str = " IF NOT EXISTS"
    """What has a statement make nothing that is there; nothing where `alone` has all others wait meanwhile."""
    name_type: str = ""
    """What the manifests' key is stored as; nothing where any text serves."""
    manifests: str = (
        "CREATE TABLE{unless} {manifests} (digest {name} NOT NULL PRIMARY KEY, sync {text} NOT NULL, "
        "revision {number} NOT NULL, body {text} NOT NULL)"
    )
    """Makes the table of manifests."""
    claim: tuple[tuple[str, tuple[Literal["digest", "sync"], ...]], ...] = (
        (f"{HELD} ON CONFLICT (digest) DO NOTHING", ("digest", "sync")),
    )
    """Statements, with their parameters, after which a snapshot has a row among the manifests."""
    exact: str = "{0}"
    """Template: a text of ours, stored or given, as what is equal only to the same bytes."""
    exact_bytes: str = "{0}"
    """Template: the same for bytes of ours."""
    yes: str = "TRUE"
    """A value that is no NULL."""
    alike: str = "{0} IS NOT DISTINCT FROM {1}"
    """Whether two terms are equal, or both NULL; nothing where it takes a longer way."""
    untrue: str = "({0}) IS NOT TRUE"
    """Whether a condition is false or NULL."""
    true: str = "({0}) IS TRUE"
    """Whether a condition is true."""
    full_join: bool = True
    """Whether there is a FULL JOIN; else two queries make one, and the model runs once more."""
    short: str = ""
    """Template: the beginning of a text, where rows are not looked up by texts of any length."""
    delete: str = "DELETE FROM {table} AS s USING {given} AS v WHERE {equal}"
    """Deletes rows that have a partner among given values; `equal` has the stored ones behind `own`."""
    own: str = "s."
    """What goes before a stored column's name in `delete`."""
    near: str = "{table} AS s WHERE EXISTS (SELECT 1 FROM {given} AS v WHERE {equal})"
    """Where stored rows come from that have a partner among given values; `equal` compares them one by one, `own` and
    `theirs` are lists of the terms of either side, `named` those of the given ones as d0, d1 … and `joined` compares
    with these."""
    batch: int = 0
    """How many rows of values may be given at once; 0 is any number."""
    size: int = 0
    """About how many bytes of values may be given at once; 0 is any number."""
    odd_floats: frozenset[str] = frozenset()
    """Floats that no column there can hold, of "nan", "infinite" and "subnormal"."""
    index: Callable[[Sequence[tuple[str, LogicalType]]], str] = lambda _columns: ""
    """What a table's definition ends in, so that rows are found by those columns."""
    commits: bool = False
    """Whether a statement that makes, alters or drops a table ends the transaction; then none does within one."""
    untried: str = ""
    """Of what kind it was never tried for real, such as "a live account"; nothing where it was."""
    find_tables: str = ""
    """Query of the names of tables in a schema that are like a pattern; needed with `commits`."""
    copy: str = ""
    """Makes the table `fresh` as `table` is, in one step. Where this is given there are no transactions: a table that
    holds a snapshot is never written to. Each change fills a copy that nobody knows of, which the manifest then names
    by one statement; and a manifest has a table of its own, so that no sync is in another's way."""
    retire: str = ""
    """With `copy`: has a table go by itself, when those who read it will have done so."""
    unmoved: str = ""
    """With `copy`: whether a manifest still names a table that is given, beside its revision."""
    staged: bool = False
    """Whether any number of values can be given beside a table that is written to."""
    literal: Callable[[str], str] | None = None
    """With `copy`: a text as `manifests` has it in {digest} and {sync}; nothing where parameters serve."""

    def named(self, column: str) -> str:
        """A column of ours, quoted where it must be."""
        return self.quote(column) if column in self.reserved else column

    def compared(self, term: str, logical: LogicalType) -> str:
        """A stored or given value as what is equal to the same value alone."""
        if logical.kind in {"string", "json"}:
            return self.exact.replace("{0}", term)
        return self.exact_bytes.replace("{0}", term) if logical.kind == "binary" else term

    def column(self, logical: LogicalType) -> str:
        """The type of a stored column."""
        return self.types[logical.kind].format(logical.scale or 0)

    def same(self, model: str, sort: Sort, stored: str, logical: LogicalType) -> str:
        """Whether a value of the model is what is stored, or NULL as that is; may be NULL where it is not."""
        terms = self.equal(model, sort, stored, logical)
        both_null = f"({model} IS NULL AND {stored} IS NULL)"
        if terms is None:
            return both_null
        if terms.total and self.alike:
            return self.alike.format(terms.model, terms.stored)
        return f"({both_null} OR {terms.model} = {terms.stored})"

    def strict(self, model: str, sort: Sort, stored: str, logical: LogicalType) -> str | None:
        """The same where a NULL is equal to nothing; None where nothing can be told."""
        terms = self.equal(model, sort, stored, logical)
        return None if terms is None else f"{terms.model} = {terms.stored}"


def read_back(forms: Mapping[str, str], place: str, types: Sequence[LogicalType]) -> str:
    """Given texts as values, v0, v1 and so on: by kind how one is read, and where that of a number stands."""
    places = [(place.format(at), kind) for at, kind in enumerate(types)]
    read = [forms[kind.kind].format(text, kind.scale or 0) for text, kind in places]
    return ", ".join(f"{term} AS v{at}" for at, term in enumerate(read))


def insertion(table: str, names: Sequence[str], given: str) -> str:
    """The statement that appends given values, v0, v1 and so on, to columns of a table."""
    shown = ", ".join(f"v.v{at}" for at in range(len(names)))
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {shown} FROM {given} AS v"  # noqa: S608 - our own names


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
