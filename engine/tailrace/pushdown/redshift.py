"""Redshift's words, and the desk of a database there, over its own connector.

Two texts that differ in blanks at their ends are equal there, and columns may take no heed of case. So texts are
compared as their bytes, wherever they are. A transaction shows what there was at its first look at a table: one that
writes locks the manifests before any, so that it sees what another has written, and none is ever refused as not
serialisable. Tables are made before it. Values go in as parameters, of which a statement takes a limited number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from tailrace.canonical.text import text
from tailrace.canonical.types import dtype
from tailrace.pushdown.dbapi import DBAPIDesk, Fault, chunks
from tailrace.pushdown.words import OTHER, Sort, Terms, Words, quoted
from tailrace.values import LogicalType
from tailrace.warehouses.rows import batches

if TYPE_CHECKING:
    import polars as pl

    from tailrace.pushdown.desk import Columns
    from tailrace.warehouses.dialects import Dialect

PARAMETERS = 30_000
"""Of one statement; the connector refuses more than 32,767."""
_TEXT = "VARCHAR(65535)"
_EXACT = "TO_VARBYTE({0}, 'utf8')"
_ALIKE = {
    "bool": "bool", "float": "float64", "date": "date", "time": "time", "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}  # fmt: skip


def _equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
    if sort.kind in {"int", "decimal"} and logical.kind in {"int64", "decimal"}:
        if (sort.kind, logical.kind) == ("int", "int64"):
            return Terms(f"CAST({model} AS BIGINT)", stored)
        # The connector does not tell a column's scale, and under another one a long number is an error.
        return Terms(f"CAST({model} AS VARCHAR(64))", f"CAST({stored} AS VARCHAR(64))")
    if logical.kind == "string" and sort.kind == "text":
        return Terms(_EXACT.format(model), _EXACT.format(stored))
    return Terms(model, stored) if _ALIKE.get(sort.kind) == logical.kind else None


_HELD = (
    "INSERT INTO {manifests} (digest, sync, revision, body) "  # noqa: S608 - our own names
    f"SELECT CAST({{mark}} AS VARCHAR(64)), CAST({{mark}} AS {_TEXT}), 0, '' "
    "WHERE NOT EXISTS (SELECT 1 FROM {manifests} AS o WHERE o.digest = {mark})"
)
REDSHIFT = Words(
    name="redshift",
    types={
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "float64": "DOUBLE PRECISION",
        "decimal": "DECIMAL(38, {})",
        # The connector takes all bytes for texts: as hexadecimal digits they are some.
        **dict.fromkeys(("string", "binary", "json"), _TEXT),
        "date": "DATE",
        "time": "TIME",
        "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMPTZ",
    },
    equal=_equal,
    fold="LOWER(REGEXP_REPLACE(REPLACE(REPLACE({0}, '\u212a', 'k'), '\u0130', 'i'), '[^!-~]', ''))",
    # In lower case, as names are there unless a setting has them stay as they are written.
    find_schema="SELECT 1 FROM pg_catalog.pg_namespace WHERE LOWER(nspname) = LOWER(%s)",
    find_table="SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s",
    find_tables="SELECT tablename FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename LIKE %s",
    mark="%s",
    nul=False,
    place=lambda schema, name: f"{quoted(schema)}.{name}",
    name_type="VARCHAR(64)",
    claim=(
        ("LOCK TABLE {manifests}", ()),
        (
            _HELD,
            ("digest", "sync", "digest"),
        ),
    ),
    exact=_EXACT,
    alike="",
    untrue="NOT COALESCE({0}, FALSE)",
    true="COALESCE({0}, FALSE)",
    full_join=False,
    delete="DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {given} AS v WHERE {equal})",
    own="",
    batch=1_000,
    commits=True,
    untried="a live cluster of Redshift",
)

_READ = {
    **dict.fromkeys(("string", "binary", "json"), f"CAST({{0}} AS {_TEXT})"),
    "bool": "CAST({0} AS VARCHAR(5)) = 'true'",
    "int64": "CAST({0} AS BIGINT)",
    "float64": "CAST({0} AS DOUBLE PRECISION)",
    "decimal": "CAST({0} AS DECIMAL(38, {1}))",
    "date": "CAST({0} AS DATE)",
    "time": "CAST({0} AS TIME)",
    "timestamp": "CAST({0} AS TIMESTAMP)",
    "timestamptz": "CAST({0} AS TIMESTAMPTZ)",
}


def _read(types: Sequence[LogicalType], mark: str) -> list[str]:
    return [_READ[kind.kind].format(mark, kind.scale or 0) for kind in types]


def given(types: Sequence[LogicalType], mark: str, rows: int) -> str:
    """The query of so many rows of texts; there are no tables of constants but such."""
    terms = _read(types, mark)
    first = ", ".join(f"{term} AS v{at}" for at, term in enumerate(terms))
    if not rows:
        return f"(SELECT {', '.join(f'{term} AS v{at}' for at, term in enumerate(_read(types, 'NULL')))} WHERE 1 = 0)"
    return f"(SELECT {first}" + f" UNION ALL SELECT {', '.join(terms)}" * (rows - 1) + ")"


def _parameters(frame: pl.DataFrame, columns: Columns) -> list[str | None]:
    """All values as texts, row by row."""
    found = [
        [_spelled(value, kind.kind) for value in text(frame[name].cast(dtype(kind)), kind).to_list()]
        for name, kind in columns.items()
    ]
    return [value for row in zip(*found, strict=True) for value in row]


def _spelled(value: str | None, kind: str) -> str | None:
    if value is None or kind not in {"float64", "timestamp", "timestamptz"}:
        return value
    if kind == "float64":
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(value, value)
    return value.replace("T", " ").replace("Z", "+00")


class RedshiftDesk(DBAPIDesk):
    """One transaction of a connection of its own."""

    begins: ClassVar[Mapping[bool, Sequence[str]]] = {False: ("BEGIN READ ONLY",), True: ("BEGIN",)}

    def __init__(self, connection: Any, dialect: Dialect, fault: Fault, *, write: bool) -> None:
        connection.autocommit = True
        connection.max_prepared_statements = 0  # it would keep each list of values that it has seen
        super().__init__(
            connection, REDSHIFT, dialect, fault, given=lambda types, mark: given(types, mark, 1), write=write
        )

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a table to select from."""
        yield given(list(columns.values()), self.words.mark, frame.height), _parameters(frame, columns)

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table."""
        # Texts as they are: a cast would cut what is too long, where this is an error.
        plain = {"string", "binary", "json"}
        marks = _read(list(columns.values()), self.words.mark)
        row = ", ".join("%s" if k.kind in plain else m for m, k in zip(marks, columns.values(), strict=True))
        for part in frame.iter_slices(PARAMETERS // len(columns)):
            rows = ", ".join([f"({row})"] * part.height)
            self.run(f"INSERT INTO {table} ({', '.join(names)}) VALUES {rows}", _parameters(part, columns))  # noqa: S608

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch; by a cursor there, as the connector would hold them all."""
        if parameters:
            yield from super().stream(sql, names, known, batch_rows, parameters)
            return
        types: list[pa.DataType | None] = [known.get(at) for at in range(len(names))]
        with self._told("comparing in the warehouse failed"):
            self._run(f"DECLARE tailrace_stream CURSOR FOR {sql}")
            yield from batches(self._fetched(batch_rows, types), names, types)
            self._run("CLOSE tailrace_stream")

    def _fetched(self, size: int, types: Sequence[pa.DataType | None]) -> Iterator[Sequence[Sequence[Any]]]:
        found = True
        while found:
            found = False
            with closing(self._cursor()) as cursor:
                cursor.execute(f"FETCH FORWARD {size} FROM tailrace_stream")
                for rows in chunks(cursor, size, types):
                    found = True
                    yield rows

    def _sort(self, column: Any) -> Sort:
        return _SORTS.get(column[1], OTHER)

    def _failure(self, error: Exception) -> bool:
        from redshift_connector.error import Error  # noqa: PLC0415 - loaded by now

        return isinstance(error, Error)


_SORTS = {
    16: Sort("bool", arrow=pa.bool_()),
    **dict.fromkeys((20, 21, 23), Sort("int", arrow=pa.int64())),
    # What drivers read of a REAL is rounded.
    700: Sort("other", arrow=pa.float64()),
    701: Sort("float", arrow=pa.float64()),
    1700: Sort("decimal"),
    **dict.fromkeys((25, 1043), Sort("text", arrow=pa.string())),
    1042: Sort("other", arrow=pa.string()),
    1082: Sort("date", arrow=pa.date32()),
    1083: Sort("time", arrow=pa.time64("us")),
    1114: Sort("timestamp", arrow=pa.timestamp("us")),
    1184: Sort("timestamptz", arrow=pa.timestamp("us", "UTC")),
}
"""By the number of a column's type; of CHAR it is not told how many blanks a value ends in."""
