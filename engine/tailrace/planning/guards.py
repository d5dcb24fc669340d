"""Brakes: what must hold before the first row is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.project.config import GuardName, Guards

FLOOR = 10
"""A share in `max_deletes` lets this many rows go however small the audience; a number of rows is meant as it is."""


@dataclass(frozen=True, slots=True)
class GuardResult:
    """One guard's verdict, with the limit and the actual figure as people write them."""

    guard: GuardName
    limit: str
    actual: str
    tripped: bool
    detail: str = ""

    def __str__(self) -> str:
        """For people: what was found, and what would have been allowed."""
        if self.guard == "contract":
            return f"guard contract: {self.detail}"
        if self.guard == "on_empty":
            return f"guard on_empty: the model gives no row, the snapshot has {self.detail}"
        return f"guard {self.guard}: {self.actual}, the limit is {self.limit}"

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        shown: dict[str, Any] = {
            "guard": self.guard,
            "limit": self.limit,
            "actual": self.actual,
            "tripped": self.tripped,
        }
        return {**shown, "detail": self.detail} if self.detail else shown


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts that guards judge."""

    model_rows: int
    snapshot_rows: int
    updates: int
    deletes: int
    invalid: int
    shares: bool = True
    """Whether a share of the snapshot means something: a delete sync's snapshot holds what it deleted."""
    partial: bool = False
    """Whether only a part of the model was read, of which nothing can be said of the whole."""


def evaluate(guards: Guards, figures: Figures) -> tuple[GuardResult, ...]:
    """All guards that are on, in a fixed order; the contract is judged by `contract_guard`."""
    audience = figures.snapshot_rows if figures.shares else None
    results = [
        _on_empty(guards, figures),
        _limited(
            "max_deletes",
            guards.max_deletes,
            figures.deletes,
            audience,
            floor=FLOOR,
        ),
        _limited("max_changes", guards.max_changes, figures.updates + figures.deletes, audience),
        _limited("max_invalid", guards.max_invalid, figures.invalid, _model(figures)),
    ]
    return tuple(result for result in results if result is not None)


def contract_guard(faults: Mapping[str, str]) -> GuardResult:
    """The verdict on the mapping, given each faulty field and its fault."""
    detail = "; ".join(f"{field}: {fault}" for field, fault in faults.items())
    return GuardResult("contract", "0 faults", f"{len(faults)} faults", bool(faults), detail)


def _model(figures: Figures) -> int:
    """The model's rows; where only some were read, at least those of the snapshot are there as well."""
    return max(figures.model_rows, figures.snapshot_rows) if figures.partial else figures.model_rows


def _on_empty(guards: Guards, figures: Figures) -> GuardResult | None:
    if guards.on_empty == "allow" or figures.partial:
        return None
    tripped = figures.model_rows == 0 and figures.snapshot_rows > 0
    return GuardResult("on_empty", "stop", f"{figures.model_rows} rows", tripped, f"{figures.snapshot_rows:,} rows")


def _limited(name: GuardName, limit: float | None, rows: int, of: int | None, *, floor: int = 0) -> GuardResult | None:
    if limit is None:
        return None
    if isinstance(limit, int):
        return GuardResult(name, f"{limit} rows", f"{rows} rows", rows > limit)
    if of is None:
        return None
    tripped = rows > limit * of and rows > floor and (of > 0 or name != "max_deletes")
    return GuardResult(name, percent(limit), percent(rows / of if of else 0.0), tripped and of > 0)


def percent(share: float) -> str:
    """0.15 as `15%`, 0.0023 as `0.23%`; a share that is not zero never shows as 0%."""
    text = f"{share * 100:.1f}" if share * 100 >= 0.1 or share == 0 else f"{share * 100:.2g}"  # noqa: PLR2004
    return f"{text.rstrip('0').rstrip('.') if '.' in text and 'e' not in text else text}%"
