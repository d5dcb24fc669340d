"""From outcomes to the next generation: old rows that are still true, and those that were acknowledged.

Changes are taken in batch by batch, each with the old rows of its keys, by `tailrace.snapshot.fold`. Where
the change set was made from this very snapshot, it says where those are, and the rows that were plainly
inserted stay in the file they were streamed to; otherwise they are found by their keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.diff.columns import match_values
from tailrace.diff.compare import settled
from tailrace.diff.fingerprint import SALT, digest
from tailrace.diff.hashset import HashSet, merged
from tailrace.snapshot.bulk import BulkDraft, bulk_draft
from tailrace.snapshot.fold import answers, enter
from tailrace.snapshot.segments import UNKNOWN, Places
from tailrace.snapshot.writing import NAMES, DeltaWriter, Draft

if TYPE_CHECKING:
    from tailrace.diff.digests import Digests
    from tailrace.rowset import Step
    from tailrace.snapshot.reading import Snapshot
    from tailrace.snapshot.store import Delivered
    from tailrace.values import LogicalType

BATCH = 125_000
"""Changes taken in at once."""


@dataclass(slots=True)
class Moved:
    """What a commit changes of a snapshot."""

    gone: Places
    """Where rows are that are no longer true."""
    drafts: list[Draft]
    pinned: dict[str, LogicalType]
    """Types of columns that hold a value now."""
    shared: bool
    """Whether two rows may now have one match value."""
    named: bool
    """Whether the new rows have names, by the recipe they were compared by."""


@dataclass(slots=True)
class _Taken:
    """What has been taken in so far."""

    gone: list[Places] = field(default_factory=list)
    pinned: dict[str, LogicalType] = field(default_factory=dict)
    ids: list[pl.Series] = field(default_factory=list)
    """Record ids of rows that were inserted."""
    inserted: list[pl.DataFrame] = field(default_factory=list)
    """Match values (`m:`) of rows that were inserted, and may have taken over another's record."""
    claimed: list[pl.DataFrame] = field(default_factory=list)
    """Match values of rows that were inserted, or moved to another one."""


class Commit:
    """One commit. `digests` replace the values of fields where the snapshot may not hold them."""

    def __init__(self, snapshot: Snapshot, delivered: Delivered, work: Path, *, digests: Digests | None) -> None:
        self._snapshot, self._delivered, self._work, self._digests = snapshot, delivered, work, digests
        origin = delivered.origin
        self._origin = origin if origin is not None and origin.revision == snapshot.revision else None
        self._answers = answers(delivered.outcomes)
        self._taken = _Taken()
        self._prefix = f"s{snapshot.revision + 1}"
        self._writer = DeltaWriter(work, self._prefix)
        self._keys = [f"k:{name}" for name in delivered.spec.key]
        self._matches = [f"m:{name}" for name in delivered.spec.match]

    def run(self) -> Moved:
        """Take all changes in."""
        bulk = self._bulk()
        rows = self._delivered.rows if bulk is None else self._delivered.rows.part(bulk=False)
        for batch in rows.batches(BATCH):
            self._take(batch.join(self._answers, on="seq", how="semi", maintain_order="left"))
        self._cede()
        gone = self._gone()
        shared = self._share(gone)
        touched = self._touch(gone)
        drafts = [*self._writer.close(), *([bulk.draft] if bulk else [])]
        return Moved(
            np.concatenate([gone, *touched]), drafts, self._taken.pinned, shared, named=self._origin is not None
        )

    def _bulk(self) -> BulkDraft | None:
        """The plain inserts as a segment of their own, where most of them were acknowledged as sent."""
        origin = self._origin
        if origin is None or self._digests is not None or origin.pinning.retyped:
            return None
        made = bulk_draft(origin, self._answers, self._work, f"{self._prefix}-b")
        if made is not None:
            self._taken.ids.append(made.ids)
            self._taken.pinned |= made.pinned
            rest = self._delivered.rows.part(bulk=True).where(pl.col("seq").is_in(made.rest.implode()))
            for batch in rest.batches() if len(made.rest) else ():
                self._take(batch)
        return made

    def _take(self, batch: pl.DataFrame) -> None:
        """One batch of settled changes."""
        if batch.is_empty():
            return
        base, old_types = self._base(batch)
        entries = enter(
            base.drop("loc"), self._hidden(batch), self._answers, types=self._stored_types, old_types=old_types
        )
        entered = entries.entered
        taken = self._taken
        taken.gone.append(base.join(entries.gone, on=self._keys, how="semi")["loc"].to_numpy())
        types = self._delivered.types
        taken.pinned |= {n: types[n] for n in entered.columns if n in types and entered[n].null_count() < len(entered)}
        inserts = entered.filter(pl.col("op") == "insert")
        taken.ids.append(inserts["record_id"].drop_nulls())
        taken.inserted.append(owning(inserts, batch).select(self._matches))
        taken.claimed.append(self._claims(entered, base))
        self._writer.add(self._named(entered, batch))

    def _base(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Mapping[str, LogicalType]]:
        """The snapshot's rows of the batch's keys, with their places, and under which types they are.

        Keys and match values are under those of the changes already.
        """
        complete = self._origin is not None and self._origin.told
        places = batch["loc"].drop_nulls().to_numpy() if self._origin is not None else self._by_key(batch)
        if complete or not places.size:
            known = told(batch if complete else batch.clear())
            return self._covered(known, self._delivered.types), self._stored_types
        found = self._snapshot.fetch(np.sort(places))
        rows = self._snapshot.under(found, self._delivered.types).collect(engine="streaming")
        types = {**self._snapshot.stored_types, **{n: k for n, k in self._delivered.types.items() if n[:2] != "f:"}}
        if self._digests is not None and self._covers:
            types = {name: self._digests.type if name[:2] == "f:" else kind for name, kind in types.items()}
        return self._covered(rows, self._snapshot.types), types

    @property
    def _covers(self) -> bool:
        """Whether values that are stored in clear are to be digests from now on."""
        return self._digests is not None and self._snapshot.values == "clear"

    def _covered(self, rows: pl.DataFrame, types: Mapping[str, LogicalType]) -> pl.DataFrame:
        """Stored rows as they may be stored from now on."""
        return self._digests.of(rows, types) if self._covers and self._digests is not None else rows

    def _by_key(self, batch: pl.DataFrame) -> Places:
        return self._snapshot.with_keys(batch.select(self._keys), self._delivered.types)

    def _digested(self, values: list[pl.Expr]) -> Step:
        """Stored rows under the changes' types, as the hash of some values."""
        snapshot, types = self._snapshot, self._delivered.types
        return lambda lazy: snapshot.under(lazy, types).select(digest(values).alias("digest"))

    def _hidden(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The changes as the snapshot may hold them."""
        if self._digests is None:
            return batch
        fields = [name for name in batch.columns if name[:2] == "n:"]
        made = [
            self._digests.series(batch[name], self._delivered.types[f"f:{name[2:]}"], f"f:{name[2:]}")
            for name in fields
        ]
        return batch.with_columns(made).with_columns(pl.col(f"o:{name[2:]}").cast(pl.String) for name in fields)

    @property
    def _stored_types(self) -> Mapping[str, LogicalType]:
        """Types of the changes as they are stored."""
        types = self._delivered.types
        if self._digests is None:
            return types
        return {name: self._digests.type if name[:2] == "f:" else kind for name, kind in types.items()}

    def _claims(self, entered: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
        """Match values that a row did not have before."""
        if not self._matches:
            return entered.select(self._matches)
        return (
            entered.select(*self._keys, *self._matches)
            .join(base.select(*self._keys, *self._matches), on=[*self._keys, *self._matches], how="anti")
            .select(self._matches)
        )

    def _named(self, entered: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
        """The rows with their names, where the recipe is known; a row that still needs something has no known one."""
        stored = [n for n in entered.columns if n[:2] in {"k:", "m:", "f:"}]
        if self._origin is None:
            return entered.select(*stored, "record_id", "unknown")
        recipe, types = self._origin.recipe, self._delivered.types
        fields = [name for name in batch.columns if name[:2] == "n:"]
        model = batch.select("seq", *self._keys, *self._matches, *(pl.col(n).alias(f"f:{n[2:]}") for n in fields))
        named = model.select("seq", *recipe.stored(types))
        names = [name for name in NAMES if name in named.columns]
        salt = (
            pl.when(settled(self._delivered.spec) & ~pl.col("doubtful"))
            .then(pl.lit(0, pl.UInt64))
            .otherwise(pl.lit(SALT, pl.UInt64))
        )
        both = entered.join(named, on="seq", how="left", maintain_order="left")
        return both.select(*stored, "record_id", "unknown", *(pl.col(name) + salt for name in names))

    def _cede(self) -> None:
        """Take away old rows whose record a new key has taken over: a record belongs to one key.

        Where only the match value tells so, a key with a change of its own has moved on, or is about to.
        """
        ids = pl.concat(self._taken.ids).drop_nulls() if self._taken.ids else pl.Series(dtype=pl.String)
        if not self._snapshot.rows:
            return
        if len(ids):
            places = self._snapshot.with_ids(ids)
            self._taken.gone.append(places)
        matches = pl.concat(self._taken.inserted) if self._taken.inserted else pl.DataFrame()
        if self._matches and matches.height:
            self._taken.gone.append(self._departed_with(matches.drop_nulls()))

    def _departed_with(self, matches: pl.DataFrame) -> Places:
        """Places of rows with one of these match values, whose keys have no change of their own."""
        if self._origin is not None:
            own = self._delivered.rows.part(bulk=False).collect(["loc"])
            held = self._known(pl.col("op") == "delete").join(own, on="loc", how="anti")
            return held.join(matches, on=self._matches, how="semi")["loc"].to_numpy()
        values = [pl.col(name) for name in self._matches]
        places = self._snapshot.matching(self._matches, self._digested(values), _hashes(matches, values))
        found = self._snapshot.under(self._snapshot.fetch(places, [*self._keys, *self._matches]), self._delivered.types)
        own = self._delivered.rows.collect(self._keys)
        rows = found.collect().join(own, on=self._keys, how="anti").join(matches, on=self._matches, how="semi")
        return rows["loc"].to_numpy()

    def _known(self, condition: pl.Expr) -> pl.DataFrame:
        """`loc` and match values of stored rows: those of some changes, and those that have none."""
        assert self._origin is not None  # noqa: S101 - callers have seen to it
        changes = self._origin.rows.part(bulk=False).where(condition)
        named = [pl.col(f"o{name}").alias(name) for name in self._matches]
        known = changes.collect(["loc", *named])
        left = self._origin.left.collect()
        return pl.concat([known, left], how="diagonal_relaxed") if left.height else known

    def _share(self, gone: Places) -> bool:
        """Whether a row that stays has a match value that another row was given now."""
        claimed = pl.concat(self._taken.claimed) if self._taken.claimed else pl.DataFrame()
        if not self._matches or claimed.is_empty() or not self._snapshot.rows:
            return False
        spec = self._delivered.spec
        values = match_values("m", spec.match, spec.fold_match, claimed.schema)
        wanted = _hashes(claimed, values)
        if self._origin is None:
            places = self._snapshot.matching(self._matches, self._digested(values), wanted)
        else:
            held = self._known(pl.col("loc").is_not_null())
            hashes = held.select(digest(values).fill_null(0)).to_series().to_numpy()
            places = held["loc"].to_numpy()[wanted.contains(hashes)]
        return bool(merged([places], without=gone).size)

    def _touch(self, gone: Places) -> list[Places]:
        """Give rows that need nothing the name under which the model has them now; gives where they were."""
        left = []
        if self._origin is not None and self._origin.names is not None:
            for batch in self._origin.touched.batches():
                rows = batch.filter(~pl.col("loc").is_in(pl.Series(gone).implode()))
                self._writer.add(self._covered(rows.drop("loc"), self._snapshot.types))
                left.append(rows["loc"].to_numpy())
        return left

    def _gone(self) -> Places:
        return merged(self._taken.gone)


def owning(inserts: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """Inserted rows whose record may have been there before: those that were created have one of their own."""
    if "action" not in batch.columns:
        return inserts
    return inserts.join(batch.filter(pl.col("action") == "create"), on="seq", how="anti")


def told(batch: pl.DataFrame) -> pl.DataFrame:
    """The old rows, from what the changes say of them: all of it, where no field is unknown or no longer mapped."""
    known = batch.filter(pl.col("loc").is_not_null()) if "loc" in batch.columns else batch.clear()
    return known.with_columns(loc=pl.lit(None, pl.UInt64) if "loc" not in batch.columns else pl.col("loc")).select(
        *(name for name in batch.columns if name[:2] == "k:"),
        *(pl.col(name).alias(name[1:]) for name in batch.columns if name[:3] == "om:"),
        *(pl.col(name).alias(f"f:{name[2:]}") for name in batch.columns if name[:2] == "o:"),
        "record_id",
        pl.lit([], dtype=UNKNOWN).alias("unknown"),
        "loc",
    )


def _hashes(frame: pl.DataFrame, values: list[pl.Expr]) -> HashSet:
    return HashSet(frame.select(digest(values)).to_series().drop_nulls().to_numpy().copy())
