"""Syncs that fail before there is a run on record: they stay due, and are tried less and less often."""

from __future__ import annotations

import threading
import time
from typing import Final

MOST_S: Final = 300.0
"""Seconds between two tries at the most."""


class Patience:
    """When each sync that fails so may be tried again; `tick` seconds after the first time."""

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._times: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        with self._lock:
            return self._times.get(name, (0, 0.0))[1] <= time.monotonic()

    def failed(self, name: str) -> None:
        """It failed without a run on record."""
        with self._lock:
            tries = self._times.get(name, (0, 0.0))[0] + 1
            self._times[name] = (tries, time.monotonic() + min(MOST_S, self._tick * 2 ** min(tries - 1, 20)))

    def ran(self, name: str) -> None:
        """There is a run on record."""
        with self._lock:
            self._times.pop(name, None)
