"""SQL Server's words, and the desk of a database there, over pymssql or pyodbc.

Two texts that differ in blanks at their ends are equal there, and bytes that differ in zeros at theirs, whatever the
collation. So both are compared with a sign of ours behind them, which leaves nothing to pad, and texts under a
collation that tells all characters apart. There are no truth values: conditions stand where only conditions may.
Transactions could make tables, but would lock the catalogue for all until they end; so tables that rows need are made
before. Values go in as one JSON document: neither the limit of parameters nor that of rows of VALUES matters then.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pyarrow as pa

from tailrace.canonical.text import text
from tailrace.diff.columns import BLANKS
from tailrace.pushdown.dbapi import DBAPIDesk, Fault, given_text
from tailrace.pushdown.words import OTHER, Sort, Terms, Words, read_back
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Columns
    from tailrace.warehouses.dialects import Dialect

LOCK_MS = 600_000
"""How long to wait for another run that saves its rows."""
_BINARY = "COLLATE Latin1_General_BIN2"
_TEXT = f"NVARCHAR(MAX) {_BINARY}"
_EXACT = f"({{0}} {_BINARY} + N'.')"
_EXACT_BYTES = "({0} + 0x01)"


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _characters(value: str) -> str:
    """A text by the codes of its characters, as some of them are not to be seen."""
    return f"CAST(0x{value.encode('utf-16-le').hex()} AS NVARCHAR({len(value)}))"


def _fold() -> str:
    """Texts without blanks and case; those of more than ASCII are one, as nothing takes characters out by their kind.

    The sign that blanks become is taken out too. The last of them is none that a length leaves out.
    """
    blanks = BLANKS.replace(" ", "")
    plain = f"TRANSLATE({{0}} {_BINARY}, {_characters(f' {blanks}')}, N'{'!' * (len(blanks) + 1)}')"
    plain = f"REPLACE(REPLACE({plain}, N'!', N''), NCHAR(8490), N'k')"
    # Without a percent sign: drivers that put parameters in by it would have to be told of each.
    strange = "NCHAR(37) + N'[^!-~]' + NCHAR(37)"
    return f"(CASE WHEN {plain} LIKE {strange} THEN N'' ELSE LOWER({plain}) END)"


def _decimals(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms:
    """Both under the larger scale, as a cast to a smaller one rounds; null where the digits are too many."""
    scale = max(sort.scale, logical.scale or 0)
    wide = f"DECIMAL(38, {scale})"
    if sort.kind == logical.kind and sort.scale == logical.scale:
        return Terms(f"CAST({model} AS {wide})", stored)
    kept = stored if logical.kind == "decimal" and logical.scale == scale else f"TRY_CAST({stored} AS {wide})"
    return Terms(f"TRY_CAST({model} AS {wide})", kept, total=False)


def _texts(model: str, stored: str) -> Terms:
    return Terms(_EXACT.format(f"CAST({model} AS NVARCHAR(MAX))"), _EXACT.format(stored))


def _equal(uuid: str) -> Callable[[str, Sort, str, LogicalType], Terms | None]:
    """By how the driver writes a UUID."""

    def equal(model: str, sort: Sort, stored: str, logical: LogicalType) -> Terms | None:
        kinds = (sort.kind, logical.kind)
        if kinds == ("int", "int64"):
            return Terms(f"CAST({model} AS BIGINT)", stored)
        if sort.kind in {"int", "decimal"} and logical.kind in {"int64", "decimal"}:
            return _decimals(model, sort, stored, logical)
        if logical.kind == "string" and sort.kind in {"text", "int"}:
            return _texts(model, stored)
        if kinds == ("uuid", "string"):
            return _texts(uuid.format(f"CAST({model} AS NVARCHAR(36))"), stored)
        if kinds == ("bytes", "binary"):
            return Terms(_EXACT_BYTES.format(f"CAST({model} AS VARBINARY(MAX))"), _EXACT_BYTES.format(stored))
        form = _FORMS.get(kinds)
        return None if form is None else Terms(form[0].format(model), form[1].format(stored))

    return equal


_FORMS = {
    ("bool", "bool"): ("{0}", "{0}"),
    ("float", "float64"): ("CAST({0} AS FLOAT(53))", "{0}"),
    ("date", "date"): ("{0}", "{0}"),
    # With seven digits on both sides, as fewer would be rounded where drivers cut them off.
    ("time", "time"): ("CAST({0} AS TIME(7))", "CAST({0} AS TIME(7))"),
    ("timestamp", "timestamp"): ("CAST({0} AS DATETIME2(7))", "CAST({0} AS DATETIME2(7))"),
    # DATETIME counts thirds of a hundredth of a second, of which drivers tell the milliseconds.
    ("milliseconds", "timestamp"): ("CAST({0} AS DATETIME2(3))", "{0}"),
    ("timestamptz", "timestamptz"): ("CAST({0} AS DATETIMEOFFSET(7))", "CAST({0} AS DATETIMEOFFSET(7))"),
}
"""Of a column and a stored value, what is compared."""
# The lock on what was looked for lasts as long as the transaction, be it that there is no such row yet.
_HELD = (
    "INSERT INTO {manifests} (digest, sync, revision, body) SELECT {mark}, {mark}, 0, N'' "
    "WHERE NOT EXISTS (SELECT 1 FROM {manifests} AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = {mark})"
)
_TABLES = "FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = {0} AND t.name"


def _words(mark: str, uuid: str) -> Words:
    tables = _TABLES.format(mark)
    return Words(
        name="mssql",
        types={
            "bool": "BIT",
            "int64": "BIGINT",
            "float64": "FLOAT(53)",
            "decimal": "DECIMAL(38, {})",
            **dict.fromkeys(("string", "json"), _TEXT),
            "binary": "VARBINARY(MAX)",
            "date": "DATE",
            "time": "TIME(6)",
            # In UTC, as drivers tell of an offset each in its own way.
            **dict.fromkeys(("timestamp", "timestamptz"), "DATETIME2(6)"),
        },
        equal=_equal(uuid),
        fold=_fold(),
        find_schema=f"SELECT 1 FROM sys.schemas WHERE name = {mark}",  # noqa: S608 - no values
        find_table=f"SELECT 1 {tables} = {mark}",
        find_tables=f"SELECT t.name {tables} LIKE {mark}",
        mark=mark,
        alone="EXEC sp_getapplock @Resource = N'tailrace', @LockMode = N'Exclusive', @LockOwner = N'Session'",
        quote=_quoted,
        reserved=frozenset({"key"}),
        place=lambda schema, name: f"{_quoted(schema)}.{name}",
        unless="",
        name_type=f"NVARCHAR(64) {_BINARY}",
        claim=((_HELD, ("digest", "sync", "digest")),),
        exact=_EXACT,
        exact_bytes=_EXACT_BYTES,
        yes="CAST(1 AS BIT)",
        alike="(({0} IS NULL AND {1} IS NULL) OR {0} = {1})",
        untrue="CASE WHEN {0} THEN 1 ELSE 0 END = 0",
        true="CASE WHEN {0} THEN 1 ELSE 0 END = 1",
        delete="DELETE s FROM {table} AS s JOIN {given} AS v ON {equal}",
        batch=10_000,
        size=4_000_000,
        odd_floats=frozenset({"nan", "infinite", "subnormal"}),
        commits=True,
        untried="a SQL Server",
    )


_DRIVERS = {"pymssql": ("%s", "LOWER({0})"), "pyodbc": ("?", "{0}")}
"""Each driver's mark of a parameter, and how it writes a UUID: SQL Server itself does in capitals."""
WORDS = {name: _words(*each) for name, each in _DRIVERS.items()}
"""By driver."""

_READ = {
    **dict.fromkeys(("string", "json"), "{0}"),
    "bool": "CAST(CASE {0} WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS BIT)",
    "int64": "CAST({0} AS BIGINT)",
    "float64": "CAST({0} AS FLOAT(53))",
    "decimal": "CAST({0} AS DECIMAL(38, {1}))",
    "binary": "CONVERT(VARBINARY(MAX), {0}, 2)",
    "date": "CONVERT(DATE, {0}, 23)",
    "time": "CAST({0} AS TIME(6))",
    **dict.fromkeys(("timestamp", "timestamptz"), "CONVERT(DATETIME2(6), LEFT({0}, 26), 126)"),
}


def given(types: Sequence[LogicalType], mark: str) -> str:
    """The query of a JSON list's values."""
    shown = read_back(_READ, "j.t{0}", types)
    read = ", ".join(f"t{at} NVARCHAR(MAX) '$[{at}]'" for at in range(len(types)))
    return f"(SELECT {shown} FROM OPENJSON(CAST({mark} AS NVARCHAR(MAX))) WITH ({read}) AS j)"  # noqa: S608


def _written(values: pl.Series, logical: LogicalType) -> pl.Series:
    """As texts; floats have 17 digits, of which SQL Server says that they bring each of them back."""
    if logical.kind != "float64":
        return text(values, logical)
    return pl.Series([None if value is None else f"{value:.16e}" for value in values.to_list()], dtype=pl.String)


# The second of these names each column's type, or says what is wrong with the query.
_DESCRIBED = (
    "SELECT d.system_type_name, d.error_message "
    "FROM sys.dm_exec_describe_first_result_set(CAST({0} AS NVARCHAR(MAX)), NULL, 0) AS d ORDER BY d.column_ordinal"
)


class MSSQLDesk(DBAPIDesk):
    """One transaction of a connection of its own."""

    session: ClassVar[str] = (
        f"SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT {LOCK_MS}; "
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
    )
    """What a session begins with: any error takes all back, and statements tell how many rows they wrote."""
    begins: ClassVar[Mapping[bool, Sequence[str]]] = {False: ("BEGIN TRANSACTION",), True: ("BEGIN TRANSACTION",)}

    def __init__(self, connection: Any, dialect: Dialect, fault: Fault, *, driver: str, write: bool) -> None:
        module = importlib.import_module(driver)
        # What pymssql raises when it leaves a transaction is none of its own module's errors.
        own = getattr(getattr(module, "_mssql", None), "MSSQLException", module.Error)
        self._errors = (module.Error, own)
        self._connection, self._fault = connection, fault
        with self._told("a session could not begin"):
            _leave_transaction(connection)
            with closing(connection.cursor()) as cursor:
                cursor.execute(self.session)
        super().__init__(connection, WORDS[driver], dialect, fault, given=given, write=write)

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, as the server says: no driver tells types apart that matter here.

        What cannot be described without running it, such as a query of another server, has columns of none.
        """
        # As bytes: in a text, a backslash at a line's end would take the line's end away.
        found = self.rows(_DESCRIBED.format(self.words.mark), [sql.encode("utf-16-le")])
        if found and all(told is None for _, told in found):
            return [sort(name) for name, _ in found]
        with self._told("the projected model fails"), closing(self._cursor()) as cursor:
            cursor.execute(f"SELECT * FROM (\n{sql}\n) AS described WHERE 1 = 0")  # noqa: S608 - bracketed, whatever it is
            return [OTHER] * len(self._columns(cursor))

    @contextmanager
    def values(self, frame: pl.DataFrame, columns: Columns, beside: str = "") -> Iterator[tuple[str, list[Any]]]:  # noqa: ARG002 - given by value
        """Canonical values as a table to select from."""
        yield given(list(columns.values()), self.words.mark), [given_text(frame, columns, _written)]

    def _failure(self, error: Exception) -> bool:
        return isinstance(error, self._errors)


def _leave_transaction(connection: Any) -> None:
    """Have the driver begin no transactions by itself: a method of the one, an attribute of the other."""
    if callable(connection.autocommit):
        connection.autocommit(True)
    else:
        connection.autocommit = True


_NAMED = re.compile(r"(\w+)(?:\((?:\d+|max)(?:,\s*(\d+))?\))?")


def sort(name: str | None) -> Sort:
    """What a column is, by the server's name of its type, such as decimal(10,2)."""
    parts = _NAMED.fullmatch((name or "").lower())
    if parts is None:
        return OTHER
    if parts[1] in {"decimal", "numeric"}:
        return _decimal(int(parts[2] or 0))
    return _SORTS.get(parts[1], OTHER)


def _decimal(scale: int) -> Sort:
    return Sort("decimal", scale, pa.decimal128(38, scale))


_SORTS = {
    "bit": Sort("bool", arrow=pa.bool_()),
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), Sort("int", arrow=pa.int64())),
    **dict.fromkeys(("money", "smallmoney"), _decimal(4)),
    **dict.fromkeys(("float", "real"), Sort("float", arrow=pa.float64())),
    **dict.fromkeys(("char", "varchar", "text", "nchar", "nvarchar", "ntext"), Sort("text", arrow=pa.string())),
    "uniqueidentifier": Sort("uuid", arrow=pa.string()),
    **dict.fromkeys(("binary", "varbinary", "image", "timestamp", "rowversion"), Sort("bytes", arrow=pa.binary())),
    "date": Sort("date", arrow=pa.date32()),
    "time": Sort("time", arrow=pa.time64("us")),
    **dict.fromkeys(("datetime2", "smalldatetime"), Sort("timestamp", arrow=pa.timestamp("us"))),
    "datetime": Sort("milliseconds", arrow=pa.timestamp("us")),
    "datetimeoffset": Sort("timestamptz", arrow=pa.timestamp("us", "UTC")),
}
"""By the name of a type; `timestamp` is one of row versions, and of XML and the like there is no certain text."""
