"""Calls into a library that may take hours, during which Ctrl-C and whoever cancels the run are to be heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tailrace.stopping import StopNow, asked, stoppable

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
_LOOK_S: Final = 0.2
"""Seconds between two looks for signals: polars has them continue a wait that Python would have them end."""
PATIENCE_S: Final = 5.0
"""Seconds that a call which was cancelled has to end."""


def interruptibly(act: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Do something in another thread, if this is one that may be asked to stop; `cancel` has it end then.

    DuckDB, which would carry it out in this one, makes a RuntimeError of what a signal's handler raises.
    """
    if not stoppable():
        return act()
    done: Future[T] = Future()
    thread = threading.Thread(target=_into, args=(done, act), name="query", daemon=True)
    thread.start()
    try:
        while not (done.done() or asked()):
            wait([done], timeout=_LOOK_S)
    except BaseException:
        _end(thread, cancel)
        raise
    if asked():
        _end(thread, cancel)
        raise StopNow
    return done.result()


def canceller(connection: Connection) -> Callable[[], object] | None:
    """What has a driver end the query that another thread waits for; None where no way is known.

    Both may be called by any thread: https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.interrupt,
    https://www.psycopg.org/psycopg3/docs/api/connections.html#psycopg.Connection.cancel_safe.
    """
    raw: Any = connection.connection.driver_connection
    match connection.dialect.driver:
        case "pysqlite":
            return partial(_tried, raw.interrupt)
        case "psycopg":
            return partial(_tried, partial(raw.cancel_safe, timeout=PATIENCE_S))
        case _:
            return None


def _tried(cancel: Callable[[], object]) -> None:
    """Cancel; a connection that is gone, or a server that does not hear, needs nothing more."""
    with suppress(Exception):
        cancel()


def _end(thread: threading.Thread, cancel: Callable[[], object]) -> None:
    """Cancel again and again: what is cancelled just before it begins would not know of it."""
    end = time.monotonic() + PATIENCE_S
    while thread.is_alive() and time.monotonic() < end:
        cancel()
        thread.join(_LOOK_S)


def _into(done: Future[T], act: Callable[[], T]) -> None:
    try:
        done.set_result(act())
    except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
        done.set_exception(error)
