"""Sliding windows that count requests, as the vendors' rate limits do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Window:
    """At most `limit` requests in any `seconds`; None counts without refusing.

    Refused requests do not use the limit up, but `peak` counts them too: it is the most requests
    that ever arrived within one window, which is what a client must answer for. `turns` are the seconds from the first
    request to the one after each `limit` requests: how fast a client is that has more to send.
    """

    def __init__(self, limit: int | None, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self.peak = 0
        self.refused = 0
        self.turns: list[float] = []
        self._clock = clock
        self._first = 0.0
        self._count = 0
        self._taken: deque[float] = deque()
        self._arrived: deque[float] = deque()

    def take(self) -> bool:
        """Count one request; False when it is over the limit."""
        now = self._clock()
        self._forget(now)
        self._arrived.append(now)
        self._turn(now)
        self.peak = max(self.peak, len(self._arrived))
        if self.limit is not None and len(self._taken) >= self.limit:
            self.refused += 1
            return False
        self._taken.append(now)
        return True

    @property
    def used(self) -> int:
        """Requests granted within the window that ends now."""
        self._forget(self._clock())
        return len(self._taken)

    @property
    def left(self) -> int:
        """Requests that would be granted now; a large number when there is no limit."""
        return 1_000_000_000 if self.limit is None else max(0, self.limit - self.used)

    def reset(self) -> None:
        """Forget all requests."""
        self._taken.clear()
        self._arrived.clear()
        self.peak = self.refused = self._count = 0
        self.turns.clear()

    def _turn(self, now: float) -> None:
        self._first = self._first if self._count else now
        if self.limit is not None and self._count and self._count % self.limit == 0:
            self.turns.append(now - self._first)
        self._count += 1

    def _forget(self, now: float) -> None:
        for times in (self._taken, self._arrived):
            while times and now - times[0] >= self.seconds:
                times.popleft()
