"""What a broken run left behind: its journaled outcomes are folded in before anything new is planned.

Rows that were in flight when it broke have no outcome. Where the operation may be repeated without
harm they are of unknown outcome, and what they wrote is unknown to the snapshot: the next plan sends them
again, or removes their record, whatever the model says by then. Created ones are looked up by match, or held:
see `tailrace.delivery.recover`.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import polars as pl

from tailrace.delivery import recover as look_up_doubtful
from tailrace.delivery.recover import BROKE_OFF, unanswered
from tailrace.delivery.trace import IN_FLIGHT
from tailrace.failpoints import reach
from tailrace.running.audit import audit
from tailrace.running.job import past_job
from tailrace.running.record import verdict
from tailrace.running.result import Recovered
from tailrace.running.settle import Settled, save_issues, save_snapshot
from tailrace.state import Journal, Tallies

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tailrace.destination import Destination
    from tailrace.project import Sync
    from tailrace.project.config import Mode
    from tailrace.running.planner import Planned
    from tailrace.running.session import Session, Target
    from tailrace.snapshot.history import SavedRun
    from tailrace.snapshot.store import Identity
    from tailrace.state import Lease, RunRecord

log = logging.getLogger(__name__)

BROKE = "broke off; its outcomes were recovered"
PLANNED_AGAIN = "in flight when the run broke off: planned again"


def recover(
    session: Session, sync: Sync, target: Target, lease: Lease, destination: Destination, *, but: str
) -> tuple[Recovered, ...]:
    """Settle every unfinished run of the sync but the one given; call it with the lease held."""
    broken = [run for run in session.state.unfinished_runs(sync.name) if run.run_id != but]
    return tuple(_recover(session, sync, target, lease, destination, run, but) for run in broken)


def _recover(
    session: Session, sync: Sync, target: Target, lease: Lease, destination: Destination, run: RunRecord, by: str
) -> Recovered:
    saved = session.files.load(sync.name, run.run_id)
    if saved is None or saved.identity is None:
        session.finish_files(sync, run.run_id)
        message = "stopped before anything was sent"
        session.state.finish_run(run.run_id, "interrupted", message=message, token=lease.token)
        return Recovered(run.run_id)
    reach("recovery.found")
    journal = Journal(session.state, run.run_id, lease.token)
    left = _look_up(session, sync, target, destination, journal, saved, run)
    reach("recovery.settled")
    rest = journal.outcomes()
    earlier = session.files.outcomes(sync.name, run.run_id).join(rest, on="seq", how="anti")
    outcomes = pl.concat([earlier, rest], how="diagonal_relaxed")
    _fold_in(session, sync, saved, saved.identity, rest, outcomes, left)
    reach("recovery.folded")
    counted = dict(outcomes.group_by("status").len().iter_rows())
    tallies = Tallies(**{name: counted.get(name, 0) for name in ("acknowledged", "rejected", "unknown", "skipped")})
    message = f"broke off; run {by} recovered its outcomes" if by else BROKE
    session.state.finish_run(run.run_id, "interrupted", tallies=tallies, message=message, token=lease.token)
    audit(session, sync, run.run_id)
    journal.prune()
    journal.close()
    recovered = _recovered(run.run_id, saved, outcomes, tallies, left)
    log.warning("%s: %s", sync.name, recovered.told("to be sent again"))
    return recovered


def _recovered(
    run_id: str, saved: SavedRun, outcomes: pl.DataFrame, tallies: Tallies, left: Sequence[int]
) -> Recovered:
    doubtful = outcomes.filter(pl.col("status") == "unknown")["seq"]
    harmless = pl.col("action") != "create"
    again = saved.rows.numbered(doubtful).count(harmless) if len(doubtful) else 0
    return Recovered(
        run_id,
        acknowledged=tallies.acknowledged,
        sent_again=again + len(left),
        rejected=tallies.rejected,
        unknown=tallies.unknown - again,
        skipped=tallies.skipped,
    )


def planned_again(recovered: Sequence[Recovered], planned: Planned) -> tuple[Recovered, ...]:
    """The same, once the next plan is made: rows in flight that no longer differ are not sent again."""
    known = [issue for issue in planned.issues if issue.kind == "unknown" and issue.due]
    gone = Counter(issue.run_id for issue in known if issue.key_text not in planned.plan.standing)
    return tuple(
        replace(run, sent_again=run.sent_again - gone[run.run_id], unknown=run.unknown + gone[run.run_id])
        for run in recovered
    )


def _look_up(
    session: Session,
    sync: Sync,
    target: Target,
    destination: Destination,
    journal: Journal,
    saved: SavedRun,
    run: RunRecord,
) -> Sequence[int]:
    """Settle the batches in flight; gives the numbers of rows that are left to the next plan without an outcome.

    The sync may have been edited since: the rows are looked up where that run sent them, and held
    where the sync has another destination or account now.
    """
    identity = saved.identity
    here = (target.name, destination.check().id)
    if identity is None or (identity.destination, identity.account) != here:
        return _hold(journal)
    past = past_job(sync, target, saved, identity, cast("Mode", run.mode))
    with session.work.scratch() as folder:
        limiter = session.limiter(target)

        def owned(ids: Collection[str]) -> Collection[str]:
            return session.snapshot(sync, identity).owned(ids)

        found = look_up_doubtful(past, saved.rows, destination, journal, limiter=limiter, folder=folder, owned=owned)
        limiter.tell()
    if found.error is not None:
        raise found.error
    return found.left


def _hold(journal: Journal) -> list[int]:
    """Take rows in flight for unknown, and ask nobody; gives those that were not sent."""
    message = f"{BROKE_OFF}, and the sync has another destination or account now"
    settled = [(doubt, unanswered(doubt, message)) for doubt in journal.doubts()]
    journal.settle_all([(doubt.number, outcomes) for doubt, outcomes in settled])
    return [seq for doubt, outcomes in settled if not outcomes for seq in doubt.seqs]


def _fold_in(
    session: Session,
    sync: Sync,
    saved: SavedRun,
    identity: Identity,
    rest: pl.DataFrame,
    outcomes: pl.DataFrame,
    left: Sequence[int],
) -> None:
    """`outcomes` are all of the run, `rest` those that no checkpoint of it has folded in."""
    snapshot = session.snapshot(sync, identity)
    done = Settled(saved.run_id, saved.rows, saved.types, rest)
    save_snapshot(session, sync, snapshot, done)
    save_issues(session, sync, identity.digest, done)
    open_rows = pl.DataFrame({"seq": pl.Series(left, dtype=pl.Int64)})
    told = pl.concat([outcomes, verdict(open_rows, None, IN_FLIGHT, PLANNED_AGAIN)], how="diagonal")
    session.files.save_outcomes(sync.name, saved.run_id, told)
    session.finish_files(sync, saved.run_id)
