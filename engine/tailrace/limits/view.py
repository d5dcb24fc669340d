"""An account's budget as one run sees it: what it knows of it, and what it has not told the others yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tailrace.errors import AccountFailing, QuotaExhausted
from tailrace.limits import breaker
from tailrace.limits.reserve import Permit, Terms, heal, reserve
from tailrace.limits.standing import Standing
from tailrace.limits.store import Books, MemoryBooks, Spent, Store
from tailrace.limits.windows import Window

LOOK_S = 1.0
"""How old what is known of the account may be, where no permit brings news of it."""
COUNT_S = 0.1
"""How long a request that needs no permit may be on no record: what a process that is killed loses at most."""
_FRESH_S = 10.0
"""For how long an answer speaks against others who found the account failing."""
_ROUNDING_S = 0.001
"""What two clocks may differ by, although both were read at one moment."""


@dataclass(frozen=True, slots=True)
class _Report:
    """The vendor's word on the quota, and when it came, on our own clock."""

    left: int | None
    most: int | None
    at: float


class View:
    """May be used from several threads. `clock` is the run's own, in seconds; times in the store are on the store's.

    A request that counts in a window costs one transaction of the store, which also carries what is to be told.
    Others go by what is known, which is refreshed when it is a second old, and are counted together, ten times a
    second at most. `sync` is the one that they are made for.
    """

    def __init__(self, store: Store, clock: Callable[[], float], terms: Terms, sync: str = "") -> None:
        self.standing = Standing()
        """As last known, with what this run learnt since."""
        self._store = store
        self._clock = clock
        self._terms = terms
        self._sync = sync
        self._spent = Spent()
        self._told_at: float | None = None
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._ahead = 0.0
        self._report: _Report | None = None
        self._uncounted = 0
        self._answered_at: float | None = None
        self._prober: int | None = None

    def ask(self, windows: Sequence[Window], cost: int, patience: float) -> float | QuotaExhausted | AccountFailing:
        """Take permits for a request, and say when it may go, on our own clock; or why it may not."""
        terms = replace(self._terms, patience=patience, probing=self._probing)
        with self._lock:
            found = self._in_store(windows, cost, terms) if windows or self._must_tell() else self._here(cost, terms)
            if not isinstance(found, Permit):
                return found
            if found.probe:
                self._prober = threading.get_ident()
            return found.moment - self._ahead

    def unused(self, cost: int) -> None:
        """A permit was let go: no request was made."""
        with self._lock:
            self._spent.calls -= cost

    def waited(self, seconds: float) -> None:
        """A request was kept waiting for its permit."""
        with self._lock:
            self._spent.throttled_s += seconds

    def repeated(self) -> None:
        """A request is made once more."""
        with self._lock:
            self._spent.retries += 1

    def barred(self) -> bool:
        """Whether a request may not go now although it has its permit: a pause was asked for, or the breaker opened."""
        with self._lock:
            self._refresh()
            if self.standing.paused_until > self._now() + _ROUNDING_S:
                return True
            return self._terms.heed_breaker and not breaker.closed(self.standing) and not self._probing

    def observe(self, left: int | None, most: int | None) -> None:
        """Take the vendor's word on the quota; the others learn it with our next permit."""
        with self._lock:
            if left is not None or self._report is None:
                self._report = _Report(left, most, self._clock())
                self._uncounted = 0 if left is not None else self._uncounted
            else:
                self._report = replace(self._report, most=most)
            self.standing.report(left, most, self._now())

    def tell(self) -> None:
        """Tell the others what is new with us: no permit may follow that would."""
        with self._lock:
            if self._report is not None or self._uncounted or self._spent:
                with self._books():
                    pass

    def pause(self, seconds: float, shortest: float) -> None:
        """Tell all that the vendor wants a pause. `shortest` is the account's shortest window, in seconds."""
        with self._lock, self._books() as books:
            books.standing.pause(books.now, seconds, shortest)

    def answered(self) -> None:
        """A request was answered, well or not: the account works."""
        self._answered_at = self._clock()
        if self._prober is not None or self.standing.failures:
            with self._lock, self._books() as books:
                breaker.answered(books.standing)
                self._prober = None

    def failed(self, error: str) -> None:
        """A request was given up, and nothing was learnt but this error."""
        with self._lock:
            self._answered_at = self._prober = None
            with self._books() as books:
                breaker.failed(books.standing, books.now, error)

    @property
    def _probing(self) -> bool:
        """Whether this thread was let through an open breaker to try, and does not know yet."""
        return self._prober == threading.get_ident()

    def _now(self) -> float:
        """The store's time, as far as we can tell without asking."""
        return self._clock() + self._ahead

    def _must_tell(self) -> bool:
        """Whether a request that counts in no window needs a transaction: time has passed, or there is news to tell."""
        if self._told_at is None or self._clock() - self._told_at >= COUNT_S:
            return True
        stale = self._is_stale()
        if stale and (self._report or self._uncounted):
            return True
        if stale:
            self._refresh()
            if heal(self.standing, self._now(), self._terms):
                return True  # once for all, or it would be dated anew each time someone looks
        return self.standing.failures > 0 and (stale or not breaker.closed(self.standing))

    def _is_stale(self) -> bool:
        return self._read_at is None or self._clock() - self._read_at >= LOOK_S

    def _refresh(self) -> None:
        """Look, if what is known is old; what was not told yet stays on top of it."""
        if self._is_stale():
            now, standing = self._store.look()
            self._take(now, standing)
            self._add_news(now, standing)

    def _in_store(self, windows: Sequence[Window], cost: int, terms: Terms) -> Permit | QuotaExhausted | AccountFailing:
        with self._books([window.name for window in windows]) as books:
            found = reserve(books, windows, cost, terms)
            if isinstance(found, Permit):
                self._spent.calls += cost  # while the transaction lasts, which is to count it
            return found

    def _here(self, cost: int, terms: Terms) -> Permit | QuotaExhausted | AccountFailing:
        found = reserve(MemoryBooks(self._now(), self.standing, {}, {}), (), cost, terms)
        if isinstance(found, Permit):
            self._spent.calls += cost
            self._uncounted += cost if self.standing.quota_left is not None else 0
        return found

    @contextmanager
    def _books(self, names: Sequence[str] = ()) -> Iterator[Books]:
        """A transaction of the store that also tells what is new with us, and brings what is new with others."""
        with self._store.books(names) as books:
            self._take(books.now, books.standing)
            self._add_news(books.now, books.standing)
            if books.standing.failures and self._speaks_for_it():
                breaker.answered(books.standing)
            yield books
            told = replace(self._spent, calls=max(0, self._spent.calls))
            if told:
                books.count(self._sync, told)
            standing = replace(books.standing)
        self.standing, self._report, self._uncounted = standing, None, 0
        # A permit that was counted and let go makes up for the next one: what is on record never falls.
        self._spent = Spent(calls=min(0, self._spent.calls))
        self._told_at = self._clock()

    def _take(self, now: float, standing: Standing) -> None:
        self._read_at = self._clock()
        self.standing, self._ahead = standing, now - self._read_at

    def _add_news(self, now: float, standing: Standing) -> None:
        if self._report is not None:
            standing.report(self._report.left, self._report.most, now - (self._clock() - self._report.at))
        standing.count(self._uncounted)

    def _speaks_for_it(self) -> bool:
        """Whether we had an answer of late: then the account works, whatever others found."""
        return self._answered_at is not None and self._clock() - self._answered_at <= _FRESH_S
