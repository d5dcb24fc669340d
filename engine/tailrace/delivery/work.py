"""A batch on its way, and what a batch or a job came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.delivery.rows import markers
from tailrace.delivery.verdict import Verdict
from tailrace.destination import Batch
from tailrace.errors import DestinationError
from tailrace.state.records import Intent


@dataclass(frozen=True, slots=True)
class Work:
    """A batch ready to go."""

    number: int
    batch: Batch
    action: str
    round: int
    kept: Mapping[str, str]
    """See `Prepared.kept`."""
    anew: frozenset[str]
    """Markers of updates whose record was gone: they go out whole, as upserts."""
    locks: frozenset[int] = frozenset()
    """See `Neighbours`."""
    intended: bool = False
    """Whether its intent is durable already, with those of the batches around it."""

    @property
    def intent(self) -> Intent:
        """What is journaled before it is sent."""
        return Intent(self.number, str(self.batch.operation), list(map(int, markers(self.batch.rows))))


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch or a job came to."""

    number: int
    action: str
    round: int
    verdict: Verdict
    error: DestinationError | None
