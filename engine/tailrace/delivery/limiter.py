"""What a run may send to an account: it waits for permits here, and tells others what it learns of the account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from tailrace.destination import Rate
from tailrace.errors import Retriable, WriteForbidden
from tailrace.limits import PATIENCE_S, MemoryStore, Store, Window, windows_of
from tailrace.limits.reserve import Terms
from tailrace.limits.view import View
from tailrace.limits.windows import EVERY
from tailrace.redact import redact

_LAPSES = 3
"""So many permits whose moment was missed are let lapse, before one is used in spite of it."""
_LEAST_PROBE_S = 60.0
_COUNTING = frozenset({"default", EVERY})
_STEADY_S = 600.0
"""Longer windows are budgets to be spent, not paces to be kept."""


class Interrupted(Retriable):
    """The run was asked to stop while it waited for a permit; nothing was sent."""

    plain = None


class Limiter:
    """Implements `tailrace.destination.Calls`, for one run or command.

    `rates` are sliding windows which hold all at once; `reserve` is the share (0 to 1) of day-long
    windows, and of the quota the vendor reports, that is left to other programs. `store` is shared by all
    that use the account, and has all that is spent on record, for the account and for `sync`. After a refusal (`pause`)
    the permitted rate shrinks, and recovers by a tenth for each window without another. With `read_only` writes are
    refused, and an open circuit breaker is not heeded: a person is looking. `stop` ends a wait; `timeout` is that of a
    request; `clock` and `sleep` are in seconds.
    """

    def __init__(
        self,
        rates: Sequence[Rate] = (),
        *,
        reserve: float = 0.0,
        store: Store | None = None,
        sync: str = "",
        read_only: bool = False,
        stop: threading.Event | None = None,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.calls = 0
        self.throttled_s = 0.0
        self._rates = tuple(rates)
        self._reserve = reserve
        self._shortest = min((rate.per for rate in rates), default=0.0)
        self._windows: dict[str, tuple[Window, ...]] = {}
        self._read_only = read_only
        self._stop = stop
        self._clock = clock
        self._sleep = sleep or (stop.wait if stop else time.sleep)
        self._lock = threading.Lock()
        self._here = threading.local()
        terms = Terms(reserve=reserve, heed_breaker=not read_only, probe_s=max(_LEAST_PROBE_S, 2 * timeout))
        self._view = View(store or MemoryStore(clock), clock, terms, sync)

    @property
    def pace(self) -> float | None:
        """Requests a second that are permitted in the long run, as far as windows of minutes say; None: without end."""
        counting = (rate.calls / rate.per for rate in self._rates if rate.bucket in _COUNTING and rate.per <= _STEADY_S)
        return min(counting, default=None)

    @property
    def waited_here(self) -> float:
        """Seconds that the calling thread has waited for permits."""
        return float(getattr(self._here, "waited", 0.0))

    @property
    def quota_left(self) -> int | None:
        """Calls left of the account's quota, as far as the vendor ever said."""
        return self._view.standing.quota_left

    @property
    def quota_max(self) -> int | None:
        """The account's quota, as far as the vendor ever said."""
        return self._view.standing.quota_max

    def spend(self, *, write: bool, cost: int = 1, bucket: str = "default") -> None:
        """Wait for a permit for `cost` requests.

        QuotaExhausted when that would take too long, AccountFailing while the account's circuit breaker is open,
        Interrupted when the run is asked to stop meanwhile.
        """
        if write and self._read_only:
            raise WriteForbidden(
                "something tried to write to a destination during a dry run",
                hint="this is a fault of the adapter: nothing was sent",
            )
        windows = self._windows_of(bucket)
        patience, lapses = PATIENCE_S, 0
        while True:
            due = self._view.ask(windows, cost, patience)
            if isinstance(due, Exception):
                raise due
            ready = self._clock()
            waited = self._wait(due - ready, cost)
            patience = max(0.0, patience - waited)
            if waited and self._view.barred():
                self._view.unused(cost)
                continue
            if lapses == _LAPSES or not self._missed(max(due, ready), windows):
                break
            self._view.unused(cost)
            lapses += 1
        with self._lock:
            self.calls += cost

    def observe(self, *, quota_left: int | None = None, quota_max: int | None = None) -> None:
        """Take the vendor's word on the account's quota."""
        if (quota_left, quota_max) != (None, None):
            self._view.observe(quota_left, quota_max)

    def tell(self) -> None:
        """To be called when an account is left: the last word on its quota is kept for plans and for others."""
        self._view.tell()

    def pause(self, seconds: float) -> None:
        """Permit nothing for so long, and less for a while after: the vendor said that we are too fast."""
        self._view.pause(seconds, self._shortest)

    def answered(self) -> None:
        """To be told of each request that the account answered, well or not."""
        self._view.answered()

    def failed(self, error: Exception) -> None:
        """To be told of each request that was given up without an answer worth the name."""
        self._view.failed(redact(" ".join(str(getattr(error, "message", error)).split())))

    def repeated(self) -> None:
        """To be told of each request that is about to be made once more."""
        self._view.repeated()

    def _windows_of(self, bucket: str) -> tuple[Window, ...]:
        if bucket not in self._windows:
            self._windows[bucket] = windows_of(self._rates, bucket, self._reserve)
        return self._windows[bucket]

    def _wait(self, seconds: float, cost: int) -> float:
        if seconds <= 0:
            return 0.0
        self._sleep(seconds)
        if self._stop is not None and self._stop.is_set():
            self._view.unused(cost)
            raise Interrupted("the run was asked to stop while it waited for a permit", code="INTERRUPTED")
        self._here.waited = self.waited_here + seconds
        self._view.waited(seconds)
        with self._lock:
            self.throttled_s += seconds
        return seconds

    def _missed(self, due: float, windows: Sequence[Window]) -> bool:
        """Whether we come so late for a permit that others, given for later, might go with it."""
        return self._clock() - due > min((window.margin for window in windows), default=float("inf"))
