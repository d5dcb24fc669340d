"""When a sync is due, and in what order syncs run: pure functions of the schedules, the last runs and the time.

A sync that was never started is due at once: there is no earlier moment to count from. Fires that were
missed, because nothing was running or the machine slept, are made up for by one run, not by many.

Cron follows Debian's cron where clocks change. A job at a fixed time of day runs once each day: at the
first of two equal hours in autumn, and right after the gap when its time does not exist in spring. A job
with `*` in its minute or hour runs by elapsed time, so it runs in both of the equal hours.

A run that broke off is owed again at once: it left rows in flight.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tailrace.windows import inside, opens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tailrace.project.config import SyncConfig
    from tailrace.project.operating import Schedule

FINISHED = frozenset({"succeeded", "partial", "nothing_to_do"})
"""Statuses after which an `after` child may run: a row that the destination refused costs only itself."""
WHOLE = FINISHED - {"partial"}
"""The same where such a row is to be waited for."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """A sync's latest run; `finished_at` is None while it runs or after it was killed. Times carry a zone."""

    started_at: datetime
    finished_at: datetime | None
    status: str


def next_fire(schedule: Schedule, last_started: datetime | None, now: datetime, *, name: str = "") -> datetime | None:
    """The first moment, in UTC, at which a run is owed; it may lie in the past. None for an `after` schedule.

    A last start that lies in the future, as after a corrected clock, counts as now, lest the sync stay silent.
    With the sync's name, its jitter and its blackout are counted in: what is owed in one waits for its end, and a
    blackout of all hours gives None.
    """
    if schedule.after is not None:
        return None
    fire = _fire(schedule, last_started, now)
    if fire is None or not name:
        return fire
    owed = fire + _jitter(schedule, name, fire, last_started)
    late = owed < now and inside(schedule.blackout, schedule.timezone, now)
    return opens(schedule.blackout, schedule.timezone, now if late else owed)


def _fire(schedule: Schedule, last_started: datetime | None, now: datetime) -> datetime | None:
    if last_started is None:
        return now.astimezone(UTC)
    base = min(last_started, now).astimezone(UTC)
    if schedule.cron is not None:
        return _next_cron(schedule.cron, ZoneInfo(schedule.timezone), base)
    return base + timedelta(seconds=schedule.every or 0)


def _jitter(schedule: Schedule, name: str, fire: datetime, last_started: datetime | None) -> timedelta:
    """How long this fire is put off: as chance has it, but the same for whoever asks, on whatever machine."""
    if not schedule.jitter or last_started is None:
        return timedelta()
    drawn = int.from_bytes(sha256(f"{name} {fire.isoformat()}".encode()).digest()[:8])
    return timedelta(seconds=schedule.jitter * drawn / 2**64)


def due(
    syncs: Mapping[str, SyncConfig],
    last_runs: Mapping[str, LastRun],
    now: datetime,
    *,
    but: Collection[str] = (),
) -> tuple[str, ...]:
    """Names of the syncs to run now, parents first, but for those that are paused or run already.

    A sync with `after` is due when each parent's latest run finished well since its own last start. It is
    therefore found due by the next call after its parents have run, not by the call that found those due.
    """
    held = {name for name, sync in syncs.items() if sync.paused}.union(but)
    return tuple(
        name for name in order(syncs) if name not in held and _is_due(name, syncs[name].schedule, last_runs, now)
    )


def order(syncs: Mapping[str, SyncConfig]) -> tuple[str, ...]:
    """All names, so that a sync comes after those named in its `after` and those that write what it looks up.

    Otherwise the given order stays. Look-ups that point at each other are no error: such an edge is left
    out. CycleError for a cycle in `after`, which loading a project refuses already.
    """
    return _stable(parents_of(syncs))


def parents_of(syncs: Mapping[str, SyncConfig]) -> dict[str, set[str]]:
    """For each sync those that are to run before it, as `order` has them."""
    parents = {name: {p for p in _after(sync.schedule) if p in syncs} for name, sync in syncs.items()}
    for name, sync in syncs.items():
        for writer in _writers_of_lookups(sync, syncs):
            if not _reaches(writer, name, parents):
                parents[name].add(writer)
    return parents


def _is_due(name: str, schedule: Schedule | None, last_runs: Mapping[str, LastRun], now: datetime) -> bool:
    if schedule is None or inside(schedule.blackout, schedule.timezone, now):
        return False
    own = last_runs.get(name)
    if own is not None and own.finished_at is None:
        return True
    started = own.started_at if own else None
    if schedule.after is not None:
        well = FINISHED if schedule.after_partial == "run" else WHOLE
        return all(_finished_since(last_runs.get(parent), started, well) for parent in schedule.after)
    fire = next_fire(schedule, started, now, name=name)
    return fire is not None and fire <= now


def _finished_since(parent: LastRun | None, started: datetime | None, well: Collection[str]) -> bool:
    if parent is None or parent.finished_at is None or parent.status not in well:
        return False
    return started is None or parent.finished_at >= started


def _next_cron(expression: str, zone: ZoneInfo, base: datetime) -> datetime | None:
    """The first fire after `base`. cronsim may name a moment twice, or an earlier one, around a clock change."""
    from cronsim import CronSim  # noqa: PLC0415 -- spares start-up time

    fires = (fire.astimezone(UTC) for fire in CronSim(expression, base.astimezone(zone)))
    return next((fire for fire in fires if fire > base), None)


def _after(schedule: Schedule | None) -> tuple[str, ...]:
    return (schedule.after or ()) if schedule else ()


def _writers_of_lookups(sync: SyncConfig, syncs: Mapping[str, SyncConfig]) -> Iterable[str]:
    # Of the object that it writes itself, a sync looks up its own records: others that write it need not come first.
    looked_up = {field.lookup for field in sync.fields.values()} - {sync.object}
    return [
        name
        for name, other in syncs.items()
        if other is not sync and other.destination == sync.destination and other.object in looked_up
    ]


def _reaches(start: str, goal: str, parents: Mapping[str, Iterable[str]]) -> bool:
    """Whether `goal` is `start` or one of its ancestors."""
    seen, open_ = {start}, [start]
    while open_:
        new = set(parents[open_.pop()]) - seen
        seen |= new
        open_ += new
    return goal in seen


def _stable(parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """A topological order that takes, of all that is ready, what was given first."""
    place = {name: number for number, name in enumerate(parents)}
    sorter = TopologicalSorter(parents)
    sorter.prepare()
    ready, done = list(sorter.get_ready()), []
    while ready:
        name = min(ready, key=place.__getitem__)
        ready.remove(name)
        done.append(name)
        sorter.done(name)
        ready += sorter.get_ready()
    return tuple(done)
