"""Sliding windows that are exact, and cost a few slots to look at and one to write per permit.

Permits of a window are numbered from 0 and kept in a ring by the time they were given for. Permit `k` may go
no earlier than `at[k - calls]` plus the window's length: so among any `calls + 1` permits, the last one has left
the first one's window. Of a window of very many calls, one slot keeps the latest time of a group of neighbours;
what that costs is at most one group of the window's calls.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailrace.rates import Rate

DAY_S = 86_400.0
LONG_AGO = -math.inf
SLOTS = 1_024
"""Slots of each ring."""
MARGIN = 0.04
"""Share by which a window is stretched: requests may arrive closer together than they left."""
_MARGIN_S = 1.0
"""Most seconds a window is stretched by."""
EVERY = "*"
"""Bucket of a rate that counts the requests of all buckets."""
NAME_LENGTH = 64
"""Most characters of a window's name."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `per` seconds. Windows of one name share a ring, whatever their `calls`."""

    name: str
    per: float
    calls: int
    group: int
    """Permits that share a slot."""
    in_turn: bool
    """Whether permits are given in the order of their numbers: so where all count in the same windows."""

    @property
    def margin(self) -> float:
        """Seconds by which the window is stretched."""
        return min(_MARGIN_S, self.per * MARGIN)

    def wanted(self, taken: int, cost: int, share: float) -> set[int]:
        """The slots that say when `cost` more permits may go, after `taken`; `share` of the calls is permitted."""
        numbers = (*self._leaving(taken, cost, share), taken - 1)
        return {self._slot(number) for number in numbers if number >= 0}

    def earliest(self, taken: int, cost: int, share: float, at: Mapping[int, float]) -> float:
        """When the last of `cost` more permits may go, by the times in the wanted slots."""
        times = [at.get(self._slot(number), LONG_AGO) for number in self._leaving(taken, cost, share) if number >= 0]
        moment = max((time + self.per + self.margin for time in times), default=LONG_AGO)
        return max(moment, self._latest(taken, at)) if self.in_turn else moment

    def take(self, taken: int, cost: int, at: Mapping[int, float], moment: float) -> tuple[int, dict[int, float]]:
        """The number of permits taken, and the slots to write, once `cost` more are given for that moment."""
        end = taken + min(cost, self.calls)
        slots = {self._slot(number): moment for number in range(taken, end)}
        if taken % self.group:  # the first of them joins a group that has begun
            slots[self._slot(taken)] = max(moment, self._latest(taken, at))
        return end, slots

    def _leaving(self, taken: int, cost: int, share: float) -> Iterator[int]:
        """The permits that must have left the window before the last of `cost` more may go."""
        for allowed in {max(1, int(self.calls * share)), self.calls}:
            yield taken + min(cost, allowed) - 1 - allowed

    def _latest(self, taken: int, at: Mapping[int, float]) -> float:
        return at.get(self._slot(taken - 1), LONG_AGO) if taken else LONG_AGO

    def _slot(self, number: int) -> int:
        return number // self.group % SLOTS


def windows_of(rates: Sequence[Rate], bucket: str, reserve: float) -> tuple[Window, ...]:
    """The windows in which a request of that bucket counts; a bucket that no rate names counts as `default`.

    `reserve` is the share (0 to 1) of windows of a day or longer that is left to others.
    """
    named = bucket if any(rate.bucket == bucket for rate in rates) else "default"
    found = [_window(rate, reserve) for rate in rates if rate.bucket in {named, EVERY}]
    # Of two that share a ring, the stricter one holds: a request counts once in it.
    strictest = {window.name: window for window in sorted(found, key=lambda window: -window.calls)}
    return tuple(strictest.values())


def _window(rate: Rate, reserve: float) -> Window:
    calls = max(1, int(rate.calls * (1 - reserve))) if rate.per >= DAY_S else rate.calls
    group = 1
    while calls // group + 2 > SLOTS:  # the permit that leaves, and the newest one, are in the ring together
        group *= 2
    name = shortened(f"{rate.bucket} {rate.per:g}s /{group}", NAME_LENGTH)
    return Window(name, rate.per, calls, group, in_turn=rate.bucket != EVERY)


def shortened(text: str, most: int) -> str:
    """The text itself where it fits, else its beginning and a digest of it."""
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: most - len(digest) - 1]} {digest}"
