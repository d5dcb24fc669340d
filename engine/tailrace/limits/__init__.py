"""The budget of requests of one vendor account: sliding windows, pauses, quota, circuit breaker.

Pure: `reserve` and `breaker` decide over what a `Store` keeps, at the time the store tells. The stores are
`MemoryStore` for one process, and `tailrace.state.limits` for all that share a state database.
"""

from tailrace.limits.standing import DAY_S, PATIENCE_S, QUOTA_STALE_S, Standing
from tailrace.limits.store import Books, MemoryStore, Spent, Store
from tailrace.limits.windows import EVERY, Window, windows_of

__all__ = [
    "DAY_S",
    "EVERY",
    "PATIENCE_S",
    "QUOTA_STALE_S",
    "Books",
    "MemoryStore",
    "Spent",
    "Standing",
    "Store",
    "Window",
    "windows_of",
]
