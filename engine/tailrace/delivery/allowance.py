"""How much one run may spend on repeating requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

REPEATS = 100
"""Repeated requests that any run may make: all that a volley of refused requests takes until they are given up."""
SHARE = 0.2
"""Share of all requests that may be repeats, beyond those."""
WAIT_S = 1_800.0
"""Seconds that any run may be held up by waits between tries."""
EARNED_S = 0.5
"""Seconds that each request that comes through adds to them."""


class Allowance:
    """One run's; safe to use from several threads.

    What counts is the time during which some request waits to be repeated, not the sum over requests: a pause that
    the vendor asks eight threads for is one pause. `clock` is in seconds.
    """

    def __init__(
        self, *, repeats: int = REPEATS, wait_s: float = WAIT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.repeats = 0
        """Requests repeated so far."""
        self.waited_s = 0.0
        self._most_repeats = repeats
        self._most_wait_s = wait_s
        self._clock = clock
        self._requests = 0
        self._successes = 0
        self._waiting_until = 0.0
        self._lock = threading.Lock()

    def request(self) -> None:
        """Count a request, be it new or repeated."""
        with self._lock:
            self._requests += 1

    def success(self) -> None:
        """Count a request that came through."""
        with self._lock:
            self._successes += 1

    def repeat(self, wait: float) -> None:
        """Count a request that is repeated after so many seconds."""
        with self._lock:
            now = self._clock()
            self.repeats += 1
            self.waited_s += max(0.0, now + wait - max(now, self._waiting_until))
            self._waiting_until = max(self._waiting_until, now + wait)

    @property
    def spent(self) -> str | None:
        """Why nothing more may be repeated; None while something may."""
        with self._lock:
            if self.repeats >= self._most_repeats + SHARE * self._requests:
                return f"{self.repeats} of this run's {self._requests} requests were repeats"
            if self.waited_s >= self._most_wait_s + EARNED_S * self._successes:
                return f"this run was held up for {self.waited_s:.0f} s by requests that had to be repeated"
            return None
