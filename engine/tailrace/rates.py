"""What a vendor permits: so many requests in a window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` requests in any window of `per` seconds."""

    calls: int
    per: float
