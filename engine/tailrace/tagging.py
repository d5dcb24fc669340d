"""Whose work a query is, as warehouses are told it, and what it was billed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import Final

NAME: Final = "tailrace"


@dataclass(slots=True)
class Work:
    """What is done for a sync, by one thread and those that deliver for it."""

    sync: str = ""
    run_id: str = ""
    bytes_billed: int | None = None
    """By warehouses that bill queries by bytes, so far; None where none did."""

    @property
    def tag(self) -> str:
        """`tailrace:contacts:3f2a…`; without a run of a plan or check, without a sync of neither."""
        return ":".join(part for part in (NAME, self.sync, self.run_id) if part)


_BILLING = Lock()
_CURRENT: ContextVar[Work | None] = ContextVar("tailrace_work", default=None)


@contextmanager
def working(sync: str, run_id: str = "") -> Iterator[Work]:
    """What this thread asks of warehouses until the block ends is for that sync; a run's own block stays."""
    now = current()
    if now.sync == sync and not run_id:
        yield now
        return
    token = _CURRENT.set(Work(sync, run_id))
    try:
        yield current()
    finally:
        _CURRENT.reset(token)


def current() -> Work:
    """What this thread works for; an empty one, known to nobody else, where that is nothing."""
    return _CURRENT.get() or Work()


def billed(amount: int | None) -> None:
    """A warehouse billed so many bytes for a query; None where it does not say."""
    if amount is not None:
        work = current()
        with _BILLING:
            work.bytes_billed = (work.bytes_billed or 0) + amount
