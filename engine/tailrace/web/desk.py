"""The project as the web has it: read anew when its files change, while the last good one stays in use."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tailrace.api import Project
from tailrace.discretion import discreet
from tailrace.errors import TailraceError

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often, at most, the project's files are looked at."""
Stamp: TypeAlias = frozenset[tuple[str, int, int]]


class Desk:
    """May be used from several threads. `closing` is set when the server is about to end."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root
        self.closing = threading.Event()
        self.fault: str | None = None
        """What is wrong with the files as they are now, when an older version of them is in use."""
        self.planning = threading.Lock()
        """One plan is made at a time: it takes the memory that the project permits."""
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = stamp(root)
        self._looked = clock()
        self._project = Project.load(root)
        self._users: dict[int, int] = {}
        self._retired: dict[int, Project] = {}

    @contextmanager
    def using(self) -> Iterator[Project]:
        """The project as its files are now, or as they last were without a fault."""
        self._refresh()
        with self._lock:
            project = self._project
            self._users[id(project)] = self._users.get(id(project), 0) + 1
        try:
            yield project
        finally:
            self._leave(project)

    def close(self) -> None:
        """Give everything back; nothing may be in use any more."""
        self.closing.set()
        with self._lock:
            open_ = [self._project, *self._retired.values()]
            self._retired.clear()
        for project in open_:
            project.close()

    def _leave(self, project: Project) -> None:
        with self._lock:
            self._users[id(project)] -= 1
            left = self._users[id(project)]
            gone = self._retired.pop(id(project), None) if not left else None
            if not left:
                del self._users[id(project)]
        if gone is not None:
            gone.close()

    def _refresh(self) -> None:
        with self._lock:
            if self._clock() - self._looked < LOOK_S:
                return
            self._looked = self._clock()
            now = stamp(self.root)
            if now == self._stamp:
                return
            self._stamp = now
        try:
            fresh = Project.load(self.root)
        except TailraceError as error:
            self.fault = str(error)
            log.warning("the console keeps the project as it was, as its files have a fault: %s", discreet(error))
            return
        self.fault = None
        with self._lock:
            old, self._project = self._project, fresh
            if self._users.get(id(old)):
                self._retired[id(old)] = old
                return
        old.close()


def stamp(root: Path) -> Stamp:
    """What tells one state of the project's files from another: names, sizes and times."""
    files = [root / "tailrace.yml", *(root / "syncs").glob("*.y*ml"), *(root / "models").rglob("*.sql")]
    found = []
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue
        found.append((str(file), about.st_mtime_ns, about.st_size))
    return frozenset(found)
