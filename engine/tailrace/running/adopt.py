"""Sets a baseline: what the destination holds becomes the snapshot, so that only real differences are sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.canonical import python_values
from tailrace.clock import new_id
from tailrace.diff import diff
from tailrace.errors import UsageError
from tailrace.jsonform import to_json
from tailrace.running.coerce import column
from tailrace.running.lease import leased
from tailrace.running.planner import ask, identity, read_rows
from tailrace.running.settle import save_snapshot

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.destination import Destination, Record
    from tailrace.project import Sync
    from tailrace.running.session import Session, Target
    from tailrace.values import LogicalType, Value


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken into the snapshot; rows that are `absent` are new to the destination."""

    sync: str
    model_rows: int
    adopted: int
    absent: int

    def to_json(self) -> dict[str, Any]:
        """The form of `adopt --json`."""
        return {"sync": self.sync, "model_rows": self.model_rows, "adopted": self.adopted, "absent": self.absent}


def adopt(session: Session, sync: Sync, *, trust: bool) -> Adopted:
    """Read the destination by match and take what it finds, or, with `trust`, take the model's rows unasked."""
    target = session.target(sync)
    if not trust and not (target.capabilities.find and sync.config.match):
        raise UsageError(
            f"{sync.name}: {target.plugin.name} cannot look records up by match",
            hint=f"tailrace adopt {sync.name} --trust takes the model's rows as delivered",
        )
    with leased(session, sync), session.destination(sync, target, read_only=True) as destination:
        account = ask(session, sync, target, destination).account
        return _adopt(session, sync, target, None if trust else destination, account)


def _adopt(session: Session, sync: Sync, target: Target, destination: Destination | None, account: str) -> Adopted:
    snapshot = session.store.open(identity(sync, account))
    rows = read_rows(session, sync, snapshot)
    folded = frozenset(sync.config.match) & target.capabilities.case_insensitive_match
    changes = diff(rows, None, sync.diff_spec(folded))
    found: pl.DataFrame = changes.frame
    ids: list[str | None] = [None] * found.height
    if destination is not None:
        found, ids = _found(sync, changes, destination, target)
    absent = changes.frame.join(found.select("seq"), on="seq", how="anti").with_columns(op=pl.lit("delete"))
    frame = pl.concat([found, absent.select(found.columns)]).with_columns(action=pl.lit("upsert"))
    outcomes = frame.select("seq", status=pl.lit("acknowledged"), code=pl.lit(None, dtype=pl.String)).with_columns(
        pl.Series("record_id", [*ids, *([None] * absent.height)], dtype=pl.String)
    )
    save_snapshot(session, snapshot, frame, changes.types, outcomes, new_id())
    return Adopted(sync.name, changes.model_rows, found.height, absent.height)


def _found(
    sync: Sync, changes: ChangeSet, destination: Destination, target: Target
) -> tuple[pl.DataFrame, list[str | None]]:
    """The rows whose record exists, with the destination's values in place of the model's, and the record ids."""
    match = tuple(sync.config.match)
    columns = [python_values(changes.frame[f"m:{name}"], changes.types[f"m:{name}"]) for name in match]
    values = list(zip(*columns, strict=True))
    fold = target.capabilities.case_insensitive_match
    fields = tuple(name for name, spec in sync.config.fields.items() if not spec.lookup)
    records = {
        _name(record.match, match, fold): record
        for record in destination.find(sync.config.object, match, values, fields)
    }
    hits = [records.get(_name(value, match, fold)) for value in values]
    frame = changes.frame.filter(pl.Series([hit is not None for hit in hits], dtype=pl.Boolean))
    present = [hit for hit in hits if hit is not None]
    return frame.with_columns(_columns(sync, changes, present, fields)), [record.id for record in present]


def _columns(sync: Sync, changes: ChangeSet, records: list[Record], fields: tuple[str, ...]) -> list[pl.Series]:
    """The destination's values as n: columns; c: is false where a value was not read or does not fit."""
    made: list[pl.Series] = []
    for name in sync.config.fields:
        logical: LogicalType = changes.types[f"f:{name}"]
        if name in fields:
            series, fits = column([record.values.get(name) for record in records], logical)
            known = [fit and name in record.values for fit, record in zip(fits, records, strict=True)]
            made += [series.alias(f"n:{name}"), pl.Series(f"c:{name}", known, dtype=pl.Boolean)]
        else:
            made.append(pl.Series(f"c:{name}", [False] * len(records), dtype=pl.Boolean))
    return made


def _name(values: tuple[Value, ...], match: tuple[str, ...], fold: frozenset[str]) -> str:
    """Match values as one text, so that 42 and "42" meet: destinations return some keys as text."""
    texts = [str(to_json(value)) for value in values]
    return json.dumps(
        [text.strip().casefold() if name in fold else text for name, text in zip(match, texts, strict=True)]
    )
