"""What differs between warehouses when a projection becomes SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tailrace.warehouses.syntax import Syntax

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect as EngineDialect

SQLITE_SHA256 = "tailrace_sha256"
"""Name of the function that an SQLite connection is given: SQLite has no SHA-256 of its own."""

_SHA256 = {
    "duckdb": "sha256(CAST({} AS VARCHAR))",
    "postgresql": "encode(sha256(convert_to(CAST({} AS TEXT), 'UTF8')), 'hex')",
    "snowflake": "SHA2(CAST({} AS VARCHAR), 256)",
    "bigquery": "TO_HEX(SHA256(CAST({} AS STRING)))",
    "mysql": "SHA2(CONVERT({} USING utf8mb4), 256)",
    "mariadb": "SHA2(CONVERT({} USING utf8mb4), 256)",
    "mssql": "LOWER(CONVERT(VARCHAR(64), HASHBYTES('SHA2_256', CAST({} AS VARCHAR(MAX))), 2))",
    "redshift": "SHA2(CAST({} AS VARCHAR(MAX)), 256)",
    "databricks": "SHA2(CAST({} AS STRING), 256)",
    "clickhousedb": "lower(hex(SHA256(toString({}))))",
    "trino": "LOWER(TO_HEX(SHA256(TO_UTF8(CAST({} AS VARCHAR)))))",
    "sqlite": SQLITE_SHA256 + "(CAST({} AS TEXT))",
}
_SYNTAX = {
    "duckdb": Syntax(dollar_quotes=True, nested_comments=True),
    "postgresql": Syntax(dollar_quotes=True, nested_comments=True),
    "snowflake": Syntax(backslash=True, dollar_quotes=True, slash_comments=True),
    "bigquery": Syntax(backslash=True, hash_comments=True, triple_quotes=True),
    "mysql": Syntax(backslash=True, hash_comments=True),
    "mariadb": Syntax(backslash=True, hash_comments=True),
    "databricks": Syntax(backslash=True),
    "redshift": Syntax(backslash=True, dollar_quotes=True, nested_comments=True),
    "clickhousedb": Syntax(backslash=True, dollar_quotes=True, hash_comments=True),
    "mssql": Syntax(nested_comments=True),
}
_PLAIN = Syntax()
_NO_BOOLEANS = frozenset({"sqlite", "mssql", "oracle"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """One warehouse's words: names, literals, the hash, and how its strings and comments end."""

    name: str
    quote: Callable[[str], str]
    """A column's name as the warehouse wants to read it."""
    syntax: Syntax = _PLAIN
    sha256: str | None = None
    """Template with one `{}`: lower-case hex of the SHA-256 of a value's text; NULL stays NULL."""
    booleans: bool = True
    """Whether TRUE and FALSE are words; else 1 and 0 stand in."""

    def text(self, value: str) -> str:
        """A string literal."""
        quoted = "'" + value.replace("'", "''") + "'"
        if self.syntax.backslash:
            for raw, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
                value = value.replace(raw, escaped)
            quoted = f"'{value}'"
        return "N" + quoted if self.name == "mssql" else quoted

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - it is the value itself
        """A boolean literal."""
        if self.booleans:
            return "TRUE" if value else "FALSE"
        return str(int(value))


def duckdb_dialect() -> Dialect:
    """DuckDB: every name is quoted; names match whatever their case."""
    return Dialect("duckdb", _double_quoted, _SYNTAX["duckdb"], _SHA256["duckdb"])


def sqlalchemy_dialect(engine: EngineDialect) -> Dialect:
    """Names as SQLAlchemy quotes them: only where needed, so that the warehouse folds the plain ones."""
    name = engine.name
    return Dialect(
        name,
        lambda column: _prepared(engine, column),
        _SYNTAX.get(name, _PLAIN),
        _SHA256.get(name),
        booleans=name not in _NO_BOOLEANS,
    )


def _double_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _prepared(engine: EngineDialect, name: str) -> str:
    preparer = engine.identifier_preparer
    if "%" not in name:
        return preparer.quote(name)
    # For drivers that format parameters SQLAlchemy doubles the sign; our statements have none.
    return preparer.initial_quote + name.replace(preparer.final_quote, preparer.final_quote * 2) + preparer.final_quote
