"""From outcomes to the next generation, within one transaction: old rows leave their table, and new ones enter.

What a row becomes is told by `tailrace.snapshot.fold`, as it is for snapshots in files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tailrace.canonical.convert import convert_rows
from tailrace.diff.pinning import Pinning
from tailrace.failpoints import reach
from tailrace.pushdown import tables
from tailrace.pushdown.manifest import Manifest
from tailrace.pushdown.partial import Partial
from tailrace.pushdown.store import found_by_key
from tailrace.snapshot.commit import owning, told
from tailrace.snapshot.fold import answers, enter
from tailrace.snapshot.told import under

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk
    from tailrace.pushdown.store import WarehouseSnapshot
    from tailrace.snapshot.store import Delivered
    from tailrace.values import LogicalType

BATCH = 125_000
"""Changes taken in at once."""


@dataclass(slots=True)
class _Taken:
    """What has been taken in so far."""

    ids: list[pl.Series] = field(default_factory=list)
    """Record ids of rows that were inserted."""
    inserted: list[pl.DataFrame] = field(default_factory=list)
    """Match values (`m:`) of rows that were inserted, and may have taken over another's record."""
    claimed: list[pl.DataFrame] = field(default_factory=list)
    """Keys and match values of rows that were inserted, or moved to another one."""
    keys: list[pl.DataFrame] = field(default_factory=list)
    """Keys of all rows that entered."""


class Commit:
    """One commit; the transaction is the caller's."""

    def __init__(self, desk: Desk, snapshot: WarehouseSnapshot, delivered: Delivered, work: Path) -> None:
        assert snapshot.manifest is not None  # noqa: S101 - the store has seen to it
        self._desk, self._delivered, self._work = desk, delivered, work
        self._before, self._manifest, self._table = snapshot, snapshot.manifest, snapshot.table
        self._revision = snapshot.revision + 1
        origin = delivered.origin
        self._origin = origin if origin is not None and origin.revision == snapshot.revision else None
        self._answers = answers(delivered.outcomes)
        self._keys = [f"k:{name}" for name in delivered.spec.key]
        self._matches = [f"m:{name}" for name in delivered.spec.match]
        self._taken = _Taken()

    def run(self) -> Manifest:
        """Take all changes in; gives the manifest that follows, still without number and date."""
        self._make()
        for batch in self._delivered.rows.batches(BATCH):
            self._take(batch.join(self._answers, on="seq", how="semi", maintain_order="left"))
        if self._before.rows:
            self._cede()
        reach("segment.published")
        spec = self._delivered.spec
        folds = self._manifest.folds if self._origin is None else spec.fold_match
        shared = self._share() or (self._origin.shared if self._origin is not None else self._manifest.shared)
        # Counted, not summed up: should somebody have written to the table, the next comparison must not be led astray.
        rows = int(self._desk.rows(f"SELECT count(*) FROM {self._table}")[0][0])  # noqa: S608 - our own name
        return replace(self._manifest, rows=rows, folds=folds, shared=shared)

    def _make(self) -> None:
        """The table, with rows and columns under today's types."""
        types = self._delivered.types
        if not self._manifest.columns:
            self._manifest = self._manifest.typed({n: types[n] for n in (*self._keys, *self._matches)})
            tables.create(self._desk, self._table, self._manifest)
            return
        retyped = {n: kind for n, kind in types.items() if self._manifest.types.get(n, kind) != kind}
        if retyped:
            self._rewrite(retyped)

    def _rewrite(self, retyped: Mapping[str, LogicalType]) -> None:
        """Make the table anew where columns leave their type."""
        manifest = self._manifest
        every = Partial(manifest, self._before.revision, self._work / "rows.parquet")
        with every.file() as file:
            for rows in tables.read(self._desk, self._table, manifest):
                every.add(file, rows)
        lost = frozenset(name for name, kind in retyped.items() if not every.converts(name, kind))
        pinning = Pinning(self._delivered.types, frozenset(retyped), lost, ())
        self._desk.run(f"DROP TABLE {self._table}")
        self._manifest = manifest.typed(retyped)
        tables.create(self._desk, self._table, self._manifest)
        stored = pinning.stored(every.fetch(every.live_places()), manifest.types)
        absent = [pl.lit(None).alias(name) for name in lost if name[:2] == "m:"]
        self._append(stored.with_columns(absent).drop("loc").collect(engine="streaming"))

    def _take(self, batch: pl.DataFrame) -> None:
        """One batch of settled changes."""
        if batch.is_empty():
            return
        types, base = self._delivered.types, self._base(batch)
        kept_types = {**self._manifest.types, **{n: kind for n, kind in types.items() if n[:2] != "f:"}}
        entries = enter(base, batch, self._answers, types=types, old_types=kept_types)
        entered = entries.entered
        if self._before.rows:
            tables.remove(self._desk, self._table, self._manifest, entries.gone, types)
        pinned = {n: types[n] for n in entered.columns if n in types and entered[n].null_count() < len(entered)}
        wider = self._manifest.typed({n: kind for n, kind in pinned.items() if n not in self._manifest.types})
        tables.widen(self._desk, self._table, self._manifest, wider)
        self._manifest = wider
        self._append(entered.drop(name for name in entered.columns if name[:2] == "n:" or name in _OURS))
        self._note(entered, batch, base)

    def _note(self, entered: pl.DataFrame, batch: pl.DataFrame, base: pl.DataFrame) -> None:
        inserts, taken = entered.filter(pl.col("op") == "insert"), self._taken
        taken.keys.append(entered.select(self._keys))
        taken.ids.append(inserts["record_id"].drop_nulls())
        taken.inserted.append(owning(inserts, batch).select(self._matches))
        if self._matches:
            both = [*self._keys, *self._matches]
            taken.claimed.append(entered.select(both).join(base.select(both), on=both, how="anti"))

    def _base(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The snapshot's rows of the batch's keys; keys and match values are under the changes' types."""
        origin = self._origin
        if not self._before.rows or (origin is not None and origin.told):
            return told(batch if self._before.rows else batch.clear()).drop("loc")
        now = replace(self._before, manifest=self._manifest)
        return found_by_key(self._desk, now, batch.select(self._keys), self._delivered.types)

    def _append(self, rows: pl.DataFrame) -> None:
        self._manifest = tables.append(self._desk, self._table, self._manifest, rows, self._revision)

    def _cede(self) -> None:
        """Take away old rows whose record a new key has taken over: a record belongs to one key.

        Where only the match value tells so, a key with a change of its own has moved on, or is about to.
        """
        taken, types = self._taken, self._delivered.types
        ids = pl.concat(taken.ids).unique() if taken.ids else pl.Series(dtype=pl.String)
        entered = pl.concat(taken.keys) if taken.keys else pl.DataFrame()
        if len(ids):
            tables.remove_ids(self._desk, self._table, ids, self._revision)
        matches = pl.concat(taken.inserted).drop_nulls() if taken.inserted else pl.DataFrame()
        if self._matches and matches.height:
            held = self._holding(matches).join(entered, on=self._keys, how="anti")
            own = self._delivered.rows.collect(self._keys)
            gone = held.join(own, on=self._keys, how="anti").select(self._keys)
            tables.remove(self._desk, self._table, self._manifest, gone, types)

    def _holding(self, matches: pl.DataFrame, fold: Sequence[str] = ()) -> pl.DataFrame:
        """Keys and match values of rows in the table that have one of these match values, under the changes' types."""
        manifest, types = self._manifest, self._delivered.types
        values = matches.select(
            convert_rows(matches[name], types[name], manifest.types[name]).alias(name) for name in self._matches
        ).drop_nulls()
        found = tables.read_near(self._desk, self._table, manifest, values, self._matches, fold)
        return under(found.lazy(), manifest.types, types).select(*self._keys, *self._matches).collect()

    def _share(self) -> bool:
        """Whether a row that was there has a match value that another row was given now."""
        spec, taken = self._delivered.spec, self._taken
        if not (self._matches and self._before.rows and taken.claimed) or (spec.match_is_key and not spec.fold_match):
            return False
        claimed = pl.concat(taken.claimed)
        folds = [f"m:{name}" for name in spec.fold_match]
        held = self._holding(claimed.select(self._matches), folds) if claimed.height else claimed
        return held.join(claimed, on=self._keys, how="anti").height > 0


_OURS = ("seq", "op", "doubtful")
