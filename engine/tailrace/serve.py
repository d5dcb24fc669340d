"""A plain loop that runs syncs on their schedules."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from tailrace.discretion import discreet
from tailrace.errors import TailraceError
from tailrace.running.result import worst

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.result import RunResult

log = logging.getLogger(__name__)


def loop(
    project: Project,
    stop: threading.Event,
    *,
    tick: float,
    once: bool,
    report: Callable[[RunResult], None],
) -> int:
    """Run what is due, wait `tick` seconds, and again, until `stop` is set; `once` stops after one round.

    The exit code of a round is that of its runs; of an endless loop, 0. A state database that does not
    answer costs one round, not the loop.
    """
    while True:
        codes = _round(project, stop, report)
        if once:
            return worst(codes)
        if stop.wait(tick):
            return 0


def _round(project: Project, stop: threading.Event, report: Callable[[RunResult], None]) -> list[int]:
    codes = []
    try:
        for name in project.due():
            if stop.is_set():
                break
            result = project.run(name, stop=stop)
            codes.append(result.exit_code)
            report(result)
    except TailraceError as error:
        log.error("this round ended early, the next one tries again: %s", discreet(error))  # noqa: TRY400 - it is told in words
        codes.append(error.exit_code)
    except Exception:
        # A fault of the program must not silence every other sync of a process that nobody watches.
        log.exception(
            "this round ended early by a fault of Tailrace itself, please report it; the next one tries again"
        )
        codes.append(1)
    finally:
        project.release_warehouses()
    return codes
