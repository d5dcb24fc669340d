"""What a plan will cost: requests, the share of the quota, and time at the permitted rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.destination import Capabilities, Rate

if TYPE_CHECKING:
    from tailrace.project.config import SyncConfig
    from tailrace.rowset import Rows

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
    rows: Rows,
    config: SyncConfig,
    capabilities: Capabilities,
    *,
    batch_size: int,
    rates: tuple[Rate, ...],
    quota_left: int | None,
) -> Cost:
    """The cost of delivering a plan's rows, retries not counted."""
    calls = sum(math.ceil(size / batch_size) for size in rows.tally(pl.col("action")).values())
    found = _looked_up(config, capabilities)
    calls += math.ceil(rows.count(pl.any_horizontal(found)) / FIND_CHUNK) if found else 0
    return Cost(calls, quota_left, shortest(calls, rates))


def _looked_up(config: SyncConfig, capabilities: Capabilities) -> list[pl.Expr]:
    """Which rows' records must be found before they can be written: those for which one of these holds."""
    wanted = [pl.col("action") == "create"] if config.mode == "insert" else []
    if capabilities.addresses == "record_id":
        by_id = pl.col("action").is_in(["update", "delete", "archive", "clear"])
        wanted.append(by_id & pl.col("record_id").is_null())
    for name, spec in config.fields.items():
        if spec.write == "empty":
            wanted.append(pl.col("action").is_in(["upsert", "update"]) & pl.col(f"c:{name}"))
        elif spec.write == "create":
            wanted.append((pl.col("action") == "upsert") & pl.col(f"c:{name}"))
    return wanted


def shortest(calls: int, rates: tuple[Rate, ...]) -> int:
    """Whole seconds that so many calls need when every window is used in full."""
    counting = (rate for rate in rates if rate.bucket in {"default", "*"})
    return math.ceil(max((calls * rate.per / rate.calls for rate in counting), default=0.0))
