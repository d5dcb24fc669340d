"""Names for a plan's rows that outlive the plan: the key as text, and a hash of what would be sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from tailrace.canonical import python_values
from tailrace.jsonform import key_json, to_json
from tailrace.rowset import Rows
from tailrace.values import LogicalType

_sorted = json.JSONEncoder(sort_keys=True).encode
"""Made once: it is called for each of very many rows."""


def keys(frame: pl.DataFrame, types: Mapping[str, LogicalType]) -> list[str]:
    """Each row's key as canonical JSON text, in the frame's order."""
    names = [column for column in frame.columns if column.startswith("k:")]
    columns = [python_values(frame[name], types[name]) for name in names]
    shown = [name[2:] for name in names]
    return [key_json(dict(zip(shown, row, strict=True))) for row in zip(*columns, strict=True)]


def numbers(rows: Rows, types: Mapping[str, LogicalType], texts: Collection[str]) -> dict[str, int]:
    """The numbers (`seq`) of the rows with these keys as text; keys that no row has are left out."""
    if not texts:
        return {}
    names = [name for name in rows.schema if name.startswith("k:")]
    return {
        text: seq
        for frame in rows.batches(columns=["seq", *names])
        for text, seq in zip(keys(frame, types), frame["seq"].to_list(), strict=True)
        if text in texts
    }


def payload_hashes(frame: pl.DataFrame, types: Mapping[str, LogicalType], secret: bytes = b"") -> list[str]:
    """Per row a hash over its action and the values it would send; equal when the same would be sent again.

    With a secret nobody without it can try out which values those were.
    """
    fields = [column[2:] for column in frame.columns if column.startswith("n:")]
    new = {name: python_values(frame[f"n:{name}"], types[f"f:{name}"]) for name in fields}
    sent = {name: frame[f"c:{name}"].to_list() for name in fields}
    matches = [column for column in frame.columns if column.startswith("m:")]
    match_values = [python_values(frame[name], types[name]) for name in matches]
    return [
        _hash(
            [action, *(to_json(values[row]) for values in match_values)],
            {name: to_json(new[name][row]) for name in fields if sent[name][row]},
            secret,
        )
        for row, action in enumerate(frame["action"].to_list())
    ]


def _hash(head: Sequence[object], values: Mapping[str, object], secret: bytes) -> str:
    text = _sorted([list(head), values]).encode()
    made = hmac.digest(secret, text, "sha256") if secret else hashlib.sha256(text).digest()
    return made.hex()[:32]
