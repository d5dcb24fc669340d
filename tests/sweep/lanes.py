"""Whole sweeps: a world, its vendor, a bad network between them, and a nursery, side by side with others."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from tests.sweep.process import Nursery
from tests.sweep.sweep import Sweep, Tally, total
from tests.sweep.worlds import LINGER_S, WORLDS, Jobs, Mirror, Postgres, World

from tailrace.failpoints import POINTS, Point
from tailrace.sandbox import SandboxServer
from tailrace.testing.faults import PEACE, Answer, Delay, Drop, Fault, FaultProxy, Linger, Reorder, Schedule, Truncate

RATE = 0.2
WEIGHTS: Mapping[Fault, float] = {
    Drop(): 2,
    Drop(commit=True): 2,
    Truncate(): 1,
    Delay(0.05): 1,
    Answer(429, retry_after=0): 2,  # without the header, the adapters wait as long as the vendor's window is
    Answer(500): 1,
    Answer(500, commit=True): 1,
    Answer(503): 1,
    Reorder(0.1): 1,
}
LINGERING: float = 2
"""The weight of requests that are carried out some time after their sender gave them up, or died."""
TOKENS = {"HUB_TOKEN": "hub-token-of-the-sweep", "SF_SECRET": "sf-secret-of-the-sweep"}
LANES = 8
"""Sweeps at once: runs wait much of their time, for pauses between tries or for the settling of requests."""
WORTHWHILE = 10
"""Kills of one failpoint for which a world of its own is begun."""
PARTS, SLOW_PARTS = 2, 4
"""Sweeps of one world, so that none goes on alone when the others are done; of one whose vendor takes its time, more.
These begin first."""


@dataclass
class Bad:
    """A network that is bad, by a seed, except when it is told to be calm."""

    proxy: FaultProxy
    seed: int
    linger: float = LINGER_S
    _numbers: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = iter(range(self.seed * 10_000, (self.seed + 1) * 10_000))
        self.stir()

    def stir(self) -> None:
        """Begin other faults; each run would meet the same ones otherwise."""
        weights = {**WEIGHTS, Linger(self.linger): LINGERING}
        self.proxy.play(Schedule.random(seed=next(self._numbers), rate=RATE, weights=weights))

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Nothing goes wrong while the block lasts."""
        self.proxy.play(PEACE)
        self.proxy.settle()
        yield
        self.stir()


class Direct:
    """No network to speak of."""

    def stir(self) -> None:
        """Nothing."""

    def calm(self) -> AbstractContextManager[None]:
        """It is always calm."""
        return nullcontext()


@dataclass(frozen=True)
class Order:
    """What is wanted: so many kills at each failpoint, and so many at random."""

    points: int
    at_random: int
    seed: int
    postgres: Sequence[str] = ()
    """URLs of empty databases: that world is swept in as many parts, up to `PARTS`, or not at all."""
    only: tuple[Point, ...] = ()
    """Failpoints that runs of the world come by; all, if none are given."""


def sweep(order: Order) -> list[Tally]:
    """All worlds, `LANES` at once; then those that come by the rarer failpoints, until each was met often enough."""
    os.environ.update(TOKENS)
    kinds = [kind for kind in WORLDS if kind is not Postgres or order.postgres]
    tasks = [(kind, part) for place, kind in enumerate(kinds) for part in _parts(kind, order, place, len(kinds))]
    tasks.sort(key=_slow_first)
    with nurseries(LANES) as free, ThreadPoolExecutor(LANES) as pool:

        def swept(task: tuple[type[World], Order]) -> Tally:
            nursery = free.get()
            try:
                return one(*task, nursery)
            finally:
                free.put(nursery)

        found = list(pool.map(swept, tasks))
        met = {kind: total([t for (of, _), t in zip(tasks, found, strict=True) if of is kind]) for kind in kinds}
        return [*met.values(), *pool.map(swept, sorted(_lacking(order, met), key=_slow_first))]


@contextmanager
def nurseries(count: int) -> Iterator[SimpleQueue[Nursery]]:
    """So many, to be taken and put back: to load the libraries takes as long as four runs."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-nurseries-")))
        free: SimpleQueue[Nursery] = SimpleQueue()
        for _ in range(count):
            free.put(stack.enter_context(Nursery(root)))
        yield free


def _parts(kind: type[World], order: Order, place: int, worlds: int) -> Iterator[Order]:
    """A world's share, in parts. `place` is the world's among all."""
    parts = min(PARTS, len(order.postgres)) if kind is Postgres else SLOW_PARTS if kind is Jobs else PARTS
    points, at_random = (_share(wanted, place, worlds) for wanted in (order.points, order.at_random))
    for part in range(parts):
        yield replace(
            order,
            points=_share(points, part, parts),
            at_random=_share(at_random, part, parts),
            seed=order.seed + 1_000 * part,
            postgres=order.postgres[part : part + 1],
        )


def _slow_first(task: tuple[type[World], Order]) -> bool:
    return task[0] is not Jobs


def _share(wanted: int, slot: int, slots: int) -> int:
    """What comes to one of so many; at least one, if any is wanted."""
    return max(min(wanted, 1), wanted * (slot + 1) // slots - wanted * slot // slots)


def _lacking(order: Order, met: Mapping[type[World], Tally]) -> Iterator[tuple[type[World], Order]]:
    """What is still to be done at each failpoint, shared out among worlds whose runs came by it: few, if it is little.

    That is not PostgreSQL's: its databases are not empty any more.
    """
    for number, point in enumerate(POINTS, start=1):
        left = order.points - sum(tally.kills[point] for tally in met.values())
        able = [kind for kind, tally in met.items() if tally.kills[point] and kind is not Postgres]
        if left > 0 and able:
            worlds = min(len(able), -(-left // WORTHWHILE))
            for turn in range(worlds):
                seed = order.seed + number * len(WORLDS)
                kind = able[(number + turn) % len(able)]
                yield kind, Order(-(-left // worlds), 0, seed, only=(point,))


def one(kind: type[World], order: Order, nursery: Nursery) -> Tally:
    """One world."""
    with ready(kind, order, nursery=nursery) as made:
        made.at_points(order.points, order.only or POINTS, met=bool(order.only))
        made.at_random(order.at_random)
        return made.finish()


@contextmanager
def ready(
    kind: type[World],
    order: Order,
    mutant: str = "",
    *,
    settle: float | None = None,
    linger: float = LINGER_S,
    run_in: Literal["process", "thread"] = "process",
    nursery: Nursery | None = None,
) -> Iterator[Sweep]:
    """A world to be swept, with all it needs; its vendor is a process, or a thread, which a test can change.

    `settle` and `linger` are in seconds: what a run waits for stray requests, and how late these land. Without a
    `nursery` it gets one of its own.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-sweep-")))
        world = kind(root, random.Random(order.seed))  # noqa: S311 - a seed that can be given again is what is wanted
        if settle is not None:
            world.settle = settle
        stack.callback(world.close)
        network: Bad | Direct = Direct()
        if isinstance(world, Postgres):
            world.build(*order.postgres)
        else:
            server = stack.enter_context(
                SandboxServer(salesforce=issubclass(kind, Mirror), hubspot=not issubclass(kind, Mirror), run_in=run_in)
            )
            url = server.salesforce_url if issubclass(kind, Mirror) else server.hubspot_url
            proxy = stack.enter_context(FaultProxy(url))
            world.build(proxy.url, server)
            network = Bad(proxy, order.seed, linger)
        born_in = nursery or stack.enter_context(Nursery(root))
        yield Sweep(world, born_in, network, order.seed, mutant=mutant)
