"""Sets a baseline: what the destination holds becomes the snapshot, so that only real differences are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.diff.changefiles import FrameFile
from tailrace.errors import UsageError
from tailrace.running.coerce import column
from tailrace.running.comparing import compared
from tailrace.running.job import job
from tailrace.running.lease import leased
from tailrace.running.lookup import records_of
from tailrace.running.planner import ask, identity
from tailrace.running.record import Entry, recorded, verdict
from tailrace.running.recovery import recover
from tailrace.running.settle import Settled, save_mark, save_snapshot
from tailrace.state import Counts

if TYPE_CHECKING:
    from pathlib import Path

    from tailrace.changes import ChangeSet, InvalidRows
    from tailrace.destination import Destination, Record
    from tailrace.project import Sync
    from tailrace.rowset import Rows
    from tailrace.running.places import AnySnapshot
    from tailrace.running.session import Session, Target
    from tailrace.state import Lease

BATCH = 10_000
"""Rows looked up before what was found is written down."""


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
    invalid: tuple[InvalidRows, ...] = ()
    """Rows left out because they have no key or match value, or share one: no run sends them either."""

    def to_json(self) -> dict[str, Any]:
        """The form of `adopt --json`."""
        return {**asdict(self), "invalid": [group.to_json() for group in self.invalid]}


def adopt(session: Session, sync: Sync, *, trust: bool) -> Adopted:
    """Read the destination by match and take what it finds, or, with `trust`, take the model's rows unasked."""
    target = session.target(sync)
    _refuse(sync, target, trust=trust)
    with leased(session, sync) as lease, session.destination(sync, target, read_only=True) as destination:
        account = ask(session, sync, target, destination, read_only=True).account
        recover(session, sync, target, lease, destination, but="")
        snapshot = session.snapshot(sync, identity(sync, account))
        with recorded(session, sync, lease, snapshot.identity, "adopt") as entry, session.work.scratch() as folder:
            changes = _rows(session, sync, target, snapshot, folder)
            left_out = sum(group.rows for group in changes.invalid)
            known = Counts(model_rows=changes.model_rows, snapshot_rows=snapshot.rows, invalid=left_out)
            session.state.set_plan(entry.run_id, None, known)
            found = _trusted(changes) if trust else _looked_up(session, sync, target, destination, changes, folder)
            _save(session, sync, lease, entry, snapshot, changes, found)
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


def _rows(session: Session, sync: Sync, target: Target, snapshot: AnySnapshot, folder: Path) -> ChangeSet:
    """The model's valid rows, all of them as inserts, in the types the snapshot pins."""
    spec = sync.diff_spec(frozenset(sync.config.match) & target.capabilities.case_insensitive_match)
    return compared(session, sync, snapshot.emptied(), spec, folder)[0]


@dataclass(slots=True)
class _Found:
    """The model's rows, with what the destination holds of them, and an outcome for each."""

    rows: Rows
    outcomes: list[pl.DataFrame] = field(default_factory=list)
    left_out: list[pl.DataFrame] = field(default_factory=list)
    """Number, key and match values of rows that have no record, or several."""
    adopted: int = 0
    absent: int = 0
    ambiguous: int = 0


def _trusted(changes: ChangeSet) -> _Found:
    found = _Found(changes.rows)
    for batch in changes.rows.batches(columns=["seq"]):
        found.outcomes.append(verdict(batch, "acknowledged"))
        found.adopted += batch.height
    return found


def _looked_up(
    session: Session, sync: Sync, target: Target, destination: Destination, changes: ChangeSet, folder: Path
) -> _Found:
    fields = tuple(name for name, spec in sync.config.fields.items() if not spec.lookup)
    limiter = session.limiter(target, read_only=True)
    asked = job(sync, target, "", changes.types)
    found = _Found(changes.rows)
    with FrameFile(folder / "adopted.parquet", changes.rows.schema) as file:
        for batch in changes.rows.batches(BATCH):
            records = records_of(asked, batch, destination, limiter, fields)
            file.add(_take_in(sync, changes, batch, records, fields, found))
    found.rows = file.rows
    return found


def _take_in(
    sync: Sync,
    changes: ChangeSet,
    batch: pl.DataFrame,
    records: list[list[Record]],
    fields: tuple[str, ...],
    found: _Found,
) -> pl.DataFrame:
    """Note what became of a batch, and give its rows with what the destination holds."""
    numbers = pl.Series([len(each) for each in records], dtype=pl.Int64)
    single = [each[0] for each in records if len(each) == 1]
    present = batch.filter(numbers == 1).with_columns(_columns(sync, changes, single, fields))
    absent, ambiguous = (_unsent(batch.filter(chosen)) for chosen in (numbers == 0, numbers > 1))
    ids = pl.Series("record_id", [record.id for record in single], dtype=pl.String)
    found.outcomes += [
        verdict(present, "acknowledged").with_columns(ids),
        verdict(absent, None, "ABSENT", "no record has its match value"),
        verdict(ambiguous, None, "AMBIGUOUS_MATCH", "several records have its match value"),
    ]
    found.adopted += present.height
    found.absent += absent.height
    found.ambiguous += ambiguous.height
    named = [name for name in batch.columns if name[:2] in {"k:", "m:"}]
    left_out = pl.concat([absent, ambiguous])
    found.left_out.append(left_out.select("seq", *named))
    return pl.concat([present, left_out.select(present.columns)])


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


def _save(
    session: Session, sync: Sync, lease: Lease, entry: Entry, snapshot: AnySnapshot, changes: ChangeSet, found: _Found
) -> None:
    """Keep what was found as the entry's changes, and move the snapshot: rows left out leave it."""
    files, types = session.files, changes.types
    adopted = found.rows.then(lambda lazy: lazy.with_columns(action=pl.lit("adopt")))
    folder = changes.origin.folder
    files.save_changes(sync.name, entry.run_id, adopted, types, snapshot.identity, files=folder)
    lease.renew()  # whoever lost the sync must not move the snapshot
    nobody = verdict(pl.DataFrame(schema={"seq": pl.Int64}), None)
    outcomes = pl.concat([nobody, *found.outcomes])
    forgotten = [seq for batch in found.left_out for seq in _forgotten(batch, snapshot, changes)]
    gone = pl.Series(forgotten, dtype=pl.Int64).implode()
    leaves = pl.when(pl.col("seq").is_in(gone)).then(pl.lit("delete")).otherwise(pl.col("op")).alias("op")
    moves = (
        found.rows.then(lambda lazy: lazy.with_columns(leaves, action=pl.lit("upsert"))) if forgotten else found.rows
    )
    settled = outcomes.filter(pl.col("status") == "acknowledged")
    left = verdict(pl.DataFrame({"seq": pl.Series(forgotten, dtype=pl.Int64)}), "acknowledged")
    # Only of an empty snapshot may the changes say where its rows are: they were not compared with any.
    origin = changes.origin if found.rows is changes.rows and not snapshot.rows else None
    done = Settled(entry.run_id, moves, types, pl.concat([settled, left]).sort("seq"), origin)
    # What differs from what was found must be sent, however long ago it changed.
    save_snapshot(session, sync, save_mark(session, sync, snapshot, None, entry.run_id), done)
    files.save_outcomes(sync.name, entry.run_id, outcomes)
    session.finish_files(sync, entry.run_id)


def _forgotten(left_out: pl.DataFrame, snapshot: AnySnapshot, changes: ChangeSet) -> Iterator[int]:
    """Numbers of rows to forget: not those known under another match value, whose record is there, and is to move."""
    keys, match = snapshot.identity.key, snapshot.identity.match
    if left_out.is_empty():
        return
    if not (snapshot.rows and match):
        yield from left_out["seq"]
        return
    names = [f"k:{key}" for key in keys]
    known = snapshot.held(left_out.select(names), changes.types)
    both = left_out.join(known, on=names, how="inner", suffix=":held")
    differs = [pl.col(f"m:{name}").ne_missing(pl.col(f"m:{name}:held")) for name in match]
    moving = both.filter(pl.any_horizontal(differs))
    yield from left_out.join(moving, on="seq", how="anti", maintain_order="left")["seq"]


def _told(sync: Sync, changes: ChangeSet, found: _Found, entry: Entry) -> Adopted:
    told = Adopted(sync.name, changes.model_rows, found.adopted, found.absent, found.ambiguous, changes.invalid)
    entry.settled = told.adopted
    invalid = sum(group.rows for group in changes.invalid)
    more = f", {invalid} invalid" if invalid else ""
    entry.message = f"adopted {told.adopted} rows; {told.absent} absent, {told.ambiguous} ambiguous{more}"
    return told
