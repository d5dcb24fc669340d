"""Which of the batches that were intended together have been sent: told without waiting for the disk.

An intent is durable, as it must outlive a power cut. That its batch is being sent need outlive the process only: what
was written into a file stays in the machine's memory when the writer is killed. So a mark takes a system call, where
a commit takes the disk's time. It says nothing once the machine has started anew: the file names the boot.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.errors import StateError
from tailrace.state.machine import this_boot

if TYPE_CHECKING:
    from tailrace.state.database import Database

_FOLDER = "sent"
_NUMBER = struct.Struct("<q")
"""Of a batch that is intended with others; below zero when it is sent."""


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
        self._write(b"".join(map(_NUMBER.pack, numbers)))

    def sent(self, number: int) -> None:
        """Note, before its first byte leaves, that a batch is sent. StateError where that cannot be written."""
        self._write(_NUMBER.pack(-number))

    def unsent(self) -> frozenset[int]:
        """The batches of which nothing was sent for sure; none, where the file cannot be relied on."""
        try:
            held = self._path.read_bytes()
        except OSError:
            return frozenset()
        body = held.removeprefix(self._head)
        if len(body) == len(held) or len(body) % _NUMBER.size:
            return frozenset()
        numbers = {number for (number,) in _NUMBER.iter_unpack(body)}
        return frozenset(number for number in numbers if number > 0 and -number not in numbers)

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
