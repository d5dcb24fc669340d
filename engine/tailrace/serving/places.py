"""Which syncs run here now, and whether there is room for one more."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.project.operating import Serve
    from tailrace.stopping import Stop


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A run of this process. Equal to itself alone."""

    sync: str
    destination: str
    warehouse: str
    project: Project
    stop: Stop


class Places:
    """Taken by one thread, given back by those that run."""

    def __init__(self) -> None:
        self._taken: list[Place] = []
        self._lock = threading.Lock()

    @property
    def taken(self) -> tuple[Place, ...]:
        """Runs that go on."""
        with self._lock:
            return tuple(self._taken)

    def free(self, sync: str, destination: str, most: Serve) -> bool:
        """Whether a run of that sync may begin now."""
        taken = self.taken
        return (
            len(taken) < most.runs
            and sync not in {place.sync for place in taken}
            and sum(place.destination == destination for place in taken) < most.runs_per_destination
        )

    def take(self, place: Place) -> None:
        """A run begins."""
        with self._lock:
            self._taken.append(place)

    def leave(self, place: Place) -> None:
        """It has ended. A warehouse that no other run uses is closed, so that others may write to its file."""
        with self._lock:
            self._taken = [each for each in self._taken if each is not place]
            if not any(each.project is place.project and each.warehouse == place.warehouse for each in self._taken):
                place.project.release_warehouse(place.warehouse)


def ready(names: Iterable[str], parents: Mapping[str, Iterable[str]], running: Iterable[str]) -> list[str]:
    """Of syncs that are to run, parents first, those none of whose parents is to run before, or runs now."""
    waiting, found = set(running), []
    for name in names:
        if waiting.isdisjoint(parents.get(name, ())):
            found.append(name)
        waiting.add(name)
    return found
