"""The destination's address: which database it is, and what that database can do; no connection is made."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tailrace.destination import Capabilities, Operation
from tailrace.errors import UsageError
from tailrace_destinations.sql.config import SqlConfig

_OPERATIONS = frozenset({Operation.UPSERT, Operation.CREATE, Operation.UPDATE, Operation.DELETE})
_ADDRESS_PARAMETERS = ("host", "port", "dbname", "service", "unix_socket")
"""Query parameters that tell one database from another; any other may be a secret and is left out."""


def parse(config: SqlConfig) -> URL:
    """Read the destination's URL; UsageError, which never shows it, when it is none."""
    try:
        return make_url(config.url.reveal())
    except (ArgumentError, ValueError):
        raise UsageError(
            "The url of a sql destination is not a SQLAlchemy URL.",
            hint="Write it as dialect+driver://user:password@host:port/database and percent-encode special characters"
            " in the user and password (an @ is %40, a / is %2F).",
        ) from None


def account_id(config: SqlConfig) -> str:
    """Name the database: the URL without driver, user, password or options, and the default schema."""
    url = parse(config)
    query = {name: value for name, value in url.query.items() if name in _ADDRESS_PARAMETERS}
    bare = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database, query=query)
    return bare.render_as_string() + (f"#{config.db_schema}" if config.db_schema else "")


def capabilities(config: SqlConfig) -> Capabilities:
    """Say what the adapter does with that database. SQLite has one writer at a time."""
    return Capabilities(
        operations=_OPERATIONS,
        idempotent=_OPERATIONS - {Operation.CREATE},
        batch_size=config.batch_size or 1000,
        strays=False,  # a transaction that goes on has its rows locked
        concurrency=config.concurrency or (1 if parse(config).get_backend_name() == "sqlite" else 4),
        match="required",
        addresses="match",
    )


def sqlite_file(url: URL, project_dir: str) -> Path:
    """Find the file of a SQLite URL; UsageError for a database in memory, which would be gone after the run."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise UsageError(
            "A sql destination needs a SQLite file; a database in memory is gone after the run.",
            hint="Write url: sqlite:///path/to/file.db.",
        )
    return Path(project_dir) / url.database
