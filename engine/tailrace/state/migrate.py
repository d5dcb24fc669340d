"""Bring a state database to this program's tables, whatever version of the program made it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.errors import StateError
from tailrace.state.database import Database
from tailrace.state.schema import HEAD, metadata

_LOCK = 8_245_117
"""Key of the advisory lock that keeps two programs from migrating one PostgreSQL database at once."""


def ensure_current(database: Database) -> None:
    """Migrate when needed. StateError when a newer program has been here. Cheap when all is current."""
    with database.reading() as connection:
        if _revision(connection) == HEAD:
            return
    with database.transaction() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        revision = _revision(connection)
        if revision is None:
            _create(connection)
        elif revision != HEAD:
            _migrate(connection, revision, database.where)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("select version_num from alembic_version"))
    return revision


def _create(connection: Connection) -> None:
    """All tables at once: to go through every revision takes longer than a small run."""
    # Not to look whether one is there already: a table of that name is somebody else's.
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(_VERSION.insert().values(version_num=HEAD))


_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As alembic makes it."""


def _migrate(connection: Connection, revision: str, where: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and rarely needed
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision not in known:
        raise StateError(
            f"the state database {where} belongs to a newer version of Tailrace (revision {revision})",
            hint="upgrade this installation: pip install --upgrade tailrace",
        )
    command.upgrade(config, "head")
