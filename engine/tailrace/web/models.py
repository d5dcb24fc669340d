"""What the API takes and gives: the same objects as `--json` of the command line, with their types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Moment: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC."""
Text: TypeAlias = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=500)]
GuardName: TypeAlias = Literal["on_empty", "max_deletes", "max_changes", "max_invalid", "contract"]
Status: TypeAlias = Literal["running", "succeeded", "partial", "failed", "blocked", "nothing_to_do", "interrupted"]


class Given(BaseModel):
    """Base of what is sent to us: no key that is not known, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """Base of what stands after the question mark."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of what we send."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Answer):
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
    rejected: Count
    unknown: Count
    snapshot_rows: int | None
    freshness_s: float | None
    next_run: Moment | None
    freshness_target_s: float | None
    late: bool
    running: bool
    paused: bool
    paused_by: str | None


class Syncs(Answer):
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
    definition: Definition


class RunForm(Answer):
    """A run of `runs --json`."""

    run_id: str
    sync: str
    mode: str
    destination: str
    object: str
    status: Status
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
    runs: list[RunForm]
    next: str | None
    """For `before`, where there are more."""


class RunsQuery(Query):
    sync: Text | None = None
    status: Status | None = None
    before: Text | None = None
    limit: Limit = 50


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
    message: str | None


class RunDetail(RunForm):
    progress: Progress
    batches: list[BatchForm]
    next: int | None
    """For `after`, where there are more batches."""


class BatchesQuery(Query):
    after: Count = 0
    limit: Limit = 100


class Key(BaseModel):
    """A row's key: a value for each column, as JSON has it."""

    model_config = ConfigDict(extra="allow")


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
    groups: list[Group]
    rejected: list[Trouble]
    next: str | None


class RejectedQuery(Query):
    code: Text | None = None
    """Only rows of this code; empty for those without one."""
    state: Literal["rejected", "dismissed"] = "rejected"
    after: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = ""
    limit: Limit = 50


class Choice(Given):
    """Which rejected rows: one by its key, those of a code, or all."""

    key: dict[str, str | int | float | bool | None] | None = None
    code: Text | None = None
    """Empty for rows without one."""
    all: bool = False


class Changed(Answer):
    sync: str
    rows: Count


class Unknown(Answer):
    unknown: list[Trouble]
    next: str | None


class UnknownQuery(Query):
    after: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = ""
    limit: Limit = 50


class WayChosen(Given):
    way: Literal["resend", "skip", "look_up"]


class RowQuery(Query):
    key: Annotated[list[Text], Field(min_length=1, max_length=16)]
    """The row's key: VALUE, or COLUMN=VALUE for each column."""


class StoryForm(Answer):
    """As `explain --json`."""

    sync: str
    key: dict[str, Any]
    standing: str
    events: list[dict[str, Any]]


class PlanAsked(Given):
    check: bool = False
    """Ask the destination for its account and fields too."""
    full: bool = False
    wait_s: Annotated[float, Field(ge=0, le=60)] = 0
    """How long to wait for it."""


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


class PlanList(Answer):
    plans: list[PlanForm]


class PlansQuery(Query):
    sync: Text | None = None


class ChangesQuery(Query):
    search: Text = ""
    op: Literal["insert", "update", "delete"] | None = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Limit = 50


class Changes(Answer):
    """Changes of `plan --json`. `matched` counts those of the `sampled` ones; the plan has `total`."""

    changes: list[dict[str, Any]]
    matched: Count
    sampled: Count
    total: Count


class ApplyAsked(Given):
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the plan that was looked at."""
    overrides: Annotated[list[GuardName], Field(max_length=5)] = []
    """Guards that may pass, for this plan alone; an admin's to give."""


class RunAsked(Given):
    full: bool = False
    dry_run: bool = False


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


class Requests(Answer):
    requests: list[RequestForm]


class RequestsQuery(Query):
    sync: Text | None = None
    limit: Limit = 50


class Nothing(Given):
    """Nothing more to say."""


class ResetAsked(Given):
    confirm: Text
    """The sync's name."""


class Done(Answer):
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
    accounts: list[AccountForm]


class AuditLine(Answer):
    id: int
    at: Moment
    by: str
    role: str | None
    action: str
    subject: str
    detail: dict[str, Any]


class Audit(Answer):
    actions: list[AuditLine]
    next: int | None


class AuditQuery(Query):
    before: Annotated[int, Field(ge=0, le=2**53)] | None = None
    subject: Text | None = None
    limit: Limit = 50


class Me(Answer):
    """Who is asking."""

    name: str
    role: Literal["viewer", "operator", "admin"]
    project: str
    fault: str | None
    """What is wrong with the project's files, when an older version of them is in use."""


class Health(Answer):
    status: Literal["ok", "not ready"]
