"""Keeps the project as its files last were right, while people edit them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tailrace.discretion import discreet
from tailrace.errors import ProjectError, TailraceError

if TYPE_CHECKING:
    from tailrace.api import Project

log = logging.getLogger(__name__)

Files: TypeAlias = frozenset[tuple[str, int, int]]


class Keeper:
    """The last good project of a folder. One thread calls `look`; any may use what it gives."""

    def __init__(self, root: Path, load: Callable[[Path], Project]) -> None:
        self._root, self._load = root, load
        # Before they are read, so that what changes meanwhile is seen. Where dbt's manifest is, only they tell: so the
        # first look finds it, and reads once more.
        self._seen = _files(root)
        self._lock = threading.Lock()
        self._project = load(root)
        self._used: Counter[Project] = Counter()
        self._old: list[Project] = []
        self.problem: str | None = None
        """What is wrong with the files as they are now; None where nothing is."""

    @property
    def project(self) -> Project:
        """The last good one."""
        return self._project

    def hold(self) -> Project:
        """The last good one, to be kept open until it is given to `drop`, also when the files change meanwhile."""
        with self._lock:
            self._used[self._project] += 1
            return self._project

    def drop(self, project: Project) -> None:
        """One who held it needs it no more."""
        with self._lock:
            self._used[project] -= 1
        self._close_old()

    def look(self, *, anyhow: bool = False) -> bool:
        """Read the files again if they changed, or `anyhow`; whether there is a new project."""
        found = _files(self._root, self._project)
        if found == self._seen and not anyhow:
            return False
        self._seen = found
        try:
            made = self._load(self._root)
        except (TailraceError, OSError) as error:
            self.problem = str(error)
            # Its problems name files, lines and keys, and no value of a row.
            words = str(error) if isinstance(error, ProjectError) else discreet(error)
            log.error("the project's files are broken, what they said before goes on: %s", words)  # noqa: TRY400 - it is told in words
            return False
        if self.problem is not None:
            log.warning("the project's files are right again")
        self.problem = None
        log.info("the project's files were read again")
        with self._lock:
            self._old.append(self._project)
            self._project = made
        self._close_old()
        return True

    def close(self) -> None:
        """Close all that no run uses."""
        with self._lock:
            self._old.append(self._project)
        self._close_old()

    def _close_old(self) -> None:
        with self._lock:
            done = [project for project in self._old if not self._used[project]]
            for project in done:
                self._old.remove(project)
                del self._used[project]
        for project in done:
            with suppress(TailraceError):  # nobody needs it any more
                project.close()


def _files(root: Path, project: Project | None = None) -> Files:
    """What tells whether a project's files are as they were: dbt's manifest too, where the project names one."""
    paths = [root / "tailrace.yml", *root.glob("syncs/*.y*ml"), *root.glob("models/**/*.sql")]
    if project is not None and project.config.dbt is not None:
        paths.append(root / project.config.dbt.manifest)
    found = set()
    for path in paths:
        with suppress(OSError):  # it went away just now
            facts = path.stat()
            found.add((str(path), facts.st_mtime_ns, facts.st_size))
    return frozenset(found)
