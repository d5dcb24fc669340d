"""Which of the batches that were intended together have been sent, and what came of them: without waiting for the disk.

An intent is durable, as it must outlive a power cut. That its batch is being sent need outlive the process only: what
was written into a file stays in the machine's memory when the writer is killed. So a mark takes a system call, where
a commit takes the disk's time. It says nothing once the machine has started anew: the file names the boot.

Outcomes are noted there too, until a transaction takes them along: who is killed in between would not know them else.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.errors import StateError
from tailrace.state.machine import this_boot

if TYPE_CHECKING:
    from tailrace.state.database import Database

_FOLDER = "sent"
_MARK = struct.Struct("<qI")
"""Number of a batch that is intended with others, below zero when it is sent; and bytes of the note that follows."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a file says of batches."""

    unsent: frozenset[int] = frozenset()
    """Nothing of them was sent for sure."""
    settled: Mapping[int, bytes] = field(default_factory=dict)
    """What was noted of their outcomes."""


class Marks:
    """The marks of one run, in a file of its own. Several threads may write; the file comes with the first mark."""

    def __init__(self, path: Path, boot: str) -> None:
        self._path = path
        self._head = f"{boot}\n".encode()
        self._file: int | None = None
        self._broken = False

    @classmethod
    def beside(cls, state: Database, run_id: str) -> Marks | None:
        """Beside the state database; None where that is a server, or this machine's boots cannot be told apart."""
        folder, boot = state.folder, this_boot()
        return None if folder is None or boot is None else cls(folder / _FOLDER / run_id, boot)

    def intended(self, numbers: Iterable[int]) -> None:
        """Note that these batches are intended, and none of them is sent. StateError where that cannot be written."""
        self._write(b"".join(_MARK.pack(number, 0) for number in numbers))

    def sent(self, number: int) -> None:
        """Note, before its first byte leaves, that a batch is sent. StateError where that cannot be written."""
        self._write(_MARK.pack(-number, 0))

    def settled(self, number: int, note: bytes) -> None:
        """Note what became of a batch; the note is not empty. StateError where that cannot be written."""
        self._write(_MARK.pack(number, len(note)) + note)

    def left(self) -> Left:
        """What the file says; nothing of batches that were not sent, where it is cut off within a mark."""
        try:
            held = self._path.read_bytes()
        except OSError:
            return Left()
        if not held.startswith(self._head):
            return Left()
        marked: set[int] = set()
        settled: dict[int, bytes] = {}
        at = len(self._head)
        while at + _MARK.size <= len(held):
            number, size = _MARK.unpack_from(held, at)
            at += _MARK.size
            if not size:
                marked.add(number)
            elif at + size <= len(held):
                settled[number] = held[at : at + size]
            at += size
        # What is cut off may be the mark of a batch that was sent; a note that is cut off is not one.
        unsent = frozenset(n for n in marked if n > 0 and -n not in marked) if at >= len(held) else frozenset[int]()
        return Left(unsent, settled)

    def forget(self) -> None:
        """Begin anew, as all that is noted is on record by now."""
        if self._file is not None and not self._broken:
            with suppress(OSError):
                os.ftruncate(self._file, len(self._head))

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def drop(self) -> None:
        """Remove the file, when nobody needs it any more."""
        self.close()
        with suppress(OSError):
            self._path.unlink()

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            # After a part of a mark, whatever followed would be misread.
            self._broken = self._broken or os.write(self._file, data) != len(data)
        except OSError as error:
            self._broken = True
            raise self._failed(error.strerror) from error
        if self._broken:
            raise self._failed("not all of it could be written")

    def _opened(self) -> int:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o600)
        if os.write(file, self._head) != len(self._head):
            self._broken = True
        return file

    def _failed(self, why: str | None) -> StateError:
        hint = "Check that this user may write there, and that the disk is not full; nothing was sent without a note."
        return StateError(f"what is sent cannot be noted in {self._path}: {why}", hint=hint)
