"""What Salesforce's answers mean: for the whole request, and for one row of it.

Code names are those of the WSDL's StatusCode and ExceptionCode lists. Row results carry `statusCode`, whole
requests `errorCode`; both are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tailrace.destination import Operation, Outcome, Recovery, Row
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    DestinationError,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    SessionExpired,
    StopRun,
)
from tailrace.redact import redact
from tailrace_destinations.plain import HTTP_SERVER_FAULT, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tailrace.destination import Batch

_RETRY_ROW: Final = frozenset({
    "UNABLE_TO_LOCK_ROW", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG",
    "QUERY_TIMEOUT", "TOO_MANY_APEX_REQUESTS", "UNKNOWN_EXCEPTION", "INTERNAL_ERROR",
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
})  # fmt: skip
_WRAPPERS: Final = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"})
"""A customer's trigger or flow failed; inside there may be a lock or a limit that passes."""
_PASSING: Final = re.compile(
    r"UNABLE_TO_LOCK_ROW|exclusive access|LIMIT_EXCEEDED|limit exceeded|time limit|timeout|timed out|Too many",
    re.IGNORECASE,
)
_TOO_SLOW: Final = frozenset({"REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"})
_STOP: Final = frozenset({"REQUEST_LIMIT_EXCEEDED", "STORAGE_LIMIT_EXCEEDED", "API_DISABLED_FOR_ORG"})
_MAPPING: Final = frozenset({"INVALID_FIELD", "INVALID_TYPE"})
"""Codes that no row is to blame for, with one exception: a missing parent comes as INVALID_FIELD too."""
_MISSING_PARENT: Final = "Foreign key external ID"
_GONE: Final = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})
DELETES: Final = frozenset({Operation.DELETE, Operation.HARD_DELETE})
_DUPLICATE_ID: Final = re.compile(r"record with id: ([0-9A-Za-z]{15,18})")
_IN_CSV: Final = re.compile(
    r"(?P<code>[A-Z][A-Z0-9_]*):(?P<message>.*?)(?::(?P<fields>[\w., ]*?))?"
    r"(?:\s*--\s*(?:[A-Z][A-Z0-9_]*:.*)?)?\s*\Z",
    re.DOTALL,
)
_NAMES: Final = re.compile(r"\w+")
_CONCURRENT: Final = re.compile(r"concurrent", re.IGNORECASE)
_CONCURRENT_SECONDS: Final = 5.0
_MAINTENANCE_SECONDS: Final = 300.0
# The allowance counts the last 24 hours, so some of it is free again within the hour.
_QUOTA_SECONDS: Final = 3600.0
NO_CODE: Final = "UNKNOWN"
"""In place of a code where Salesforce gave none."""
_NO_REASON: Final = "Salesforce gave no reason"
_MAINTENANCE: Final = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"


@dataclass(frozen=True, slots=True)
class VendorError:
    """One entry of an error list."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> VendorError:
        """Accepts rows' `statusCode`, requests' `errorCode`, and OAuth's `error`."""
        code = entry.get("statusCode") or entry.get("errorCode") or entry.get("error") or NO_CODE
        words = entry.get("message") or entry.get("error_description") or _NO_REASON
        fields = entry.get("fields")
        return cls(str(code), _shorten(str(words)), tuple(map(str, fields)) if isinstance(fields, list) else ())

    @property
    def blames_mapping(self) -> bool:
        """Whether every row with these fields would fail alike."""
        return self.code in _MAPPING and _MISSING_PARENT not in self.message

    @property
    def text(self) -> str:
        """The message, with the fields when it does not name them."""
        unnamed = [name for name in self.fields if name not in self.message]
        return redact(f"{self.message} ({', '.join(unnamed)})" if unnamed else self.message)


def _shorten(text: str, most: int = 1000) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def read_errors(body: object) -> list[VendorError]:
    """The entries of an error body, which is a list or a single object; none when it is neither."""
    entries = body if isinstance(body, list) else [body]
    return [VendorError.read(entry) for entry in entries if isinstance(entry, dict)]


def fault(
    status: int, body: object, *, write: bool, renewable: bool = True, retry_after: str | None = None
) -> DestinationError:
    """The error that says how to go on after a whole request failed."""
    errors = read_errors(body)
    error = errors[0] if errors else VendorError("", "no further word")
    if error.code == NO_CODE:  # which a row needs, and a request does not
        error = replace(error, code="")
    code, words = error.code or None, f"Salesforce answered {f'{status} {error.code}'.rstrip()}: {error.text}"
    if error.code in _STOP or status == HTTPStatus.FORBIDDEN:
        return _denied(error, words)
    if status == HTTPStatus.UNAUTHORIZED:
        return _signed_out(words, code, renewable=renewable)
    if error.code in _TOO_SLOW and write:
        return BatchRejected(words, code=code)  # so that it is halved
    if status in {408, 429} or status in HTTP_SERVER_FAULT or error.code in _TOO_SLOW:
        return _server_fault(status, words, code, write=write, retry_after=retry_after)
    if status == HTTPStatus.NOT_FOUND:
        return ObjectNotFound(words, code=code, hint="It does not exist, or the integration user may not see it.")
    if status == HTTPStatus.BAD_REQUEST and write and not error.blames_mapping:
        return BatchRejected(words, code=code)
    return StopRun(words, code=code, hint="Check api_version, login_url and the mapping: see `tailrace check`.")


def _signed_out(words: str, code: str | None, *, renewable: bool) -> DestinationError:
    if renewable:
        return SessionExpired(words, code=code)
    return AccessDenied(words, code=code, hint="The given session_id has ended; give a new one, or another auth flow.")


def _denied(error: VendorError, words: str) -> DestinationError:
    if error.code == "REQUEST_LIMIT_EXCEEDED" and _CONCURRENT.search(error.message):
        return Retriable(words, code=error.code, retry_after=_CONCURRENT_SECONDS)
    if error.code == "REQUEST_LIMIT_EXCEEDED":
        return QuotaExhausted(
            words,
            code=error.code,
            hint="The org's 24-hour API allowance is used up; it frees up again hour by hour.",
            resume_after=datetime.now(UTC) + timedelta(seconds=_QUOTA_SECONDS),
        )
    if error.code == "STORAGE_LIMIT_EXCEEDED":
        return StopRun(words, code=error.code, hint="The org's data storage is full; free some or buy more.")
    return AccessDenied(words, code=error.code or None, hint="Give the integration user the permission it lacks.")


def _server_fault(
    status: int, words: str, code: str | None, *, write: bool, retry_after: str | None
) -> DestinationError:
    # Only a 503 or 429 is known to have been turned away before anything was done.
    if write and status not in {429, 503}:
        return AnswerLost(words, code=code)
    wait = retry_after_seconds(retry_after)
    if wait is None and code == _MAINTENANCE:
        wait = _MAINTENANCE_SECONDS
    return Retriable(words, code=code, retry_after=wait)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row, as far as it matters for what its refusal means."""

    operation: Operation
    match: Sequence[str]
    refers: bool
    """Whether fields that hold record ids are written: a bad one there is not a missing record."""


def row_outcome(row: Row, result: Mapping[str, Any], batch: Batch, *, references: frozenset[str]) -> Outcome:
    """What one entry of a Collections answer says of its row.

    `references` are the names of fields that hold record ids.
    """
    if result.get("success") is True:
        created = True if batch.operation is Operation.CREATE else result.get("created")
        if is_event(batch.object):
            return Outcome(row.marker, "acknowledged", None, created)
        return Outcome(row.marker, "acknowledged", _id(result) or row.record_id, created)
    error = first_error(result)
    refused = Refused(batch.operation, batch.match, not references.isdisjoint(row.values))
    return refusal(row.marker, row.record_id, error, refused)


def is_event(object: str) -> bool:
    """Whether records of an object are platform events: published, not kept. What they have for ids is not unique."""
    return object.casefold().endswith("__e")


def refusal(marker: str, record_id: str | None, error: VendorError, refused: Refused) -> Outcome:
    """What becomes of a row that was refused: a deletion of what is gone is done."""
    if refused.operation in DELETES and error.code in _GONE:
        return Outcome(marker, "acknowledged", record_id)
    recovery = _recovery(error, refused)
    found = _DUPLICATE_ID.search(error.message) if recovery == "exists" else None
    taken = found.group(1) if found else None
    return Outcome(marker, "rejected", taken, code=error.code, message=error.text, recovery=recovery)


def first_error(result: Mapping[str, Any]) -> VendorError:
    """The first error of a row's result."""
    errors = read_errors(result.get("errors"))
    return errors[0] if errors else VendorError(NO_CODE, _NO_REASON)


def csv_error(text: str) -> VendorError:
    """The first error of `sf__Error`, whose form is `CODE:message:FIELD FIELD --`, once or several times."""
    found = _IN_CSV.match(text)
    if found is None:
        return VendorError(NO_CODE, _shorten(text) or _NO_REASON)
    return VendorError(found["code"], _shorten(found["message"].strip()), tuple(_NAMES.findall(found["fields"] or "")))


def _id(result: Mapping[str, Any]) -> str | None:
    return str(result["id"]) if result.get("id") else None


def _recovery(error: VendorError, refused: Refused) -> Recovery | None:
    if error.code in _RETRY_ROW | _STOP or (error.code in _WRAPPERS and _PASSING.search(error.message)):
        return "retry"
    if refused.operation is Operation.UPDATE and _is_missing(error, refused):
        return "missing"
    if refused.operation is Operation.CREATE and error.code == "DUPLICATE_VALUE" and _collides(error, refused.match):
        return "exists"
    return None


def _is_missing(error: VendorError, refused: Refused) -> bool:
    if error.code == "INVALID_CROSS_REFERENCE_KEY":
        return not error.fields and not refused.refers
    return error.code in _GONE


def _collides(error: VendorError, match: Sequence[str]) -> bool:
    """Whether the record is there already by its match; Salesforce names the field, or hides it as <unknown>."""
    said = f"{error.message} {' '.join(error.fields)}".casefold()
    return bool(match) and ("<unknown>" in said or any(name.casefold() in said for name in match))


def stop_error(results: list[Mapping[str, Any]]) -> DestinationError | None:
    """The error that ends the run when nothing was written and no row is to blame; else None."""
    if not results or any(result.get("success") is True for result in results):
        return None
    errors = [first_error(result) for result in results]
    for error in errors:
        if error.code in _STOP:
            return _denied(error, f"Salesforce answered {error.code}: {error.text}")
    if all(error.blames_mapping for error in errors):
        return StopRun(
            f"Salesforce refuses the mapping: {errors[0].code}: {errors[0].text}",
            code=errors[0].code,
            hint="The field does not exist or the integration user may not see it; `tailrace check` compares all.",
        )
    return None
