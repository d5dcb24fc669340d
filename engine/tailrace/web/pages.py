"""The console's pages: what each shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from tailrace.cli.common import parse_key
from tailrace.errors import TailraceError
from tailrace.state.records import DISMISSED, OPEN, PRESENT, RunStatus
from tailrace.web import actions, charts, confirm, views
from tailrace.web.plans import forms
from tailrace.web.refusal import Refusal

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.ledger import TroubledRow
    from tailrace.web.auth import Who
    from tailrace.web.plans import Plans

PAGE, HISTORY, RECENT = 50, 60, 12


@dataclass(frozen=True, slots=True)
class View:
    """What a page is made from."""

    project: Project
    plans: Plans
    who: Who
    path: Mapping[str, str]
    query: Mapping[str, str]

    def link(self, **changed: str | int | None) -> str:
        """The same page with other parameters; None takes one away."""
        kept = {**self.query, **changed}
        return "?" + urlencode({name: value for name, value in kept.items() if value not in {None, ""}})


Shown = Mapping[str, Any]


def fleet(view: View) -> Shown:
    """All syncs: what is well, what is late, what failed."""
    lines = views.fleet(view.project)
    recent = view.project.recent_runs([line["sync"] for line in lines], RECENT)
    sums = {
        "late": sum(line["late"] for line in lines),
        "failing": sum(line["ending"] in {"failed", "blocked"} for line in lines),
        "running": sum(line["running"] for line in lines),
        "paused": sum(line["paused"] for line in lines),
        "rejected": sum(line["rejected"] for line in lines),
        "unknown": sum(line["unknown"] for line in lines),
    }
    return {"lines": lines, "recent": recent, "sums": sums, "syncs": view.project.syncs}


def sync(view: View) -> Shown:
    """One sync: how it stands, its past, what it does, what can be done."""
    name = actions.named(view)
    project, found = view.project, view.project.syncs[name]
    runs = [summary.record for summary in project.run_page(sync=name, limit=HISTORY)]
    sent = [run for run in runs if run.mode not in views.STILL]
    waiting = project.requests(name, states=("waiting", "taken"), limit=5)
    return {
        "line": views.sync_line(project, name),
        "sync": found,
        "schedule": views.schedule_text(found.config.schedule),
        "files": [
            ("model", found.place, found.sql),
            ("sync", str(found.path), _text(found.path)),
        ],
        "runs": runs[:10],
        "chart": charts.history(sent),
        "waiting": waiting,
        "plans": view.plans.all(name)[:5],
        "done": project.requests(name, states=("done", "lost"), limit=3),
    }


def plan(view: View) -> Shown:
    """A plan, row by row."""
    kept = actions.planned(view)
    query = view.query
    op = query.get("op") if query.get("op") in {"insert", "update", "delete"} else None
    offset = _number(query.get("offset"))
    found = view.plans.changes(kept, search=query.get("search", ""), op=op, offset=offset, limit=PAGE)
    tripped = [guard for guard in (kept.head or {}).get("guards", ()) if guard["tripped"]]
    asked = [each for each in view.project.requests(kept.sync, limit=20) if each.planned]
    return {
        "kept": kept,
        "sync": view.project.syncs[kept.sync],
        "found": found,
        "op": op,
        "search": query.get("search", ""),
        "offset": offset,
        "page": PAGE,
        "tripped": tripped,
        "stale": forms(view.project, [kept])[0]["stale"],
        "paused": any(views.waits_for(view.project, each) for each in asked),
        "asked": asked[:1] if asked and asked[0].state in {"waiting", "taken"} else [],
        "link": view.link,
    }


def runs(view: View) -> Shown:
    """All runs, newest first."""
    project, query = view.project, view.query
    name = query.get("sync") or None
    status = query.get("status") or None
    if name is not None:
        actions.known(project, name)
    statuses: Any = (status,) if status in _STATUSES else ()
    shown, following = views.page_of_runs(project, name, statuses, query.get("before") or None, PAGE)
    return {
        "runs": [summary.record for summary in shown],
        "next": following,
        "name": name,
        "status": status,
        "statuses": _STATUSES,
        "syncs": view.project.syncs,
        "link": view.link,
    }


_STATUSES = get_args(RunStatus)


def run(view: View) -> Shown:
    """One run: how far it is, what it did, what went wrong."""
    summary = views.run_or_refuse(view.project, view.path["run_id"])
    after = _number(view.query.get("after"))
    batches, last = views.cut(view.project.batch_page(summary.record.run_id, after=after, limit=PAGE + 1), PAGE)
    return {
        "run": summary.record,
        "form": summary.to_json(),
        "progress": views.progress(view.project, summary),
        "phases": charts.phases(dict(summary.record.seconds)),
        "batches": [views.batch(each) for each in batches],
        "next": last.number if last else None,
        "known": summary.record.sync in view.project.syncs,
        "still": summary.record.mode in views.STILL,
        "link": view.link,
    }


def rejected(view: View) -> Shown:
    """A sync's rejected rows, by reason."""
    name = actions.named(view)
    project, query = view.project, view.query
    dismissed = query.get("state") == "dismissed"
    codes = [query["code"] or None] if "code" in query else None
    states = DISMISSED if dismissed else PRESENT
    page = project.trouble_page(name, codes=codes, states=states, after=query.get("after", ""), limit=PAGE + 1)
    rows, last = views.cut(page, PAGE)
    opened = next((row for row in rows if row.issue.key_hash == query.get("open")), None)
    return {
        "name": name,
        "groups": project.trouble_groups(name),
        "rows": [(row, _row_link(name, row), row.outlook()) for row in rows],
        "next": last.issue.key_hash if last else None,
        "code": query.get("code"),
        "dismissed": dismissed,
        "opened": opened,
        "payload": None if opened is None else _payload(view, name, opened),
        "link": view.link,
    }


def troubles(view: View) -> Shown:
    """Rejected rows of all syncs, by reason."""
    found = [(name, view.project.trouble_groups(name)) for name in view.project.syncs]
    return {"found": [(name, groups) for name, groups in found if groups]}


def unknown(view: View) -> Shown:
    """Rows of unknown outcome of all syncs, or of one: why, and what can be done."""
    project, chosen = view.project, view.query.get("sync")
    names = [actions.known(project, chosen)] if chosen else list(project.syncs)
    found = []
    for name in names:
        page = project.trouble_page(name, "unknown", states=OPEN, after=view.query.get("after", ""), limit=PAGE + 1)
        if page:
            shown, last = views.cut(page, PAGE)
            rows = [(row, _row_link(name, row)) for row in shown]
            found.append({"name": name, "sync": project.syncs[name], "rows": rows, "more": last is not None})
    return {"found": found, "chosen": chosen}


def row(view: View) -> Shown:
    """Everything ever done to one row."""
    name = actions.named(view)
    columns = view.project.syncs[name].config.key
    given = {column: view.query[f"key.{column}"] for column in columns if f"key.{column}" in view.query}
    story, fault = None, None
    if len(given) == len(columns):
        try:
            story = view.project.explain(name, parse_key([f"{name}={text}" for name, text in given.items()], columns))
        except TailraceError as error:
            fault = str(error)
    issue = None if story is None else view.project.trouble_of(name, story.key)
    return {"name": name, "columns": columns, "given": given, "story": story, "fault": fault, "issue": issue}


def accounts(view: View) -> Shown:
    """Quotas, limits and breakers of all accounts."""
    forms = [views.account(state) for state in view.project.accounts()]
    gauges = {
        form["destination"]: charts.gauge(form["quota_left"], form["quota_max"], form["reserved"]) for form in forms
    }
    return {"accounts": forms, "gauges": gauges}


def lineage(view: View) -> Shown:
    """Which model leads to which object, by which sync."""
    found = views.lineage(view.project)
    states = {line["sync"]: line for line in views.fleet(view.project)}
    picture = charts.lineage(found["models"], found["syncs"], found["objects"])
    return {**found, "picture": picture, "states": states}


def audit(view: View) -> Shown:
    """Who did what."""
    query = view.query
    before = _number(query.get("before")) or None
    subject = query.get("subject") or None
    lines = view.project.audit_log(before=before, limit=PAGE + 1, subject=subject)
    shown, last = views.cut(lines, PAGE)
    forms = [line.to_json() for line in shown]
    return {"lines": forms, "next": last.id if last else None, "subject": subject, "link": view.link}


def _payload(view: View, name: str, opened: TroubledRow) -> dict[str, Any]:
    """What was sent for a row, as far as it is kept."""
    event = view.project.payload(name, opened.issue.run_id, opened.issue.key)
    kept = event is not None and event.values_kept
    fields = {} if event is None else {field: sides["new"] for field, sides in event.fields.items()}
    return {"known": event is not None, "kept": kept, "fields": fields}


def _row_link(name: str, found: TroubledRow) -> str:
    keys = {f"key.{column}": _typed(value) for column, value in found.issue.key.items()}
    return f"/syncs/{name}/row?{urlencode(keys)}"


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(text: str | None) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 - beyond what any counter has
        raise Refusal(400, f"{text[:20]} is no number")
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page is, and how it is made."""

    path: str
    template: str
    make: Callable[[View], Shown]


PAGES = (
    Page("/", "fleet.html", fleet),
    Page("/syncs/{name}", "sync.html", sync),
    Page("/syncs/{name}/rejected", "rejected.html", rejected),
    Page("/syncs/{name}/rejected/dismiss", "confirm.html", confirm.dismiss_all),
    Page("/syncs/{name}/run", "confirm.html", confirm.run_all),
    Page("/syncs/{name}/row", "row.html", row),
    Page("/plans/{plan}", "plan.html", plan),
    Page("/runs", "runs.html", runs),
    Page("/runs/{run_id}", "run.html", run),
    Page("/rejected", "troubles.html", troubles),
    Page("/unknown", "unknown.html", unknown),
    Page("/accounts", "accounts.html", accounts),
    Page("/lineage", "lineage.html", lineage),
    Page("/audit", "audit.html", audit),
)
