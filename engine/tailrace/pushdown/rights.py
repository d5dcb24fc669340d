"""What the user of a warehouse lacks to keep snapshots there, as statements that grant it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tailrace.pushdown.words import quoted

if TYPE_CHECKING:
    from tailrace.pushdown.bigquery import BigQueryDesk
    from tailrace.pushdown.databricks import DatabricksDesk
    from tailrace.pushdown.desk import Desk


def missing(desk: Desk, schema: str) -> list[str]:
    """One statement, or one sentence, for each right that is missing; none where that cannot be told."""
    look = _LOOKS.get(desk.words.name)
    return look(desk, schema) if look else []


def _postgres(desk: Desk, schema: str) -> list[str]:
    who = quoted(desk.rows("SELECT current_user")[0][0])
    if not desk.has_schema(schema):
        may = desk.rows("SELECT has_database_privilege(current_database(), 'CREATE')")[0][0]
        return [] if may else [f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION {who};"]
    found = [
        f"GRANT {right} ON SCHEMA {quoted(schema)} TO {who};"
        for right in ("USAGE", "CREATE")
        if not desk.rows("SELECT has_schema_privilege(%s, %s)", [schema, right])[0][0]
    ]
    return found + _tables(desk, schema, who)


def _tables(desk: Desk, schema: str, who: str) -> list[str]:
    """Of tables of ours that somebody else made: they must be ours to alter."""
    tables = desk.rows(
        "SELECT tablename, tableowner, pg_has_role(tableowner, 'USAGE') FROM pg_catalog.pg_tables "
        "WHERE schemaname = %s AND (tablename LIKE 'tailrace\\_%%' OR tablename LIKE 'snapshot\\_%%')",
        [schema],
    )
    return list(dict.fromkeys(f"GRANT {quoted(owner)} TO {who};" for _, owner, ours in tables if not ours))


def _duckdb(desk: Desk, _schema: str) -> list[str]:
    return _files(row[0] for row in desk.rows("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL"))


def _sqlite(desk: Desk, _schema: str) -> list[str]:
    return _files(row[2] for row in desk.rows("PRAGMA database_list") if row[2])


def _mysql(desk: Desk, schema: str) -> list[str]:
    """By the user's own grants; what roles give cannot be seen so, and then nothing is told."""
    if desk.rows("SELECT CURRENT_ROLE()")[0][0] not in {None, "NONE"}:
        return []
    user, _, host = desk.rows("SELECT CURRENT_USER()")[0][0].rpartition("@")
    who = f"'{user}'@'{host}'"
    found = desk.rows("SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = %s", [who])
    there = (
        "SELECT privilege_type FROM information_schema.schema_privileges "
        "WHERE grantee = %s AND %s LIKE table_schema"  # where a name may have wildcards
    )
    has = {row[0] for row in (*found, *desk.rows(there, [who, schema]))}
    lacking = [right for right in _MYSQL_RIGHTS if right not in has]
    return [f"GRANT {', '.join(lacking)} ON {desk.words.quote(schema)}.* TO {who};"] if lacking else []


_MYSQL_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX")


def _mssql(desk: Desk, schema: str) -> list[str]:
    """What the server says of each right; a schema of which the user has none at all is not seen."""
    quote, mark = desk.words.quote, desk.words.mark
    who, place = quote(desk.rows("SELECT USER_NAME()")[0][0]), quote(schema)
    there = desk.has_schema(schema)
    makes = ("CREATE TABLE",) if there else ("CREATE TABLE", "CREATE SCHEMA")
    database = f"SELECT HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', {mark})"
    within = f"SELECT HAS_PERMS_BY_NAME({mark}, N'SCHEMA', {mark})"
    found = {
        "": [right for right in makes if not desk.rows(database, [right])[0][0]],
        f" ON SCHEMA::{place}": [
            right for right in _MSSQL_RIGHTS if there and not desk.rows(within, [place, right])[0][0]
        ],
    }
    return [f"GRANT {', '.join(lacking)}{where} TO {who};" for where, lacking in found.items() if lacking]


_MSSQL_RIGHTS = ("ALTER", "SELECT", "INSERT", "UPDATE", "DELETE")


def _asked(desk: Desk, schema: str) -> list[str]:
    """What a desk finds out in its own way."""
    return cast("BigQueryDesk | DatabricksDesk", desk).lacking(schema)


def _files(found: Iterable[str]) -> list[str]:
    paths = [Path(path) for path in found]
    wanted = [(place, "written") for path in paths if path.exists() for place in (path, path.parent)]
    return [f"{place} cannot be {what} by this user" for place, what in wanted if not os.access(place, os.W_OK)]


_LOOKS: Mapping[str, Callable[[Desk, str], list[str]]] = {
    "postgresql": _postgres,
    "duckdb": _duckdb,
    "sqlite": _sqlite,
    "mysql": _mysql,
    "mariadb": _mysql,
    "mssql": _mssql,
    "bigquery": _asked,
    "databricks": _asked,
}
