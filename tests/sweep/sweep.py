"""The sweep: kill runs at every named place and at random moments, and look whether anything was lost or doubled."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.sweep.process import Ended, Nursery
from tests.sweep.worlds import CONCURRENCY, World

from tailrace.delivery.recover import BROKE_OFF
from tailrace.delivery.send import RUN_ENDED
from tailrace.failpoints import POINTS, VARIABLE, Point

LONGER = 1.1
"""Random kills fall into so many times the length of a run, as far as it is known: the last moments count too."""
CHECK_EVERY = 15
"""Kills between two looks at the destination."""
ATTEMPTS = 4
"""Runs that are given to a failpoint per hit that is wanted of it: not every run comes by every place."""
OFTEN: frozenset[Point] = frozenset(
    {"batch.intended", "batch.sent", "batch.settled", "segment.published", "manifest.ready", "manifest.replaced"}
)
"""Places that a run comes by several times."""
PATIENCE = 12
"""Runs after which a calm network must have brought everything there."""


class Network(Protocol):
    """What lies between the program and the destination."""

    def stir(self) -> None:
        """Let other things go wrong from now on."""

    def calm(self) -> AbstractContextManager[None]:
        """While the block lasts, nothing goes wrong."""


@dataclass
class Tally:
    """What a sweep of one world came to."""

    world: str
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    """By failpoint; `at random` for the others."""
    runs: int = 0
    checks: int = 0
    rows: int = 0
    """Rows of the model at the checks, in sum."""
    held: int = 0
    """Rows that were shown as unknown, in sum."""
    faults: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        """All kills."""
        return self.kills.total()


def total(tallies: Sequence[Tally]) -> Tally:
    """What several sweeps of one world came to; the seed is the first one's."""
    first = tallies[0]
    counts = {name: sum(getattr(tally, name) for tally in tallies) for name in ("runs", "checks", "rows", "held")}
    kills = sum((tally.kills for tally in tallies), Counter[str]())
    return Tally(first.world, first.seed, kills, **counts, faults=[fault for t in tallies for fault in t.faults])


class Sweep:
    """One world, killed over and over."""

    def __init__(self, world: World, nursery: Nursery, network: Network, seed: int, *, mutant: str = "") -> None:
        self.world, self.nursery, self.network = world, nursery, network
        self.mutant = mutant
        self.tally = Tally(world.name, seed)
        self._random = random.Random(seed)  # noqa: S311 - a seed that can be given again is what is wanted
        self._length_s = 1.0
        """About as long takes a run."""
        self._since = 0
        """Kills since the last look."""
        self._quiet = True
        """Whether the last run left nothing to do: without a change of the model the next would come by few places."""
        self._shown: set[int] = set()
        """Keys of rows that were shown as unknown at the last look, and still are."""

    def at_points(self, times: int, points: tuple[Point, ...] = POINTS, *, met: bool = False) -> None:
        """Kill at each place so many times, as far as runs of this world come by it; `met` says that they do."""
        for attempt in range(times * ATTEMPTS):
            left = [point for point in points if self.tally.kills[point] < times]
            for point in left if met or attempt < times else self._likely(left):
                self._killed_at(point)

    def at_random(self, times: int) -> None:
        """Kill at random moments, so many times."""
        begun = self.tally.kills["at random"]
        for _ in range(times * ATTEMPTS):
            if self.tally.kills["at random"] - begun >= times:
                return
            self._step()
            ended = self._run(kill_after=self._random.uniform(0, self._length_s * LONGER))
            # A run that was killed may have been a longer one; one that was not says how long they are.
            self._length_s = self._length_s * LONGER if ended.killed else ended.seconds
            self._note("at random", ended)

    def finish(self) -> Tally:
        """A last look."""
        self.look()
        return self.tally

    def look(self) -> None:
        """Let the network be calm, run until nothing is left, and compare with the destination."""
        with self.network.calm():
            self._settle()
            why = self._held()
            held = list(why)
            self.tally.checks += 1
            self.tally.rows += len(self.world.rows)
            new = set(held) - self._shown
            self.tally.held += len(new)
            bound = self._since * self.world.batch * CONCURRENCY
            died = [key for key in new if why[key] in {RUN_ENDED, BROKE_OFF}]  # else the network lost the answer
            if len(died) > bound:
                told = f"after {self._since} kills, as the run ended before the answer"
                self._fault(f"{len(died)} rows are held {told}: at most {bound} were in flight")
            for fault in self.world.faults(held):
                self._fault(fault)
            self._give_up(held)
            left = self._said("plan")["plans"][0]
            if left["inserts"] or left["updates"] or left["deletes"]:
                self._fault(f"the snapshot is not what was acknowledged: {left}")
        self._since = 0

    def _likely(self, points: list[Point]) -> Iterator[Point]:
        yield from (point for point in points if self.tally.kills[point])

    def _killed_at(self, point: Point) -> None:
        self._step()
        if point.startswith(("recovery.", "doubt.")):  # there must be something to recover
            self._note("batch.sent", self._run(failpoint="batch.sent:1:kill"))
        count = self._random.choice((1, 1, 2, 3, 5)) if point in OFTEN else 1
        self._note(point, self._run(failpoint=f"{point}:{count}:kill"))

    def _step(self) -> None:
        self.network.stir()
        if self._random.random() < (0.95 if self._quiet else 0.6) or not self.world.rows:
            self.world.change()

    def _note(self, what: str, ended: Ended) -> None:
        if ended.killed:
            self.tally.kills[what] += 1
            self._since += 1
            if self._since >= CHECK_EVERY:
                self.look()
        elif "Traceback" in ended.out or ended.code == 70:
            self._fault(f"a run ended with a traceback: {ended.out[-2000:]}")

    def _run(self, *argv: str, failpoint: str = "", kill_after: float | None = None) -> Ended:
        self.tally.runs += 1
        env = {VARIABLE: failpoint}
        command = argv or ("run", "people", "--json")
        ended = self.nursery.begin(command, self.world.root, env, self.mutant).end(kill_after)
        self._quiet = self._quiet if argv else ended.code == 0
        return ended

    def _settle(self) -> None:
        for _ in range(PATIENCE):
            ended = self._run()
            if ended.code == 0:
                return  # the plan that follows tells whether there is something to do
            if "Traceback" in ended.out:
                self._fault(f"a run ended with a traceback: {ended.out[-2000:]}")
        if not self._held():
            self._fault(f"after {PATIENCE} calm runs there is still something to do: {ended.out[-1000:]}")

    def _held(self) -> dict[int, str]:
        """Why rows are held, by key."""
        return {int(row["key"]["id"]): row["message"] for row in self._said("resolve")["unknown"]}

    def _give_up(self, held: list[int]) -> None:
        """Take rows as delivered that nothing but a person settles; others are sent when their row comes back."""
        self._shown = set() if self.world.creates else set(held)
        if held and self.world.creates:
            self.world.gave_up |= set(held)
            self._run("resolve", "people", "--skip")

    def _said(self, command: str) -> dict[str, Any]:
        ended = self._run(command, "people", "--json")
        return said(ended.out)

    def _fault(self, text: str) -> None:
        self.tally.faults.append(f"{self.world.name}, seed {self.tally.seed}, after {self.tally.killed} kills: {text}")


def said(text: str) -> dict[str, Any]:
    """The one JSON object of an output that has warnings, too."""
    start = text.index("{")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[start:])[0]
    return found
