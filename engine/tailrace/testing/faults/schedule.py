"""Schedules: which request meets which fault, decided by nothing but the seed and the request's own place.

A schedule is a pure function of a label and an ordinal. The proxy counts, for each label, how many requests it saw;
the schedule says what the first, the second, the n-th request of a label meets. The order in which requests with
different labels arrive is up to threads and the network, and makes no difference.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from tailrace.errors import UsageError
from tailrace.testing.faults.fault import FAULTS, ExpireSession, Fault
from tailrace.testing.faults.request import EVERY, Request, by_path

Filter = Callable[[Request], bool]
Label = Callable[[Request], str]

USUAL: Mapping[Fault, float] = {fault: 1.0 for fault in FAULTS.values() if not isinstance(fault, ExpireSession)}
"""Weights of `Schedule.random` unless told otherwise: all faults alike, but sessions do not expire."""


class Schedule(ABC):
    """Decides which fault a request meets, if any."""

    @abstractmethod
    def label(self, request: Request) -> str | None:
        """Under which label the request counts; None when it is left in peace."""

    @abstractmethod
    def fault(self, label: str, ordinal: int) -> Fault | None:
        """What the request that is number `ordinal`, from 1, under its label meets."""

    @staticmethod
    def random(
        *,
        seed: int,
        rate: float = 0.2,
        weights: Mapping[Fault, float] = USUAL,
        only: Filter = EVERY,
        label: Label = by_path,
    ) -> Schedule:
        """Let a share of the requests for which `only` holds meet a fault; `weights` are relative to each other.

        Requests are told apart by `label`, method and path by default: the n-th request of a path meets the same
        fault in each run with the same seed. Where several requests to one path are under way at once, which of them
        is the n-th is up to chance: `label=by_content` ties the fault to what the request says instead, if that is
        the same in each run. Where paths hold ids that differ from run to run, give a label without them.
        """
        return _Random(seed, rate, weights, only, label)

    @staticmethod
    def script(faults: Iterable[Fault | None], *, only: Filter = EVERY) -> Schedule:
        """Let the requests for which `only` holds meet these faults, one each, in the order of their arrival.

        None leaves a request in peace, as do requests after the last one.
        """
        return _Script(tuple(faults), only)


@dataclass(frozen=True)
class _Random(Schedule):
    seed: int
    rate: float
    weights: Mapping[Fault, float]
    only: Filter
    naming: Label

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise UsageError(f"A rate of {self.rate} is no share of requests.", hint="Give 0 to 1.")
        if min(self.weights.values(), default=0) < 0 or not sum(self.weights.values()):
            raise UsageError("Nothing can be drawn by these weights.", hint="Give none below 0, and one above.")

    def label(self, request: Request) -> str | None:
        return self.naming(request) if self.only(request) else None

    def fault(self, label: str, ordinal: int) -> Fault | None:
        # Seeding with text, and `random()` alone, give the same numbers in every version of Python.
        draw = random.Random(f"{self.seed}\0{label}\0{ordinal}")  # noqa: S311 - it must be repeatable
        if draw.random() >= self.rate:
            return None
        bounds = list(accumulate(self.weights.values()))
        return list(self.weights)[bisect(bounds, draw.random() * bounds[-1], hi=len(bounds) - 1)]

    def __repr__(self) -> str:
        given = [f"seed={self.seed}", f"rate={self.rate}"]
        given += [f"weights={dict(self.weights)}"] if self.weights != USUAL else []
        given += [f"only={self.only}"] if self.only is not EVERY else []
        given += [f"label={getattr(self.naming, '__name__', self.naming)}"] if self.naming is not by_path else []
        return f"Schedule.random({', '.join(given)})"


@dataclass(frozen=True)
class _Script(Schedule):
    faults: tuple[Fault | None, ...]
    only: Filter

    def label(self, request: Request) -> str | None:
        return "" if self.only(request) else None

    def fault(self, label: str, ordinal: int) -> Fault | None:  # noqa: ARG002 - there is but one label
        return self.faults[ordinal - 1] if ordinal <= len(self.faults) else None

    def __repr__(self) -> str:
        only = f", only={self.only}" if self.only is not EVERY else ""
        return f"Schedule.script({list(self.faults)}{only})"


PEACE = Schedule.script(())
"""No faults at all."""
