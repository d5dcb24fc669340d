"""The change set: what the diff hands to planning, and planning to delivery.

All frames name their columns by role, so that no destination field can collide with our own:

=============  ========================================================================
`k:COLUMN`     a key column of the model
`m:FIELD`      the value of a match field
`om:FIELD`     (changes) the match value the snapshot knew
`f:FIELD`      (rows, snapshots) the payload's value of a destination field
`n:FIELD`      (changes) the new value; for a delete, null
`o:FIELD`      (changes) the value the destination last acknowledged; for an insert, null
`c:FIELD`      (changes) Boolean: this field is to be written
`w:FIELD`      (plans) Boolean: this field is written only if that makes the record; most have none
`record_id`    the destination's id of the record, where known
`unknown`      (snapshots) list of fields of this row the destination never acknowledged; the value
               of such a field, if there is one, was offered to a record that kept its own
`op`           (changes) `insert`, `update` or `delete`
`seq`          (changes) Int64: names the row within its plan; counted from 0 in the order of the key,
               but beyond some 100,000 changes in the order of the model, and with gaps
`row`          (changes) Int64: the row among those of the model that were not known to be unchanged
`loc`          (changes) UInt64: where the snapshot has the row
=============  ========================================================================

The values in those columns are canonical: see `tailrace.canonical`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import polars as pl

from tailrace.jsonform import to_json
from tailrace.rowset import Rows
from tailrace.values import LogicalType, Value

Op: TypeAlias = Literal["insert", "update", "delete"]
InvalidReason: TypeAlias = Literal["null_key", "duplicate_key", "duplicate_match", "null_match"]


@dataclass(frozen=True, slots=True)
class DiffSpec:
    """What is compared, and how each field takes part.

    `skip_nulls`: a NULL in the model leaves the destination's value as it is.
    `create_only`: written with a new row, never compared afterwards.
    `fill_empty`: compared only while the acknowledged value is null.
    `fold_match`: match fields that compare without regard to case and outer spaces.
    """

    key: tuple[str, ...]
    match: tuple[str, ...]
    fields: tuple[str, ...]
    skip_nulls: frozenset[str] = frozenset()
    create_only: frozenset[str] = frozenset()
    fill_empty: frozenset[str] = frozenset()
    fold_match: frozenset[str] = frozenset()
    match_is_key: bool = False
    """The match values are those of the key's columns, so that two rows share one only if they share the key."""


@dataclass(frozen=True, slots=True)
class InvalidRows:
    """Rows set aside: reported with up to five example keys, never sent, never taken for deletes."""

    reason: InvalidReason
    rows: int
    examples: tuple[Mapping[str, Value], ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `plan --json` and `adopt --json`."""
        examples = [{name: to_json(value) for name, value in key.items()} for key in self.examples]
        return {"reason": self.reason, "rows": self.rows, "examples": examples}


@dataclass(frozen=True, slots=True)
class SchemaEvent:
    """A column whose type no longer fits the pinned one, or a field new to (or gone from) the mapping."""

    column: str
    """The name of the key column or field, without role."""
    kind: Literal["added", "removed", "retyped"]
    message: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between some rows of a model and some of a snapshot, in memory."""

    frame: pl.DataFrame
    """seq, op, record_id, k:*, m:*, om:*, and n:/o:/c: of each field."""
    types: Mapping[str, LogicalType]
    """Logical type of each `k:`, `m:` and `f:` column, as pinned from now on."""
    model_rows: int
    snapshot_rows: int
    unchanged: int
    invalid: tuple[InvalidRows, ...] = ()
    events: tuple[SchemaEvent, ...] = field(default=())
    occupied: pl.DataFrame = field(default_factory=pl.DataFrame)
    """`om:*` of the known rows that were set aside: no other row may be written under these match values."""
    same: pl.DataFrame = field(default_factory=pl.DataFrame)
    """The numbers (`row`, `loc`) of known rows that need nothing, where rows carry such."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The difference between the model and a snapshot, on disk."""

    rows: Rows
    """seq, op, record_id, k:*, m:*, om:*, n:/o:/c: of each field; and `row`, `loc`, see `Origin`."""
    types: Mapping[str, LogicalType]
    """Logical type of each `k:`, `m:` and `f:` column, as pinned from now on."""
    model_rows: int
    snapshot_rows: int
    unchanged: int
    counts: Mapping[Op, int]
    """Changes by kind."""
    occupied: pl.DataFrame
    """`om:*` of the known rows that were set aside: no other row may be written under these match values."""
    invalid: tuple[InvalidRows, ...] = ()
    events: tuple[SchemaEvent, ...] = ()
    origin: Any = None
    """What a commit can make use of, `tailrace.diff.engine.Origin`; None where the rows come from elsewhere."""
    partial: bool = False
    """Whether only a part of the model was read: what is not in it may be there all the same."""


@dataclass(frozen=True, slots=True)
class SnapshotData:
    """What the destination last acknowledged: `k:*`, `m:*`, `f:*`, `record_id`, `unknown`, one row per key."""

    frame: pl.DataFrame
    types: Mapping[str, LogicalType]
    """Pinned types by column name. A column that never held a value may be absent: nothing pins it."""
