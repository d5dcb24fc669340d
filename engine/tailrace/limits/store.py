"""Where an account's budget is kept: what a store can do, and the store of one process."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from tailrace.limits.standing import Standing


@dataclass(slots=True)
class Spent:
    """What one sync asked of an account, and waited for it; named as in `tailrace.state.totals`."""

    calls: int = 0
    retries: int = 0
    throttled_s: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.calls or self.retries or self.throttled_s)


class Books(Protocol):
    """One account's budget in a transaction; nobody else sees or changes it meanwhile."""

    now: float
    """Seconds on the clock that all who share the store go by."""
    standing: Standing
    """To be changed in place."""

    def taken(self, name: str) -> int:
        """Permits given so far in that window."""

    def slots(self, wanted: Mapping[str, Collection[int]]) -> Mapping[str, Mapping[int, float]]:
        """The times in those slots, by window; slots never written are absent."""

    def write(self, name: str, taken: int, slots: Mapping[int, float]) -> None:
        """Keep a window's number of permits, and the times of some slots."""

    def bring_back(self, latest: float, moment: float) -> None:
        """Set all times after `latest`, of all windows, to `moment`."""

    def count(self, sync: str, spent: Spent) -> None:
        """Add what a sync spent to what is on record of the account and of the sync."""


class Store(Protocol):
    """Keeps one account's budget."""

    def look(self) -> tuple[float, Standing]:
        """The time and a copy of the standing, at little cost."""

    def books(self, names: Sequence[str] = ()) -> AbstractContextManager[Books]:
        """A transaction, which an exception undoes. `names` are the windows that will be used."""


class MemoryBooks:
    """A transaction on a `MemoryStore`."""

    def __init__(self, now: float, standing: Standing, taken: dict[str, int], at: dict[str, dict[int, float]]) -> None:
        self.now = now
        self.standing = standing
        self._taken = taken
        self._at = at

    def taken(self, name: str) -> int:
        """Permits given so far in that window."""
        return self._taken.get(name, 0)

    def slots(self, wanted: Mapping[str, Collection[int]]) -> Mapping[str, Mapping[int, float]]:
        """The times in those slots."""
        return {name: {s: self._at[name][s] for s in slots if s in self._at[name]} for name, slots in wanted.items()}

    def write(self, name: str, taken: int, slots: Mapping[int, float]) -> None:
        """Keep a window's number of permits, and the times of some slots."""
        self._taken[name] = taken
        self._at[name].update(slots)

    def bring_back(self, latest: float, moment: float) -> None:
        """Set all times after `latest` to `moment`."""
        for ring in self._at.values():
            ring.update({slot: moment for slot, at in ring.items() if at > latest})

    def count(self, sync: str, spent: Spent) -> None:
        """Nobody asks one process for its record."""


class MemoryStore:
    """A budget shared by the threads of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._standing = Standing()
        self._taken: dict[str, int] = {}
        self._at: dict[str, dict[int, float]] = defaultdict(dict)

    def look(self) -> tuple[float, Standing]:
        """The time and a copy of the standing."""
        with self._lock:
            return self._clock(), replace(self._standing)

    @contextmanager
    def books(self, names: Sequence[str] = ()) -> Iterator[Books]:  # noqa: ARG002 - all are at hand
        """A transaction. Writes come last in a decision, so that there is nothing but the standing to undo."""
        with self._lock:
            books = MemoryBooks(self._clock(), replace(self._standing), self._taken, self._at)
            yield books
            self._standing = books.standing
