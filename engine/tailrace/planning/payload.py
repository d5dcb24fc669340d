"""Names for a plan's rows that outlive the plan: the key as text, and a hash of what would be sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import compress, repeat
from json.encoder import encode_basestring, encode_basestring_ascii
from operator import add
from typing import Any, TypeVar

import polars as pl

from tailrace.canonical import python_values
from tailrace.jsonform import compact, to_json
from tailrace.rowset import Rows
from tailrace.values import LogicalType

T = TypeVar("T")

_sorted = json.JSONEncoder(sort_keys=True).encode
"""Made once: it is called for each of very many values."""


def keys(frame: pl.DataFrame, types: Mapping[str, LogicalType]) -> list[str]:
    """Each row's key as `tailrace.jsonform.key_json` writes it, in the frame's order."""
    names = sorted(column for column in frame.columns if column.startswith("k:"))
    columns = [_written(frame[name], types[name], compact, encode_basestring) for name in names]
    before = [f"{compact(name[2:])}:" for name in names]
    return [f"{{{','.join(map(add, before, row))}}}" for row in zip(*columns, strict=True)]


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
    fields = sorted(column[2:] for column in frame.columns if column.startswith("n:"))
    new = [_items(name, frame[f"n:{name}"], types[f"f:{name}"]) for name in fields]
    sent = [frame[f"c:{name}"].to_list() for name in fields]
    heads = [list(map(_sorted, frame["action"].to_list()))]
    heads += [_payload_texts(frame[name], types[name]) for name in frame.columns if name.startswith("m:")]
    texts = (
        f"[[{', '.join(head)}], {{{', '.join(compress(items, chosen))}}}]"
        for head, items, chosen in zip(
            zip(*heads, strict=True), _rows(new, frame.height), _rows(sent, frame.height), strict=True
        )
    )
    return [_hash(text.encode(), secret) for text in texts]


def _items(name: str, values: pl.Series, logical: LogicalType) -> list[str]:
    before = f"{_sorted(name)}: "
    return [before + text for text in _payload_texts(values, logical)]


def _payload_texts(values: pl.Series, logical: LogicalType) -> list[str]:
    return _written(values, logical, _sorted, encode_basestring_ascii)


def _rows(columns: Sequence[Sequence[T]], height: int) -> Iterable[tuple[T, ...]]:
    return zip(*columns, strict=True) if columns else repeat((), height)


def _written(
    values: pl.Series, logical: LogicalType, encode: Callable[[Any], str], encode_text: Callable[[str], str]
) -> list[str]:
    """Each value as JSON by `encode`; `encode_text` is the quicker way of texts."""
    match logical.kind:
        case "int64":
            return values.cast(pl.String).fill_null("null").to_list()
        case "string":
            return ["null" if value is None else encode_text(value) for value in values.to_list()]
        case _:
            return [encode(to_json(value)) for value in python_values(values, logical)]


def _hash(text: bytes, secret: bytes) -> str:
    made = hmac.digest(secret, text, "sha256") if secret else hashlib.sha256(text).digest()
    return made.hex()[:32]
