"""Durable files: written whole, private to the user, and on the disk before anyone builds on them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tailrace.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator

Writer = Callable[[IO[bytes]], object]
FOLDER_MODE = 0o700
FILE_MODE = 0o600


def folder(root: str, *parts: str) -> Path:
    """A folder below `root`; SnapshotError for a part that would lead anywhere else."""
    for part in parts:
        if part in {"", ".", ".."} or any(char in part for char in "/\\\0"):
            raise SnapshotError(f"{part!r} cannot be part of a path under {root}", hint="Rename the sync.")
    return Path(root, *parts)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, private to the user, so that they survive a crash."""
    missing = [path, *path.parents]
    missing = [item for item in missing if not item.exists()]
    with told(path, "create"):
        for item in reversed(missing):
            item.mkdir(mode=FOLDER_MODE, exist_ok=True)
            sync_folder(item.parent)


def write_new(path: Path, write: Writer) -> None:
    """Write a file and force it to the disk. A crash may leave it half written: name it afterwards."""
    with told(path, "write"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            write(file)
            file.flush()
            os.fsync(descriptor)


def replace_file(path: Path, write: Writer) -> None:
    """Write a file so that a crash leaves either the old one or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    write_new(temporary, write)
    with told(path, "write"):
        temporary.replace(path)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk: a rename is durable only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Checksum of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def told(path: Path, action: str) -> Iterator[None]:
    """Turn what the system, or polars on its behalf, says of a file into a SnapshotError."""
    try:
        yield
    except SnapshotError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SnapshotError(f"cannot {action} {path}: {reason}", hint="Check disk space and permissions.") from error
    except BaseException as error:
        if not _from_polars(error):
            raise
        # Polars may quote values that it cannot write or read.
        hint = "Check disk space and permissions."
        raise SnapshotError(f"cannot {action} {path}", said=str(error), hint=hint) from error


def _from_polars(error: BaseException) -> bool:
    # A panic inside polars is no Exception, so that it would pass every ordinary handler.
    return any("polars" in kind.__module__ or kind.__name__ == "PanicException" for kind in type(error).__mro__)


def parquet(frame: Any) -> Writer:
    """Writes a frame as parquet, compressed, in row groups small enough to be read in a stream."""
    return lambda file: frame.write_parquet(file, compression="zstd", row_group_size=65_536, statistics=True)
