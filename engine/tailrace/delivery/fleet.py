"""Batches in flight: each in a thread of its own, and none beside another that locks the same records."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar

from tailrace.delivery.flight import Flight


class Locking(Protocol):
    """What is known of a batch here."""

    @property
    def locks(self) -> frozenset[int]:
        """Names of the records that it locks while it is written."""


Work = TypeVar("Work", bound=Locking)
Done = TypeVar("Done")


class Fleet(Generic[Work, Done]):
    """Used by one thread. `process` runs in threads where there are several, `absorb` takes in what it gives."""

    def __init__(self, process: Callable[[Work], Done], absorb: Callable[[Done], None], flight: Flight) -> None:
        self._process, self._absorb, self._flight = process, absorb, flight
        self._flying: dict[Future[Done], frozenset[int]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def start(self, threads: int, name: str) -> None:
        """Have so many threads; with one, batches are processed as they are launched."""
        if threads > 1:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def stop(self, *, at_once: bool) -> None:
        """Wait for what is in flight, unless it is to end at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=not at_once, cancel_futures=True)

    @property
    def several(self) -> bool:
        """Whether more than one may be in flight."""
        return self._pool is not None

    def launch(self, work: Work) -> None:
        """Send a batch as soon as there is room."""
        if self._pool is None:
            self._absorb(self._process(work))
            return
        self._make_room()
        # What a batch asks a warehouse for is asked for the run that sends it: see `tailrace.tagging`.
        self._flying[self._pool.submit(copy_context().run, self._process, work)] = work.locks

    def take(self, waiting: list[Work]) -> Work:
        """Take out the first batch that locks nothing which one in flight locks; wait until there is one."""
        while True:
            self._make_room()
            held = frozenset[int]().union(*self._flying.values())
            for place, work in enumerate(waiting):
                if work.locks.isdisjoint(held):
                    return waiting.pop(place)
            self.land()

    def land(self, *, all_of_them: bool = False) -> None:
        """Take in what has ended; errors that are not the destination's are raised here."""
        while self._flying:
            for future in wait(self._flying, return_when=FIRST_COMPLETED).done:
                del self._flying[future]
                self._absorb(future.result())
            if not all_of_them:
                return

    def _make_room(self) -> None:
        while len(self._flying) >= self._flight.wanted:
            self.land()
