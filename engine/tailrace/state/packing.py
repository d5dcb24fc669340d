"""A batch's row numbers and outcomes as small blobs: column by column, JSON, deflated."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

from tailrace.destination import Outcome, Status
from tailrace.errors import StateError

_FORMAT = b"\x01"
"""First byte of every blob, so that another form can follow."""

Columns: TypeAlias = tuple[list[int], list[Status], list[str | None], list[str | None], list[str | None]]
"""seq, status, record_id, code and message of some rows; all lists are of one length."""


def pack_seqs(seqs: Sequence[int]) -> bytes:
    """Row numbers; a run of neighbours, the usual case, takes two numbers."""
    if seqs and list(seqs) == list(range(seqs[0], seqs[0] + len(seqs))):
        return _pack({"first": seqs[0], "count": len(seqs)})
    return _pack({"seqs": list(seqs)})


def unpack_seqs(blob: bytes) -> tuple[int, ...]:
    """What `pack_seqs` packed."""
    held = _unpack(blob)
    if "first" in held:
        return tuple(range(held["first"], held["first"] + held["count"]))
    return tuple(held["seqs"])


def columns_of(outcomes: Sequence[Outcome]) -> Columns:
    """Outcomes whose markers are row numbers, column by column: a hot path."""
    return (
        [int(outcome.marker) for outcome in outcomes],
        [outcome.status for outcome in outcomes],
        [outcome.record_id for outcome in outcomes],
        [outcome.code for outcome in outcomes],
        [outcome.message for outcome in outcomes],
    )


def pack_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """Outcomes whose markers are row numbers."""
    return _pack({"columns": columns_of(outcomes)})


def unpack_outcomes(blob: bytes) -> Columns:
    """What `pack_outcomes` packed, column by column."""
    seq, status, record_id, code, message = _unpack(blob)["columns"]
    return seq, status, record_id, code, message


def _pack(held: object) -> bytes:
    return _FORMAT + zlib.compress(json.dumps(held, separators=(",", ":")).encode(), 1)


def _unpack(blob: bytes) -> dict[str, Any]:
    if blob[:1] != _FORMAT:
        raise StateError(
            "the journal was written in a form this version does not know",
            hint="upgrade this installation: pip install --upgrade tailrace",
        )
    held: dict[str, Any] = json.loads(zlib.decompress(blob[1:]))
    return held
