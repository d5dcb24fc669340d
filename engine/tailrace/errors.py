"""Every error Tailrace raises, grouped by what the caller can do about it.

TailraceError                      exit code
├── UsageError                     2   a command was called in a way that cannot work
├── ProjectError                   2   the project's files are wrong; carries every Problem found
├── SecretError                    2   a ${…} reference cannot be resolved
├── WarehouseError                 1   the model could not be read
├── SnapshotError                  1   a snapshot is damaged, or newer than this program
├── StateError                     1   the state database is locked, damaged, or newer
├── LeaseHeld                      1   another run holds the sync
├── LeaseLost                      1   this run lost its sync to another one
├── AlertError                     1   somebody could not be told of trouble
├── SignInError                    1   the provider that people sign in with does not answer as it should
├── JobLeft                        1   a job goes on at the destination; the next run asks for its results
├── PlanStale                      3   the world no longer matches a saved plan
├── GuardTripped                   3   a brake stopped the run before its first write
├── WriteForbidden                 1   something tried to write during a dry run
└── DestinationError               1   raised by adapters; the subclass says how to recover
    ├── StopRun                        no further request can succeed now
    │   ├── AccessDenied               credentials or permissions are wrong
    │   ├── QuotaExhausted             the account's quota is spent; says when to resume
    │   ├── AccountFailing             the account has not answered for long; says when it is tried again
    │   └── RetriesSpent               this run has repeated too many requests
    ├── ObjectNotFound                 the object to write does not exist
    ├── SessionExpired                 sign in again, once, and repeat the request
    ├── Retriable                      nothing was written; wait and repeat the request
    ├── BatchRejected                  nothing was written; some row spoils the whole batch
    └── AnswerLost                     the request may have been carried out; no answer came
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

HIDDEN = "what was said of it may quote rows: it is shown on a terminal, or with --log-level debug --log-values"


class TailraceError(Exception):
    """Base of all errors; `hint` says what to do next, `exit_code` is the command line's answer.

    `said` is what a warehouse or a library said that may quote rows; it follows the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, said: str | None = None) -> None:
        super().__init__(message)
        self.message = message if said is None else f"{message}: {said}"
        self.hint = hint
        self.said = said

    def __str__(self) -> str:
        return _with_hint(self.message, self.hint)

    @property
    def discreet(self) -> str:
        """The error without values of rows, as fit for a log."""
        if self.said is None:
            return str(self)
        return _with_hint(f"{self.message.removesuffix(self.said).rstrip(': ')}; {HIDDEN}", self.hint)


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message}\n  {hint}" if hint else message


class UsageError(TailraceError):
    """A command was called in a way that cannot work."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in one file; lines and columns count from 1, 0 means the file as a whole."""

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{where}: {self.message}"


class ProjectError(TailraceError):
    """The project's files are wrong; all problems are reported together."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SecretError(TailraceError):
    """A ${…} reference cannot be resolved."""

    exit_code = 2


class WarehouseError(TailraceError):
    """The model could not be read from the warehouse."""

    def about(self, what: str) -> WarehouseError:
        """The same error, beginning with what it is about."""
        ours = self.message if self.said is None else self.message.removesuffix(self.said).removesuffix(": ")
        return WarehouseError(f"{what}: {ours}", hint=self.hint, said=self.said)


class SnapshotError(TailraceError):
    """A snapshot is damaged, or written by a newer version."""


class StateError(TailraceError):
    """The state database is unreachable, locked, damaged, or newer than this program."""


class AlertError(TailraceError):
    """Somebody could not be told of trouble."""


class SignInError(TailraceError):
    """The provider that people sign in with does not answer as it should."""


class LeaseHeld(TailraceError):
    """Another run holds the sync."""


class LeaseLost(TailraceError):
    """This run was silent for longer than its lease, and another run took the sync over."""


class JobLeft(TailraceError):
    """A job goes on at the destination, and this run cannot follow it any more; the next run asks for its results.

    `code` is the destination's for why it cannot.
    """

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class PlanStale(TailraceError):
    """The world no longer matches a saved plan; nothing was written."""

    exit_code = 3


class GuardTripped(TailraceError):
    """A brake stopped the run before its first write."""

    exit_code = 3


class WriteForbidden(TailraceError):
    """Something tried to write to a destination during a dry run."""


class DestinationError(TailraceError):
    """Base of what adapters raise. `code` is the vendor's own code where there is one."""

    plain: str | None = "the destination failed"
    """What happened, in words of ours; None where the vendor's are of accounts and objects, and never of rows."""
    partly: bool = False
    """Set by adapters that take several requests for a batch: something of it was written before this happened."""

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code

    @property
    def discreet(self) -> str:
        """The error without the vendor's words, where these may quote rows."""
        if self.plain is None:
            return str(self)
        code = f" ({self.code})" if self.code else ""
        return _with_hint(f"{self.plain}{code}; {HIDDEN}", self.hint)


class StopRun(DestinationError):
    """No further request can succeed in this run; what was not sent stays for the next one."""

    plain: str | None = "the destination takes nothing more in this run"


class AccessDenied(StopRun):
    """The credentials are wrong, or lack a permission."""

    plain: str | None = None


class QuotaExhausted(StopRun):
    """The account's quota is spent."""

    plain: str | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        resume_after: datetime | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.resume_after = resume_after


class AccountFailing(StopRun):
    """Requests to the account were given up again and again, so none is sent for a while: its breaker is open."""

    plain: str | None = "the account has not answered for some time"


class RetriesSpent(StopRun):
    """The run has repeated requests too often, or waited too long for that, in proportion to those that succeeded."""


class ObjectNotFound(DestinationError):
    """The object to write does not exist, or the account may not see it."""

    plain: str | None = None


class SessionExpired(DestinationError):
    """The session ended; the adapter will sign in when the request is repeated."""

    plain: str | None = None


class Retriable(DestinationError):
    """The request was refused for now and wrote nothing; `retry_after` is in seconds."""

    plain: str | None = "the destination could not be reached, or refused for now"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after = retry_after


class BatchRejected(DestinationError):
    """The whole batch was refused and wrote nothing; with one row left, that row is the culprit."""

    plain: str | None = "the destination refused a whole request"


class AnswerLost(DestinationError):
    """The request was sent and may have been carried out, but no answer came."""

    plain: str | None = "the destination did not answer"


def os_message(error: OSError) -> str:
    """What the operating system refused, and on which file."""
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
