"""What each operation of the API does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailrace.cli.common import parse_key
from tailrace.errors import UsageError
from tailrace.state.records import DISMISSED, OPEN, PRESENT
from tailrace.web import actions, asked, models, views
from tailrace.web.operations import Call, Form, Operation
from tailrace.web.plans import forms
from tailrace.web.refusal import Refusal, missing

if TYPE_CHECKING:
    from tailrace.running.ledger import TroubledRow
    from tailrace.state.controls import Request


def me(call: Call) -> Form:
    """Who the token or session belongs to, and which project this is."""
    who = call.who
    return {"name": who.name, "role": who.role, "project": call.project.root.name, "fault": call.fault}


def syncs(call: Call) -> Form:
    """As `status --json`, with freshness against its target, pauses, and what runs now."""
    return {"syncs": views.fleet(call.project)}


def sync(call: Call) -> Form:
    """As one sync of `status --json`, with what its file says."""
    name = actions.named(call)
    return {**views.sync_line(call.project, name), "definition": views.definition(call.project.syncs[name])}


def run(call: Call) -> Form:
    """The run is made by whoever serves the project, soon; the answer is a request that tells what becomes of it."""
    body: asked.RunAsked = call.body
    wanted = actions.run(call.project, call.who, actions.named(call), full=body.full, dry_run=body.dry_run)
    return views.request(call.project, wanted)


def pause(call: Call) -> Form:
    """No schedule and no request runs the sync; a run that goes on is left alone."""
    return {"sync": actions.named(call), "done": actions.pause(call.project, call.who, actions.named(call))}


def unpause(call: Call) -> Form:
    """Schedules and requests run the sync again."""
    return {"sync": actions.named(call), "done": actions.unpause(call.project, call.who, actions.named(call))}


def cancel(call: Call) -> Form:
    """The run stops after the batches in flight."""
    actions.cancel(call.project, call.who, actions.named(call))
    return {"sync": actions.named(call), "done": True}


def reset(call: Call) -> Form:
    """As `reset`: nothing is deleted at the destination, and the next run takes every row as new."""
    actions.reset(call.project, call.who, actions.named(call), call.body.confirm)
    return {"sync": actions.named(call), "done": True}


def requests(call: Call) -> Form:
    """The latest first."""
    query: asked.RequestsQuery = call.query
    if query.sync is not None:
        actions.known(call.project, query.sync)
    before = None if query.before is None else _before(call, query.before)
    found = call.project.requests(query.sync, before=before, limit=query.limit + 1)
    shown, last = views.cut(found, query.limit)
    return {
        "requests": [views.request(call.project, each) for each in shown],
        "next": last.request_id if last else None,
    }


def request(call: Call) -> Form:
    """Until it is `done`, `withdrawn` or `lost`."""
    return views.request(call.project, _asked(call))


def withdraw(call: Call) -> Form:
    """`done` is false when it does not wait any more."""
    found = _asked(call)
    return {"sync": found.sync, "done": actions.withdraw(call.project, call.who, found)}


def make_plan(call: Call) -> Form:
    """A plan that takes longer than `wait_s` is `making`; ask for it again."""
    body: asked.PlanAsked = call.body
    kept = actions.plan(
        call.project, call.who, call.plans, actions.named(call), check=body.check, full=body.full, wait=body.wait_s
    )
    return forms(call.project, [kept])[0]


def plans(call: Call) -> Form:
    """For a day; the latest first."""
    query: asked.PlansQuery = call.query
    found = [kept for kept in call.plans.all(query.sync) if query.before is None or kept.plan < query.before]
    shown, last = views.cut(found, query.limit)
    return {"plans": forms(call.project, shown), "next": last.plan if last else None}


def plan(call: Call) -> Form:
    """`head` is that of `plan --json`."""
    return forms(call.project, [actions.planned(call)])[0]


def changes(call: Call) -> Form:
    """In the order of `plan --json`; what is searched is a sample where the plan is large, and `sampled` says so."""
    query: asked.ChangesQuery = call.query
    kept = actions.planned(call)
    found = call.plans.changes(kept, search=query.search, op=query.op, offset=query.offset, limit=query.limit)
    end = query.offset + query.limit
    following = end if end < found.matched else None
    return {**{name: getattr(found, name) for name in found.__slots__}, "next": following}


def apply(call: Call) -> Form:
    """As `apply`: exactly these changes, or none. `hash` proves which plan was looked at."""
    body: asked.ApplyAsked = call.body
    wanted = actions.apply(call.project, call.who, actions.planned(call), body.hash, body.overrides)
    return views.request(call.project, wanted)


def runs(call: Call) -> Form:
    """As `runs --json`."""
    query: asked.RunsQuery = call.query
    statuses = () if query.status is None else (query.status,)
    shown, following = views.page_of_runs(call.project, query.sync, statuses, query.before, query.limit)
    return {"runs": [each.to_json() for each in shown], "next": following}


def run_details(call: Call) -> Form:
    """As `runs RUN --json`, and how far it is."""
    query: asked.BatchesQuery = call.query
    found = views.run_or_refuse(call.project, call.path["run_id"])
    page = call.project.batch_page(found.record.run_id, after=query.after, limit=query.limit + 1)
    shown, last = views.cut(page, query.limit)
    return {
        **found.to_json(),
        "progress": views.progress(call.project, found),
        "batches": [views.batch(each) for each in shown],
        "next": last.number if last else None,
    }


def rejected(call: Call) -> Form:
    """As `rejected --json`, page by page, and all of them counted by code."""
    query: asked.RejectedQuery = call.query
    name, project = actions.named(call), call.project
    codes = None if query.code is None else [query.code or None]
    states = DISMISSED if query.state == "dismissed" else PRESENT
    page = project.trouble_page(name, codes=codes, states=states, after=query.after, limit=query.limit + 1)
    return {"groups": groups(call), **_rows("rejected", page, query.limit)}


def groups(call: Call) -> list[dict[str, Any]]:
    """Rejected rows by code."""
    name = actions.named(call)
    found = call.project.trouble_groups(name)
    return [views.group(each, call.project.troubled(name, each.example)) for each in found]


def retry(call: Call) -> Form:
    """As `retry`: one row, those of a code, or all."""
    return _change(call, "retry")


def dismiss(call: Call) -> Form:
    """As `dismiss`: one row, those of a code, or all."""
    return _change(call, "dismiss")


def _change(call: Call, what: actions.Rows) -> Form:
    choice: asked.Choice = call.body
    if (choice.key is not None) + (choice.code is not None) + choice.all != 1:
        raise Refusal(400, "choose rows by exactly one of key, code and all")
    codes = None if choice.code is None else [choice.code or None]
    count = actions.change_rows(call.project, call.who, actions.named(call), what, codes=codes, key=choice.key)
    return {"sync": actions.named(call), "rows": count}


def unknown(call: Call) -> Form:
    """As `resolve --json`, page by page."""
    query: asked.UnknownQuery = call.query
    name, limit = actions.named(call), query.limit
    page = call.project.trouble_page(name, "unknown", states=OPEN, after=query.after, limit=limit + 1)
    return _rows("unknown", page, limit)


def resolve(call: Call) -> Form:
    """As `resolve`: by a look-up, by sending again, or by taking as delivered."""
    settled = actions.resolve(call.project, call.who, actions.named(call), call.body.way)
    return {"sync": actions.named(call), "rows": len(settled)}


def explain(call: Call) -> Form:
    """As `explain --json`."""
    query: asked.RowQuery = call.query
    name = actions.named(call)
    return call.project.explain(name, parse_key(query.key, call.project.syncs[name].config.key)).to_json()


def accounts(call: Call) -> Form:
    """With what is left of the quota, and how long that lasts."""
    return {"accounts": [views.account(each) for each in call.project.accounts()]}


def audit(call: Call) -> Form:
    """The latest first."""
    query: asked.AuditQuery = call.query
    lines = call.project.audit_log(before=query.before, limit=query.limit + 1, subject=query.subject)
    shown, last = views.cut(lines, query.limit)
    return {"actions": [line.to_json() for line in shown], "next": last.id if last else None}


def _before(call: Call, request_id: str) -> Request:
    try:
        return call.project.request_status(request_id)
    except UsageError as error:
        raise Refusal(400, f"{error.message} to go on from", hint="give what `next` said") from error


def _asked(call: Call) -> Request:
    wanted = call.path["request_id"]
    try:
        return call.project.request_status(wanted)
    except UsageError as error:
        raise missing(error.message, hint=error.hint) from error


def _rows(name: str, page: list[TroubledRow], limit: int) -> Form:
    shown, last = views.cut(page, limit)
    return {name: [row.to_json() for row in shown], "next": last.issue.key_hash if last else None}


_SYNC, _PLAN, _ASKED = "/api/syncs/{name}", "/api/plans/{plan}", "/api/requests/{request_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/api/me", "Who asks, and of what", models.Me, me),
    Operation("GET", "/api/syncs", "How all syncs stand", models.Syncs, syncs),
    Operation("GET", _SYNC, "How one sync stands, and what its file says", models.SyncDetail, sync),
    Operation(
        "POST", f"{_SYNC}/run", "Ask for a run", models.RequestForm, run, "operator", body=asked.RunAsked, status=202
    ),
    Operation("POST", f"{_SYNC}/pause", "Pause a sync", models.Done, pause, "operator", body=asked.Nothing),
    Operation("POST", f"{_SYNC}/unpause", "Take the pause back", models.Done, unpause, "operator", body=asked.Nothing),
    Operation(
        "POST",
        f"{_SYNC}/cancel",
        "Stop the run that goes on",
        models.Done,
        cancel,
        "operator",
        body=asked.Nothing,
        refuses=(409,),
    ),
    Operation(
        *("POST", f"{_SYNC}/reset", "Forget a sync's snapshot", models.Done, reset, "admin"),
        body=asked.ResetAsked,
        refuses=(409, 502),
    ),
    Operation(
        "GET", "/api/requests", "What was asked for lately", models.Requests, requests, query=asked.RequestsQuery
    ),
    Operation("GET", _ASKED, "What became of a request", models.RequestForm, request),
    Operation(
        "POST", f"{_ASKED}/withdraw", "Take back what waits", models.Done, withdraw, "operator", body=asked.Nothing
    ),
    Operation(
        *("POST", f"{_SYNC}/plans", "Make a plan", models.PlanForm, make_plan, "operator"),
        body=asked.PlanAsked,
        status=202,
    ),
    Operation("GET", "/api/plans", "Plans that are kept", models.PlanList, plans, query=asked.PlansQuery),
    Operation("GET", _PLAN, "A plan without its changes", models.PlanForm, plan),
    Operation("GET", f"{_PLAN}/changes", "A plan's changes", models.Changes, changes, query=asked.ChangesQuery),
    Operation(
        *("POST", f"{_PLAN}/apply", "Carry out exactly this plan", models.RequestForm, apply, "operator"),
        body=asked.ApplyAsked,
        status=202,
        refuses=(409,),
    ),
    Operation("GET", "/api/runs", "Runs, newest first", models.Runs, runs, query=asked.RunsQuery),
    Operation(
        *("GET", "/api/runs/{run_id}", "A run with its batches", models.RunDetail, run_details),
        query=asked.BatchesQuery,
        refuses=(409,),
    ),
    Operation("GET", f"{_SYNC}/rejected", "Rejected rows", models.Rejected, rejected, query=asked.RejectedQuery),
    Operation(
        "POST", f"{_SYNC}/rejected/retry", "Have rows sent again", models.Changed, retry, "operator", body=asked.Choice
    ),
    Operation(
        "POST", f"{_SYNC}/rejected/dismiss", "Set rows aside", models.Changed, dismiss, "operator", body=asked.Choice
    ),
    Operation("GET", f"{_SYNC}/unknown", "Rows of unknown outcome", models.Unknown, unknown, query=asked.UnknownQuery),
    Operation(
        *("POST", f"{_SYNC}/unknown/resolve", "Settle them", models.Changed, resolve, "operator"),
        body=asked.WayChosen,
        refuses=(409, 502),
    ),
    Operation(
        "GET", f"{_SYNC}/row", "One row's history", models.StoryForm, explain, query=asked.RowQuery, refuses=(502,)
    ),
    Operation("GET", "/api/accounts", "Accounts and their quotas", models.Accounts, accounts),
    Operation("GET", "/api/audit", "Who did what", models.Audit, audit, query=asked.AuditQuery),
)
