"""What sweeps came to, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sweep.sweep import Tally


def table(tallies: Sequence[Tally]) -> str:
    """One line a world: kills, runs, looks, rows compared, rows held, faults."""
    head = "| world | seed | kills | at random | runs | looks | rows compared | held | faults |"
    rows = [
        f"| {t.world} | {t.seed} | {t.killed} | {t.kills['at random']} | {t.runs} | {t.checks} "
        f"| {t.rows:,} | {t.held:,} | {len(t.faults)} |"
        for t in tallies
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|---:|---:|", *rows])
