"""How a run is asked to stop, and how it is made to.

Asked once, it ends as soon as nothing is lost by it: at once while it reads and plans; after the batches in flight
while it sends, for which it has `GRACE_S`; and it finishes what it saves.
"""

from __future__ import annotations

import signal
import threading
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
    """Raised in the main thread, wherever it is: stop at once, and leave the rest to the next run's recovery."""


class Stop(threading.Event):
    """Set when a run is to stop; knows what the run is at, if any."""

    def __init__(self) -> None:
        super().__init__()
        self.exit_code = 128 + signal.SIGINT
        """What the shell expects of a process that was ended so."""
        self.phase: Phase | None = None

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


def during(stop: threading.Event | None, phase: Phase) -> AbstractContextManager[None]:
    """The same for a run that may have been given any event, or none."""
    return stop.during(phase) if isinstance(stop, Stop) else nullcontext()
