"""What is wrong with a sync, by what is on record of it: pure functions of the facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from tailrace.spans import duration, exactly

if TYPE_CHECKING:
    from tailrace.project.operating import AlertKind, Alerts
    from tailrace.state import IssueCounts, RunRecord

USUAL: Final = 20
"""Runs whose median is the usual number of rows."""
LEAST: Final = 5
"""With fewer, nothing is usual yet."""
_THROUGH = frozenset({"succeeded", "partial", "nothing_to_do"})
_GUARD: Final = re.compile(r"(^|; )guard ")
"""Before the name of each guard that stopped a run: whoever is told knows already that it is one."""
AT_TIMEOUT: Final = "stopped at its timeout"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one sync."""

    sync: str
    runs: Sequence[RunRecord]
    """The latest, newest first; no upkeep."""
    issues: IssueCounts
    reached_at: float | None
    """When the last run began that got through; None where none ever did."""
    freshness: float | None
    paused: bool
    now: float
    partial: bool = False
    """Whether runs read a part of the model as a rule: how many rows that has tells nothing."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of trouble; it is told again when `what` changes, or `level` grows."""

    kind: AlertKind
    message: str
    what: str = ""
    level: int = 0

    @property
    def mark(self) -> str:
        """How it is kept."""
        return f"{self.level} {self.what}"

    def worse_than(self, mark: str) -> bool:
        """Whether it has changed for the worse since it had that mark."""
        level, _, what = mark.partition(" ")
        return what != self.what or self.level > int(level)


def troubles(facts: Facts, settings: Alerts) -> list[Trouble]:
    """What is wrong, of the kinds that are to be told."""
    return [trouble for trouble in _found(facts, settings) if trouble.kind in settings.on]


def _found(facts: Facts, settings: Alerts) -> Iterator[Trouble]:
    telling = next((run for run in facts.runs if _tells(run)), None)
    if telling is not None and telling.status == "blocked":
        yield Trouble("guard", _GUARD.sub(r"\1", _words(telling)), _shape(telling))
    elif telling is not None and telling.status not in _THROUGH:
        yield Trouble("failed", _words(telling), _shape(telling))
    yield from _rows(facts, settings)
    yield from _late(facts)
    yield from _volume(facts, settings)


def _tells(run: RunRecord) -> bool:
    """Whether a run's end says how the sync stands.

    That somebody stopped it does not, nor that it goes on, nor that somebody's saved plan came too late.
    """
    if run.status == "interrupted":
        return (run.discreet or run.message or "").startswith(AT_TIMEOUT)
    return run.ending not in {"running", "outdated"}


def _words(run: RunRecord) -> str:
    told = run.discreet if run.discreet is not None else "an earlier version recorded why; see tailrace runs"
    return told.strip().partition("\n")[0] or run.status


def _shape(run: RunRecord) -> str:
    """The same for two runs that failed for one reason: numbers and ids differ from run to run."""
    return re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", _words(run))


def _rows(facts: Facts, settings: Alerts) -> Iterator[Trouble]:
    rejected, unknown = facts.issues.rejected, facts.issues.unknown
    most = settings.rejected
    held = next((run.counts.snapshot_rows for run in facts.runs if run.status in _THROUGH), 0)
    if most is not None and rejected > (most * held if isinstance(most, float) else most):
        given_up = f", {facts.issues.dead} of them given up" if facts.issues.dead else ""
        yield Trouble("rejected", f"{_count(rejected, 'rejected row')}{given_up}", level=rejected.bit_length())
    if unknown:
        yield Trouble("unknown", f"{_count(unknown, 'row')} of unknown outcome held", level=unknown.bit_length())


def _late(facts: Facts) -> Iterator[Trouble]:
    since = facts.reached_at
    if since is None and facts.runs:
        since = facts.runs[-1].started_at
    if facts.freshness is None or since is None or facts.paused:
        return
    age = facts.now - since
    if age > facts.freshness:
        got = "the last run that got through is" if facts.reached_at is not None else "no run got through, for"
        words = f"{got} {duration(age)} old, the target is {exactly(facts.freshness)}"
        if facts.reached_at is None:
            words = f"{got} {duration(age)}, the target is {exactly(facts.freshness)}"
        yield Trouble("late", words, level=int(age / facts.freshness).bit_length())


def _volume(facts: Facts, settings: Alerts) -> Iterator[Trouble]:
    counted = [run for run in facts.runs if run.status in _THROUGH or run.status == "blocked"]
    if settings.volume is None or facts.partial or not counted:
        return
    latest = counted[0].counts.model_rows
    earlier = [run.counts.model_rows for run in counted[1:] if run.status in _THROUGH][:USUAL]
    if len(earlier) < LEAST:
        return
    usual = median(earlier)
    borne = settings.volume * usual if isinstance(settings.volume, float) else settings.volume
    if abs(latest - usual) > borne:
        how = "more" if latest > usual else "fewer"
        yield Trouble("volume", f"the model has {_count(latest, 'row')}, {how} than the usual {usual:,.0f}", how)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
