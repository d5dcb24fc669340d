"""Database errors in the user's words: what happened to which file or server, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from tailrace.errors import StateError
from tailrace.redact import redact

# SQLite's own words (src/main.c, sqlite3ErrStr) → what they mean to the user, and what helps.
_SQLITE = (
    (
        ("database is locked", "database table is locked"),
        "another process holds the state database {where}",
        "wait until the other tailrace process has finished, or end it; for several machines use PostgreSQL",
    ),
    (
        ("file is not a database", "malformed", "file is encrypted"),
        "{where} is damaged or is no SQLite database",
        "restore it from a backup; or move it away: the next run makes a new one and keeps the snapshots",
    ),
    (
        ("disk is full", "disk i/o error"),
        "the state database {where} cannot be written: {error}",
        "free some space on its disk and run again; nothing that was acknowledged is lost",
    ),
    (
        ("unable to open database file", "readonly database", "permission denied"),
        "the state database {where} cannot be opened for writing",
        "check that its folder exists and that this user may write there",
    ),
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn database errors into StateError; `where` names the database without its password."""
    try:
        yield
    except SQLAlchemyError as error:
        raise explain(error, where) from error


def explain(error: SQLAlchemyError, where: str) -> StateError:
    """The StateError that says the same in the user's words."""
    text = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    for phrases, message, hint in _SQLITE:
        if any(phrase in text.lower() for phrase in phrases):
            return StateError(message.format(where=where, error=text), hint=hint)
    hint = "check `state:` in tailrace.yml, and that the database is up and reachable"
    if isinstance(error, OperationalError) and error.statement is None:
        # It could not be reached: no statement was sent, so that nothing said of it can quote a row.
        return StateError(f"the state database {where} cannot be reached: {redact(text)}", hint=hint)
    # PostgreSQL quotes the row that it refuses, and rows here have what vendors said of people.
    return StateError(f"the state database {where} does not answer as it should", said=text, hint=hint)
