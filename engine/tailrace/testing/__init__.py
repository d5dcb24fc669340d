"""What the author of an adapter needs to test it: the contract suite, a reference adapter, recorded calls.

`tailrace.testing.contract` holds the suite (it imports pytest), `tailrace.testing.memory` an adapter that keeps
its records in memory and fails on request, `tailrace.testing.plugin` the same adapter as a project's destination.
"""

from tailrace.testing.calls import RecordingCalls, Spent
from tailrace.testing.memory import MemoryDestination, MemoryStore

__all__ = ["MemoryDestination", "MemoryStore", "RecordingCalls", "Spent"]
