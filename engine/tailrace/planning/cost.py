"""What a plan will cost: requests, the share of the quota, and time at the permitted rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.destination import Capabilities, Rate

if TYPE_CHECKING:
    from tailrace.project.config import SyncConfig

FIND_CHUNK = 100
"""Rows per look-up request that estimates count with; adapters may fit more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`calls` requests; `quota_left` as last heard from the vendor, None when it never said; `seconds` at least."""

    calls: int
    quota_left: int | None
    seconds: int

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        return {"calls": self.calls, "quota_left": self.quota_left, "seconds": self.seconds}


def estimate(
    frame: pl.DataFrame,
    config: SyncConfig,
    capabilities: Capabilities,
    *,
    batch_size: int,
    rates: tuple[Rate, ...],
    quota_left: int | None,
) -> Cost:
    """The cost of delivering a plan frame, retries not counted."""
    calls = sum(math.ceil(rows / batch_size) for _, rows in frame.group_by("action").len().iter_rows())
    calls += math.ceil(frame.filter(_looked_up(config, capabilities)).height / FIND_CHUNK)
    return Cost(calls, quota_left, shortest(calls, rates))


def _looked_up(config: SyncConfig, capabilities: Capabilities) -> pl.Expr:
    """Which rows' records must be found before they can be written."""
    wanted = pl.lit(config.mode == "insert") & (pl.col("action") == "create")
    if capabilities.addresses == "record_id":
        by_id = pl.col("action").is_in(["update", "delete", "archive", "clear"])
        wanted |= by_id & pl.col("record_id").is_null()
    for name, spec in config.fields.items():
        if spec.write == "empty":
            wanted |= pl.col("action").is_in(["upsert", "update"]) & pl.col(f"c:{name}")
        elif spec.write == "create":
            wanted |= (pl.col("action") == "upsert") & pl.col(f"c:{name}")
    return wanted


def shortest(calls: int, rates: tuple[Rate, ...]) -> int:
    """Whole seconds that so many calls need when every window is used in full."""
    return math.ceil(max((calls * rate.per / rate.calls for rate in rates), default=0.0))
