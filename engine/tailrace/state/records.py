"""What the state database gives back: frozen records, free of SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

RunStatus: TypeAlias = Literal[
    "running",
    "succeeded",
    "partial",
    "failed",
    "blocked",
    "nothing_to_do",
    "interrupted",
]
Upkeep: TypeAlias = Literal["adopt", "resolve"]
"""Stands for the mode in records of work that sent nothing. It makes no sync fresh, and no schedule counts it."""
IssueKind: TypeAlias = Literal["rejected", "unknown"]
IssueState: TypeAlias = Literal["open", "dead", "dismissed"]
OPEN: tuple[IssueState, ...] = ("open",)
PRESENT: tuple[IssueState, ...] = ("open", "dead")
"""Of rejected rows that nobody has set aside."""
DISMISSED: tuple[IssueState, ...] = ("dismissed",)


def ending(status: str, *, outdated: bool) -> str:
    """The status, or `outdated` for a run that a saved plan out of date stopped: that is `blocked`, and no guard."""
    return "outdated" if outdated else status


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what the plan found; `invalid` is the sum over all reasons."""

    model_rows: int = 0
    snapshot_rows: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    unchanged: int = 0
    invalid: int = 0


@dataclass(frozen=True, slots=True)
class Tallies:
    """Rows by outcome, and what the delivery cost; `throttled_s` is time spent waiting for limits."""

    acknowledged: int = 0
    rejected: int = 0
    unknown: int = 0
    skipped: int = 0
    calls: int = 0
    retries: int = 0
    throttled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a sync. Times are seconds since the epoch."""

    run_id: str
    sync: str
    mode: str
    destination: str
    object: str
    identity: str
    token: int
    """Fencing token of the lease the run was made under."""
    plan_hash: str | None
    status: RunStatus
    started_at: float
    finished_at: float | None
    counts: Counts = Counts()
    tallies: Tallies = Tallies()
    errors: tuple[Mapping[str, Any], ...] = ()
    """Groups of equal errors: code, rows, example."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Duration of each stage: query, diff, deliver."""
    message: str | None = None
    """Why the run failed or was stopped, in words."""
    discreet: str | None = None
    """The same without values of rows; None in records of earlier versions."""
    outdated: bool = False
    """Whether a saved plan stopped it, which was out of date."""

    @property
    def ending(self) -> str:
        """How it ended, as `ending` tells it."""
        return ending(self.status, outdated=self.outdated)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One journaled batch. Without `settled_at` its rows are in doubt: sent or not, no outcome is known."""

    number: int
    operation: str
    rows: int
    intended_at: float
    settled_at: float | None
    acknowledged: int
    rejected: int
    unknown: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A batch about to be sent."""

    number: int
    """New within the run."""
    operation: str
    seqs: Sequence[int]
    """Numbers of its rows."""
    receipt: str | None = None
    """For a job: empty, as it is not opened yet."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A batch whose intent is journaled and whose outcomes are not: a crash came between."""

    number: int
    operation: str
    seqs: tuple[int, ...]
    receipt: str | None = None
    """Of a job, by which its state is asked; empty where it never got one, so that nothing of it was sent."""
    sent: bool = True
    """Whether it may have been sent; False where it was intended with others and certainly was not."""


@dataclass(frozen=True, slots=True)
class NewIssue:
    """A row that was refused, or sent without an answer."""

    key_text: str
    """The key as `tailrace.jsonform.key_json` writes it."""
    op: str
    """insert, update or delete."""
    action: str
    """What the plan asked of the destination, such as create or upsert."""
    kind: IssueKind
    code: str | None
    message: str | None
    payload_hash: str
    """Names what was sent; a different payload gets a new row of attempts."""


@dataclass(frozen=True, slots=True)
class RowIssue:
    """A rejected or unknown row, kept until it succeeds, is dismissed, or leaves the model."""

    sync: str
    identity: str
    key_hash: str
    key_text: str
    """The key as `tailrace.jsonform.key_json` writes it."""
    op: str
    action: str
    kind: IssueKind
    code: str | None
    message: str | None
    payload_hash: str
    attempts: int
    first_seen: float
    last_seen: float
    state: IssueState
    due: bool
    """To be sent in the next run, whatever the sync says of retries: asked for, or safe to repeat."""
    run_id: str
    """The last run that saw it."""
    retry_at: float | None = None
    """Seconds since the epoch; not to be sent again before that, unless it is due or changes."""

    @property
    def key(self) -> dict[str, Any]:
        """The key as JSON has it: dates, decimals and bytes are text."""
        held: dict[str, Any] = json.loads(self.key_text)
        return held


@dataclass(frozen=True, slots=True)
class NewHold:
    """A row that a run planned and did not send."""

    key_text: str
    since: str
    """The run that refused the row, or got no answer."""
    reason: str
    until: float | None
    """Seconds since the epoch; None where time alone does not end it."""


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """Runs, one after another, that held a row back for one reason. Times are seconds since the epoch."""

    since: str
    reason: str
    until: float | None
    first_run: str
    first_at: float
    last_run: str
    last_at: float
    runs: int


@dataclass(frozen=True, slots=True)
class IssueCounts:
    """Rows of one sync that need attention; `rejected` includes the `dead` ones."""

    rejected: int = 0
    dead: int = 0
    unknown: int = 0
    dismissed: int = 0


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Who a destination's credentials last turned out to belong to, and its quota then."""

    destination: str
    hint: str
    account_id: str
    name: str
    quota_left: int | None
    quota_max: int | None
    seen_at: float
