"""Spans of time as people say them, in every place alike."""

from __future__ import annotations

from typing import Final

YEAR_S: Final = 365 * 86_400
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """What took so long, or is so old: `0.4 s`, `1 min 30 s`, `3 h 20 min`, `2 d 4 h`, by two units at most."""
    if seconds > YEAR_S:
        return "more than a year"
    if 0.05 <= seconds < 1:  # noqa: PLR2004 - less is 0.0
        return f"{seconds:.1f} s"
    parts = _parts(round(seconds))
    largest = next((place for place, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return _said(parts[largest : largest + 2])


def exactly(seconds: float) -> str:
    """A span that somebody chose, such as a target, with all its units: `1 d 1 min 30 s`."""
    whole = int(seconds)
    if whole != seconds:
        return f"{seconds:,g} s"
    return _said(_parts(whole))


def _parts(seconds: int) -> list[tuple[int, str]]:
    parts = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        parts.append((number, unit))
    return parts


def _said(parts: list[tuple[int, str]]) -> str:
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number) or "0 s"
