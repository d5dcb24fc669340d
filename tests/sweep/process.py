"""Runs of the command line that may be killed: the sweep's side of the nursery."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code, or the signal's number below zero."""

    code: int
    out: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == KILLED


class Nursery:
    """One process that forks runs, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._last: Run | None = None
        script = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._last is not None and not self._last.done:
            self._last.send(signal.SIGKILL)
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def begin(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], mutant: str = "") -> Run:
        """Start a run."""
        out = self._folder / f"out-{self._process.pid}-{next(self._numbers)}.txt"
        order = {"argv": [*argv], "cwd": str(cwd), "env": dict(env), "out": str(out), "mutant": mutant}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._last = Run(self, self.hear()["pid"], out)
        return self._last

    def hear(self) -> dict[str, Any]:
        """The next line the nursery says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the nursery has died")
        heard: dict[str, Any] = json.loads(line)
        return heard


@dataclass
class Run:
    """A run in progress."""

    nursery: Nursery
    pid: int
    out: Path
    done: bool = False

    def __post_init__(self) -> None:
        self._begun = time.monotonic()

    def end(self, kill_after: float | None = None) -> Ended:
        """Wait for its end; kill it after so many seconds, if it has not ended by then."""
        timer = threading.Timer(kill_after, self.send, [signal.SIGKILL]) if kill_after is not None else None
        if timer:
            timer.start()
        heard = self.nursery.hear()
        self.done = True
        if timer:
            timer.cancel()
        text = self.out.read_text(errors="replace") if self.out.exists() else ""
        self.out.unlink(missing_ok=True)
        return Ended(heard["code"], text, time.monotonic() - self._begun)

    def stopped(self) -> None:
        """Wait until it has stopped itself."""
        heard = self.nursery.hear()
        if not heard.get("stopped"):
            raise RuntimeError(f"it ended instead of stopping: {heard}\n{self.out.read_text(errors='replace')}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
