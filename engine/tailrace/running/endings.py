"""How a run ended, in its result: by what was delivered, by an error, or on request."""

from __future__ import annotations

from dataclasses import replace

from tailrace.delivery import DeliveryReport, Interrupted
from tailrace.errors import GuardTripped, JobLeft, LeaseHeld, PlanStale, QuotaExhausted, TailraceError, os_message
from tailrace.redact import redact
from tailrace.running.result import EXIT_CODES, RowErrors, RunResult, RunStatus

_ASKED = "on request"


def delivered(result: RunResult, report: DeliveryReport, reason: str | None = None) -> RunResult:
    """The result of a run that sent rows; `reason` is why it was asked to stop, if it was."""
    status: RunStatus = "succeeded"
    message: str | None = None
    discreet: str | None = None
    code: int | None = None
    if report.stopped is not None:
        status = "partial" if isinstance(report.stopped, QuotaExhausted) else "failed"
        message, discreet = redact(str(report.stopped)), redact(report.stopped.discreet)
    elif report.interrupted:
        status = "interrupted"
        message = discreet = f"stopped {reason or _ASKED}; what was not sent stays for the next run"
        code = _code(reason)
    elif report.rejected or report.unknown:
        status = "partial"
    return replace(
        result,
        status=status,
        exit_code=EXIT_CODES[status] if code is None else code,
        message=message,
        discreet=discreet,
        acknowledged=report.acknowledged,
        rejected=report.rejected,
        unknown=report.unknown,
        skipped=report.skipped,
        skips=report.skips,
        calls=report.calls,
        retries=report.retries,
        throttled_s=report.throttled_s,
        errors=tuple(RowErrors(e.code, e.rows, e.key, redact(e.message)) for e in report.errors),
    )


def blocked(result: RunResult, why: str) -> RunResult:
    """The result of a run that a guard stopped before anything was written."""
    return replace(result, status="blocked", exit_code=EXIT_CODES["blocked"], message=why, discreet=why)


def stopped(result: RunResult, reason: str | None = None) -> RunResult:
    """The result of a run that was stopped at once."""
    message = f"stopped {reason + ',' if reason else _ASKED} before anything was sent"
    return replace(result, status="interrupted", exit_code=_code(reason), message=message, discreet=message)


def _code(reason: str | None) -> int:
    """As of a signal only where there was one: a run that was cancelled elsewhere has failed to whoever started it."""
    return EXIT_CODES["interrupted"] if reason is None else EXIT_CODES["failed"]


def with_error(result: RunResult, error: TailraceError | OSError) -> RunResult:
    """The result of a run that an error ended."""
    if isinstance(error, OSError):
        error = TailraceError(os_message(error))
    status: RunStatus = "failed"
    match error.__cause__ if isinstance(error, JobLeft) else error:
        case PlanStale() | GuardTripped():
            status = "blocked"
        case QuotaExhausted():
            status = "partial"
        case Interrupted():
            status = "interrupted"
    code = error.exit_code if status == "failed" else EXIT_CODES[status]
    return replace(
        result,
        status=status,
        message=redact(str(error)),
        discreet=redact(error.discreet),
        exit_code=code,
        busy=isinstance(error, LeaseHeld),
        outdated=isinstance(error, PlanStale),
    )
