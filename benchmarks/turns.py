"""Processes that take turns: each works for a while and then stands still, so that none runs beside another.

A machine that others share is a third slower at one time than at another, and one of its cores than the next. Of two
runs, one after the other, one may meet a bad minute; of two that take turns by the second both meet the same ones.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

READY = "ready"
_PLACED_S = 0.01
"""Until the threads of a process run where they were put."""


def wait_for_turn() -> None:
    """Called by the process, when it is ready to be measured; returns when its first turn begins."""
    print(READY, flush=True)
    input()


def take_turns(processes: Sequence[subprocess.Popen[str]], turn_s: float | None) -> list[tuple[float, str]]:
    """Of each process the seconds of all its turns until it printed a line, and that line.

    The processes have pipes for input and output, wait with `wait_for_turn`, and end with that line; SystemExit where
    one ends without. Turns take so many seconds, each begun on another core than the one before; None: one turn is all.
    """
    turns = [_Turns(process) for process in processes]
    try:
        for each in turns:
            each.get_ready()
        while waiting := [each for each in turns if each.line is None]:
            for each in waiting:
                each.take(turn_s)
        return [(each.seconds, each.line or "") for each in turns]
    finally:
        for each in turns:
            if each.line is None:
                each.process.kill()  # it may stand still, and would do so for ever
            each.process.wait()


@dataclass(slots=True)
class _Turns:
    process: subprocess.Popen[str]
    seconds: float = 0.0
    count: int = 0
    line: str | None = None

    def get_ready(self) -> None:
        if self._read() != READY:
            raise SystemExit("bench: a process that was to be measured did not get ready")
        self.process.send_signal(signal.SIGSTOP)
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def take(self, turn_s: float | None) -> None:
        """A turn; it ends with the process's line, if that comes."""
        cores = sorted(os.sched_getaffinity(0))
        self._place({cores[self.count % len(cores)]})
        self.count += 1
        started = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        time.sleep(_PLACED_S)
        self._place(set(cores))
        ended, *_ = select.select([self.process.stdout], [], [], turn_s)
        if not ended:
            self.process.send_signal(signal.SIGSTOP)
        self.seconds += time.perf_counter() - started
        if ended:
            self.line = self._read()

    def _place(self, cores: set[int]) -> None:
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), cores)

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench: a process that was to be measured ended without its figures")
        return line.strip()
