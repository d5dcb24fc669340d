"""What a vendor permits: so many requests in a window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` requests in any window of `per` seconds.

    It counts the requests that an adapter spends under `bucket`; `*` counts those of every bucket. Requests of a bucket
    that no rate names count as `default`.
    """

    calls: int
    per: float
    bucket: str = "default"
