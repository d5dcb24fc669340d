"""How a run is asked to stop, and how it is made to.

Asked once, it ends as soon as nothing is lost by it: at once while it reads and plans; after the batches in flight
while it sends, for which it has `GRACE_S`; and it finishes what it saves.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

GRACE_S = 30.0
"""Seconds that batches in flight have to end, once a run is asked to stop.

Half of what a request may take by default: whoever waits for so long will not have an answer soon, and supervisors lose
patience too (Docker after 10 s unless told otherwise, Kubernetes after 30, systemd after 90). A run that they kill, or
that this ends, is recovered by the next one.
"""
ASKED = threading.Event()
"""Set by Ctrl-C in the program. What it raises may get lost, as where a library that is being loaded catches all
errors, or makes another one of it."""
Phase: TypeAlias = Literal["planning", "sending", "saving"]


class StopNow(KeyboardInterrupt):
    """Raised where a run is: stop at once, and leave the rest to the next run's recovery."""


class Stop(threading.Event):
    """Set when a run is to stop; knows what the run is at, if any."""

    def __init__(self) -> None:
        super().__init__()
        self.exit_code = 128 + signal.SIGINT
        """What the shell expects of a process that was ended so."""
        self.phase: Phase | None = None
        self.reason: str | None = None
        """Why, in words that follow "stopped"; None where somebody pressed Ctrl-C."""

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """The run is at this, until the block ends."""
        before, self.phase = self.phase, phase
        try:
            if phase == "planning" and self.is_set():
                raise StopNow
            yield
        finally:
            self.phase = before


class RunStop(Stop):
    """Of one run: set when all runs of a program are asked to stop, by `whole`, or that run alone."""

    def __init__(self, whole: threading.Event | None = None) -> None:
        super().__init__()
        self._whole = whole

    def is_set(self) -> bool:
        """Whether the run is to stop."""
        return super().is_set() or (self._whole is not None and self._whole.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is to stop, at most so many seconds; whether it is."""
        if self._whole is None:
            return super().wait(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _SLICE_S if end is None else min(_SLICE_S, end - time.monotonic())
            if left <= 0:
                break
            super().wait(left)
        return self.is_set()

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """The run is at this, until the block ends; whoever handles signals looks at `whole`."""
        with during(self._whole, phase), super().during(phase):
            yield

    def ask(self, reason: str) -> None:
        """Stop this run alone."""
        self.reason = reason
        self.set()


_SLICE_S = 0.2
"""Seconds between two looks at the event of the whole program while a run waits."""
_here = threading.local()


@contextmanager
def heeding(stop: threading.Event) -> Iterator[None]:
    """What this thread does until the block ends is a run that this event stops."""
    before, _here.stop = getattr(_here, "stop", None), stop
    try:
        yield
    finally:
        _here.stop = before


def asked() -> bool:
    """Whether what this thread does is to stop."""
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        return True
    return ASKED.is_set() and threading.current_thread() is threading.main_thread()


def stoppable() -> bool:
    """Whether anybody can ask this thread to stop."""
    return getattr(_here, "stop", None) is not None or threading.current_thread() is threading.main_thread()


def heed() -> None:
    """StopNow where what this thread does is to stop; for work that sends nothing, between its steps."""
    if asked():
        raise StopNow


def during(stop: threading.Event | None, phase: Phase) -> AbstractContextManager[None]:
    """The same for a run that may have been given any event, or none."""
    return stop.during(phase) if isinstance(stop, Stop) else nullcontext()
