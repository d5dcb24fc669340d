"""What is sent: the JSON of a batch, and the headers that let a receiver trust and recognise it.

    POST /in HTTP/1.1
    Content-Type: application/json
    Idempotency-Key: 5f0c…            the batch's id: the same each time the same rows are sent
    Tailrace-Timestamp: 1764000000    seconds since 1970
    Tailrace-Signature: 9c2e…         HMAC-SHA256, in hex, of "TIMESTAMP.BODY" under the shared secret

    {"object": "people", "operation": "upsert", "batch_id": "5f0c…",
     "rows": [{"marker": "0", "key": [42], "match": {"id": 42}, "record_id": null,
               "values": {"email": "ann@example.com", "ltv": "143.70"}}]}

Exact or not at all: decimals are text ("143.70"), as JSON numbers become floats in most readers; so are
integers beyond ±(2^53-1), NaN and the infinities ("nan", "inf", "-inf"). Dates and times are ISO 8601, those
with a zone in UTC with a Z; bytes are base64.

A receiver verifies like this, with the raw body, before it parses anything:

    expected = hmac.new(secret, timestamp.encode() + b"." + body, "sha256").hexdigest()
    fresh = abs(time.time() - int(timestamp)) < 300
    if not (fresh and hmac.compare_digest(expected, signature)):
        return 401
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence

from tailrace.destination import Batch, Row
from tailrace.jsonform import Json, to_json
from tailrace.values import Value

_SAFE = 2**53 - 1
"""Integers up to here are the same in readers that keep every JSON number as a double."""


def body(batch: Batch) -> bytes:
    """Render a batch as UTF-8 JSON; lone surrogates, which UTF-8 has no form for, are escaped."""
    message = {
        "object": batch.object,
        "operation": str(batch.operation),
        "batch_id": batch.id,
        "rows": [_row(batch, row) for row in batch.rows],
    }
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")


def sign(secret: str, timestamp: str, content: bytes) -> str:
    """Give the hex HMAC-SHA256 of `timestamp.content`."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + content, "sha256").hexdigest()


def _row(batch: Batch, row: Row) -> dict[str, Json]:
    return {
        "marker": row.marker,
        "key": [_exact(value) for value in row.key],
        "match": {name: _exact(value) for name, value in zip(batch.match, row.match, strict=True)},
        "record_id": row.record_id,
        "values": {name: _exact(value) for name, value in row.values.items()},
    }


def _exact(value: Value) -> Json:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_SAFE <= value <= _SAFE else str(value)
    if isinstance(value, Mapping):
        return {name: _exact(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_exact(inner) for inner in value]
    return to_json(value)
