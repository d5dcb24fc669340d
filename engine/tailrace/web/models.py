"""What the API gives: the same objects as `--json` of the command line, with their types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from tailrace.state.records import RunStatus

Moment: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC."""
Count: TypeAlias = Annotated[int, Field(ge=0)]
Status: TypeAlias = RunStatus


class Answer(BaseModel):
    """Base of what we send."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Answer):
    """What an error says."""

    message: str
    hint: str | None


class ErrorAnswer(Answer):
    """What went wrong, and what to do next."""

    error: ErrorBody


class SyncLine(Answer):
    """A sync of `status --json`, with what the console adds."""

    sync: str
    last_run: str | None
    status: str | None
    ending: str | None
    """The status, or `outdated` where it is `blocked` by a saved plan that was out of date."""
    rejected: Count
    unknown: Count
    snapshot_rows: int | None
    freshness_s: float | None
    next_run: Moment | None
    """When a run is owed; it is due now where that has gone by. None of a paused sync, and of one with `after`."""
    after: list[str]
    """The syncs that it runs after, where that is its schedule."""
    freshness_target_s: float | None
    late: bool
    running: bool
    paused: bool
    paused_by: str | None


class Syncs(Answer):
    """All syncs."""

    syncs: list[SyncLine]


class Definition(Answer):
    """What the sync's file says."""

    description: str
    model: str
    warehouse: str
    destination: str
    object: str
    mode: str
    key: list[str]
    match: dict[str, str]
    fields: dict[str, dict[str, Any]]
    schedule: str | None
    tags: list[str]


class SyncDetail(SyncLine):
    """A sync with what its file says."""

    definition: Definition


class RunForm(Answer):
    """A run of `runs --json`."""

    run_id: str
    sync: str
    mode: str
    destination: str
    object: str
    status: Status
    ending: str
    """The status, or `outdated` where it is `blocked` by a saved plan that was out of date."""
    started_at: Moment
    finished_at: Moment | None
    plan_hash: str | None
    model_rows: Count
    snapshot_rows: Count
    inserts: Count
    updates: Count
    deletes: Count
    unchanged: Count
    invalid: Count
    acknowledged: Count
    rejected: Count
    unknown: Count
    skipped: Count
    calls: Count
    retries: Count
    throttled_s: float
    seconds: dict[str, float]
    errors: list[dict[str, Any]]
    message: str | None


class Runs(Answer):
    """A page of runs."""

    runs: list[RunForm]
    next: str | None
    """For `before`, where there are more."""


class BatchForm(Answer):
    """A batch of `runs RUN --json`."""

    number: int
    operation: str
    rows: Count
    intended_at: Moment
    settled_at: Moment | None
    acknowledged: Count
    rejected: Count
    unknown: Count
    skipped: Count


class Progress(Answer):
    """How far a run is; counts are rows."""

    run_id: str
    sync: str
    status: Status
    phase: Literal["planning", "sending", "saving", "ended"]
    done: Count
    total: Count
    acknowledged: Count
    rejected: Count
    unknown: Count
    skipped: Count
    batches: Count
    in_flight: Count
    waits_until: Moment | None
    """Until when the account may not be asked; None where it may."""
    seconds: float
    """Since the run began, or until it ended."""
    took: str
    """The same in words."""
    message: str | None


class RunDetail(RunForm):
    """A run with a page of its batches."""

    progress: Progress
    batches: list[BatchForm]
    next: int | None
    """For `after`, where there are more batches."""


class Trouble(Answer):
    """A row of `rejected --json`."""

    sync: str
    key: dict[str, Any]
    op: str
    code: str | None
    message: str | None
    attempts: Count
    first_seen: Moment
    last_seen: Moment
    state: Literal["open", "dead", "dismissed"]
    next_attempt: Moment | None


class Group(Answer):
    """Rejected rows of one code."""

    code: str | None
    rows: Count
    dead: Count
    dismissed: Count
    example: Trouble


class Rejected(Answer):
    """Rejected rows by reason, and a page of them."""

    groups: list[Group]
    rejected: list[Trouble]
    next: str | None


class Changed(Answer):
    """How many rows were changed."""

    sync: str
    rows: Count


class Unknown(Answer):
    """A page of rows of unknown outcome."""

    unknown: list[Trouble]
    next: str | None


class StoryForm(Answer):
    """As `explain --json`."""

    sync: str
    key: dict[str, Any]
    standing: str
    events: list[dict[str, Any]]


class PlanForm(Answer):
    """A plan that is kept for a day: `head` is that of `plan --json`."""

    plan: str
    sync: str
    state: Literal["making", "made", "failed"]
    by: str
    at: Moment
    checked: bool
    full: bool
    head: dict[str, Any] | None
    basis: dict[str, Any] | None
    sampled: Count
    message: str | None
    stale: bool
    """Another run has moved the snapshot since: applying it would be refused."""


class PlanList(Answer):
    """Plans that are kept."""

    plans: list[PlanForm]
    next: str | None


class Changes(Answer):
    """Changes of `plan --json`. `matched` counts those of the `sampled` ones; the plan has `total`."""

    changes: list[dict[str, Any]]
    matched: Count
    sampled: Count
    total: Count
    next: Count | None
    """The `offset` of the next page."""


class RequestForm(Answer):
    """A run that was asked for, and what became of it."""

    request_id: str
    sync: str
    full: bool
    dry_run: bool
    overrides: list[str]
    planned: bool
    by: str
    at: Moment
    state: Literal["waiting", "taken", "done", "withdrawn", "lost"]
    taken_at: Moment | None
    finished_at: Moment | None
    run_id: str | None
    result: dict[str, Any] | None
    message: str | None
    """What went wrong before there was a result, or what keeps it waiting."""


class Requests(Answer):
    """What was asked for."""

    requests: list[RequestForm]
    next: str | None


class Done(Answer):
    """What was changed."""

    sync: str
    done: bool
    """False where it was so already."""


class AccountForm(Answer):
    """One destination's account and its quota."""

    destination: str
    type: str
    account: str | None
    name: str | None
    seen_at: Moment | None
    quota_left: int | None
    quota_max: int | None
    quota_seen_at: Moment | None
    reserved: Count
    calls_of_day: Count
    """Every request to it within 24 hours, by all that share the state database; counted by the hour."""
    spent_in_s: float | None
    """When the rest is spent at the pace of the last 24 hours, in seconds; None where nothing tells."""
    paused_until: Moment | None
    open_until: Moment | None
    """The breaker lets nothing through before."""
    last_error: str | None
    share: float
    """Share of the permitted rate that is used, after refusals."""
    rates: list[str]
    syncs: list[str]


class Accounts(Answer):
    """All accounts that a sync writes to."""

    accounts: list[AccountForm]


class AuditLine(Answer):
    """Who did what to which sync, run or row."""

    id: int
    at: Moment
    by: str
    role: str | None
    action: str
    subject: str
    detail: dict[str, Any]


class Audit(Answer):
    """A page of the audit log."""

    actions: list[AuditLine]
    next: int | None


class Me(Answer):
    """Who is asking."""

    name: str
    role: Literal["viewer", "operator", "admin"]
    project: str
    fault: str | None
    """What is wrong with the project's files, when an older version of them is in use."""


class Health(Answer):
    """Whether it works."""

    status: Literal["ok", "not ready"]
