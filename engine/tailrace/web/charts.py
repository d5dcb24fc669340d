"""Pictures as plain numbers: where each bar, box and line of an SVG goes. Templates draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.state import RunRecord

BAR, GAP, HEIGHT = 10, 2, 80
LEAST = 3
"""Height of a bar of a run that sent nothing: it was there."""
_NODE_W, _NODE_H, _ROW, _COLUMN = 200, 28, 40, 340
_SHOWN = 26


def history(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Bars of runs, the oldest first: rows by outcome, on a scale of square roots so that small runs are seen."""
    shown = list(reversed(runs))
    most = max((_rows(run) for run in shown), default=0)
    bars = []
    for place, run in enumerate(shown):
        rows, tallies = _rows(run), run.tallies
        height = max(LEAST, round(math.sqrt(rows / most) * HEIGHT)) if most and rows else LEAST
        parts = _stack(height, rows, (("unknown", tallies.unknown), ("rejected", tallies.rejected)))
        bars.append({"x": place * (BAR + GAP), "parts": parts, "run": run, "rows": rows})
    return {"bars": bars, "width": max(1, len(bars)) * (BAR + GAP), "height": HEIGHT, "bar": BAR, "most": most}


def _stack(height: int, rows: int, bad: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """A bar from the top down: what went wrong, each part to be seen, and below it the rest."""
    parts, top = [], HEIGHT - height
    for kind, count in bad:
        if count:
            tall = max(2, round(height * count / rows))
            parts.append({"y": top, "h": tall, "kind": kind})
            top = min(HEIGHT, top + tall)
    return [*parts, {"y": top, "h": HEIGHT - top, "kind": "good"}]


def _rows(run: RunRecord) -> int:
    tallies = run.tallies
    return tallies.acknowledged + tallies.rejected + tallies.unknown + tallies.skipped


def phases(seconds: dict[str, float]) -> dict[str, Any]:
    """A run's phases in a row, each as wide as it took."""
    whole, x, parts = sum(seconds.values()) or 1.0, 0.0, []
    for name, took in seconds.items():
        width = took / whole * 100
        parts.append({"name": name, "x": round(x, 2), "w": round(width, 2), "seconds": took})
        x += width
    return {"parts": parts, "whole": whole}


def lineage(models: Sequence[str], syncs: Sequence[Sync], objects: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Three columns of boxes, and the lines between them."""
    tallest = max(len(models), len(syncs), len(objects), 1)
    height = tallest * _ROW + 8
    columns = [_column(0, models, height), _column(1, [sync.name for sync in syncs], height)]
    columns.append(_column(2, objects, height))
    at_model, at_sync, at_object = columns
    lines = []
    for sync in syncs:
        here = at_sync[sync.name]
        lines.append({"path": _line(at_model[sync.config.reads], here), "sync": sync.name})
        there = at_object[sync.config.destination, sync.config.object]
        lines.append({"path": _line(here, there), "sync": sync.name})
    nodes = [
        *({**box, "kind": "model", "label": _cut(name), "whole": name} for name, box in at_model.items()),
        *({**box, "kind": "sync", "label": _cut(name), "whole": name} for name, box in at_sync.items()),
        *(
            {**box, "kind": "object", "label": _cut(f"{where}.{name}"), "whole": f"{where}.{name}"}
            for (where, name), box in at_object.items()
        ),
    ]
    width = 2 * _COLUMN + _NODE_W
    return {"nodes": nodes, "lines": lines, "width": width, "height": height, "w": _NODE_W, "h": _NODE_H}


def _column(number: int, names: Sequence[Any], height: int) -> dict[Any, dict[str, int]]:
    start = (height - len(names) * _ROW) // 2
    return {name: {"x": number * _COLUMN, "y": start + place * _ROW + 6} for place, name in enumerate(names)}


def _line(start: dict[str, int], end: dict[str, int]) -> str:
    x1, y1, x2, y2 = start["x"] + _NODE_W, start["y"] + _NODE_H // 2, end["x"], end["y"] + _NODE_H // 2
    half = (x2 - x1) // 2
    return f"M{x1} {y1} C{x1 + half} {y1} {x2 - half} {y2} {x2} {y2}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


GAUGE: Final = 240
"""Width of a gauge."""


def gauge(left: int | None, most: int | None, reserved: int) -> dict[str, int] | None:
    """A quota as parts of a bar: used, free, and kept for others; None where the vendor never said."""
    if left is None or not most:
        return None
    used = max(0, min(GAUGE, round((most - left) / most * GAUGE)))
    kept = min(GAUGE - used, round(reserved / most * GAUGE))
    return {"used": used, "kept": kept, "width": GAUGE, "percent": round((most - left) / most * 100)}
