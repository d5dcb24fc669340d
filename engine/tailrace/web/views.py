"""What is shown, read from the project: the same for the API and the console."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from tailrace.errors import TailraceError
from tailrace.jsonform import iso_at
from tailrace.planning.guards import percent
from tailrace.project.yaml import shorten
from tailrace.spans import duration, exactly
from tailrace.state.records import Upkeep
from tailrace.web.refusal import Refusal, missing

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.browsing import AccountState
    from tailrace.project import Sync
    from tailrace.project.config import FieldMap
    from tailrace.project.operating import Schedule
    from tailrace.running.ledger import RunSummary, SyncStatus, TroubledRow
    from tailrace.state import BatchRecord
    from tailrace.state.browse import IssueGroup
    from tailrace.state.controls import Request
    from tailrace.state.records import RunStatus

T = TypeVar("T")
DAY_S = 86_400.0
LEAST_OF_ID = 6
"""Characters of a run's id that stand for it: fewer are rather a mistake than an id."""
STILL = frozenset(get_args(Upkeep))
"""Modes of records that sent nothing."""


def cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """The first of what was found; and the last of these, where it goes on after them."""
    shown = found[:limit]
    return shown, shown[-1] if len(found) > limit else None


def fleet(project: Project) -> list[dict[str, Any]]:
    """All syncs, each as `SyncLine`."""
    running, paused = project.running(), project.pauses()
    return [_line(project.syncs[line.sync], line, running, paused) for line in project.overview()]


def sync_line(project: Project, name: str) -> dict[str, Any]:
    """One sync as `SyncLine`."""
    return _line(project.syncs[name], project.sync_overview(name), project.running(), project.pauses())


def _line(sync: Sync, line: SyncStatus, running: frozenset[str], paused: Mapping[str, Any]) -> dict[str, Any]:
    target = sync.config.freshness
    late = target is not None and (line.freshness_s is None or line.freshness_s > target)
    pause = paused.get(sync.name)
    return {
        **line.to_json(),
        "freshness_target_s": target,
        "late": late,
        "running": sync.name in running,
        "paused": pause is not None or sync.config.paused,
        "paused_by": pause.who if pause is not None else ("its file" if sync.config.paused else None),
    }


def definition(sync: Sync) -> dict[str, Any]:
    """The sync's file as `Definition`."""
    config = sync.config
    return {
        "description": config.description,
        "model": config.reads,
        "warehouse": sync.warehouse,
        "destination": config.destination,
        "object": config.object,
        "mode": config.mode,
        "key": list(config.key),
        "match": dict(config.match),
        "fields": {name: spec.model_dump(mode="json", exclude_unset=True) for name, spec in config.fields.items()},
        "schedule": schedule_text(config.schedule),
        "tags": list(config.tags),
    }


def source_text(spec: FieldMap) -> str:
    """Where a field's value comes from, in a few words."""
    if spec.column is not None:
        source = spec.column
    elif spec.sql is not None:
        source = spec.sql
    else:
        source = f"= {spec.value}"
    return f"hash of {source}" if spec.hash else source


def field_notes(spec: FieldMap) -> str:
    """What is special about a field."""
    parts = []
    if spec.lookup is not None:
        parts.append(f"{spec.lookup} by {spec.by}{f' ({spec.label})' if spec.label else ''}")
    if spec.nulls == "skip":
        parts.append("null leaves it as it is")
    if spec.write != "always":
        parts.append("with a new record only" if spec.write == "create" else "only while it is empty")
    return ", ".join(parts)


def limit_text(limit: float | None) -> str:
    """The limit of a guard: a share, a number of rows, or none."""
    if limit is None:
        return "off"
    return percent(limit) if isinstance(limit, float) else f"{limit:,} rows"


def schedule_text(schedule: Schedule | None) -> str | None:
    """A schedule in a few words."""
    if schedule is None:
        return None
    if schedule.cron is not None:
        return f"cron {schedule.cron} ({schedule.timezone})"
    if schedule.after is not None:
        return f"after {', '.join(schedule.after)}"
    return f"every {exactly(schedule.every or 0)}"


def run_or_refuse(project: Project, run_id: str) -> RunSummary:
    """The run of that id, or of its beginning as `runs RUN` takes it; a refusal where there is none, or are several."""
    found = project.known_run(run_id)
    if found is not None:
        return found
    several = project.runs_like(run_id, limit=6) if len(run_id) >= LEAST_OF_ID else []
    if not several:
        raise missing(f"there is no run {run_id}", hint="runs are forgotten some time after their end")
    if len(several) > 1:
        some = ", ".join(each.record.run_id for each in several[:5])
        raise Refusal(409, f"{run_id} is the beginning of several runs: {some}", hint="give more of the id")
    return several[0]


def page_of_runs(
    project: Project, sync: str | None, statuses: Sequence[RunStatus], before: str | None, limit: int
) -> tuple[Sequence[RunSummary], str | None]:
    """A page of runs, and what the next one begins before; a refusal where there is no run `before`."""
    if before is not None and project.known_run(before) is None:
        raise Refusal(400, f"there is no run {shorten(before)} to go on from", hint="give what `next` said")
    shown, last = cut(project.run_page(sync=sync, statuses=statuses, before=before, limit=limit + 1), limit)
    return shown, last.record.run_id if last else None


def request(project: Project, asked: Request) -> dict[str, Any]:
    """A request as `RequestForm`: where it waits for more than somebody to take it, it says so."""
    form = asked.to_json()
    return {**form, "message": form["message"] or waits_for(project, asked)}


def waits_for(project: Project, asked: Request) -> str | None:
    """What keeps a request waiting, in words; None where that is only that nobody has taken it yet."""
    if asked.state != "waiting" or asked.dry_run or asked.sync not in project.syncs:
        return None
    paused = project.syncs[asked.sync].config.paused or asked.sync in project.pauses()
    return "waits: the sync is paused" if paused else None


def progress(project: Project, summary: RunSummary) -> dict[str, Any]:
    """How far a run is, as `Progress`."""
    run = summary.record
    sums = project.batch_sums(run.run_id)
    total = run.counts.inserts + run.counts.updates + run.counts.deletes
    ended = run.status != "running"
    done = max(sums.rows, _done(run.tallies)) if ended else sums.rows
    if ended:
        phase = "ended"
    elif run.plan_hash is None or not sums.batches:
        phase = "planning"
    else:
        phase = "saving" if total and sums.rows >= total and not sums.open else "sending"
    counted = run.tallies if ended else sums
    took = (run.finished_at or time.time()) - run.started_at
    return {
        "run_id": run.run_id,
        "sync": run.sync,
        "status": run.status,
        "phase": phase,
        "done": min(done, total) if total else done,
        "total": total,
        "acknowledged": counted.acknowledged,
        "rejected": counted.rejected,
        "unknown": counted.unknown,
        "skipped": counted.skipped,
        "batches": sums.batches,
        "in_flight": 0 if ended else sums.open,
        "waits_until": None if ended else iso_at(_waits(project, run.sync)),
        "seconds": round(took, 1),
        "took": duration(took),
        "message": run.message,
    }


def _done(tallies: Any) -> int:
    return int(tallies.acknowledged + tallies.rejected + tallies.unknown + tallies.skipped)


def _waits(project: Project, sync: str) -> float | None:
    if sync not in project.syncs:
        return None
    try:
        return project.waits_until(sync)
    except TailraceError:
        return None


def batch(record: BatchRecord) -> dict[str, Any]:
    """A batch of `runs RUN --json`."""
    return {**asdict(record), "intended_at": iso_at(record.intended_at), "settled_at": iso_at(record.settled_at)}


def group(found: IssueGroup, example: TroubledRow) -> dict[str, Any]:
    """A group as `Group`."""
    return {
        "code": found.code,
        "rows": found.shown,
        "dead": found.dead,
        "dismissed": found.dismissed,
        "example": example.to_json(),
    }


def account(state: AccountState) -> dict[str, Any]:
    """An account as `AccountForm`."""
    standing, now = state.standing, state.at
    left = standing.quota_left
    pace = state.calls_of_day / DAY_S
    usable = None if left is None else max(0, left - state.reserved)
    return {
        "destination": state.destination,
        "type": state.type,
        "account": state.account,
        "name": state.name,
        "seen_at": iso_at(state.seen_at),
        "quota_left": left,
        "quota_max": standing.quota_max,
        "quota_seen_at": iso_at(standing.quota_seen_at),
        "reserved": state.reserved,
        "calls_of_day": state.calls_of_day,
        "spent_in_s": round(usable / pace, 0) if usable is not None and pace else None,
        "paused_until": iso_at(standing.paused_until) if standing.paused_until > now else None,
        "open_until": iso_at(standing.open_until) if (standing.open_until or 0) > now else None,
        "last_error": standing.last_error if standing.failures else None,
        "share": round(standing.share, 3),
        "rates": [
            f"{calls:,} calls in {exactly(per)}{'' if bucket in {'default', '*'} else f' ({bucket})'}"
            for calls, per, bucket in state.rates
        ],
        "syncs": list(state.syncs),
    }


def lineage(project: Project) -> dict[str, list[Any]]:
    """What leads where: models, syncs and objects in order, and the lines between them."""
    syncs = sorted(project.syncs.values(), key=lambda sync: (sync.config.reads, sync.name))
    models = list(dict.fromkeys(sync.config.reads for sync in syncs))
    objects = list(dict.fromkeys((sync.config.destination, sync.config.object) for sync in syncs))
    after = [
        (parent, sync.name)
        for sync in syncs
        for parent in (sync.config.schedule.after or () if sync.config.schedule else ())
        if parent in project.syncs
    ]
    return {"models": models, "syncs": syncs, "objects": objects, "after": after}
