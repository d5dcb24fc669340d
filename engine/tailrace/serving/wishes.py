"""Carries out a request for a run, and tells what became of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tailrace.discretion import discreet
from tailrace.errors import TailraceError
from tailrace.redact import redact
from tailrace.stopping import StopNow, heeding

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.running.result import RunResult
    from tailrace.state import StateDB
    from tailrace.state.controls import Request
    from tailrace.stopping import Stop

log = logging.getLogger(__name__)

SHOWN: Final = 100
"""Changes that the plan of a dry run keeps in the state database."""
RECOVERY: Final = "tailrace, as a requested run broke off"


def carry_out(project: Project, state: StateDB, request: Request, stop: Stop) -> RunResult | None:
    """Do what a taken request asks for; gives the run's result, and None for a dry run or where there was no run."""
    try:
        if request.dry_run:
            with heeding(stop):
                plan = project.plan(request.sync, check=True, full=request.full)
            state.finish_request(request.request_id, result=plan.to_json(SHOWN))
            return None
        result = _ran(project, state, request, stop)
    except TailraceError as error:
        log.error("%s: the request of %s failed: %s", request.sync, request.who, discreet(error), extra=_ids(request))  # noqa: TRY400 - it is told in words
        state.finish_request(request.request_id, message=redact(str(error)))
        return None
    except StopNow:
        state.give_back(request.request_id)  # a dry run that somebody else may make
        return None
    except BaseException as error:
        state.finish_request(request.request_id, message=f"a fault of Tailrace itself: {type(error).__name__}")
        raise
    if result.busy:
        state.give_back(request.request_id)
    else:
        state.finish_request(request.request_id, run_id=result.run_id, result=result.to_json())
    return result


def _ran(project: Project, state: StateDB, request: Request, stop: Stop) -> RunResult:
    if not request.planned:
        return project.run(request.sync, full=request.full, stop=stop)
    plan = state.plan_of(request.request_id)
    assert plan is not None  # noqa: S101 - it is kept until the request is finished
    with project.scratch() as folder:
        path = folder / "request.tailrace"
        path.write_bytes(plan)
        return project.apply(path, overrides=request.overrides, stop=stop)


def recover(state: StateDB, silence: float) -> None:
    """Have runs of requests whose processes died recovered: their syncs are asked to run again.

    Not where a plan was to be carried out, as a run would send more than that; the sync's next run recovers it.
    """
    for lost in state.lose_requests(silence):
        told = "%s: the process that took the request of %s ended before it told of it"
        log.warning(told, lost.sync, lost.who, extra=_ids(lost))
        if not (lost.dry_run or lost.planned):
            state.request(lost.sync, RECOVERY, once=f"recovery of {lost.request_id}")


def _ids(request: Request) -> dict[str, str]:
    return {"sync": request.sync, "request_id": request.request_id}
