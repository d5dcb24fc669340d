"""Whether a saved plan still fits the world, and what changed since where it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tailrace.jsonform import show_key
from tailrace.planning import keys
from tailrace.snapshot.content import row_hashes

if TYPE_CHECKING:
    from tailrace.planning import Plan

NAMED = 3
"""Keys that are told of those whose changes differ."""
MOST = 200_000
"""Changes up to which those that differ are looked for: some 300 bytes of memory each."""


def is_stale(expected: Plan, plan: Plan) -> bool:
    """Whether the plan made now is another than the saved one."""
    return expected.hash != plan.hash or _moved_house(expected, plan)


def why_stale(expected: Plan, plan: Plan) -> str:
    """What changed since a plan was saved."""
    if _moved_house(expected, plan):
        return f"it was made for account {expected.basis.account}, and the credentials are of {plan.basis.account}"
    if expected.basis.definition != plan.basis.definition:
        return "the sync or its model was edited"
    if expected.basis.generation != plan.basis.generation:
        return "another run has moved the snapshot"
    if expected.basis.mark != plan.basis.mark:
        return "another run has read further since"
    return (
        f"the model's rows changed since: now + {plan.inserts} ~ {plan.updates} - {plan.deletes}, "
        f"in the plan + {expected.inserts} ~ {expected.updates} - {expected.deletes}{_differing(expected, plan)}"
    )


def _moved_house(expected: Plan, plan: Plan) -> bool:
    """Whether the destination's account is another than the one planned for, where that was known."""
    return expected.basis.account not in {None, plan.basis.account}


def _differing(expected: Plan, plan: Plan) -> str:
    """Names a few rows whose changes are others than those in the plan."""
    if max(expected.height, plan.height) > MOST:
        return ""
    then, now = _changes(expected), _changes(plan)
    # Rows that both have come first: where as many rows changed as before, they are what is hard to find.
    others = sorted(
        (key for key in then | now if then.get(key) != now.get(key)), key=lambda key: not (key in then and key in now)
    )
    if not others:
        return ""
    more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    return f"; another change than in the plan, or in one of them only: {', '.join(map(_shown, others[:NAMED]))}{more}"


def _changes(plan: Plan) -> dict[str, int]:
    """A hash of each row's change, by its key's text."""
    return {
        key: number
        for frame in plan.rows.batches()
        for key, number in zip(keys(frame, plan.types), row_hashes(frame), strict=True)
    }


def _shown(key: str) -> str:
    return show_key(json.loads(key))
