"""How many batches are in flight at once: as many as the rate and the destination's pace ask for, by Little's law.

A destination that permits 19 requests a second and answers each in 0.3 s is kept busy by six requests in flight; more
would only wait for permits, each with rows that a crash would leave in doubt.
"""

from __future__ import annotations

import math
import threading

_SMOOTH = 0.2
"""Weight of the latest answer in the latency that is reckoned with."""
_MARGIN = 1.25
"""Answers take longer now and then; a request more in flight costs less than a permit that lapses."""
_FIRST = 2
"""In flight until the first answer says how long one takes."""


class Flight:
    """`bound` is the most at once, `pace` the requests a second that are permitted; None where there is no limit."""

    def __init__(self, bound: int, pace: float | None) -> None:
        self._bound, self._pace = bound, pace
        self._latency: float | None = None
        self._lock = threading.Lock()

    def took(self, seconds: float) -> None:
        """Learn how long a request took, without what it waited for permits."""
        seconds = max(0.0, seconds)
        with self._lock:
            known = seconds if self._latency is None else self._latency
            self._latency = known + _SMOOTH * (seconds - known)

    @property
    def wanted(self) -> int:
        """Batches to have in flight now: at least one, at most the bound."""
        if self._pace is None:
            return self._bound
        if self._latency is None:
            return min(self._bound, _FIRST)
        return min(self._bound, 1 + math.ceil(_MARGIN * self._pace * self._latency))
