"""Windows of time by a wall clock, such as quiet hours: what moments are in one, and when all are over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tailrace.project.operating import Window

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_AHEAD = 15
"""Days within which some end of a window must come at which none is open, if there ever is one: two weeks and a day."""


def inside(windows: Sequence[Window], zone: str, at: datetime) -> bool:
    """Whether some window is open at that moment; `zone` is of those that name none.

    Only what clocks show counts. So of an hour that comes twice both are in a window, or neither is.
    """
    return any(_is_open(window, zone, at) for window in windows)


def opens(windows: Sequence[Window], zone: str, at: datetime) -> datetime | None:
    """The first moment from `at` on, in UTC, at which no window is open; None where some window always is."""
    if not inside(windows, zone, at):
        return at.astimezone(UTC)
    ends = sorted({end for window in windows for end in _ends(window, zone, at) if end > at})
    return next((end for end in ends if not inside(windows, zone, end)), None)


def _is_open(window: Window, zone: str, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(window.timezone or zone))
    shown, start, end = f"{local:%H:%M}", window.start, window.end
    today, yesterday = (_DAYS[day.weekday()] in window.days for day in (local, local - _DAY))
    if start < end:
        return today and start <= shown < end
    return (today and shown >= start) or (yesterday and shown < end)


def _ends(window: Window, zone: str, at: datetime) -> Iterator[datetime]:
    """Moments, in UTC, among which are all at which it may end: when a clock shows its `to`, and when clocks change."""
    local = ZoneInfo(window.timezone or zone)
    first = at.astimezone(local).date()
    for number in range(_AHEAD):
        shown = _shown(first + number * _DAY, window.end, local)
        yield from (shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    yield from _changes(local, at)


def _shown(day: date, text: str, zone: ZoneInfo) -> datetime:
    if text == "24:00":
        return datetime.combine(day + _DAY, time(), zone)
    return datetime.combine(day, time.fromisoformat(text), zone)


def _changes(zone: ZoneInfo, at: datetime) -> Iterator[datetime]:
    """When clocks there change in the days to come, to the minute."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for number in range(24 * _AHEAD):
        start = hour + timedelta(hours=number)
        before = start.astimezone(zone).utcoffset()
        if (start + timedelta(hours=1)).astimezone(zone).utcoffset() != before:
            minutes = (start + timedelta(minutes=minute) for minute in range(1, 61))
            yield next(minute for minute in minutes if minute.astimezone(zone).utcoffset() != before)
