"""When syncs run and who is told: the parts of the configuration that `serve` and `run --due` go by."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from tailrace.project.keys import given
from tailrace.project.model import Model
from tailrace.project.oidc import Origin
from tailrace.project.references import END
from tailrace.project.times import Cron, Zone
from tailrace.project.types import Count, Duration, Interval, Limit, NameText, Secret, matching

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AlertKind: TypeAlias = Literal["failed", "guard", "rejected", "unknown", "late", "volume"]
KINDS: tuple[AlertKind, ...] = ("failed", "guard", "rejected", "unknown", "late", "volume")
TIME_PATTERN = rf"^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00){END}"


TimeOfDay: TypeAlias = Annotated[
    str, *matching(TIME_PATTERN, 'should be a time of day from "00:00" to "24:00", such as "22:30"', "22:30")
]
"""Hours and minutes by a wall clock."""


class Window(Model):
    """Hours by a wall clock, on all days or some."""

    start: Annotated[TimeOfDay, Field(alias="from")] = "00:00"
    end: Annotated[TimeOfDay, Field(alias="to")] = "24:00"
    """Not within it; before `from` it means the day after."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """Those on which it begins."""
    timezone: Zone | None = None
    """In place of the schedule's, or of UTC."""


class Schedule(Model):
    """When a sync is due; exactly one of `cron`, `every`, `after`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [given("cron"), given("every"), given("after")]},
    )

    cron: Cron | None = None
    every: Interval | None = None
    after: Annotated[tuple[NameText, ...], Field(min_length=1)] | None = None
    timezone: Zone = "UTC"
    """Of `cron` and `blackout`."""
    after_partial: Literal["run", "wait"] = "run"
    """Whether a parent whose run was partial counts as finished well."""
    jitter: Duration = 0.0
    """The most by which a run is put off, so that many syncs do not start at once."""
    blackout: tuple[Window, ...] = ()
    """When no run starts."""

    @model_validator(mode="after")
    def _one_kind(self) -> Schedule:
        if sum(kind is not None for kind in (self.cron, self.every, self.after)) != 1:
            raise ValueError("a schedule has exactly one of cron, every, after")
        return self


class Serve(Model):
    """What `serve` and `run --due` do at once, and where people find the console."""

    url: Origin | None = None
    """Where people reach the console, for links in alerts; that of `oidc` stands in for it."""
    runs: Count = 2
    """Most runs at once in one process."""
    runs_per_destination: Count = 1
    """Most runs at once that write to one destination, in one process."""


class Alerts(Model):
    """Who is told of trouble, of which, and when not."""

    to: tuple[Secret, ...] = ()
    """Apprise URLs."""
    on: Annotated[tuple[AlertKind, ...], Field(min_length=1)] = KINDS
    rejected: Limit = 0
    """Rejected rows that are borne."""
    volume: Limit = 0.5
    """How far the model's rows may be from their median."""
    quiet: tuple[Window, ...] = ()
    """When nothing is told; what still holds is told afterwards."""

    def over(self, project: Alerts) -> Alerts:
        """A sync's settings, where it has any, and else the project's."""
        return project.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})
