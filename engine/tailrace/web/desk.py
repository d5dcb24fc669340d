"""The project as the web has it: read anew when its files change, while the last good one stays in use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tailrace.api import Project
from tailrace.serving.keeper import Keeper

LOOK_S = 2.0
"""How often, at most, the project's files are looked at."""


class Desk:
    """May be used from several threads. Its project is another than the scheduler's, which has warehouses open."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root.resolve()
        self.closing = threading.Event()
        """Set when the server is about to end."""
        self.planning = threading.Lock()
        """One plan is made at a time: it takes the memory that the project permits."""
        self._clock = clock
        self._looking = threading.Lock()
        self._looked = clock()
        self._keeper = Keeper(root, Project.load)

    @property
    def fault(self) -> str | None:
        """What is wrong with the files as they are now, when an older version of them is in use."""
        return self._keeper.problem

    @contextmanager
    def using(self) -> Iterator[Project]:
        """The project as its files are now, or as they last were without a fault."""
        self._look()
        project = self._keeper.hold()
        try:
            yield project
        finally:
            self._keeper.drop(project)

    def close(self) -> None:
        """Give everything back."""
        self.closing.set()
        self._keeper.close()

    def _look(self) -> None:
        if self._clock() - self._looked < LOOK_S or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = self._clock()
            self._keeper.look()
        finally:
            self._looking.release()
