"""What must outlive a process: leases, runs, the journal of batches, rows that did not get through."""

from tailrace.state.db import StateDB
from tailrace.state.journal import Journal
from tailrace.state.leases import Lease
from tailrace.state.records import (
    AccountRecord,
    BatchRecord,
    Counts,
    Doubt,
    IssueCounts,
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
    "IssueCounts",
    "Journal",
    "Lease",
    "NewIssue",
    "RowIssue",
    "RunRecord",
    "StateDB",
    "Tallies",
]
