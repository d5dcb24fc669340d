"""Runs one sync from lease to snapshot."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tailrace.clock import new_id
from tailrace.delivery import DeliveryReport, OnProgress, deliver
from tailrace.errors import GuardTripped, PlanStale, QuotaExhausted, TailraceError
from tailrace.redact import redact
from tailrace.running.job import job
from tailrace.running.lease import leased
from tailrace.running.planner import Planned, PlanRequest, ask, make_plan
from tailrace.running.recovery import recover
from tailrace.running.result import EXIT_CODES, RowErrors, RunResult, RunStatus
from tailrace.running.settle import forget_issues, save_issues, save_snapshot
from tailrace.state import Counts, Journal, Lease, Tallies

if TYPE_CHECKING:
    from tailrace.destination import Destination
    from tailrace.planning import Plan
    from tailrace.project import Sync
    from tailrace.running.session import Session, Target

log = logging.getLogger(__name__)


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


def run_sync(session: Session, sync: Sync, request: RunRequest) -> RunResult:
    """Run a sync. What goes wrong is in the result; only a fault of the program itself is raised."""
    run_id = new_id()
    try:
        return _Run(session, sync, request, run_id).go()
    except TailraceError as error:
        status: RunStatus = "blocked" if isinstance(error, PlanStale | GuardTripped) else "failed"
        return RunResult(sync.name, run_id, status, message=redact(str(error)), exit_code=error.exit_code)


class _Run:
    """One run: its resources, and the steps that use them."""

    def __init__(self, session: Session, sync: Sync, request: RunRequest, run_id: str) -> None:
        self.session = session
        self.sync = sync
        self.request = request
        self.run_id = run_id
        self.target: Target = session.target(sync)
        self.journal: Journal | None = None

    def go(self) -> RunResult:
        """Hold the lease, recover, plan, judge, deliver, settle."""
        with leased(self.session, self.sync) as lease:
            self._begin(lease)
            try:
                result = self._finish(lease, self._steps(lease))
            except TailraceError as error:
                self._finish(lease, self._failed(error))
                raise
            if self.journal is not None:
                self.journal.prune()  # only now: until the run is finished, recovery may need it
            return result

    def _steps(self, lease: Lease) -> RunResult:
        with self.session.destination(self.sync, self.target) as destination:
            asked = ask(self.session, self.sync, self.target, destination)
            recovered = recover(self.session, self.sync, self.target, lease, destination, but=self.run_id)
            planned = make_plan(self.session, self.sync, self.target, asked, self.request.plan)
            result = replace(self._result(planned), recovered=recovered)
            self._remember(planned)
            blocked = self._blocked(planned.plan)
            if blocked is not None:
                return replace(result, status="blocked", exit_code=EXIT_CODES["blocked"], message=blocked)
            self._forget_stale(planned)
            if planned.plan.frame.is_empty():
                return replace(result, status="nothing_to_do")
            return self._deliver(lease, destination, planned, result)

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

    def _finish(self, lease: Lease, result: RunResult) -> RunResult:
        self.session.state.finish_run(
            self.run_id,
            result.status,
            token=lease.token,
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
        )
        return result

    def _failed(self, error: TailraceError) -> RunResult:
        status: RunStatus = "blocked" if isinstance(error, PlanStale | GuardTripped) else "failed"
        return RunResult(self.sync.name, self.run_id, status, message=redact(str(error)), exit_code=error.exit_code)

    def _remember(self, planned: Planned) -> None:
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

    def _result(self, planned: Planned) -> RunResult:
        plan = planned.plan
        return RunResult(
            self.sync.name,
            self.run_id,
            "succeeded",
            inserts=plan.inserts,
            updates=plan.updates,
            deletes=plan.deletes,
            invalid=plan.invalid_rows,
            seconds=planned.seconds,
            guards=plan.guards,
            notes=plan.notes,
        )

    def _blocked(self, plan: Plan) -> str | None:
        """Why nothing may be written; PlanStale when the world moved on since the expected plan."""
        expected = self.request.expected
        if expected is not None and expected.hash != plan.hash:
            raise PlanStale(*_stale(expected, plan))
        tripped = [guard for guard in plan.tripped if guard.guard not in self.request.overrides]
        if not tripped:
            return None
        reasons = "; ".join(
            f"guard {guard.guard}: {guard.actual}, the limit is {guard.limit}"
            + (f" ({guard.detail})" if guard.detail else "")
            for guard in tripped
        )
        names = " ".join(f"--override {guard.guard}" for guard in tripped)
        return (
            f"{reasons}. Nothing was written.\n"
            f"  look: tailrace plan {self.sync.name} --out plan.tailrace; "
            f"if it is what you want: tailrace apply plan.tailrace {names}"
        )

    def _forget_stale(self, planned: Planned) -> None:
        """Rows of earlier trouble that no longer differ from what was acknowledged need nothing any more."""
        if self.request.plan.only is not None:
            return
        gone = {issue.key_text for issue in planned.issues} - planned.plan.standing
        if gone:
            forget_issues(self.session, self.sync, planned.snapshot.identity.digest, gone)

    def _deliver(self, lease: Lease, destination: Destination, planned: Planned, result: RunResult) -> RunResult:
        plan = planned.plan
        identity = planned.snapshot.identity
        self.session.files.save_changes(self.sync.name, self.run_id, plan.frame, plan.types, identity)
        self.journal = Journal(self.session.state, self.run_id, lease.token)
        started = time.perf_counter()
        report = deliver(
            job(self.sync, self.target, self.run_id, plan.types),
            plan.frame,
            destination,
            self.journal,
            limiter=self.session.limiter(self.target),
            progress=self.request.progress,
            stop=self.request.stop,
        )
        self._settle(lease, planned, report)
        seconds = {**planned.seconds, "deliver": time.perf_counter() - started}
        return _outcome(replace(result, seconds=seconds), report)

    def _settle(self, lease: Lease, planned: Planned, report: DeliveryReport) -> None:
        lease.renew()  # a run that lost its sync must not move the snapshot
        plan, digest = planned.plan, planned.snapshot.identity.digest
        save_snapshot(self.session, planned.snapshot, plan.frame, plan.types, report.outcomes, self.run_id)
        save_issues(self.session, self.sync, digest, plan.frame, plan.types, report.outcomes, self.run_id)
        self.session.files.save_outcomes(self.sync.name, self.run_id, report.outcomes)


def _outcome(result: RunResult, report: DeliveryReport) -> RunResult:
    status: RunStatus = "succeeded"
    message: str | None = None
    if report.stopped is not None:
        status = "partial" if isinstance(report.stopped, QuotaExhausted) else "failed"
        message = redact(str(report.stopped))
    elif report.interrupted:
        status, message = "interrupted", "stopped on request; what was not sent stays for the next run"
    elif report.rejected or report.unknown:
        status = "partial"
    return replace(
        result,
        status=status,
        exit_code=EXIT_CODES[status],
        message=message,
        acknowledged=report.acknowledged,
        rejected=report.rejected,
        unknown=report.unknown,
        skipped=report.skipped,
        calls=report.calls,
        retries=report.retries,
        throttled_s=report.throttled_s,
        errors=tuple(RowErrors(e.code, e.rows, e.key, redact(e.message)) for e in report.errors),
    )


def _stale(expected: Plan, plan: Plan) -> tuple[str]:
    """What changed since a plan was saved, in one sentence."""
    if expected.basis.definition != plan.basis.definition:
        why = "the sync or its model was edited"
    elif expected.basis.generation != plan.basis.generation:
        why = "another run has moved the snapshot"
    else:
        why = (
            f"the model's rows changed: {plan.inserts} inserts, {plan.updates} updates, {plan.deletes} deletes now, "
            f"{expected.inserts}, {expected.updates}, {expected.deletes} in the plan"
        )
    return (f"the world no longer matches the plan: {why}. Nothing was written; make a new plan",)
