"""What must outlive a process: leases, runs, the journal of batches, rows that did not get through."""

from tailrace.state.db import StateDB
from tailrace.state.journal import Journal
from tailrace.state.leases import Lease
from tailrace.state.records import (
    AccountRecord,
    BatchRecord,
    Counts,
    Doubt,
    HoldRecord,
    IssueCounts,
    NewHold,
    NewIssue,
    RowIssue,
    RunRecord,
    Tallies,
)

__all__ = [
    "AccountRecord",
    "BatchRecord",
    "Counts",
    "Doubt",
    "HoldRecord",
    "IssueCounts",
    "Journal",
    "Lease",
    "NewHold",
    "NewIssue",
    "RowIssue",
    "RunRecord",
    "StateDB",
    "Tallies",
]
