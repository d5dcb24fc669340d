"""A budget of requests that permits everything and remembers what it was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.errors import WriteForbidden


@dataclass(frozen=True, slots=True)
class Spent:
    """One request an adapter announced before sending it."""

    write: bool
    cost: int
    bucket: str


@dataclass(slots=True)
class RecordingCalls:
    """`tailrace.destination.Calls` for tests: never waits; refuses writes while `read_only`."""

    read_only: bool = False
    spent: list[Spent] = field(default_factory=list)
    """Permitted requests, in order; a refused write is not among them."""
    quota_left: int | None = None
    quota_max: int | None = None

    def spend(self, *, write: bool, cost: int = 1, bucket: str = "default") -> None:
        """Record the request; WriteForbidden when it writes and this budget is read-only."""
        if write and self.read_only:
            raise WriteForbidden("A request that writes was about to be sent during a dry run.")
        self.spent.append(Spent(write, cost, bucket))

    def observe(self, *, quota_left: int | None = None, quota_max: int | None = None) -> None:
        """Keep the latest figures; None says nothing of a figure."""
        self.quota_left = self.quota_left if quota_left is None else quota_left
        self.quota_max = self.quota_max if quota_max is None else quota_max

    @property
    def writes(self) -> int:
        """Permitted requests that write."""
        return sum(call.cost for call in self.spent if call.write)

    @property
    def total(self) -> int:
        """Permitted requests, each counted with its cost."""
        return sum(call.cost for call in self.spent)
