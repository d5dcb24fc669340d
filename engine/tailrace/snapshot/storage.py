"""Where snapshots and runs are kept: a local folder here, an object store in `tailrace.snapshot.remote`.

Everything but a manifest is written once, under a name of its own, and never changed. So a reader that
found a manifest finds its files too, and a writer needs one step that is all or nothing: `replace`.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tailrace.errors import SnapshotError
from tailrace.snapshot.files import FILE_MODE, make_folder, sync_folder, told, write_new

if sys.platform != "win32":
    import fcntl

LOCK_S = 10.0
"""How long to wait for another process that is saving: it takes milliseconds."""

__all__ = ["LocalStorage", "Place", "Storage", "checked_name"]


class Storage(Protocol):
    """Files by name; names are relative paths with slashes."""

    @property
    def where(self) -> str:
        """The folder or address, for messages."""

    def read(self, name: str) -> bytes | None:
        """A small file's bytes; None when there is none."""

    def local(self, name: str) -> Path | None:
        """A local path with the content of a file that never changes; None when there is none."""

    def publish(self, name: str, source: Path) -> None:
        """Keep a finished local file under a new name, durably. The source must not be written to afterwards."""

    def replace(self, name: str, data: bytes, *, was: bytes | None) -> None:
        """Put these bytes in place of those that were read before, durably and at once.

        SnapshotError when others have replaced them meanwhile.
        """

    def names(self, prefix: str) -> list[str]:
        """All names that begin so, sorted."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; names without a file are passed over."""


def checked_name(*parts: str) -> str:
    """A name made of parts that lead nowhere else; SnapshotError for a part that would."""
    for part in parts:
        if part in {"", ".", ".."} or any(char in part for char in "/\\\0"):
            raise SnapshotError(f"{part!r} cannot be part of a path", hint="Rename the sync.")
    return "/".join(parts)


class Place:
    """One folder of a storage."""

    def __init__(self, storage: Storage, *parts: str) -> None:
        self._storage = storage
        self.name = checked_name(*parts)

    def path(self, name: str) -> str:
        """A file's name with its folder, for messages."""
        return f"{self._storage.where}/{self.name}/{name}"

    def read(self, name: str) -> bytes | None:
        """See `Storage.read`."""
        return self._storage.read(self._full(name))

    def local(self, name: str) -> Path | None:
        """See `Storage.local`."""
        return self._storage.local(self._full(name))

    def publish(self, name: str, source: Path) -> None:
        """See `Storage.publish`."""
        self._storage.publish(self._full(name), source)

    def replace(self, name: str, data: bytes, *, was: bytes | None) -> None:
        """See `Storage.replace`."""
        self._storage.replace(self._full(name), data, was=was)

    def names(self) -> list[str]:
        """The names of all files in the folder."""
        start = len(self.name) + 1
        return [name[start:] for name in self._storage.names(f"{self.name}/")]

    def remove(self, names: Iterable[str]) -> None:
        """See `Storage.remove`."""
        self._storage.remove(self._full(name) for name in names)

    def _full(self, name: str) -> str:
        return f"{self.name}/{checked_name(name)}"


class LocalStorage:
    """A folder, private to its user; what is written is on the disk when the call returns."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._root)

    def read(self, name: str) -> bytes | None:
        """A file's bytes."""
        path = self._root / name
        with told(path, "read"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def local(self, name: str) -> Path | None:
        """The file itself."""
        path = self._root / name
        return path if path.is_file() else None

    def publish(self, name: str, source: Path) -> None:
        """Link the file where that is possible, else copy it; then force it and its folder to the disk."""
        path = self._root / name
        make_folder(path.parent)
        with told(source, "read"):
            _force(source)
        with _beside(path) as temporary:
            _link(source, temporary)
            temporary.replace(path)
            sync_folder(path.parent)

    def replace(self, name: str, data: bytes, *, was: bytes | None) -> None:
        """Rename a new file over the old one. Writers of one sync are kept apart by its lease, and by a lock here."""
        path = self._root / name
        make_folder(path.parent)
        with _beside(path) as temporary:
            write_new(temporary, lambda file: file.write(data))
            with _locked(path.parent):
                if self.read(name) != was:
                    raise overtaken(str(path))
                temporary.replace(path)
                sync_folder(path.parent)

    def names(self, prefix: str) -> list[str]:
        """All names that begin so."""
        start = self._root / prefix.rpartition("/")[0]
        found = (path.relative_to(self._root).as_posix() for path in start.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, then folders that are empty by that."""
        for name in names:
            path = self._root / name
            with told(path, "remove"), suppress(FileNotFoundError):
                path.unlink()
            self._drop_empty(path.parent)

    def _drop_empty(self, folder: Path) -> None:
        while folder not in {self._root, folder.parent}:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def overtaken(where: str) -> SnapshotError:
    """The error for a file that others have replaced since it was read."""
    return SnapshotError(f"{where}: another run has saved it meanwhile", hint="Run the sync again.")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name of nobody else's in the same folder; a crash may leave a file there."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with told(path, "write"):
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)  # still there, too, where both names are links to one file


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else replaces a file of the folder meanwhile, not even one who was stopped between looking and writing.

    A file system that knows no such locks goes without.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LOCK_S
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise SnapshotError(
                    f"{folder}: another process has been saving there for {LOCK_S:.0f} seconds",
                    hint="It may have been stopped half-way: let it go on, or end it, and run again.",
                )
            time.sleep(0.05)
        yield
    finally:
        if sys.platform != "win32":
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock is ours now, or there is none to be had."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES})


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with source.open("rb") as original:
            write_new(path, lambda file: shutil.copyfileobj(original, file))
