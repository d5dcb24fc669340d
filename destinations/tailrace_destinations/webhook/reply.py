"""What a receiver's answer means.

A 2xx acknowledges every row, unless its body is JSON with `results`, which then speaks for each row:

    {"results": [{"marker": "0", "status": "ok", "record_id": "a-1"},
                 {"index": 1, "status": "error", "code": "BAD_EMAIL", "error": "no such domain"}]}

`status` is `ok` or `error`, or an HTTP status for the row: 2xx is ok, 404 says that the record to update is
missing, 409 that the record to create exists, 429 and 503 that the row may be sent again. A row that
`results` leaves out is unknown. Other statuses of the answer as a whole:

    400, 422                 some row spoils the batch: it is sent again by halves
    413                      the batch is too large: likewise
    401, 403                 stop: the secret or a header is wrong
    408, 409, 425, 429, 503  nothing was done: wait (Retry-After is honoured) and send again
    other 5xx                it may have been done: send again under the same Idempotency-Key
    3xx, other 4xx           stop: the URL is wrong; a redirect is not followed, as it could turn a POST into a GET
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from tailrace.destination import Batch, Outcome, Recovery, acknowledged, rejected
from tailrace.errors import AccessDenied, AnswerLost, BatchRejected, DestinationError, Retriable, StopRun

_SPOILED = frozenset({400, 413, 422})
_DENIED = frozenset({401, 403})
_LATER = frozenset({408, 409, 425, 429, 503})
_RECOVERIES: Mapping[int, Recovery] = {404: "missing", 409: "exists", 429: "retry", 503: "retry"}
_GOOD = frozenset({"ok", "success", "acknowledged", "created", "updated", "deleted"})
_EXCERPT = 200


def outcomes(batch: Batch, response: httpx.Response) -> list[Outcome]:
    """Read a 2xx answer: one outcome per row."""
    results = _results(response)
    if results is None:
        return [acknowledged(row.marker, row.record_id) for row in batch.rows]
    told: dict[str, Outcome] = {}
    for marker, result in _by_marker(batch, results):
        told[marker] = _outcome(marker, result)
    return [told.get(row.marker) or _untold(row.marker) for row in batch.rows]


def refusal(response: httpx.Response, now: datetime) -> DestinationError:
    """Turn an answer that is no 2xx into the error that says how to recover."""
    status = response.status_code
    code, message = str(status), f"The receiver answered {status}{_excerpt(response)}"
    if status in _SPOILED:
        return BatchRejected(message, code=code)
    if status in _DENIED:
        denied = AccessDenied(message, code=code, hint="Check the destination's secret and headers.")
        denied.plain = (
            "the receiver denied access"  # its words may repeat what it was sent: anybody may have written it
        )
        return denied
    if status in _LATER:
        return Retriable(message, code=code, retry_after=_retry_after(response.headers.get("retry-after"), now))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return AnswerLost(message, code=code)
    if response.has_redirect_location:
        return StopRun(message, code=code, hint="Redirects are not followed: set the url to where it leads.")
    return StopRun(message, code=code, hint="Check the destination's url.")


def _results(response: httpx.Response) -> list[Any] | None:
    """Give the rows' results; None when the answer has none. AnswerLost when they cannot be read."""
    try:
        reply = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict) or "results" not in reply:
        return None
    results = reply["results"]
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise AnswerLost("The receiver's answer has `results` that are no list of objects.")
    return results


def _by_marker(batch: Batch, results: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for result in results:
        index = result.get("index")
        if isinstance(result.get("marker"), str):
            yield result["marker"], result
        elif isinstance(index, int) and 0 <= index < len(batch.rows):
            yield batch.rows[index].marker, result


def _outcome(marker: str, result: Mapping[str, Any]) -> Outcome:
    status = result.get("status")
    record_id = result.get("record_id")
    if status in _GOOD or (isinstance(status, int) and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES):
        return acknowledged(marker, None if record_id is None else str(record_id))
    recovery = _RECOVERIES.get(status) if isinstance(status, int) else None
    words = result.get("error") or result.get("message") or "the receiver refused the row"
    return rejected(marker, str(result.get("code") or status or "ERROR"), str(words), recovery)


def _untold(marker: str) -> Outcome:
    return Outcome(marker, "unknown", code="NO_RESULT", message="the receiver's results leave this row out")


def _excerpt(response: httpx.Response) -> str:
    text = " ".join(response.text.split())
    return f": {text[:_EXCERPT]}" if text else "."


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Read Retry-After, which is seconds or an HTTP date (RFC 9110, 10.2.3); None when it is neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds())
