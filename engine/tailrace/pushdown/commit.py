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
from tailrace.canonical.types import dtype
from tailrace.diff.known import may_share
from tailrace.diff.pinning import Pinning
from tailrace.failpoints import reach
from tailrace.pushdown import tables
from tailrace.pushdown.manifest import Manifest
from tailrace.pushdown.partial import Partial
from tailrace.pushdown.store import found_by_key
from tailrace.pushdown.tables import fresh_name
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

    _desk: Desk

    def __init__(self, snapshot: WarehouseSnapshot, delivered: Delivered, work: Path) -> None:
        assert snapshot.manifest is not None  # noqa: S101 - the store has seen to it
        self._delivered, self._work = delivered, work
        self._before, self._manifest, self._table = snapshot, snapshot.manifest, snapshot.table
        self._revision = snapshot.revision + 1
        origin = delivered.origin
        self._origin = origin if origin is not None and origin.revision == snapshot.revision else None
        self._answers = answers(delivered.outcomes)
        self._keys = [f"k:{name}" for name in delivered.spec.key]
        self._matches = [f"m:{name}" for name in delivered.spec.match]
        self._taken = _Taken()
        self._wide: Manifest | None = None
        """What the table that was prepared is for; None where none was."""
        self._copied = False
        """Whether that table has the rows that there are."""

    def prepare(self, desk: Desk) -> None:
        """Make a table of another shape where rows need one, before the transaction; nobody knows of it until its end.

        It has a column for each field that may get a value, as none can be added on the way. Where rows never change
        in their table, there is one in any case.
        """
        manifest, types = self._manifest, self._delivered.types
        wide = manifest.typed(self._retyped())
        wide = wide.typed({name: types[name] for name in self._valued() if name not in wide.types})
        alike = wide.columns == manifest.columns and wide.types == manifest.types
        if alike and not (desk.words.copy and wide.columns):
            return
        before, self._copied = self._before, alike
        self._wide = replace(wide, table=fresh_name(before.identity))
        if alike:
            tables.copy(desk, before.schema, before.table, before.identity, self._wide)
        else:
            tables.create(desk, before.schema.rows(before.identity, self._wide), self._wide)

    def run(self, desk: Desk) -> Manifest:
        """Take all changes in; gives the manifest that follows, still without number and date."""
        self._desk = desk
        self._make()
        for batch in self._delivered.rows.batches(BATCH):
            self._take(batch.join(self._answers, on="seq", how="semi", maintain_order="left"))
        if self._before.rows:
            self._cede()
        reach("segment.published")
        spec = self._delivered.spec
        folds = self._manifest.folds if self._origin is None else spec.fold_match
        shared = self._share() or may_share(self._manifest, spec, self._origin)
        # Counted, not summed up: should somebody have written to the table, the next comparison must not be led astray.
        count = f"SELECT count(*) FROM {self._table}"  # noqa: S608 - our own name
        rows = int(self._desk.rows(count)[0][0]) if self._manifest.columns else 0
        return replace(self._manifest, rows=rows, folds=folds, shared=shared)

    def _valued(self) -> list[str]:
        """Columns that a change which was answered has a value of, old or new."""
        found: set[str] = set()
        for batch in self._delivered.rows.batches(BATCH):
            some = batch.join(self._answers, on="seq", how="semi")
            found |= {name for name in some.columns if some[name].null_count() < some.height}
        seen = {f"f:{name[2:]}" if name[:2] in {"n:", "o:"} else name for name in found}
        return sorted(seen & self._delivered.types.keys(), key=lambda name: ("kmf".index(name[0]), name))

    def _retyped(self) -> dict[str, LogicalType]:
        known = self._manifest.types
        return {name: kind for name, kind in self._delivered.types.items() if known.get(name, kind) != kind}

    def _make(self) -> None:
        """The table, with rows under today's types; the first rows make it."""
        retyped = self._retyped()
        if self._wide is not None:
            self._move(self._wide, retyped)
        elif retyped:
            stored = self._converted(retyped)
            self._desk.run(f"DROP TABLE {self._table}")
            self._manifest = self._manifest.typed(retyped)
            tables.create(self._desk, self._table, self._manifest)
            self._keep(stored)

    def _move(self, wide: Manifest, retyped: Mapping[str, LogicalType]) -> None:
        """Take the rows that there are to the table that was prepared."""
        before, old = self._manifest, self._table
        stored = self._converted(retyped) if retyped and before.columns else None
        self._manifest, self._table = wide, self._before.schema.rows(self._before.identity, wide)
        if self._copied:
            return
        if stored is not None:
            self._keep(stored)
        elif before.columns:
            columns = ", ".join([*before.columns.values(), *tables.FIXED, "revision"])
            self._desk.run(f"INSERT INTO {self._table} ({columns}) SELECT {columns} FROM {old}")  # noqa: S608

    def _keep(self, stored: pl.DataFrame) -> None:
        # Under the number that they had at most: rows of this commit's own are told from them by it.
        revision = self._before.revision
        self._manifest = tables.append(self._desk, self._table, self._manifest, stored, revision)

    def _converted(self, retyped: Mapping[str, LogicalType]) -> pl.DataFrame:
        """All rows, where columns leave their type."""
        manifest = self._manifest
        every = Partial(manifest, self._before.revision, self._work / "rows.parquet")
        with every.file() as file:
            for rows in tables.read(self._desk, self._table, manifest):
                every.add(file, rows)
        lost = frozenset(name for name, kind in retyped.items() if not every.converts(name, kind))
        pinning = Pinning(self._delivered.types, frozenset(retyped), lost, ())
        stored = pinning.stored(every.fetch(every.live_places()), manifest.types)
        absent = [pl.lit(None).alias(name) for name in lost if name[:2] == "m:"]
        return stored.with_columns(absent).drop("loc").collect(engine="streaming")

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
        if not pinned:
            return  # without a key there is no row
        wider = self._manifest.typed({n: kind for n, kind in pinned.items() if n not in self._manifest.types})
        if self._manifest.columns:
            tables.widen(self._desk, self._table, self._manifest, wider)
        else:
            tables.create(self._desk, self._table, wider)
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
        if not manifest.columns.keys() >= {*self._matches}:
            return pl.DataFrame(schema={name: dtype(types[name]) for name in (*self._keys, *self._matches)})
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
