"""How values are written on pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from tailrace.cli.render import counted
from tailrace.clock import now
from tailrace.jsonform import iso, iso_at, show, show_key
from tailrace.spans import duration, exactly
from tailrace.web import views

WORDS: Final = {
    "succeeded": "succeeded",
    "nothing_to_do": "nothing to do",
    "partial": "in part",
    "failed": "failed",
    "blocked": "stopped by a guard",
    "outdated": "plan out of date",
    "interrupted": "interrupted",
    "running": "running",
}
KINDS: Final = {
    "succeeded": "good",
    "nothing_to_do": "good",
    "partial": "warn",
    "failed": "bad",
    "blocked": "bad",
    "outdated": "warn",
    "interrupted": "warn",
    "running": "busy",
}
_LONG = 120


def moment(text: str | None) -> datetime | None:
    """A moment as JSON has it."""
    return None if text is None else datetime.fromisoformat(text)


def ago(text: str | None) -> Markup:
    """A moment by its distance from now, with the moment itself for whoever asks."""
    at = moment(text)
    if at is None:
        return Markup('<span class="quiet">never</span>')
    distance = (now() - at).total_seconds()
    words = f"{duration(distance)} ago" if distance >= 0 else f"in {duration(-distance)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, stamp(text), words)


def due(text: str | None) -> Markup:
    """When a run is owed: by its distance, or that it has come."""
    at = moment(text)
    return ago(text) if at is None or at > now() else Markup('<time datetime="{}">due now</time>').format(text)


def stamp(text: str | None) -> str:
    """A moment in UTC."""
    at = moment(text)
    return "—" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(text: str | None) -> Markup:
    """A moment in UTC, marked as one."""
    if text is None:
        return Markup('<span class="quiet">—</span>')
    return Markup('<time datetime="{}">{}</time>').format(text, stamp(text))


def number(value: float | None) -> str:
    """A number with separators; a dash where there is none."""
    return "—" if value is None else f"{value:,}"


def value(held: Any) -> Markup:
    """A value of a row; text that is long is cut, and whole where one points at it."""
    if held is None:
        return Markup('<span class="null" title="null">∅</span>')
    text = show(held)
    if len(text) <= _LONG:
        return Markup('<span class="value">{}</span>').format(text)
    return Markup('<span class="value" title="{}">{}…</span>').format(text, text[: _LONG - 1])


def badge(ending: str | None) -> Markup:
    """How a run ended."""
    if ending is None:
        return Markup('<span class="badge none">never run</span>')
    return Markup('<span class="badge {}">{}</span>').format(KINDS.get(ending, "none"), WORDS.get(ending, ending))


def key(columns: Mapping[str, Any]) -> str:
    """A row's key."""
    return show_key(columns)


FILTERS: Final = {
    "at": iso_at,
    "counted": counted,
    "iso": iso,
    "ago": ago,
    "clock": clock,
    "stamp": stamp,
    "number": number,
    "value": value,
    "badge": badge,
    "key": key,
    "span": duration,
    "exactly": exactly,
    "due": due,
    "limit": views.limit_text,
    "source": views.source_text,
    "field_notes": views.field_notes,
}
