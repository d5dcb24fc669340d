"""local-bigquery's server on plain DuckDB in memory, with what keeps it from running Tailrace's own statements mended.

As shipped it loads extensions from the network: for DuckLake, which keeps tables, and for geography. What is mended:
texts beyond ASCII become bytes, and decimals have room for more digits before the point than 20, as BIGNUMERIC is
DECIMAL(38, 18) there. Beside, it lets service accounts in. Run by the Python of an environment of its own; prints its
port.
"""

from __future__ import annotations

import functools
import re
import socket
import tempfile
from pathlib import Path

import duckdb
import uvicorn
from local_bigquery.app import app
from local_bigquery.engine import database, types
from local_bigquery.settings import settings
from local_bigquery.sql.dialect import macro
from local_bigquery.sql.rules import STATEMENT_RULES
from sqlglot import exp

GIVEN = re.compile(r"t\d+")
"""What texts that are given to a statement are called."""
NUMERIC_DIGITS = 9
scalar_type = types._scalar


@functools.cache
def connect() -> duckdb.DuckDBPyConnection:
    """As its own, without DuckLake and geography."""
    connection = duckdb.connect()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("ATTACH ':memory:' AS emulator")
    connection.execute(database.EMULATOR_SCHEMA)
    connection.execute("ATTACH ':memory:' AS bq")
    database.native.register(connection)
    for path in database.FUNCTIONS:
        if path.stem != "geography":
            connection.execute(database.MACRO.sub(r"CREATE MACRO bq.main.\1", path.read_text()))
    attach(connection, settings.default_project_id)
    return connection


def attach(connection: duckdb.DuckDBPyConnection, project: str) -> None:
    """Have a project, as a database in memory."""
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {database.quote(project)}")
    database._attached.add(project)


def casts(tree: exp.Expression, _context: object) -> exp.Expression:
    """Texts as bytes, whatever they hold; and given decimals as texts, which a table's column makes its own."""
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this in {exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY}:
            cast.replace(macro("_bytes", cast.this.copy()))
        elif cast.to.this == exp.DataType.Type.BIGDECIMAL and GIVEN.fullmatch(cast.this.name):
            cast.replace(cast.this.copy())
    return tree


def scalar(kind: duckdb.sqltypes.DuckDBPyType) -> tuple[str, str]:
    """As its own; but only what has the digits of a NUMERIC is one."""
    if kind.id == "decimal" and dict(kind.children)["scale"] != NUMERIC_DIGITS:
        return "BIGNUMERIC", str(kind)
    return scalar_type(kind)


def token() -> dict[str, object]:
    """Let anybody in."""
    return {"access_token": "token-of-the-service-account", "expires_in": 3600, "token_type": "Bearer"}


def main() -> None:
    """Serve on a free port of this machine."""
    settings.data_dir = Path(tempfile.gettempdir())  # nothing is written there
    database._connect, database._attach = connect, attach
    database.projects = lambda: sorted(database._attached)
    types._scalar = scalar
    STATEMENT_RULES.append(casts)
    app.add_api_route("/token", token, methods=["POST"])
    listener = socket.create_server(("127.0.0.1", 0))
    # An answer whose end waits for the client's word that its beginning has come takes 40 ms longer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
