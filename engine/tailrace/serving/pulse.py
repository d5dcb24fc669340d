"""Whether the scheduler of this process goes on, for whoever asks over HTTP, maybe before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailrace.serving.scheduler import Scheduler


class Pulse:
    """Of the scheduler that `feel` was told of, once there is one."""

    def __init__(self) -> None:
        self._scheduler: Scheduler | None = None

    def feel(self, scheduler: Scheduler) -> None:
        """It is this one."""
        self._scheduler = scheduler

    def trouble(self) -> str | None:
        """What keeps schedules and requests from being looked at; None where nothing does. Holds no words of others."""
        return "the scheduler has not begun yet" if self._scheduler is None else self._scheduler.trouble
