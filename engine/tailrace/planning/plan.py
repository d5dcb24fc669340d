"""A plan: a change set put through a sync's mode and guards, with its cost; shown, hashed, saved, applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias

import polars as pl

from tailrace.canonical import python_values
from tailrace.changes import InvalidRows, Op, SchemaEvent
from tailrace.jsonform import iso, to_json
from tailrace.planning.cost import Cost
from tailrace.planning.extent import Extent
from tailrace.planning.guards import GuardResult
from tailrace.planning.holds import Hold, first_attempt
from tailrace.planning.modes import shown_op
from tailrace.planning.preview import frames, shares
from tailrace.rowset import Rows
from tailrace.snapshot.content import content_hash
from tailrace.values import LogicalType

_SHOWN = 10_000
"""Changes made into Python objects at once."""

Unsure: TypeAlias = Callable[[pl.DataFrame], Sequence[frozenset[str]]]
"""Gives per row of a plan's frame the fields of which nobody knows what the destination holds."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one change: the value last acknowledged, and the one to send."""

    old: object
    new: object
    old_known: bool = True
    """False where nobody knows what the destination holds: `old` is None then."""

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`; only an old value that is not known is marked."""
        form: dict[str, Any] = {"old": to_json(self.old), "new": to_json(self.new)}  # type: ignore[arg-type]
        return form if self.old_known else {**form, "old_known": False}


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a plan."""

    op: str
    action: str
    key: Mapping[str, Any]
    record_id: str | None
    fields: Mapping[str, FieldChange]
    was: Mapping[str, Any]
    """For a delete, the values the destination holds; else empty."""

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json`."""
        return {
            "op": self.op,
            "key": {name: to_json(value) for name, value in self.key.items()},
            "record_id": self.record_id,
            "fields": {name: change.to_json() for name, change in self.fields.items()},
        }


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made from. All but `account` enters the plan's hash."""

    definition: str
    """Hash of the sync's definition and its SQL."""
    destination: str
    object: str
    key: tuple[str, ...]
    match: tuple[str, ...]
    generation: int
    """The snapshot's generation; 0 when there is none."""
    account: str | None
    """The account, or None when it was never seen."""
    full: bool = False
    """Made as if nothing had been acknowledged."""
    mark: str = ""
    """Names how far the model had been read, where only what is new since was; see `tailrace.snapshot.mark`."""
    salt: str = ""
    """Where values may not be kept, keeps who finds the plan's hash on record from trying out what was planned."""
    snapshot_run: str | None = None
    snapshot_saved_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """All that is known before anything is written. `rows` are the changes to send, see `tailrace.changes`."""

    sync: str
    mode: str
    plan_id: str
    made_at: datetime
    basis: Basis
    rows: Rows = field(repr=False)
    types: Mapping[str, LogicalType] = field(repr=False)
    counts: Mapping[Op, int]
    """Changes by what they are shown as."""
    model_rows: int
    snapshot_rows: int
    unchanged: int
    standing: frozenset[str]
    """Key texts of rows that earlier runs had trouble with and that still differ."""
    invalid: tuple[InvalidRows, ...]
    guards: tuple[GuardResult, ...]
    cost: Cost
    events: tuple[SchemaEvent, ...] = ()
    notes: tuple[str, ...] = ()
    holds: Mapping[str, Hold] = field(default_factory=dict, repr=False)
    """Changes left out because of what became of their row before, by key text."""
    old_known: bool = True
    """Whether the snapshot has the values that fields had before; else it has digests of them."""
    extent: Extent | None = None
    """How much of the model was read, where the sync has a cursor; `model_rows` and `unchanged` are of that alone."""
    unsure: Unsure | None = field(default=None, repr=False, compare=False)
    """Which of them are not known all the same; None where there is no snapshot to ask, as of a saved plan."""

    @cached_property
    def hash(self) -> str:
        """Names exactly these changes, made from exactly this basis; times and figures of cost do not enter."""
        basis = [
            self.sync,
            self.mode,
            self.basis.definition,
            self.basis.destination,
            self.basis.object,
            list(self.basis.key),
            list(self.basis.match),
            self.basis.generation,
            self.basis.full,
            content_hash(self.rows.batches()),
            *([f"mark {self.basis.mark}"] if self.basis.mark else []),
            *([self.basis.salt] if self.basis.salt else []),
        ]
        return hashlib.sha256(json.dumps(basis).encode()).hexdigest()

    @property
    def height(self) -> int:
        """All changes."""
        return sum(self.counts.values())

    @property
    def inserts(self) -> int:
        """Changes shown as inserts."""
        return self.counts["insert"]

    @property
    def updates(self) -> int:
        """Changes shown as updates."""
        return self.counts["update"]

    @property
    def deletes(self) -> int:
        """Changes shown as deletes."""
        return self.counts["delete"]

    @property
    def invalid_rows(self) -> int:
        """Rows set aside, over all reasons."""
        return sum(group.rows for group in self.invalid)

    @property
    def held(self) -> int:
        """Changes left out because of what became of their row before."""
        return len(self.holds)

    @property
    def waiting(self) -> int:
        """Those of them that a later run sends by itself."""
        return sum(hold.until is not None for hold in self.holds.values())

    @property
    def next_attempt(self) -> datetime | None:
        """When the first of those is due; None when there is none."""
        return first_attempt(self.holds.values())

    @property
    def tripped(self) -> tuple[GuardResult, ...]:
        """The guards that stop this plan."""
        return tuple(guard for guard in self.guards if guard.tripped)

    def changes(self, limit: int = 0) -> Iterator[Change]:
        """At most `limit` changes, 0 for all: deletes, then updates, then inserts, each kind with a fair part."""
        for frame in frames(self.rows, self.counts, limit, _SHOWN):
            yield from _changes(frame, self.types, self._unknown(frame))

    def hidden(self, limit: int) -> dict[Op, int]:
        """How many changes of each kind `changes` does not give with that limit."""
        return {op: self.counts[op] - number for op, number in shares(self.counts, limit).items()}

    def extent_json(self, limit: int) -> dict[str, int]:
        """How many changes there are, and how many of them `plan --json` has."""
        return {"changes_total": self.height, "changes_shown": self.height - sum(self.hidden(limit).values())}

    def to_json(self, limit: int = 20) -> dict[str, Any]:
        """The form of `plan --json`, with at most `limit` changes; 0 gives all."""
        changes = [change.to_json() for change in self.changes(limit)]
        return {**self.head_json(), **self.extent_json(limit), "changes": changes}

    def _unknown(self, frame: pl.DataFrame) -> Sequence[frozenset[str]]:
        """Per row the fields whose old value is not known."""
        if not self.old_known:
            return [frozenset(name[2:] for name in frame.columns if name.startswith("o:"))] * frame.height
        return [frozenset()] * frame.height if self.unsure is None else self.unsure(frame)

    def head_json(self) -> dict[str, Any]:
        """The same without its changes."""
        return {
            "sync": self.sync,
            "mode": self.mode,
            "plan_id": self.plan_id,
            "hash": self.hash,
            "model_rows": self.model_rows,
            "snapshot_rows": self.snapshot_rows,
            "inserts": self.inserts,
            "updates": self.updates,
            "deletes": self.deletes,
            "unchanged": self.unchanged,
            "old_known": self.old_known,
            "held": self.held,
            "waiting": self.waiting,
            "next_attempt": None if self.next_attempt is None else iso(self.next_attempt),
            "invalid": [group.to_json() for group in self.invalid],
            "guards": [guard.to_json() for guard in self.guards],
            "cost": self.cost.to_json(),
            "events": [{"column": e.column, "kind": e.kind, "message": e.message} for e in self.events],
            "notes": list(self.notes),
            **({"cursor": self.extent.to_json()} if self.extent else {}),
        }


def _columns(frame: pl.DataFrame, prefix: str, types: Mapping[str, LogicalType], role: str) -> dict[str, list[Any]]:
    return {
        name[2:]: python_values(frame[name], types[f"{role}:{name[2:]}"])
        for name in frame.columns
        if name.startswith(prefix)
    }


def _changes(
    frame: pl.DataFrame, types: Mapping[str, LogicalType], unknown: Sequence[frozenset[str]]
) -> Iterator[Change]:
    keys = _columns(frame, "k:", types, "k")
    new, old = _columns(frame, "n:", types, "f"), _columns(frame, "o:", types, "f")
    sent = {name[2:]: frame[name].to_list() for name in frame.columns if name.startswith("c:")}
    ops = frame.select(shown_op()).to_series().to_list()
    records, actions = frame["record_id"].to_list(), frame["action"].to_list()
    moved = _moved_matches(frame, types)
    for row in range(frame.height):
        fields = {
            name: FieldChange(
                old[name][row],
                new[name][row],
                old_known=ops[row] == "insert" or old[name][row] is not None or name not in unknown[row],
            )
            for name, flags in sent.items()
            if flags[row] and (ops[row] != "delete" or actions[row] == "retire")
        }
        yield Change(
            ops[row],
            actions[row],
            {name: values[row] for name, values in keys.items()},
            records[row],
            {**moved[row], **fields},
            {name: values[row] for name, values in old.items()} if ops[row] == "delete" else {},
        )


def _moved_matches(frame: pl.DataFrame, types: Mapping[str, LogicalType]) -> list[dict[str, FieldChange]]:
    """Per row the match fields whose value changes: an update of the same record under a new match value."""
    moved: list[dict[str, FieldChange]] = [{} for _ in range(frame.height)]
    updates = frame["action"] == "update"
    for name in (column[2:] for column in frame.columns if column.startswith("m:")):
        new, old = frame[f"m:{name}"], frame[f"om:{name}"]
        differ = (updates & old.is_not_null() & new.ne_missing(old)).to_list()
        if not any(differ):
            continue
        kind = types[f"m:{name}"]
        pairs = zip(python_values(old, kind), python_values(new, kind), strict=True)
        for row, (before, after) in enumerate(pairs):
            if differ[row]:
                moved[row][name] = FieldChange(before, after)
    return moved
