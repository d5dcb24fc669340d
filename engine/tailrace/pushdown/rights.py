"""What the user of a warehouse lacks to keep snapshots there, as statements that grant it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.pushdown.tables import has_schema
from tailrace.pushdown.words import quoted

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk


def missing(desk: Desk, schema: str) -> list[str]:
    """One statement, or one sentence, for each right that is missing; none where all are there."""
    return _postgres(desk, schema) if desk.words.name == "postgresql" else _duckdb(desk)


def _postgres(desk: Desk, schema: str) -> list[str]:
    who = quoted(desk.rows("SELECT current_user")[0][0])
    if not has_schema(desk, schema):
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


def _duckdb(desk: Desk) -> list[str]:
    paths = [Path(path) for (path,) in desk.rows("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL")]
    wanted = [(place, "written") for path in paths if path.exists() for place in (path, path.parent)]
    return [f"{place} cannot be {what} by this user" for place, what in wanted if not os.access(place, os.W_OK)]
