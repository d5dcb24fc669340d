"""When a delivery pauses to have made durable what it came to so far.

A run over a slow destination takes hours. Were its outcomes folded into the snapshot at its end alone, its journal
would hold all of them until then, and so would its memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import polars as pl

EVERY_S = 300.0
"""A checkpoint so often, if there was something to do."""
LEAST = 1_000
"""Outcomes that are worth one by themselves."""
MOST = 250_000
"""Outcomes that are not waited with: some 25 MiB of memory, and 65 MiB of the journal."""


class Fold(Protocol):
    """Makes outcomes durable for good, so that the journal need not hold them any more."""

    def __call__(self, outcomes: pl.DataFrame, whole: pl.LazyFrame) -> None:
        """`outcomes` are those since the last call, `whole` all of the run."""


class Checkpoints:
    """Says when one is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def due(self, outcomes: int) -> bool:
        """Whether so many outcomes should be folded now."""
        return outcomes >= MOST or (outcomes >= LEAST and self._clock() - self._last >= EVERY_S)

    def made(self) -> None:
        """One was made."""
        self._last = self._clock()
