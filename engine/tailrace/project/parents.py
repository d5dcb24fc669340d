"""The graph of `schedule.after`: every parent exists, and nothing waits for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from tailrace.project.faults import MAX_PROBLEMS, unknown

if TYPE_CHECKING:
    from tailrace.errors import Problem
    from tailrace.project.syncs import SyncFile


def judge_parents(files: Mapping[str, SyncFile], problems: list[Problem]) -> None:
    """Add a problem for each parent that does not exist, and for each circle."""
    for file in files.values():
        missing = [(index, parent) for index, parent in enumerate(file.after) if parent not in files]
        for index, parent in missing[:MAX_PROBLEMS]:
            place = file.section.at("schedule", "after", index)
            problems.append(file.section.problem(place, unknown("sync", parent, files)))
    for circle in _circles({name: [p for p in file.after if p in files] for name, file in files.items()}):
        first = files[circle[0]]
        place = first.section.at("schedule", "after", first.after.index(circle[1]))
        words = f"`schedule.after` goes in a circle: {' after '.join(circle)}"
        problems.append(first.section.problem(place, words))


def _circles(parents: dict[str, list[str]]) -> Iterator[list[str]]:
    """Circles, each as `[a, b, …, a]` from its alphabetically first member, where a waits for b."""
    for _ in range(MAX_PROBLEMS):
        try:
            TopologicalSorter(parents).prepare()
        except CycleError as error:
            # graphlib lists each node before the one that waits for it.
            circle = _from_least(list(reversed(error.args[1]))[:-1])
            yield circle
            parents[circle[0]].remove(circle[1])
        else:
            return


def _from_least(circle: list[str]) -> list[str]:
    start = circle.index(min(circle))
    return [*circle[start:], *circle[:start], circle[start]]
