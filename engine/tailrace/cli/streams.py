"""The standard streams as a program may find them: without a reader, full, or not there at all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

STANDARD = (0, 1, 2)


class Stdout:
    """What commands print. That it cannot be printed stops no command: a run goes on without anybody watching."""

    def __init__(self) -> None:
        self._failed: OSError | None = None

    def put(self, text: str) -> None:
        """Print a line, at once."""
        self.add(text + "\n")
        self.flush()

    def add(self, text: str) -> None:
        """Print a part of a line, or of many, which goes out when there is enough of it."""
        try:
            sys.stdout.write(text)
        except OSError as error:
            self._give_up(error)

    def end(self, code: int) -> int:
        """The program's exit code, once all has left that was printed; where it could not, that is told."""
        self.flush()
        if self._failed is None:
            return code
        if not isinstance(self._failed, BrokenPipeError):  # else the reader has seen enough
            told = f"cannot print: {self._failed.strerror}\n  what the command did is done all the same"
            stderr.put(told, "error")
        return code or 1

    def flush(self) -> None:
        """Let go what was printed: whoever reads it from a pipe may be waiting for it."""
        try:
            sys.stdout.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Print to nowhere from now on: what is still in the buffer would fail again, at the end of the program."""
        self._failed = self._failed or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


stdout = Stdout()


class Stderr:
    """What is told beside what commands print: in words, or as lines of a log where that is one of JSON."""

    def __init__(self) -> None:
        self.form: Callable[..., str] | None = None
        """What makes a line of the log of level, message and fields; None for text."""

    def put(self, text: str, level: str = "warning", **fields: Any) -> None:
        """Print a line, if that can be."""
        if self.form is not None:
            text = self.form(level, text.strip(), **fields)
        elif level == "error":
            text = f"error: {text}"
        with suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


stderr = Stderr()


def prepare_streams() -> None:
    """See to it that there are all three, and that what is printed is printed whole."""
    _open_missing()
    raw = sys.stdout.buffer
    if isinstance(raw, io.RawIOBase):
        # Told not to buffer (PYTHONUNBUFFERED), Python drops what does not go out with one write, and says nothing.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), sys.stdout.encoding, sys.stdout.errors)


def _open_missing() -> None:
    """Open the null device in place of standard streams that the program was started without.

    Else the next file to be opened would stand in their place, and get what is printed.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as we are
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
