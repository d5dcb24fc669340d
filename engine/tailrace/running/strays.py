"""Requests that were given up may be carried out all the same, later: what a run sends must come after them.

Where a request was repeated with success nobody is in doubt of its rows; but the first one, let through a moment later,
would put old values over those that the next run sends, and nothing would ever tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailrace.state import Journal

if TYPE_CHECKING:
    import logging

    from tailrace.state import RunRecord, StateDB
    from tailrace.stopping import Stop

_LATEST = 20
"""Runs that are looked at: more do not end within the time that requests take to land."""


def landed_at(state: StateDB, sync: str, settle: float, *, token: int, but: str) -> float | None:
    """When the last request of the sync's earlier runs will have landed, by the state database's clock.

    `settle` is in seconds, `token` that of the lease of the run that asks, which is not to be looked at itself. None
    where each request of theirs was answered, or landed long ago. To be asked before those that broke off are
    recovered, which takes what they had in flight for answered now; what they noted of answers is made durable here.
    """
    if not settle:
        return None
    with state.reading() as connection:
        since = state.now(connection) - settle
    doubtful = [run for run in state.runs(sync, _LATEST) if run.run_id != but and _doubtful(run, since)]
    for run in doubtful:
        if run.finished_at is None:
            journal = Journal(state, run.run_id, token)
            journal.take_notes()
            journal.close()
    last = state.last_answer([run.run_id for run in doubtful])
    return None if last is None else last + settle


def let_land(
    state: StateDB, moment: float | None, settle: float, stop: Stop, log: logging.LoggerAdapter[logging.Logger]
) -> None:
    """Wait until that moment, at most `settle`, or until the run is to stop."""
    if moment is None:
        return
    with state.reading() as connection:
        seconds = min(moment - state.now(connection), settle)  # the clock may have been set back since
    if seconds > 0:
        log.info("waits %.1f s: requests of an earlier run may be on their way", seconds)
        stop.wait(seconds)


def _doubtful(run: RunRecord, since: float) -> bool:
    """Whether a run may have given a request up that is on its way yet: it did not end, or has only just ended."""
    if run.finished_at is None:
        return True
    return run.finished_at > since and (run.status == "interrupted" or bool(run.tallies.retries or run.tallies.unknown))
