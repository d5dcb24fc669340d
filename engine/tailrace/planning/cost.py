"""What a plan will cost: requests, the share of the quota, and time at the permitted rate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from tailrace.actions import able
from tailrace.destination import Capabilities, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tailrace.project.config import SyncConfig
    from tailrace.rowset import Rows

FIND_CHUNK = 100
"""Rows per look-up request that estimates count with; adapters may fit more."""


POLLS = 5
"""Requests for the state of one job that estimates count with; a slow one takes more."""


@dataclass(frozen=True, slots=True)
class Way:
    """How rows of one action go out: in how many jobs, or batches, and in how many requests."""

    action: str
    rows: int
    by: Literal["jobs", "batches"]
    calls: int
    why: str = ""
    """Why there are jobs, in the adapter's words."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`calls` requests; `quota_left` as last heard from the vendor, None when it never said; `seconds` at least."""

    calls: int
    quota_left: int | None
    seconds: int
    ways: tuple[Way, ...] = ()
    """Empty for a destination that takes no jobs."""

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        ways = {"ways": [asdict(way) for way in self.ways]} if self.ways else {}
        return {"calls": self.calls, "quota_left": self.quota_left, "seconds": self.seconds} | ways

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        """The inverse."""
        return cls(**{**data, "ways": tuple(Way(**way) for way in data.get("ways", ()))})


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
    ways = [way for way in _ways(rows, config, capabilities, batch_size) if way.rows]
    calls = sum(way.calls for way in ways)
    found = _looked_up(config, capabilities)
    calls += math.ceil(rows.count(pl.any_horizontal(found)) / FIND_CHUNK) if found else 0
    told = tuple(ways) if capabilities.bulk is not None else ()
    return Cost(calls, quota_left, shortest(calls, rates), told)


def _ways(rows: Rows, config: SyncConfig, capabilities: Capabilities, batch_size: int) -> Iterator[Way]:
    bulk = capabilities.bulk
    for action, size in sorted(rows.tally(pl.col("action")).items()):
        which = _in_jobs(config, capabilities, action)
        many = 0
        if bulk is not None and which is not None and size >= bulk.from_rows:
            many = rows.count((pl.col("action") == action) & which)
        if bulk is not None and many >= bulk.from_rows:
            calls = math.ceil(many / bulk.rows) * (bulk.calls + POLLS)
            yield Way(action, many, "jobs", calls, bulk.why)
        else:
            many = 0
        links = capabilities.lookup_calls * sum(spec.lookup is not None for spec in config.fields.values())
        each = 1 if action in {"delete", "archive"} else capabilities.batch_calls + links
        yield Way(action, size - many, "batches", each * math.ceil((size - many) / batch_size))


def _in_jobs(config: SyncConfig, capabilities: Capabilities, action: str) -> pl.Expr | None:
    """Which rows may go out in jobs."""
    written = {spec.write for spec in config.fields.values()}
    conditional = ("empty" in written and action in {"upsert", "update"}) or (
        "create" in written and action == "upsert"
    )
    looked_up = config.mode == "insert" and capabilities.find and bool(config.match)
    return able(capabilities, action, conditional=conditional, looked_up=looked_up)


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
