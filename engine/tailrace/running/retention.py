"""Forgets runs that ended long ago: their rows on disk, their batches, and that there was such a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tailrace.running.ledger import FRESH

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.state import Lease

MOST: Final = 200
"""Runs forgotten at once: what a sync has to catch up with must not hold its next run up."""


def forget_old_runs(session: Session, sync: Sync, lease: Lease) -> int:
    """Remove the sync's runs that ended longer ago than `keep_runs`, but for those still needed; gives how many.

    Needed are runs of rows in trouble, and those that say when the sync last ran, and when it last got through.
    Files go first: a crash in between leaves runs on record without files, which the next call finds again.
    """
    keep, state = session.project.config.keep_runs, session.state
    expired = state.expired_runs(sync.name, keep, most=MOST) if keep is not None else []
    if keep is None or not expired:
        return 0
    latest = {run.run_id for run in (state.last_run(sync.name), state.last_run(sync.name, FRESH)) if run is not None}
    gone = [run_id for run_id in expired if run_id not in latest]
    for run_id in gone:
        session.files.remove(sync.name, run_id)
    state.forget_runs(sync.name, gone, keep, token=lease.token)
    return len(gone)
