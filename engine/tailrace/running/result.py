"""What a run came to: the typed form of `run --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from tailrace.jsonform import iso, to_json
from tailrace.planning import GuardResult
from tailrace.planning.extent import Extent
from tailrace.state.records import ending

RunStatus: TypeAlias = Literal["succeeded", "partial", "failed", "blocked", "nothing_to_do", "interrupted"]

EXIT_CODES: Mapping[RunStatus, int] = {
    "succeeded": 0,
    "nothing_to_do": 0,
    "partial": 4,
    "blocked": 3,
    "failed": 1,
    "interrupted": 130,
}
_GRAVITY: Sequence[int] = (130, 1, 2, 3, 4, 0)


@dataclass(frozen=True, slots=True)
class RowErrors:
    """Rows that failed for one reason, with one of them as an example."""

    code: str
    rows: int
    key: Mapping[str, Any]
    message: str

    def to_json(self) -> dict[str, Any]:
        """The form of `run --json`."""
        return {
            "code": self.code,
            "rows": self.rows,
            "example": {"key": {name: to_json(value) for name, value in self.key.items()}, "message": self.message},
        }


@dataclass(frozen=True, slots=True)
class Recovered:
    """What an earlier, broken run of the sync left behind, and what was made of it; counts are rows."""

    run_id: str
    acknowledged: int = 0
    """Answered before it broke off, or found by a look-up."""
    sent_again: int = 0
    """In flight when it broke off, and planned again."""
    rejected: int = 0
    unknown: int = 0
    """In flight, and not planned again: held, or no longer different."""
    skipped: int = 0

    @property
    def rows(self) -> int:
        """All rows of which something had to be found out or kept."""
        return self.acknowledged + self.sent_again + self.rejected + self.unknown + self.skipped

    def told(self, again: str) -> str:
        """In words; `again` says what becomes of the rows to be sent again."""
        if not self.rows:
            return f"recovered run {self.run_id}: it had sent nothing"
        counted = (
            (self.acknowledged, "acknowledged"),
            (self.sent_again, again),
            (self.rejected, "rejected"),
            (self.unknown, "of unknown outcome"),
            (self.skipped, "skipped"),
        )
        parts = ", ".join(f"{number:,} {words}" for number, words in counted if number)
        return f"recovered {self.rows:,} {'row' if self.rows == 1 else 'rows'} of run {self.run_id}: {parts}"

    def __str__(self) -> str:
        return self.told("sent again")


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run. Counts are rows; `seconds` is per phase: query, diff, deliver."""

    sync: str
    run_id: str
    status: RunStatus
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    acknowledged: int = 0
    rejected: int = 0
    unknown: int = 0
    skipped: int = 0
    invalid: int = 0
    calls: int = 0
    retries: int = 0
    throttled_s: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    skips: Mapping[str, int] = field(default_factory=dict)
    """Skipped rows by code."""
    errors: tuple[RowErrors, ...] = ()
    guards: tuple[GuardResult, ...] = ()
    message: str | None = None
    """Why the run failed, was blocked, or stopped early; what to do next."""
    discreet: str | None = None
    """The same without values of rows, as fit for a log."""
    recovered: tuple[Recovered, ...] = ()
    notes: tuple[str, ...] = ()
    extent: Extent | None = None
    """How much of the model was read, where the sync has a cursor."""
    held: int = 0
    """Rows that differ and were not sent, because of what became of them before."""
    waiting: int = 0
    """Rejected rows among them that a later run sends by itself."""
    next_attempt: datetime | None = None
    """When the first of those is due, in UTC."""
    bytes_billed: int | None = None
    """By a warehouse that bills queries by bytes; None of others."""
    exit_code: int = 0
    busy: bool = False
    """Whether there was no run, as another one holds the sync."""
    outdated: bool = False
    """Whether a saved plan stopped it, which was out of date."""

    @property
    def ending(self) -> str:
        """The status, or `outdated` where it is `blocked` by a saved plan that was out of date."""
        return ending(self.status, outdated=self.outdated)

    def to_json(self) -> dict[str, Any]:
        """The form of `run --json`."""
        return {
            "sync": self.sync,
            "run_id": self.run_id,
            "status": self.status,
            "ending": self.ending,
            "inserts": self.inserts,
            "updates": self.updates,
            "deletes": self.deletes,
            "acknowledged": self.acknowledged,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "skipped": self.skipped,
            "invalid": self.invalid,
            "calls": self.calls,
            "retries": self.retries,
            "throttled_s": round(self.throttled_s, 3),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "bytes_billed": self.bytes_billed,
            "skips": dict(self.skips),
            "errors": [error.to_json() for error in self.errors],
            "guards": [guard.to_json() for guard in self.guards],
            "message": self.message,
            "recovered": [str(earlier) for earlier in self.recovered],
            "notes": list(self.notes),
            "held": self.held,
            "waiting": self.waiting,
            "next_attempt": None if self.next_attempt is None else iso(self.next_attempt),
            **({"cursor": self.extent.to_json()} if self.extent else {}),
        }


def worst(exit_codes: Sequence[int]) -> int:
    """The exit code of a command that ran several syncs: the gravest of theirs."""
    return min(exit_codes, key=_GRAVITY.index, default=0)
