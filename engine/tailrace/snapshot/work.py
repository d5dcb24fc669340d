"""A local folder for files in the making; what crashed programs left there is removed by the next one."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tailrace.snapshot.files import make_folder, told

_NAME = re.compile(r"(?P<host>[A-Za-z0-9.-]+)_(?P<pid>[0-9]+)_")


class Workplace:
    """Folders of this process below one root, private to its user. May be used by several threads at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "host"
        self._lock = threading.Lock()
        self._own: Path | None = None

    @classmethod
    def at(cls, place: Workplace | Path) -> Workplace:
        """A work place as it is, or one in a folder."""
        return cls(place) if isinstance(place, Path) else place

    @property
    def folder(self) -> Path:
        """This process's own folder."""
        with self._lock:
            if self._own is None or not self._own.is_dir():
                make_folder(self._root)
                self._sweep()
                with told(self._root, "write"):
                    self._own = Path(tempfile.mkdtemp(prefix=f"{self._host}_{os.getpid()}_", dir=self._root))
            return self._own

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for as long as the block lasts."""
        place = self.new()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def new(self) -> Path:
        """An empty folder that stays until `close`."""
        folder = self.folder
        with told(folder, "write"):
            return Path(tempfile.mkdtemp(dir=folder))

    def close(self) -> None:
        """Remove everything of this process."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None

    def _sweep(self) -> None:
        """Remove folders of processes of this machine that are no more."""
        for path in self._root.iterdir():
            named = _NAME.match(path.name)
            if named and named["host"] == self._host and not _alive(int(named["pid"])):
                shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there, and not ours
    return True
