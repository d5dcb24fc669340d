"""The budget of requests of one account: exact, shared by threads, and able to learn from refusals."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from tailrace.destination import Rate
from tailrace.errors import QuotaExhausted, WriteForbidden

DAY_S = 86_400.0
PATIENCE_S = 900.0
"""Longest wait for a permit; what takes longer ends the run, to be resumed later."""
MARGIN = 0.03
"""Share by which each window is stretched: requests may arrive closer together than they left."""
_MARGIN_S = 1.0
"""Most seconds a window is stretched by."""
QUOTA_STALE_S = 3_600.0
"""How long the vendor's word on the quota holds; vendors restore quotas hourly, or by sliding windows."""
_LEAST_WAIT_S = 0.001
"""Shorter waits may vanish in the rounding of a clock that has run for long."""
_SHRINK = 0.7
_RECOVER = 0.1
_LEAST_SHARE = 0.1


class Limiter:
    """Implements `tailrace.destination.Calls`.

    `rates` are sliding windows which hold all at once; `reserve` is the share (0 to 1) of day-long
    windows, and of the quota the vendor reports, that is left to other programs. After a refusal
    (`pause`) the permitted rate shrinks, and recovers by a tenth for each window without another.
    `clock` and `sleep` are in seconds.
    """

    def __init__(
        self,
        rates: Sequence[Rate] = (),
        *,
        reserve: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        read_only: bool = False,
    ) -> None:
        self.calls = 0
        self.throttled_s = 0.0
        self.quota_left: int | None = None
        self.quota_max: int | None = None
        self._windows = [_Window(rate, reserve) for rate in rates]
        self._shortest = min((rate.per for rate in rates), default=0.0)
        self._reserve = reserve
        self._clock = clock
        self._sleep = sleep
        self._read_only = read_only
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._share = 1.0
        self._shrunk_at = 0.0
        self._quota_seen_at = 0.0

    def spend(self, *, write: bool, cost: int = 1, bucket: str = "default") -> None:  # noqa: ARG002 - one bucket for now
        """Wait for a permit for `cost` requests; QuotaExhausted when that would take too long."""
        if write and self._read_only:
            raise WriteForbidden(
                "something tried to write to a destination during a dry run",
                hint="this is a fault of the adapter: nothing was sent",
            )
        while (wait := self._take(cost)) > 0:
            self._sleep(wait)

    def observe(self, *, quota_left: int | None = None, quota_max: int | None = None) -> None:
        """Take the vendor's word on the account's quota."""
        with self._lock:
            if quota_max is not None:
                self.quota_max = quota_max
            if quota_left is not None:
                self.quota_left, self._quota_seen_at = quota_left, self._clock()

    def pause(self, seconds: float) -> None:
        """Permit nothing for so long, and less for a while after: the vendor said that we are too fast."""
        with self._lock:
            now = self._clock()
            self._paused_until = max(self._paused_until, now + seconds)
            if now - self._shrunk_at >= self._shortest or self._share == 1.0:  # refusals come in volleys
                self._share = max(_LEAST_SHARE, self._share_at(now, self._shortest) * _SHRINK)
                self._shrunk_at = self._paused_until

    def _take(self, cost: int) -> float:
        """Take the permit and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            self._check_quota(now)
            wait = max((window.wait(now, cost, self._share_at(now, window.per)) for window in self._windows), default=0)
            wait = max(wait, self._paused_until - now)
            if wait > PATIENCE_S:
                raise _exhausted("the account's permitted calls are used up", wait)
            if wait > 0:
                wait = max(wait, _LEAST_WAIT_S)
                self.throttled_s += wait
                return wait
            self._note(now, cost)
            return 0.0

    def _note(self, now: float, cost: int) -> None:
        for window in self._windows:
            window.note(now, cost)
        self.calls += cost
        if self.quota_left is not None:
            self.quota_left = max(0, self.quota_left - cost)

    def _share_at(self, now: float, per: float) -> float:
        """The share of a window's calls that is permitted now; day-long windows are never narrowed."""
        if self._share == 1.0 or per >= DAY_S or per <= 0:
            return 1.0
        return min(1.0, self._share + _RECOVER * max(0.0, now - self._shrunk_at) / per)

    def _check_quota(self, now: float) -> None:
        if self.quota_left is None or now - self._quota_seen_at > QUOTA_STALE_S:
            return
        kept = int((self.quota_max or 0) * self._reserve)
        if self.quota_left <= kept:
            what = f"{self.quota_left} calls of the account's quota are left"
            reserved = f", and {kept} are reserved for other programs" if kept else ""
            raise _exhausted(what + reserved, QUOTA_STALE_S)


class _Window:
    """At most `calls` in any `per` seconds, by the times of the latest ones."""

    def __init__(self, rate: Rate, reserve: float) -> None:
        self.per = rate.per
        self._calls = max(1, int(rate.calls * (1 - reserve))) if rate.per >= DAY_S else rate.calls
        self._span = rate.per + min(_MARGIN_S, rate.per * MARGIN)
        self._log: deque[float] = deque()

    def wait(self, now: float, cost: int, share: float) -> float:
        while self._log and self._log[0] + self._span <= now:
            self._log.popleft()
        allowed = max(1, int(self._calls * share))
        surplus = len(self._log) + min(cost, allowed) - allowed
        return 0.0 if surplus <= 0 else self._log[surplus - 1] + self._span - now

    def note(self, now: float, cost: int) -> None:
        self._log.extend([now] * min(cost, self._calls))


def _exhausted(what: str, wait: float) -> QuotaExhausted:
    resume = datetime.now(UTC) + timedelta(seconds=wait)
    return QuotaExhausted(
        what,
        hint=f"resume after {resume:%Y-%m-%d %H:%M UTC}: the rows not sent are planned again then",
        resume_after=resume,
    )
