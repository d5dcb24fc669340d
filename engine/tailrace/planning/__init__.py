"""Planning: what a run will do, judged before it does it. Pure, without clock or I/O."""

from tailrace.planning.build import Surroundings, build
from tailrace.planning.contract import faults, missing_required
from tailrace.planning.cost import Cost
from tailrace.planning.guards import GuardResult
from tailrace.planning.holds import Hold
from tailrace.planning.modes import actions, refusals
from tailrace.planning.payload import keys, payload_hashes
from tailrace.planning.plan import Basis, Change, FieldChange, Plan

__all__ = [
    "Basis",
    "Change",
    "Cost",
    "FieldChange",
    "GuardResult",
    "Hold",
    "Plan",
    "Surroundings",
    "actions",
    "build",
    "faults",
    "keys",
    "missing_required",
    "payload_hashes",
    "refusals",
]
