"""Sets a baseline: what the destination holds becomes the snapshot, so that only real differences are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.diff import diff
from tailrace.errors import UsageError
from tailrace.running.coerce import column
from tailrace.running.job import job
from tailrace.running.lease import leased
from tailrace.running.lookup import records_of
from tailrace.running.planner import ask, identity, read_rows
from tailrace.running.record import Entry, recorded, verdict
from tailrace.running.recovery import recover
from tailrace.running.settle import save_snapshot
from tailrace.state import Counts

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.destination import Destination, Record
    from tailrace.project import Sync
    from tailrace.running.session import Session, Target
    from tailrace.snapshot.store import Snapshot
    from tailrace.state import Lease


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken into the snapshot. Rows left out are new to it: the next run plans them as inserts."""

    sync: str
    model_rows: int
    adopted: int
    absent: int
    """Rows left out because no record has their match value."""
    ambiguous: int
    """Rows left out because several records have their match value."""

    def to_json(self) -> dict[str, Any]:
        """The form of `adopt --json`."""
        return asdict(self)


def adopt(session: Session, sync: Sync, *, trust: bool) -> Adopted:
    """Read the destination by match and take what it finds, or, with `trust`, take the model's rows unasked."""
    target = session.target(sync)
    _refuse(sync, target, trust=trust)
    with leased(session, sync) as lease, session.destination(sync, target, read_only=True) as destination:
        account = ask(session, sync, target, destination).account
        recover(session, sync, target, lease, destination, but="")
        snapshot = session.store.open(identity(sync, account))
        with recorded(session, sync, lease, snapshot.identity, "adopt") as entry:
            changes = _rows(session, sync, target, snapshot)
            known = Counts(model_rows=changes.model_rows, snapshot_rows=snapshot.rows)
            session.state.set_plan(entry.run_id, None, known)
            found = _trusted(changes) if trust else _looked_up(session, sync, target, destination, changes)
            _save(session, lease, entry, snapshot, changes, found)
            return _told(sync, changes, found, entry)


def _refuse(sync: Sync, target: Target, *, trust: bool) -> None:
    if sync.config.mode == "delete":
        raise UsageError(
            f"{sync.name}: adopt would take the records to be deleted for deleted, as the mode is delete",
            hint="a sync of mode delete needs no baseline: a record that is gone already counts as deleted",
        )
    if not trust and not (target.capabilities.find and sync.config.match):
        why = f"{target.plugin.name} cannot look records up by match" if sync.config.match else "it has no match"
        raise UsageError(
            f"{sync.name}: {why}, so nothing can be read back",
            hint=f"tailrace adopt {sync.name} --trust takes the model's rows as delivered",
        )


def _rows(session: Session, sync: Sync, target: Target, snapshot: Snapshot) -> ChangeSet:
    """The model's valid rows, all of them as inserts, in the types the snapshot pins."""
    folded = frozenset(sync.config.match) & target.capabilities.case_insensitive_match
    return diff(read_rows(session, sync, snapshot), None, sync.diff_spec(folded))


@dataclass(frozen=True, slots=True)
class _Found:
    """Change frames of the rows that were found, with what the destination holds, and of the others."""

    present: pl.DataFrame
    ids: Sequence[str | None]
    absent: pl.DataFrame
    ambiguous: pl.DataFrame

    @property
    def left_out(self) -> pl.DataFrame:
        return pl.concat([self.absent, self.ambiguous])


def _trusted(changes: ChangeSet) -> _Found:
    nothing = changes.frame.clear()
    return _Found(changes.frame, [None] * changes.frame.height, nothing, nothing)


def _looked_up(session: Session, sync: Sync, target: Target, destination: Destination, changes: ChangeSet) -> _Found:
    fields = tuple(name for name, spec in sync.config.fields.items() if not spec.lookup)
    limiter = session.limiter(target, read_only=True)
    records = records_of(job(sync, target, "", changes.types), changes.frame, destination, limiter, fields)
    numbers = pl.Series([len(each) for each in records], dtype=pl.Int64)
    single = [each[0] for each in records if len(each) == 1]
    frame = changes.frame.filter(numbers == 1).with_columns(_columns(sync, changes, single, fields))
    return _Found(
        frame,
        [record.id for record in single],
        _unsent(changes.frame.filter(numbers == 0)),
        _unsent(changes.frame.filter(numbers > 1)),
    )


def _unsent(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("^c:.*$") & pl.lit(value=False))


def _columns(sync: Sync, changes: ChangeSet, records: list[Record], fields: tuple[str, ...]) -> list[pl.Series]:
    """The destination's values as n: columns; c: is false where a value was not read or does not fit."""
    made: list[pl.Series] = []
    for name in sync.config.fields:
        if name in fields:
            series, fits = column([record.values.get(name) for record in records], changes.types[f"f:{name}"])
            known = [fit and name in record.values for fit, record in zip(fits, records, strict=True)]
            made += [series.alias(f"n:{name}"), pl.Series(f"c:{name}", known, dtype=pl.Boolean)]
        else:
            made.append(pl.Series(f"c:{name}", [False] * len(records), dtype=pl.Boolean))
    return made


def _save(session: Session, lease: Lease, entry: Entry, snapshot: Snapshot, changes: ChangeSet, found: _Found) -> None:
    """Keep what was found as the entry's changes, and move the snapshot: rows left out leave it."""
    frame = pl.concat([found.present, found.left_out.select(found.present.columns)])
    files, sync = session.files, snapshot.identity.sync
    files.save_changes(sync, entry.run_id, frame.with_columns(action=pl.lit("adopt")), changes.types, snapshot.identity)
    lease.renew()  # whoever lost the sync must not move the snapshot
    taken = verdict(found.present, "acknowledged").with_columns(pl.Series("record_id", found.ids, dtype=pl.String))
    forgotten = _without_moving(found.left_out, snapshot)
    left = pl.col("seq").is_in(forgotten["seq"].to_list())
    moves = frame.with_columns(op=pl.when(left).then(pl.lit("delete")).otherwise(pl.col("op")), action=pl.lit("upsert"))
    settled = pl.concat([taken, verdict(forgotten, "acknowledged")])
    save_snapshot(session, snapshot, moves, changes.types, settled, entry.run_id)
    absent = verdict(found.absent, None, "ABSENT", "no record has its match value")
    ambiguous = verdict(found.ambiguous, None, "AMBIGUOUS_MATCH", "several records have its match value")
    files.save_outcomes(sync, entry.run_id, pl.concat([taken, absent, ambiguous]))


def _without_moving(left_out: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Leave out rows that the snapshot knows under another match value: their record is there, and is to move."""
    keys, match = snapshot.identity.key, snapshot.identity.match
    if left_out.is_empty() or not (snapshot.generation and match):
        return left_out
    names = {f"m:{name}": f"held:{name}" for name in match}
    columns = [*(f"k:{key}" for key in keys), *names]
    cast = [pl.col(column).cast(left_out.schema[column], strict=False) for column in columns]
    known = snapshot.frame().select(cast).rename(names)
    both = left_out.join(known, on=[f"k:{key}" for key in keys], how="inner")
    moving = both.filter(pl.any_horizontal(pl.col(now).ne_missing(pl.col(held)) for now, held in names.items()))
    return left_out.join(moving, on="seq", how="anti", maintain_order="left")


def _told(sync: Sync, changes: ChangeSet, found: _Found, entry: Entry) -> Adopted:
    told = Adopted(sync.name, changes.model_rows, found.present.height, found.absent.height, found.ambiguous.height)
    entry.settled = told.adopted
    entry.message = f"adopted {told.adopted} rows; {told.absent} absent, {told.ambiguous} ambiguous"
    return told
