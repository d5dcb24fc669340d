"""What a broken run left behind: its journaled outcomes are folded in before anything new is planned.

Rows that were in flight when it broke have no outcome. Where the operation may be repeated without
harm they come up again in the next plan. Created ones are looked up by match, or held: see
`tailrace.delivery.recover`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from tailrace.delivery import recover as look_up_doubtful
from tailrace.destination import ANSWER_LOST, Operation, Outcome
from tailrace.running.job import past_job
from tailrace.running.result import Recovered
from tailrace.running.settle import Settled, save_issues, save_snapshot
from tailrace.state import Journal, Tallies

if TYPE_CHECKING:
    import polars as pl

    from tailrace.destination import Destination
    from tailrace.project import Sync
    from tailrace.project.config import Mode
    from tailrace.running.session import Session, Target
    from tailrace.snapshot.history import SavedRun
    from tailrace.snapshot.store import Identity
    from tailrace.state import Lease, RunRecord

log = logging.getLogger(__name__)

BROKE = "broke off; the next run recovered its outcomes"


def recover(
    session: Session, sync: Sync, target: Target, lease: Lease, destination: Destination, *, but: str
) -> tuple[Recovered, ...]:
    """Settle every unfinished run of the sync but the one given; call it with the lease held."""
    broken = [run for run in session.state.unfinished_runs(sync.name) if run.run_id != but]
    return tuple(_recover(session, sync, target, lease, destination, run) for run in broken)


def _recover(
    session: Session, sync: Sync, target: Target, lease: Lease, destination: Destination, run: RunRecord
) -> Recovered:
    saved = session.files.load(sync.name, run.run_id)
    if saved is None or saved.identity is None:
        session.finish_files(sync, run.run_id)
        message = "stopped before anything was sent"
        session.state.finish_run(run.run_id, "interrupted", message=message, token=lease.token)
        return Recovered(run.run_id, 0, 0, 0)
    journal = Journal(session.state, run.run_id, lease.token)
    left = _look_up(session, sync, target, destination, journal, saved, run)
    outcomes = journal.outcomes()
    _fold_in(session, sync, saved, saved.identity, outcomes)
    counted = dict(outcomes.group_by("status").len().iter_rows())
    tallies = Tallies(**{name: counted.get(name, 0) for name in ("acknowledged", "rejected", "unknown", "skipped")})
    session.state.finish_run(run.run_id, "interrupted", tallies=tallies, message=BROKE, token=lease.token)
    journal.prune()
    recovered = Recovered(run.run_id, tallies.acknowledged, tallies.unknown, left)
    log.warning("%s: %s", sync.name, recovered)
    return recovered


def _look_up(
    session: Session,
    sync: Sync,
    target: Target,
    destination: Destination,
    journal: Journal,
    saved: SavedRun,
    run: RunRecord,
) -> int:
    """Settle the batches in flight; gives how many rows are left to the next plan.

    The sync may have been edited since: the rows are looked up where that run sent them, and held
    where the sync has another destination or account now.
    """
    identity = saved.identity
    here = (target.name, destination.check().id)
    if identity is None or (identity.destination, identity.account) != here:
        return _hold(journal)
    past = past_job(sync, target, saved, identity, cast("Mode", run.mode))
    found = look_up_doubtful(past, saved.rows, destination, journal, limiter=session.limiter(target))
    if found.error is not None:
        raise found.error
    return found.left


def _hold(journal: Journal) -> int:
    """Take rows that were being created for unknown, leave the others to the next plan, ask nobody."""
    left = 0
    for doubt in journal.doubts():
        created = doubt.operation == Operation.CREATE
        message = "the run broke off before the answer, and the sync has another destination or account now"
        held = [Outcome(str(seq), "unknown", code=ANSWER_LOST, message=message) for seq in doubt.seqs]
        journal.settle(doubt.number, held if created else [])
        left += 0 if created else len(doubt.seqs)
    return left


def _fold_in(session: Session, sync: Sync, saved: SavedRun, identity: Identity, outcomes: pl.DataFrame) -> None:
    snapshot = session.store.open(identity)
    done = Settled(saved.run_id, saved.rows, saved.types, outcomes)
    save_snapshot(session, sync, snapshot, done)
    save_issues(session, sync, identity.digest, done)
    session.files.save_outcomes(sync.name, saved.run_id, outcomes)
    session.finish_files(sync, saved.run_id)
