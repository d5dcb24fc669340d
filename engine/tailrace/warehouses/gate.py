"""Many readers, or one writer: within one process, threads that share a database file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets readers in together, and a writer alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Among readers; waits until a writer is out."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone; waits until everybody is out."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._readers)
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody is in; if so, nobody comes in while the block lasts. Does not wait."""
        with self._changed:
            alone = not self._writing and not self._readers
            self._writing = self._writing or alone
        try:
            yield alone
        finally:
            with self._changed:
                self._writing = self._writing and not alone
                self._changed.notify_all()
