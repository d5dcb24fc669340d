"""Runs one sync from lease to snapshot."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tailrace.clock import new_id
from tailrace.delivery import DeliveryReport, OnProgress, deliver
from tailrace.delivery.retry import Retries
from tailrace.errors import LeaseLost, SnapshotError, StateError, TailraceError, WarehouseError
from tailrace.failpoints import reach
from tailrace.making import Making
from tailrace.planning.holds import told
from tailrace.running import endings
from tailrace.running.audit import audit
from tailrace.running.blocked import why_blocked
from tailrace.running.cursor import following
from tailrace.running.heeding import heeded
from tailrace.running.job import job
from tailrace.running.lease import leased
from tailrace.running.planner import Planned, PlanRequest, ask, make_plan
from tailrace.running.recovery import planned_again, recover
from tailrace.running.result import RunResult
from tailrace.running.retention import forget_old_runs
from tailrace.running.settle import Settled, forget_issues, save_issues, save_mark, save_snapshot
from tailrace.running.strays import landed_at, let_land
from tailrace.snapshot.mark import KEEP
from tailrace.state import Counts, Journal, Lease, NewHold, Tallies
from tailrace.stopping import RunStop, StopNow, during, heed
from tailrace.tagging import working
from tailrace.tracing import span

if TYPE_CHECKING:
    import polars as pl

    from tailrace.destination import Destination
    from tailrace.diff.known import Origin
    from tailrace.planning import Plan
    from tailrace.project import Sync
    from tailrace.running.places import AnySnapshot
    from tailrace.running.session import Session, Target
    from tailrace.snapshot.mark import Keep, Mark

log = logging.getLogger(__name__)

JOURNALED = "what was sent is journaled: the next run of this sync recovers it before it sends anything"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """How a sync is to be run."""

    plan: PlanRequest = field(default_factory=PlanRequest)
    expected: Plan | None = None
    """A saved plan that the plan made now must equal."""
    overrides: Collection[str] = ()
    """Guards that may pass, for the expected plan alone."""
    progress: OnProgress | None = None
    stop: threading.Event | None = None
    timeout: float | None = None
    """Seconds after which the run stops as if it were asked to."""


def run_sync(session: Session, sync: Sync, request: RunRequest) -> RunResult:
    """Run a sync. What goes wrong is in the result; only a fault of the program itself is raised."""
    run_id = new_id()
    with working(sync.name, run_id) as work:
        result = _ran(session, sync, request, run_id)
    return replace(result, bytes_billed=work.bytes_billed)


def _ran(session: Session, sync: Sync, request: RunRequest, run_id: str) -> RunResult:
    try:
        run = _Run(session, sync, request, run_id)
    except TailraceError as error:
        return endings.with_error(RunResult(sync.name, run_id, "failed"), error)
    try:
        with during(run.stop, "planning"), span("run", sync=sync.name, run_id=run_id) as told:
            result = run.go()
            told["status"] = result.status
            return result
    except (TailraceError, OSError) as error:
        return endings.with_error(run.known, error)
    except StopNow:
        return endings.stopped(run.known, run.stop.reason)
    finally:
        session.drop_limiters(run.stop)


class _Run:
    """One run: its resources, the steps that use them, and what is known of its result so far."""

    def __init__(self, session: Session, sync: Sync, request: RunRequest, run_id: str) -> None:
        self.session = session
        self.sync = sync
        self.request = request
        self.run_id = run_id
        self.stop = RunStop(request.stop)
        self.known = RunResult(sync.name, run_id, "failed")
        # Figures only, never a value of a row; the ids are fields of their own in JSON logs.
        self.log = logging.LoggerAdapter(log, {"sync": sync.name, "run_id": run_id})
        self.target: Target = session.target(sync)
        self.journal: Journal | None = None
        self.snapshot: AnySnapshot | None = None
        """As of the latest checkpoint."""
        self.saving = False
        self.settled = False

    def go(self) -> RunResult:
        """Hold the lease, recover, plan, judge, deliver, settle."""
        with leased(self.session, self.sync) as lease:
            try:
                self._begin(lease)
                reach("run.started")
                self.log.info("%s: run %s begins", self.sync.name, self.run_id)
                with heeded(self.session, lease, self.stop, self.request.timeout):
                    self.known = self._steps(lease)
            except (TailraceError, OSError) as error:
                self.known = endings.with_error(self.known, error)
                if self.journal is not None and not self.settled:
                    # Its journal says what was sent. Left unfinished, the next run recovers it.
                    return self._left()
                self._forget_unsent()
            except StopNow:
                self.known = endings.stopped(self.known, self.stop.reason)
                if self.journal is not None and not self.settled:
                    message = "stopped before the batches in flight had ended"
                    self.known = replace(self.known, message=message, discreet=message)
                    return self._left()
                self._forget_unsent()
            self._finish(lease)
            reach("run.finished")
            why = f": {self.known.discreet}" if self.known.discreet else ""
            self.log.info("%s: run %s ended: %s%s", self.sync.name, self.run_id, self.known.status, why)
            audit(self.session, self.sync, self.run_id)
            self._prune(lease)
            return self.known

    def _left(self) -> RunResult:
        """The result of a run that is left to the next one's recovery."""
        known = self.known
        self.log.info("%s: run %s ended early: %s", self.sync.name, self.run_id, known.discreet)
        return replace(known, message=f"{known.message}\n  {JOURNALED}", discreet=f"{known.discreet}\n  {JOURNALED}")

    def _forget_unsent(self) -> None:
        """A run that ends here sent nothing: what it may have saved of its rows is of no use."""
        if self.saving and not self.settled:
            with suppress(TailraceError, OSError):
                self.session.finish_files(self.sync, self.run_id)

    def _prune(self, lease: Lease) -> None:
        """Drop the journal's details, now that recovery cannot need them, and old runs; a failure costs only space."""
        with suppress(StateError, SnapshotError, LeaseLost):
            if self.journal is not None:
                self.journal.prune()
            forget_old_runs(self.session, self.sync, lease)

    def _destination(self, lease: Lease) -> AbstractContextManager[Destination]:
        return self.session.destination(self.sync, self.target, lease=lease, stop=self.stop)

    def _steps(self, lease: Lease) -> RunResult:
        session = self.session
        with session.work.scratch() as folder, self._destination(lease) as destination:
            asked = ask(session, self.sync, self.target, destination, stop=self.stop)
            heed()
            settle = self.target.config.settle if destination.capabilities.strays else 0.0
            landed = landed_at(session.state, self.sync.name, settle, token=lease.token, but=self.run_id)
            with span("recover"):
                recovered = recover(self.session, self.sync, self.target, lease, destination, but=self.run_id)
            self.known = replace(self.known, recovered=recovered)
            with span("plan") as told:
                planned = make_plan(self.session, self.sync, self.target, asked, self.request.plan, folder)
                told |= {"rows": planned.plan.model_rows, "changes": planned.plan.height}
            self.known = self._planned(planned)
            heed()
            reach("plan.made")
            self.known = replace(self.known, recovered=planned_again(recovered, planned))
            self._note_holds(planned, lease)
            why = why_blocked(self.sync, planned.plan, self.request.expected, self.request.overrides)
            if why is not None:
                return endings.blocked(self.known, why)
            self._forget_stale(planned)
            if not planned.plan.height:
                self._tidy(lease, planned)
                return replace(self.known, status="nothing_to_do")
            let_land(session.state, landed, settle, self.stop, self.log)
            heed()
            return self._deliver(lease, destination, planned)

    def _tidy(self, lease: Lease, planned: Planned) -> None:
        """A run that commits no rows notes how far it read, and removes what earlier ones left."""
        lease.renew()
        with suppress(SnapshotError, WarehouseError):
            snapshot = save_mark(self.session, self.sync, planned.snapshot, self._mark(planned), self.run_id)
            self.session.snapshots(self.sync).maintain(snapshot)

    def _mark(self, planned: Planned, whole: pl.LazyFrame | None = None) -> Mark | None:
        """How far the model was read, given all outcomes; of a sync without a cursor it is known no longer."""
        if planned.read is None:
            return None
        some = self.request.plan.only is not None
        return following(self.sync, planned.read, planned.changes, whole, some=some)

    def _forget_mark(self, planned: Planned) -> None:
        """Where all was read, what is sent must not meet a mark that speaks of another reading, whatever happens."""
        if planned.read is None or planned.read.mark is None:
            self.snapshot = save_mark(self.session, self.sync, planned.snapshot, None, self.run_id)

    def _begin(self, lease: Lease) -> None:
        config = self.sync.config
        self.session.state.start_run(
            self.run_id,
            sync=self.sync.name,
            identity="",
            token=lease.token,
            mode=config.mode,
            destination=config.destination,
            object=config.object,
        )

    def _finish(self, lease: Lease) -> None:
        result = self.known
        self.session.state.finish_run(
            self.run_id,
            result.status,
            tallies=Tallies(
                acknowledged=result.acknowledged,
                rejected=result.rejected,
                unknown=result.unknown,
                skipped=result.skipped,
                calls=result.calls,
                retries=result.retries,
                throttled_s=result.throttled_s,
            ),
            errors=tuple(error.to_json() for error in result.errors),
            seconds=result.seconds,
            message=result.message,
            discreet=result.discreet,
            outdated=result.outdated,
            token=lease.token,
        )

    def _planned(self, planned: Planned) -> RunResult:
        """Record what was planned, and give what is known of the result by it."""
        plan = planned.plan
        counts = Counts(
            model_rows=plan.model_rows,
            snapshot_rows=plan.snapshot_rows,
            inserts=plan.inserts,
            updates=plan.updates,
            deletes=plan.deletes,
            unchanged=plan.unchanged,
            invalid=plan.invalid_rows,
        )
        self.session.state.set_plan(self.run_id, plan.hash, counts, identity=planned.snapshot.identity.digest)
        counted = (plan.inserts, plan.updates, plan.deletes, plan.unchanged)
        self.log.info("%s: planned + %d ~ %d - %d, %d unchanged", self.sync.name, *counted)
        # Not those of the mapping, which somebody has edited: a type may change behind everybody's back.
        retyped = (event.message for event in plan.events if event.kind == "retyped")
        return replace(
            self.known,
            inserts=plan.inserts,
            updates=plan.updates,
            deletes=plan.deletes,
            invalid=plan.invalid_rows,
            seconds=planned.seconds,
            guards=plan.guards,
            extent=plan.extent,
            notes=(*plan.notes, *retyped, *told(plan.holds.values(), self.sync.name)),
            held=plan.held,
            waiting=plan.waiting,
            next_attempt=plan.next_attempt,
        )

    def _note_holds(self, planned: Planned, lease: Lease) -> None:
        """Keep which rows are left out and why, so that `explain` can tell."""
        holds = planned.plan.holds
        if holds:
            digest = planned.snapshot.identity.digest
            held = (NewHold(key, hold.since, hold.reason, hold.until) for key, hold in holds.items())
            self.session.state.record_holds(self.sync.name, digest, self.run_id, held, token=lease.token)

    def _forget_stale(self, planned: Planned) -> None:
        """Rejected rows that no longer differ from what was acknowledged need nothing any more.

        Rows of unknown outcome stay, also when the model lacks them or has their old values again: what was sent
        may be at the destination. Only a later answer, or `resolve`, may settle them.
        """
        if self.request.plan.only is not None:
            return
        done = {issue.key_text for issue in planned.issues if issue.kind == "rejected"}
        gone = done - planned.plan.standing
        if gone:
            forget_issues(self.session, self.sync, planned.snapshot.identity.digest, gone)

    def _deliver(self, lease: Lease, destination: Destination, planned: Planned) -> RunResult:
        plan = planned.plan
        self._make_fields(destination, planned)
        identity = planned.snapshot.identity
        folder = planned.changes.origin.folder
        self.saving = True
        self.session.files.save_changes(self.sync.name, self.run_id, plan.rows, plan.types, identity, files=folder)
        reach("changes.saved")
        self._forget_mark(planned)
        self.journal = Journal(self.session.state, self.run_id, lease.token)
        started = time.perf_counter()
        with span("deliver") as told, _written(self.journal):
            report = deliver(
                job(self.sync, self.target, self.run_id, plan.types),
                plan.rows,
                destination,
                self.journal,
                limiter=self.session.limiter(self.target, stop=self.stop),
                progress=self.request.progress,
                stop=self.stop,
                folder=folder,
                fold=partial(self._fold, lease, planned),
                owned=partial(self._owned, planned),
            )
            told |= {"acknowledged": report.acknowledged, "rejected": report.rejected, "calls": report.calls}
        seconds = {**planned.seconds, "deliver": time.perf_counter() - started}
        reach("delivery.ended")
        delivered = endings.delivered(replace(self.known, seconds=seconds), report, self.stop.reason)
        self.known = delivered
        counted = (report.acknowledged, report.rejected, report.unknown, report.skipped)
        self.log.info("%s: %d acknowledged, %d rejected, %d unknown, %d skipped", self.sync.name, *counted)
        with during(self.stop, "saving"), span("save"):
            self._settle(lease, planned, report)
        return delivered

    def _owned(self, planned: Planned, ids: Collection[str]) -> Collection[str]:
        return (self.snapshot or planned.snapshot).owned(ids)

    def _make_fields(self, destination: Destination, planned: Planned) -> None:
        """Make what the object lacks, where the sync says so."""
        if planned.makes and isinstance(destination, Making):
            maker: Making = destination
            retries = Retries(self.session.limiter(self.target, stop=self.stop), stop=self.stop)
            make = partial(maker.make_fields, self.sync.config.object, planned.makes)
            retries.call(make, idempotent=True)
            self.log.info("%s: made %d fields", self.sync.name, len(planned.makes))

    def _settle(self, lease: Lease, planned: Planned, report: DeliveryReport) -> None:
        mark = self._mark(planned, report.whole)
        self._keep(lease, planned, report.outcomes, report.whole, planned.changes.origin, mark)
        self.session.finish_files(self.sync, self.run_id)
        self.settled = True

    def _fold(self, lease: Lease, planned: Planned, outcomes: pl.DataFrame, whole: pl.LazyFrame) -> None:
        """A checkpoint: what became of rows so far goes where it belongs, and the journal need not hold it any more."""
        assert self.journal is not None  # noqa: S101 - a delivery has one
        with during(self.stop, "saving"):
            self.journal.flush()
            # By keys: what the plan's rows were made from is still read, and a commit would take it away.
            self._keep(lease, planned, outcomes, whole, None)
            self.journal.fold()
        reach("journal.folded")
        self.log.info("%s: checkpoint: %d rows", self.sync.name, outcomes.height)

    def _keep(
        self,
        lease: Lease,
        planned: Planned,
        outcomes: pl.DataFrame,
        whole: pl.LazyFrame,
        origin: Origin | None,
        mark: Mark | Keep | None = KEEP,
    ) -> None:
        """Outcomes into the snapshot, the rows that need attention, and the run's history."""
        lease.renew()  # a run that lost its sync must not move the snapshot
        reach("lease.renewed")
        snapshot = self.snapshot or planned.snapshot
        done = Settled(self.run_id, planned.plan.rows, planned.plan.types, outcomes, origin, mark)
        self.snapshot = save_snapshot(self.session, self.sync, snapshot, done)
        reach("snapshot.saved")
        save_issues(self.session, self.sync, snapshot.identity.digest, done)
        reach("issues.saved")
        self.session.files.save_outcomes(self.sync.name, self.run_id, whole)
        reach("outcomes.saved")


@contextmanager
def _written(journal: Journal) -> Iterator[None]:
    """See that all outcomes are durable when the block ends; an error of its own comes first."""
    try:
        yield
    except BaseException:
        with suppress(TailraceError):
            journal.close()
        raise
    journal.close()
