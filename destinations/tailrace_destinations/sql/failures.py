"""What a database's error means for a run: which of the errors of `tailrace.errors` it becomes.

Classes are told by SQLSTATE (PostgreSQL, its appendix A; others that follow the standard), by SQLite's result
code names, and by MySQL's numbers. Messages are the database's primary one: never the statement, its
parameters or the connection URL, and not PostgreSQL's DETAIL, which quotes the whole row.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from sqlalchemy import exc

from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    DestinationError,
    ObjectNotFound,
    Retriable,
    StopRun,
)

Cause: TypeAlias = type[AccessDenied | BatchRejected | ObjectNotFound | Retriable | StopRun]

_SQLSTATE: dict[str, Cause] = {
    "08": Retriable,  # connection exception
    "22": BatchRejected,  # data exception
    "23": BatchRejected,  # integrity constraint violation
    "25006": AccessDenied,  # read-only transaction
    "28": AccessDenied,  # invalid authorization
    "38": BatchRejected,  # external routine exception
    "3D000": StopRun,  # no such database
    "3F000": ObjectNotFound,  # no such schema
    "40": Retriable,  # rollback: serialization failure, deadlock
    "42501": AccessDenied,  # insufficient privilege
    "42804": BatchRejected,  # the value's type does not fit the column
    "42P01": ObjectNotFound,  # no such table
    "42P07": Retriable,  # somebody else made the table at the same moment
    "44": BatchRejected,  # WITH CHECK OPTION violation
    "53": Retriable,  # insufficient resources
    "53100": StopRun,  # disk full
    "55P03": Retriable,  # lock not available
    "57": Retriable,  # operator intervention: shutdown, statement timeout
    "P0": BatchRejected,  # raised by a trigger
}
_SQLITE: dict[str, Cause] = {
    "SQLITE_BUSY": Retriable,
    "SQLITE_LOCKED": Retriable,
    "SQLITE_CONSTRAINT": BatchRejected,
    "SQLITE_MISMATCH": BatchRejected,
    "SQLITE_TOOBIG": BatchRejected,
    "SQLITE_RANGE": BatchRejected,
    "SQLITE_READONLY": AccessDenied,
    "SQLITE_PERM": AccessDenied,
    "SQLITE_AUTH": AccessDenied,
}
_MYSQL: dict[int, Cause] = {
    1044: AccessDenied,
    1045: AccessDenied,
    1142: AccessDenied,
    1143: AccessDenied,
    1146: ObjectNotFound,
    1205: Retriable,
    1213: Retriable,
    2002: Retriable,
    2003: Retriable,
    2006: Retriable,
    2013: Retriable,
}
_DENIED = re.compile(r"(?i)password|authentication|no pg_hba|role .* does not exist|access denied|login failed")
_NO_DATABASE = re.compile(r"(?i)database .* does not exist|unknown database")


def failure(error: Exception, *, committing: bool = False, connecting: bool = False) -> DestinationError:
    """Translate a driver's or SQLAlchemy's error; `committing`: it came as the answer to COMMIT."""
    if not isinstance(error, exc.DBAPIError):
        return BatchRejected(f"A value cannot be sent to the database: {error}", code=type(error).__name__)
    origin: Any = error.orig
    code, text = _code(origin), _text(origin)
    if connecting and code is None:
        return _connection_failure(text)
    cause = _cause(error, origin)
    if cause is Retriable and committing and _connection_lost(error, code):
        return AnswerLost(f"The connection was lost during COMMIT: {text}", code=code)
    return cause(text, code=code, hint=_hint(cause, code))


def _cause(error: exc.DBAPIError, origin: Any) -> Cause:
    known = _known_cause(origin)
    if known is not None:
        return known
    if isinstance(error, exc.IntegrityError | exc.DataError | exc.InterfaceError):
        return BatchRejected
    return Retriable if error.connection_invalidated or isinstance(error, exc.OperationalError) else StopRun


def _known_cause(origin: Any) -> Cause | None:
    sqlite = getattr(origin, "sqlite_errorname", None)
    if sqlite is not None:
        return _SQLITE.get("_".join(sqlite.split("_")[:2]), StopRun)
    state = getattr(origin, "sqlstate", None)
    if state is not None:
        return _SQLSTATE.get(state) or _SQLSTATE.get(state[:2], StopRun)
    number = origin.args[0] if getattr(origin, "args", ()) else None
    return _MYSQL.get(number) if isinstance(number, int) else None


def _connection_lost(error: exc.DBAPIError, code: str | None) -> bool:
    return error.connection_invalidated or code is None or code[:2] in ("08", "57") or code in ("2006", "2013")


def _connection_failure(text: str) -> DestinationError:
    if _NO_DATABASE.search(text):
        return StopRun(text, hint="Create the database, or correct the destination's url.")
    if _DENIED.search(text):
        return AccessDenied(text, hint="Check the user and password in the destination's url.")
    return Retriable(text, hint="Is the database running, and reachable from here?")


def _code(origin: Any) -> str | None:
    for name in ("sqlstate", "sqlite_errorname"):
        code = getattr(origin, name, None)
        if code is not None:
            return str(code)
    number = origin.args[0] if getattr(origin, "args", ()) else None
    return str(number) if isinstance(number, int) else None


def _text(origin: Any) -> str:
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    if primary:
        return str(primary)
    args = getattr(origin, "args", ())
    return " ".join(str(args[-1] if args else origin).split())


def _hint(cause: Cause, code: str | None) -> str | None:
    if code in ("SQLITE_FULL", "53100"):
        return "Free space on the database's disk, then run again; nothing of this batch was written."
    if code in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return "The file is damaged or no SQLite database: restore it, or correct the destination's url."
    if cause is AccessDenied:
        return "Give the database user the right to read and write this table, or use another user."
    return None
