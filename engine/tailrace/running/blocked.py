"""Why a run may not write what it planned: guards, or a saved plan that no longer fits."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tailrace.errors import PlanStale
from tailrace.running.stale import is_stale, why_stale

if TYPE_CHECKING:
    from tailrace.planning import Plan
    from tailrace.project import Sync

NOTHING_WRITTEN = "Nothing was written; make a new plan"


def why_blocked(sync: Sync, plan: Plan, expected: Plan | None, overrides: Collection[str]) -> str | None:
    """Which guards stop the plan, and what to do; None where it may go on.

    PlanStale when the world moved on since the expected plan; `overrides` are guards that may pass.
    """
    if expected is not None and is_stale(expected, plan):
        raise PlanStale(f"the world no longer matches the plan: {why_stale(expected, plan)}. {NOTHING_WRITTEN}")
    tripped = [guard for guard in plan.tripped if guard.guard not in overrides]
    if not tripped:
        return None
    stopped = f"{'; '.join(str(guard) for guard in tripped)}. Nothing was written."
    if any(guard.guard == "contract" for guard in tripped):
        return f"{stopped}\n  correct {sync.path}, or the model or the object, then run again"
    flags = " ".join(f"--override {guard.guard}" for guard in tripped)
    if expected is not None:
        return f"{stopped}\n  if it is what you want, apply the same plan again with {flags}"
    return (
        f"{stopped}\n  look: tailrace plan {sync.name} --out plan.tailrace; "
        f"if it is what you want: tailrace apply plan.tailrace {flags}"
    )
