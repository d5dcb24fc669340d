"""Reading the project's files without leaving the project."""

from __future__ import annotations

import stat
from pathlib import Path

from tailrace.project.yaml import MAX_BYTES, Fault, decode


def read_bytes(path: Path, root: Path) -> bytes:
    """The bytes of a project file; Fault when it cannot be read, is too large, or lies outside `root`."""
    try:
        real = path.resolve()
        if not real.is_relative_to(root):
            raise Fault(f"the file leads out of the project, to {real}")
        if not stat.S_ISREG(real.stat().st_mode):
            raise Fault("this is not a regular file")
        with real.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as fault:
        # RuntimeError: a loop of links; ValueError: a path that no file system can have.
        raise Fault(f"the file cannot be read: {getattr(fault, 'strerror', None) or fault}") from None


def read_text(path: Path, root: Path) -> str:
    """As `read_bytes`, decoded; Fault also when it is not clean UTF-8 text."""
    return decode(read_bytes(path, root))
