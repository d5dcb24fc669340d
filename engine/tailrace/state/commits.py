"""Group commit: what several threads have to write goes to the disk in as few transactions as possible.

An intent is waited for: whoever announces one goes on when it is durable. An outcome is not: it joins the next
transaction, which the next intent brings, or follows by itself `LINGER_S` later. So no batch is announced before the
outcomes of all batches before it are durable, and one transaction does for both. Intents that are committed `apart`
leave outcomes to the thread that looks after them, so that nobody waits for what it writes; except those that must join
the next intents in any case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

LINGER_S = 0.1
"""How long an outcome may wait for company: long enough for that of a fast destination, and less than a blink."""
_IDLE_S = 1.0
"""After so long without an outcome the thread that looks after lingering ones ends."""

Intent = TypeVar("Intent")
Settlement = TypeVar("Settlement")


@dataclass(slots=True)
class _Waiting(Generic[Intent, Settlement]):
    """What one thread waits for."""

    intents: Sequence[Intent]
    settled: Sequence[Settlement]
    apart: bool
    done: bool = False
    error: BaseException | None = None


class Commits(Generic[Intent, Settlement]):
    """`write` makes intents and settlements durable, all or none; only one thread is in it at a time.

    `linger_s` is how long an outcome may wait for company, if not `LINGER_S`.
    """

    def __init__(
        self, write: Callable[[Sequence[Intent], Sequence[Settlement]], None], linger_s: float | None = None
    ) -> None:
        self._write = write
        self._linger_s = LINGER_S if linger_s is None else linger_s
        self._turn = threading.Lock()
        self._state = threading.Condition()
        self._waiting: list[_Waiting[Intent, Settlement]] = []
        self._settled: list[Settlement] = []
        self._joining = False
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._closed = False

    def add(self, settlement: Settlement, *, joins: bool = False) -> None:
        """Hand over what need not be waited for; if it `joins`, the next intents are not durable before it is."""
        with self._state:
            self._joining = self._joining or joins
            if not self._settled:
                self._since = time.monotonic()
            self._settled.append(settlement)
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._look_after, name="journal", daemon=True)
                thread.start()
                self._thread = thread
            elif self._asleep:
                self._state.notify()

    def commit(
        self, intents: Sequence[Intent] = (), settled: Sequence[Settlement] = (), *, apart: bool = False
    ) -> None:
        """Return when all that is durable, with all settlements handed over before, if not `apart` from them.

        Errors of `write` are raised.
        """
        waiting = _Waiting(intents, settled, apart)
        with self._state:
            self._waiting.append(waiting)
        with self._turn:
            if not waiting.done:
                self._round()
        if waiting.error is not None:
            raise waiting.error

    def close(self) -> None:
        """Make durable what is left, and end the thread; errors of `write` are raised."""
        try:
            self.commit()
        finally:
            with self._state:
                self._closed = True
                thread = self._thread
                self._state.notify()
            if thread is not None:
                thread.join()

    def _round(self) -> None:
        """Write all that waits by now, for everyone who waits."""
        group: list[_Waiting[Intent, Settlement]] = []
        lingering: list[Settlement] = []
        error: BaseException | None = None
        try:
            with self._state:
                group, self._waiting = self._waiting, []
                if self._joining or not all(waiting.apart for waiting in group):
                    lingering, self._settled, self._joining = self._settled, [], False
            intents = [intent for waiting in group for intent in waiting.intents]
            settled = lingering + [settlement for waiting in group for settlement in waiting.settled]
            if intents or settled:
                self._write(intents, settled)
        except BaseException as caught:  # noqa: BLE001 - each thread that waits raises it
            error = caught
            with self._state:
                self._settled, self._joining = lingering + self._settled, True
        for waiting in group:
            waiting.done, waiting.error = True, error

    def _look_after(self) -> None:
        """Commit settlements that no intent has taken along."""
        while self._overdue():
            try:
                self.commit()
            except Exception:  # noqa: BLE001 - whoever commits next meets the error, and can tell it
                break
        with self._state:
            if self._thread is threading.current_thread():
                self._thread = None

    def _overdue(self) -> bool:
        """Wait until a settlement has lingered for long enough; False when the thread is of no use any more."""
        with self._state:
            while not self._closed:
                if not self._settled:
                    self._asleep = True
                    came = self._state.wait_for(lambda: bool(self._settled) or self._closed, _IDLE_S)
                    self._asleep = False
                    if not came:
                        self._thread = None  # under the lock: who adds from now on begins another
                        return False
                    continue
                left = self._since + self._linger_s - time.monotonic()
                if left <= 0:
                    return True
                self._state.wait(left)
            return False
