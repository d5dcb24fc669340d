"""SQLAlchemy's dialect of SQLite for state databases: what one engine has compiled serves the next.

Each state database has two engines, and a process that serves opens one for each run. SQLAlchemy keeps compiled
statements by the dialect's identity, and so would compile the same text for each of them, which takes longer than
to execute it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

DRIVER = "sqlite+tailrace"
_STATEMENTS = 500


class Dialect(SQLiteDialect_pysqlite):
    """Equal to all others of the process: they have one library of SQLite, and the same settings."""

    driver = "tailrace"
    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        """Whether it compiles as this one does."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """The same for all of them."""
        return hash(type(self))


sa.dialects.registry.register("sqlite.tailrace", __name__, Dialect.__name__)

compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS)
"""The statements, for the execution option `compiled_cache`."""
