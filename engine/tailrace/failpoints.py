"""Named places where a test may kill or stop the process. Nothing happens at them in ordinary life.

`TAILRACE_FAILPOINT=NAME:COUNT:ACTION` arms one place for this process: when it is reached for the COUNT-th time, the
process is killed (`kill`, SIGKILL: nothing is cleaned up) or stopped (`stop`, SIGSTOP: it goes on at SIGCONT, as a
machine that slept). Without the variable a place costs one look at a global.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from tailrace.errors import UsageError

VARIABLE: Final = "TAILRACE_FAILPOINT"
Point: TypeAlias = Literal[
    "lease.taken",
    "run.started",
    "recovery.found",
    "recovery.settled",
    "recovery.folded",
    "plan.made",
    "changes.saved",
    "batch.announced",
    "batch.intended",
    "batch.sent",
    "batch.settled",
    "job.opened",
    "job.receipt",
    "job.uploaded",
    "job.started",
    "job.collected",
    "doubt.settling",
    "doubt.looked",
    "delivery.ended",
    "lease.renewed",
    "segment.published",
    "manifest.ready",
    "manifest.replaced",
    "compaction.done",
    "snapshot.saved",
    "issues.saved",
    "outcomes.saved",
    "journal.folded",
    "run.finished",
    "lease.released",
]
POINTS: Final[tuple[Point, ...]] = get_args(Point)
Action: TypeAlias = Literal["kill", "stop"]
_SIGNALS: Final[Mapping[str, signal.Signals]] = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class _Armed:
    """One place that was armed, and how often it is still to be passed."""

    def __init__(self, name: str, count: int, action: str) -> None:
        self._name, self._left, self._signal = name, count, _SIGNALS[action]
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        if name != self._name:
            return
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            os.kill(os.getpid(), self._signal)


_armed: _Armed | None = None


def reach(name: Point) -> None:
    """Say that the program is at that place."""
    if _armed is not None:
        _armed.passed(name)


def arm(text: str | None) -> None:
    """Arm the place that the text names, or none; UsageError when it names none that there is."""
    global _armed  # noqa: PLW0603 - of the process, as the signal is
    if not text:
        _armed = None
        return
    name, count, action = (*text.split(":"), *("1", "kill")[text.count(":") :])[:3]
    if name not in POINTS or action not in _SIGNALS or not count.isdigit() or int(count) < 1:
        raise UsageError(
            f"{VARIABLE}: {text!r} names no failpoint", hint=f"NAME:COUNT:kill|stop, of {', '.join(POINTS)}"
        )
    _armed = _Armed(name, int(count), action)
