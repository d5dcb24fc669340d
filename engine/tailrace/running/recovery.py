"""What a broken run left behind: its journaled outcomes are folded in before anything new is planned.

Rows that were in flight when it broke have no outcome. Where the operation may be repeated without
harm they simply come up again in the next plan. Where it may not (a create), they become `unknown`,
unless the sync says `on_unknown: resend` or `skip`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import polars as pl

from tailrace.delivery import outcome_frame
from tailrace.destination import Operation, Outcome
from tailrace.running.result import Recovered
from tailrace.running.settle import save_issues, save_snapshot
from tailrace.state import Journal, Tallies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tailrace.project import Sync
    from tailrace.running.session import Session, Target
    from tailrace.state import Lease, RunRecord

log = logging.getLogger(__name__)


def recover(session: Session, sync: Sync, target: Target, lease: Lease, *, but: str) -> tuple[Recovered, ...]:
    """Settle every unfinished run of the sync but the one given; call it with the lease held."""
    broken = [run for run in session.state.unfinished_runs(sync.name) if run.run_id != but]
    return tuple(_recover(session, sync, target, lease, run) for run in broken)


def _recover(session: Session, sync: Sync, target: Target, lease: Lease, run: RunRecord) -> Recovered:
    saved = session.files.load_changes(sync.name, run.run_id)
    if saved is None:
        # The run broke before its changes were durable, so it sent nothing.
        session.state.finish_run(
            run.run_id, "interrupted", message="stopped before anything was sent", token=lease.token
        )
        return Recovered(run.run_id, 0, 0, 0)
    journal = Journal(session.state, run.run_id, lease.token)
    in_doubt = {seq: doubt.operation for doubt in journal.doubts() for seq in doubt.seqs}
    outcomes = pl.concat([journal.outcomes(), outcome_frame(_presumed(in_doubt, target, sync.config.on_unknown))])
    outcomes = outcomes.unique("seq", keep="first", maintain_order=True)
    snapshot = save_snapshot(
        session, session.store.open(saved.identity), saved.frame, saved.types, outcomes, run.run_id
    )
    save_issues(session, sync, snapshot.identity.digest, saved.frame, saved.types, outcomes, run.run_id)
    session.files.save_outcomes(sync.name, run.run_id, outcomes)
    counted = dict(outcomes.group_by("status").len().iter_rows())
    presumed = outcomes.filter(pl.col("seq").is_in(list(in_doubt))).height
    session.state.finish_run(
        run.run_id,
        "interrupted",
        tallies=Tallies(**{name: counted.get(name, 0) for name in ("acknowledged", "rejected", "unknown", "skipped")}),
        message="broke off; the next run recovered its outcomes",
        token=lease.token,
    )
    journal.prune()
    recovered = Recovered(
        run.run_id, counted.get("acknowledged", 0), counted.get("unknown", 0), len(in_doubt) - presumed
    )
    log.warning("%s: %s", sync.name, recovered)
    return recovered


def _presumed(in_doubt: Mapping[int, str], target: Target, on_unknown: str) -> Iterator[Outcome]:
    """Outcomes for rows in flight whose operation must not be repeated unasked."""
    for seq, operation in in_doubt.items():
        if Operation(operation) in target.capabilities.idempotent or on_unknown == "resend":
            continue
        if on_unknown == "skip":
            yield Outcome(str(seq), "skipped", code="assumed", message="the run broke off; taken as delivered")
        else:
            yield Outcome(str(seq), "unknown", code="interrupted", message="the run broke off before the answer")
