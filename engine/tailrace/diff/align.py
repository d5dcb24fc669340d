"""Bring the model's rows and the snapshot under the same types, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from tailrace.canonical import CanonicalRows, convert, dtype, type_of
from tailrace.canonical.convert import convert_rows
from tailrace.changes import DiffSpec, SchemaEvent, SnapshotData
from tailrace.diff.columns import role
from tailrace.errors import SnapshotError
from tailrace.values import LogicalType


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides under one type per column.

    `new` holds `k:`, `m:`, `n:`; `old` holds `k:`, `om:`, `o:`, `record_id`, `unknown`, and `e:FIELD`
    (the acknowledged value is null) for fields that are only filled when empty.
    """

    new: pl.DataFrame
    old: pl.DataFrame
    types: Mapping[str, LogicalType]
    incomparable: frozenset[str]
    """Fields without comparable values on the old side: unknown for every row."""
    events: tuple[SchemaEvent, ...]


CARRIED = ("row", "loc")


@dataclass(frozen=True, slots=True)
class _Pair:
    new: pl.Series
    old: pl.Series
    type: LogicalType
    event: SchemaEvent | None = None


def align(rows: CanonicalRows, snapshot: SnapshotData | None, spec: DiffSpec) -> Sides:
    """Both sides under one type per column; SnapshotError when the keys cannot be compared."""
    names = [*role("k", spec.key), *role("m", spec.match), *role("f", spec.fields)]
    past = snapshot if snapshot is not None else SnapshotData(_nothing(), {})
    pairs = {name: _pair(name, rows, past) for name in names}
    _refuse_keys(pairs, spec)
    return Sides(
        new=pl.DataFrame([*(pair.new.alias(_new_name(name)) for name, pair in pairs.items()), *carried(rows.frame)]),
        old=_old_side(pairs, past.frame, spec),
        types={name: pair.type for name, pair in pairs.items()},
        incomparable=frozenset(name[2:] for name, pair in pairs.items() if pair.event and name.startswith("f:")),
        events=tuple(_events(pairs.values(), past.frame, spec)),
    )


def carried(frame: pl.DataFrame) -> list[pl.Series]:
    """The numbers that rows carry, where they do: `row` those of the model, `loc` those of the snapshot."""
    return [frame[name] for name in CARRIED if name in frame.columns]


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"record_id": pl.String, "unknown": pl.List(pl.String)})


def _pair(name: str, rows: CanonicalRows, past: SnapshotData) -> _Pair:
    new, new_type = rows.frame[name], rows.types[name]
    if name not in past.frame.columns:
        event = SchemaEvent(name[2:], "added", f"{name[2:]} is new to the mapping")
        return _Pair(new, _nulls(name, past.frame.height, new_type), new_type, event)
    old = past.frame[name]
    old_type = past.types.get(name) or (new_type if old.dtype == dtype(new_type) else type_of(old.dtype))
    old = convert_rows(old, old_type, old_type)  # a column that never held a value may be stored without a type
    back = convert(new, new_type, old_type)
    if back is not None and not _untyped(old, past.types.get(name)):
        return _Pair(back, old, old_type)
    forth = convert(old, old_type, new_type)
    if forth is not None:
        return _Pair(new, forth, new_type)
    message = f"{name[2:]} was {old_type} and is now {new_type}, which cannot be compared"
    return _Pair(new, _nulls(name, past.frame.height, new_type), new_type, SchemaEvent(name[2:], "retyped", message))


def _untyped(old: pl.Series, pinned: LogicalType | None) -> bool:
    """Whether nothing holds the old type: it was never pinned, or no row has a value."""
    return pinned is None and old.null_count() == len(old)


def _nulls(name: str, rows: int, logical: LogicalType) -> pl.Series:
    return pl.Series(name, [None], dtype=dtype(logical)).new_from_index(0, rows)


def _refuse_keys(pairs: Mapping[str, _Pair], spec: DiffSpec) -> None:
    for name in role("k", spec.key):
        event = pairs[name].event
        if event is not None and len(pairs[name].old):
            raise SnapshotError(
                f"the key column cannot be matched with the snapshot: {event.message}",
                hint="Cast the column to its old type in the model; or start over: `tailrace reset SYNC`, then "
                "`tailrace adopt SYNC`.",
            )


def _new_name(name: str) -> str:
    return f"n:{name[2:]}" if name.startswith("f:") else name


def _old_name(name: str) -> str:
    return {"f": "o", "m": "om", "k": "k"}[name[0]] + name[1:]


def _old_side(pairs: Mapping[str, _Pair], frame: pl.DataFrame, spec: DiffSpec) -> pl.DataFrame:
    columns = [_told(name, pair.old, frame["unknown"]).alias(_old_name(name)) for name, pair in pairs.items()]
    empty = [frame[f"f:{name}"].is_null().alias(f"e:{name}") for name in spec.fill_empty if f"f:{name}" in frame]
    missing = [
        pl.Series(f"e:{name}", [True]).new_from_index(0, frame.height)
        for name in spec.fill_empty
        if f"f:{name}" not in frame
    ]
    return pl.DataFrame([*columns, *empty, *missing, frame["record_id"], frame["unknown"], *carried(frame)])


def _told(name: str, values: pl.Series, unknown: pl.Series) -> pl.Series:
    """The values without those that were only offered: see `unknown` in `tailrace.changes`."""
    if not name.startswith("f:") or not unknown.list.len().sum():
        return values
    offered = unknown.list.contains(name[2:]).fill_null(value=False)
    return values.to_frame().select(pl.when(pl.lit(~offered)).then(pl.col(values.name))).to_series()


def _events(pairs: Iterable[_Pair], frame: pl.DataFrame, spec: DiffSpec) -> list[SchemaEvent]:
    if frame.height == 0:
        return []
    gone = [name[2:] for name in frame.columns if name.startswith("f:") and name[2:] not in spec.fields]
    removed = [
        SchemaEvent(name, "removed", f"{name} is no longer mapped; the destination keeps its values") for name in gone
    ]
    return [*(pair.event for pair in pairs if pair.event), *removed]
