"""Which of the batches that were intended together have been sent, and what came of them: without waiting for the disk.

An intent is durable, as it must outlive a power cut. That its batch is being sent need outlive the process only: what
is in a file that is mapped into memory stays in the machine's when the writer is killed. So a mark takes no disk's time
as a commit does, nor a system call, at which other threads would take over. It says nothing once the machine has
started anew: the file names the boot.

Outcomes are noted there too, until a transaction takes them along: who is killed in between would not know them else.

Of what is written behind the last mark the first byte comes last of all: who is killed while it writes has written
nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tailrace.errors import StateError
from tailrace.state.machine import this_boot

if TYPE_CHECKING:
    from tailrace.state.database import Database

_FOLDER = "sent"
_FORM = 2
"""Of the file; named beside the boot."""
_MARK = struct.Struct("<?qI")
"""That it is one; number of a batch that is intended with others, below zero when it is sent; and bytes of the note
that follows."""
_END = b"\0"
"""In place of the first byte of a mark: there is none any more."""
_LEAST, _MOST = 1 << 16, 1 << 22
"""Bytes of room made at once: as many as there are, between these."""


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
        self._head = f"{boot} {_FORM}\n".encode()
        self._file: int | None = None
        self._map: mmap.mmap | None = None
        self._at = self._size = 0
        """Bytes that are written, and that there is room for."""
        self._writing = Lock()

    @classmethod
    def beside(cls, state: Database, run_id: str) -> Marks | None:
        """Beside the state database; None where that is a server, or this machine's boots cannot be told apart."""
        folder, boot = state.folder, this_boot()
        return None if folder is None or boot is None else cls(folder / _FOLDER / run_id, boot)

    def intended(self, numbers: Iterable[int]) -> None:
        """Note that these batches are intended, and none of them is sent. StateError where that cannot be written."""
        self._write(b"".join(_MARK.pack(True, number, 0) for number in numbers))

    def sent(self, number: int) -> None:
        """Note, before its first byte leaves, that a batch is sent. StateError where that cannot be written."""
        self._write(_MARK.pack(True, -number, 0))

    def settled(self, number: int, note: bytes) -> None:
        """Note what became of a batch; the note is not empty. StateError where that cannot be written."""
        self._write(_MARK.pack(True, number, len(note)) + note)

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
        at, end = len(self._head), len(held)
        while at + _MARK.size <= end and held[at]:
            _, number, size = _MARK.unpack_from(held, at)
            at += _MARK.size
            if not size:
                marked.add(number)
            elif at + size <= end:
                settled[number] = held[at : at + size]
            at += size
        # What is cut off may be the mark of a batch that was sent; a note that is cut off is not one.
        whole = held[at : at + 1] == _END
        unsent = frozenset(n for n in marked if n > 0 and -n not in marked) if whole else frozenset[int]()
        return Left(unsent, settled)

    def forget(self) -> None:
        """Begin anew, as all that is noted is on record by now."""
        with self._writing, suppress(OSError):
            if self._file is not None:
                self._unmap()
                os.ftruncate(self._file, 0)
                self._at = self._size = 0

    def close(self) -> None:
        """Give the file back."""
        with self._writing:
            self._unmap()
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def drop(self) -> None:
        """Remove the file, when nobody needs it any more."""
        self.close()
        with suppress(OSError):
            self._path.unlink()

    def _write(self, marks: bytes) -> None:
        with self._writing:
            try:
                file = self._opened()
                needed = len(marks) + len(_END)
                if self._at + needed > self._size:
                    self._make_room(file, needed)
                self._put(file, marks)
            except OSError as error:
                raise self._failed(error.strerror) from error

    def _opened(self) -> int:
        if self._file is None and self._at:
            self._file = os.open(self._path, os.O_RDWR)  # a thread that comes after `close`
        elif self._file is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                self._path.unlink()  # not emptied: a process that has it mapped would die of that
            self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            self._at = self._size = 0
        return self._file

    def _make_room(self, file: int, size: int) -> None:
        """Room for so many bytes more, which the disk has from then on."""
        room = bytes(max(size, min(max(self._size, _LEAST), _MOST)))
        if not self._size:
            room = self._head + room
        _write_at(file, room, self._size)
        self._unmap()
        self._at = self._at or len(self._head)
        self._size += len(room)
        with suppress(OSError):  # not every file system can
            self._map = mmap.mmap(file, self._size)

    def _put(self, file: int, marks: bytes) -> None:
        first, end = self._at, self._at + len(marks)
        unbegun = _END + marks[1:] + _END
        if self._map is None:
            _write_at(file, unbegun, first)
            _write_at(file, marks[:1], first)
        else:
            self._map[first : end + 1] = unbegun
            self._map[first] = marks[0]
        self._at = end

    def _unmap(self) -> None:
        held, self._map = self._map, None  # a signal may end this wherever it is
        if held is not None:
            held.close()

    def _failed(self, why: str | None) -> StateError:
        hint = "Check that this user may write there, and that the disk is not full; nothing was sent without a note."
        return StateError(f"what is sent cannot be noted in {self._path}: {why}", hint=hint)


def _write_at(file: int, data: bytes, at: int) -> None:
    """All of it; OSError where that cannot be."""
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written
