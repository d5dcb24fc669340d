"""Watches, while a run goes on, for whoever cancels it from elsewhere, and for the end of its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tailrace.errors import StateError
from tailrace.stopping import heeding

if TYPE_CHECKING:
    from tailrace.running.session import Session
    from tailrace.state import Lease
    from tailrace.stopping import RunStop

LOOK_S: Final = 1.0
"""Seconds between two looks at the state database."""


@contextmanager
def heeded(session: Session, lease: Lease, stop: RunStop, timeout: float | None) -> Iterator[None]:
    """Until the block ends, set `stop` when somebody cancels the run under this lease, or `timeout` seconds pass."""
    ended = threading.Event()
    end = None if timeout is None else time.monotonic() + timeout
    watch = threading.Thread(
        target=_watch, args=(session, lease, stop, ended, end), name=f"heed-{lease.sync}", daemon=True
    )
    watch.start()
    try:
        with heeding(stop):
            yield
    finally:
        ended.set()
        watch.join()


def _watch(session: Session, lease: Lease, stop: RunStop, ended: threading.Event, end: float | None) -> None:
    begun = time.monotonic()
    while not ended.wait(LOOK_S if end is None else max(0.0, min(LOOK_S, end - time.monotonic()))):
        if end is not None and time.monotonic() >= end:
            stop.ask(f"at its timeout, after {time.monotonic() - begun:.0f} s")
            return
        try:
            who = session.state.cancelled(lease.sync, lease.token)
        except StateError:
            continue  # it is told where it matters
        if who is not None:
            stop.ask(f"by {who}, who cancelled the run")
            return
