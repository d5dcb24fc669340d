"""What `serve` and `run --due` share: a scheduler behind signals."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.cli.common import graceful, print_json, tell

if TYPE_CHECKING:
    from types import FrameType

    from tailrace.running.result import RunResult
    from tailrace.serving import Pulse, Scheduler

INTERRUPTED = 130
_LOOK_S = 0.1


def keep_serving(folder: Path, tick: float, pulse: Pulse) -> int:
    """Serve until a signal comes; gives the exit code."""
    from tailrace.cli import render  # noqa: PLC0415
    from tailrace.serving import Scheduler  # noqa: PLC0415

    scheduler = Scheduler(folder, tick=tick, report=_show)
    pulse.feel(scheduler)
    with graceful() as stop, _reloading(scheduler):
        lines = scheduler.project.status()
        due = [{"sync": line.sync, "next_run": line.next_run, "after": line.after} for line in lines]
        tell(render.schedule(lines), syncs=due)
        scheduler.start()
        while not stop.is_set():
            time.sleep(_LOOK_S)  # not a wait for the event: its lock and a signal's handler in this thread do not mix
        ended = scheduler.stop()
    return 0 if ended else stop.exit_code


def due_now(folder: Path, *, as_json: bool = False, full: bool = False, limit: int | None = None) -> int:
    """One round, in which the runs that are due and asked for are made; gives the exit code."""
    from tailrace.running.result import worst  # noqa: PLC0415
    from tailrace.serving import Scheduler  # noqa: PLC0415

    scheduler = Scheduler(folder, report=_quiet if as_json else _show)
    with graceful() as stop:
        results = scheduler.once(full=full, limit=limit, stopped=stop.is_set)
        scheduler.stop()
    if as_json:
        print_json({"runs": [result.to_json() for result in results]})
    elif not results and not scheduler.failures and not stop.is_set():
        tell("nothing is due")
    code = worst([*(result.exit_code for result in results), int(scheduler.failures > 0)])
    return stop.exit_code if stop.is_set() and code in {0, INTERRUPTED} else code


def _show(result: RunResult) -> None:
    from tailrace.cli import render  # noqa: PLC0415

    rows = {name: value for name, value in result.to_json().items() if isinstance(value, int)}
    why = {"status": result.status, "ending": result.ending, "why": result.discreet}
    tell(render.result(result, quoting=False), sync=result.sync, run_id=result.run_id, **why, **rows)


def _quiet(_result: RunResult) -> None:
    """Say nothing."""


@contextmanager
def _reloading(scheduler: Scheduler) -> Iterator[None]:
    """Until the block ends, SIGHUP has the files read again."""

    def hung_up(_number: int, _frame: FrameType | None) -> None:
        scheduler.reload()

    before = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
