"""What a plan will cost: requests, the share of the quota, and time at the permitted rate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from tailrace.actions import ADDRESSED, SENT, able, only_jobs, operation
from tailrace.destination import Bulk, Capabilities, Rate

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
    """Why there are jobs, or none, in the adapter's words."""


@dataclass(frozen=True, slots=True)
class Quota:
    """An account's calls of a day, as last heard from the vendor; None what it never said."""

    left: int | None = None
    most: int | None = None
    reserve: float = 0.0
    """Share of all of them that is left to other programs."""

    @property
    def reserved(self) -> int:
        """Calls left to others."""
        return int((self.most or 0) * self.reserve)

    @property
    def usable(self) -> int | None:
        """Calls that this program may make."""
        return None if self.left is None else max(0, self.left - self.reserved)


@dataclass(frozen=True, slots=True)
class Cost:
    """`calls` requests; `quota_left` as last heard from the vendor, None when it never said; `seconds` at least."""

    calls: int
    quota_left: int | None
    seconds: int
    ways: tuple[Way, ...] = ()
    """Empty for a destination that takes no jobs."""
    quota_reserved: int = 0
    """Calls of the quota that are left to other programs."""
    rows_within_quota: int | None = None
    """For how many rows the rest of the quota is enough; None where it is for all, or nothing is known of it."""

    @property
    def share(self) -> float | None:
        """`calls` of what is left; None where that is not known."""
        if self.quota_left is None:
            return None
        return self.calls / self.quota_left if self.quota_left else float(self.calls > 0)

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        ways = {"ways": [asdict(way) for way in self.ways]} if self.ways else {}
        share = None if self.share is None else round(self.share, 6)
        told = {"calls": self.calls, "quota_left": self.quota_left, "quota_share": share, "seconds": self.seconds}
        limits = {"quota_reserved": self.quota_reserved, "rows_within_quota": self.rows_within_quota}
        return told | limits | ways

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        """The inverse."""
        known = {name: value for name, value in data.items() if name != "quota_share"}
        return cls(**{**known, "ways": tuple(Way(**way) for way in data.get("ways", ()))})


def estimate(
    rows: Rows,
    config: SyncConfig,
    capabilities: Capabilities,
    *,
    batch_size: int,
    rates: tuple[Rate, ...],
    quota: Quota,
) -> Cost:
    """The cost of delivering a plan's rows, retries not counted."""
    ways = [way for way in _ways(rows, config, capabilities, batch_size) if way.rows]
    found = _looked_up(config, capabilities)
    finds = math.ceil(rows.count(pl.any_horizontal(found)) / FIND_CHUNK) if found else 0
    calls = sum(way.calls for way in ways) + finds
    within = None
    if quota.usable is not None and calls > quota.usable:
        within = _within(ways, max(0, quota.usable - finds), capabilities.bulk)
    told = tuple(ways) if capabilities.bulk is not None else ()
    return Cost(calls, quota.left, shortest(calls, rates), told, quota.reserved, within)


def _within(ways: list[Way], usable: int, bulk: Bulk | None) -> int:
    """For about how many rows so many calls are enough, in the order in which they are sent."""
    reached = 0
    for way in sorted(ways, key=lambda way: SENT.index(way.action)):
        if way.calls > usable:
            if way.by == "jobs" and bulk is not None:
                return reached + min(way.rows, usable // (bulk.calls + POLLS) * bulk.rows)
            return reached + usable * way.rows // way.calls
        reached, usable = reached + way.rows, usable - way.calls
    return reached


def _ways(rows: Rows, config: SyncConfig, capabilities: Capabilities, batch_size: int) -> Iterator[Way]:
    bulk = capabilities.bulk
    for action, size in sorted(rows.tally(pl.col("action")).items()):
        which = _in_jobs(config, capabilities, action)
        many, only = 0, only_jobs(capabilities, action)
        if only:
            many = size
        elif bulk is not None and which is not None and size >= bulk.from_rows:
            many = rows.count((pl.col("action") == action) & which)
        if bulk is not None and (only or many >= bulk.from_rows):
            calls = math.ceil(many / bulk.rows) * (bulk.calls + POLLS)
            yield Way(action, many, "jobs", calls, "in jobs only" if only else bulk.why)
        else:
            many = 0
        why = "" if bulk is None or many else bulk.why_not
        links = capabilities.lookup_calls * sum(spec.lookup is not None for spec in config.fields.values())
        each = 1 if action in {"delete", "hard_delete", "archive"} else capabilities.batch_calls + links
        batches = size - many if operation(action) in capabilities.row_calls else math.ceil((size - many) / batch_size)
        yield Way(action, size - many, "batches", each * batches, why)


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
        by_id = pl.col("action").is_in(sorted(ADDRESSED))
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
