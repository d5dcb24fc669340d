"""What HubSpot's answers mean: for the whole request, and for one row of it.

HubSpot asks clients to treat every field of an error as optional, so nothing here relies on one being there.
"""

from __future__ import annotations

import json
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
    StopRun,
)
from tailrace.redact import redact
from tailrace_destinations.plain import HTTP_OK, HTTP_SERVER_FAULT, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tailrace.destination import Batch

DELETES: Final = frozenset({Operation.DELETE, Operation.ARCHIVE, Operation.HARD_DELETE})
NOT_FOUND: Final = "OBJECT_NOT_FOUND"
_LOCK_SECONDS: Final = 2.0  # "wait at least 2 seconds" after a 423
_BURST_SECONDS: Final = 10.0
_MOVING_SECONDS: Final = 86_400.0  # an account migration (477) lasts up to 24 hours
_NOT_REACHED: Final = frozenset({503, 521, 522, 523, 525, 526})
"""The edge could not hand the request to the application: nothing was done."""
_BAD_BATCH: Final = frozenset({400, 409, 413, 414, 422})
_MAPPING: Final = re.compile(
    r"PROPERTY_DOESNT_EXIST|Property \S{1,200} does not exist|\bidProperty\b|not (?:a )?unique property", re.IGNORECASE
)
MAPPING_CODES: Final = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
"""Row errors that no row is to blame for."""
_NO_SUCH_TYPE: Final = re.compile(r"infer object type|unknown object type|invalid object type", re.IGNORECASE)
_RETRY_CODES: Final = frozenset({"RATE_LIMIT", "RATE_LIMITS", "INTERNAL_ERROR", "SERVER_ERROR", "LOCKED"})
_EXISTING_ID: Final = re.compile(r"Existing ID: (\d+)")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its JSON body (an empty mapping when it had none), its headers in lower case."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class Refused(BatchRejected):
    """The whole batch was refused; with one row in it, `body` is that row's error."""

    def __init__(self, message: str, *, code: str | None, body: Mapping[str, Any]) -> None:
        super().__init__(message, code=code)
        self.body = body


def refusal_in(reply: Reply) -> Reply | None:
    """The answer as one that refuses the request; None where it does not, whatever its status says.

    An answer of status 2xx that is an error and has no results is taken for a bad request.
    """
    if reply.status not in HTTP_OK:
        return reply
    refuses = reply.body.get("status") == "error" and "results" not in reply.body
    return replace(reply, status=int(HTTPStatus.BAD_REQUEST)) if refuses else None


def fault(reply: Reply, *, write: bool, zone: ZoneInfo | None = None) -> DestinationError:
    """The error that says how to go on after an answer that refuses. `zone` is the account's, for its midnight."""
    code, words = error_code(reply.body), _words(reply)
    match reply.status:
        case 401:
            return AccessDenied(words, code=code, hint="Check the token: it is wrong, expired or was revoked.")
        case 403:
            return AccessDenied(words, code=code, hint="Give the app the scopes it lacks, then run again.")
        case 429:
            return _throttled(reply, words, code, zone)
        case 423:
            wait = max(_LOCK_SECONDS, _asked_wait(reply) or 0.0)
            return Retriable(words, code=code or "LOCKED", retry_after=wait)
        case 477:
            return _moving(reply, words)
        case status if status in HTTP_SERVER_FAULT or status == HTTPStatus.REQUEST_TIMEOUT:
            return _server_fault(reply, words, code, write=write)
        case _:
            return _refused(reply, words, code)


def _refused(reply: Reply, words: str, code: str | None) -> DestinationError:
    text = json.dumps(reply.body)
    if _NO_SUCH_TYPE.search(text) or (reply.status == HTTPStatus.NOT_FOUND and code != NOT_FOUND):
        return ObjectNotFound(words, code=code)
    if reply.status in _BAD_BATCH and _MAPPING.search(text):
        return StopRun(words, code=code, hint="The mapping does not fit the account: see `tailrace check`.")
    if reply.status in _BAD_BATCH or code == NOT_FOUND:
        return Refused(words, code=code, body=reply.body)
    return StopRun(words, code=code, hint="Check base_url, and whether the service or a proxy changed.")


def _throttled(reply: Reply, words: str, code: str | None, zone: ZoneInfo | None) -> DestinationError:
    policy = str(reply.body.get("policyName") or "")
    if policy == "DAILY" or (not policy and reply.headers.get("x-hubspot-ratelimit-daily-remaining") == "0"):
        midnight = _next_midnight(zone)
        anew = f"{midnight:%Y-%m-%d %H:%M} UTC, midnight of the account's time zone"
        return QuotaExhausted(
            words,
            code=policy or code,
            hint=f"The account's daily limit is used up; resume after {anew}, when it starts anew.",
            resume_after=midnight,
        )
    wait = _asked_wait(reply)
    if wait is None:
        wait = 1.0 if policy == "SECONDLY" else _interval(reply)
    return Retriable(words, code=policy or code or "RATE_LIMIT", retry_after=wait)


def _interval(reply: Reply) -> float:
    text = reply.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
    return int(text) / 1000 if text.isdigit() else _BURST_SECONDS


def _next_midnight(zone: ZoneInfo | None) -> datetime:
    now = datetime.now(zone or UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.astimezone(UTC)


def _moving(reply: Reply, words: str) -> StopRun:
    wait = _asked_wait(reply)
    until = datetime.now(UTC) + timedelta(seconds=_MOVING_SECONDS if wait is None else wait)
    return StopRun(
        f"{words}; HubSpot is moving the account to another data centre",
        code="ACCOUNT_MIGRATION",
        hint=f"Run again after {until.isoformat(timespec='minutes')}.",
    )


def _server_fault(reply: Reply, words: str, code: str | None, *, write: bool) -> DestinationError:
    if write and reply.status not in _NOT_REACHED:
        return AnswerLost(words, code=code)
    return Retriable(words, code=code, retry_after=_asked_wait(reply))


def _asked_wait(reply: Reply) -> float | None:
    return retry_after_seconds(reply.headers.get("retry-after"))


def _words(reply: Reply) -> str:
    body = reply.body
    message = body.get("message") or body.get("error") or "no further word"
    trace = f" (correlationId {body['correlationId']})" if body.get("correlationId") else ""
    return redact(f"HubSpot answered {reply.status}: {_shorten(str(message))}{trace}")


def _shorten(text: str, most: int = 500) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def error_code(error: Mapping[str, Any]) -> str | None:
    """The most telling code of an error: of its first detail, else its category."""
    for detail in _dicts(error.get("errors")):
        inner = detail.get("code") or detail.get("error")
        if inner:
            return str(inner)
    code = error.get("category") or error.get("errorType") or error.get("code")
    return str(code) if code else None


def row_outcome(row: Row, error: Mapping[str, Any], batch: Batch) -> Outcome:
    """What an error says of its row. On delete, a record that is gone already is a success."""
    code = error_code(error) or "REJECTED"
    codes = {code, str(error.get("category"))}
    message = redact(_shorten(_full_message(error)))
    if NOT_FOUND in codes and batch.operation in DELETES:
        return Outcome(row.marker, "acknowledged", row.record_id)
    recovery = _recovery(codes, message, batch)
    record_id = existing_id(message) if recovery == "exists" else None
    return Outcome(row.marker, "rejected", record_id, code=code, message=message, recovery=recovery)


def next_page(body: Mapping[str, Any]) -> str | None:
    """Where an answer, or a part of one, goes on; None when it is whole."""
    after = ((body.get("paging") or {}).get("next") or {}).get("after")
    return str(after) if after else None


def existing_id(message: str) -> str | None:
    """The record that HubSpot names as being there already."""
    found = _EXISTING_ID.search(message)
    return found.group(1) if found else None


def _recovery(codes: set[str], message: str, batch: Batch) -> Recovery | None:
    if codes & _RETRY_CODES:
        return "retry"
    if NOT_FOUND in codes and batch.operation is Operation.UPDATE:
        return "missing"
    if batch.operation is Operation.CREATE and _collides(codes, message, batch.match):
        return "exists"
    return None


def _collides(codes: set[str], message: str, match: tuple[str, ...]) -> bool:
    """Whether the record to create is there already, and not just a record with the same other unique property.

    A collision is either "Contact already exists. Existing ID: N", naming no property, or names the property.
    """
    if not match or not codes & {"CONFLICT", "CONFLICTING_UNIQUE_VALUE", "DUPLICATE_VALUE"}:
        return False
    named = re.search(r"propertyName=(\w+)", message)
    return named.group(1) in match if named else "already exists" in message


def _full_message(error: Mapping[str, Any]) -> str:
    details = [
        _naming(str(detail["message"]), detail) for detail in _dicts(error.get("errors")) if detail.get("message")
    ]
    return _naming("; ".join(details) or str(error.get("message") or "HubSpot gave no reason"), error)


def _naming(message: str, error: Mapping[str, Any]) -> str:
    """The message, with the properties that it is about if it does not name them."""
    named = _context(error, "propertyName")
    return f"{message} ({', '.join(named)})" if named and not any(name in message for name in named) else message


def _context(error: Mapping[str, Any], name: str) -> list[str]:
    """Values under `context`, which HubSpot sends as a list or as a bare value."""
    context = error.get("context")
    value = context.get(name) if isinstance(context, dict) else None
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if item is not None]


def trace_ids(part: Mapping[str, Any]) -> list[str]:
    """The trace ids a result or an error belongs to."""
    own = part.get("objectWriteTraceId")
    listed = own if isinstance(own, list) else [own]
    return [str(item) for item in listed if item is not None] or _context(part, "objectWriteTraceId")


def named_ids(error: Mapping[str, Any]) -> list[str]:
    """The record ids or key values an error is about."""
    return _context(error, "ids") or _context(error, "id")


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def parts(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The results or errors of a batch answer; whatever else stands there counts as none."""
    return _dicts(body.get(name))
