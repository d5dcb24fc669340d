"""Snapshots in a warehouse: what `tailrace.snapshot.store` is for files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from tailrace.canonical.convert import convert_rows
from tailrace.errors import SnapshotError
from tailrace.failpoints import reach
from tailrace.pushdown import tables
from tailrace.pushdown.manifest import Manifest, parse
from tailrace.pushdown.tables import Schema
from tailrace.snapshot.mark import KEEP
from tailrace.snapshot.told import Told, under
from tailrace.snapshot.work import Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tailrace.diff.digests import Digests
    from tailrace.pushdown.desk import Desk, Deskful
    from tailrace.snapshot.identity import Identity
    from tailrace.snapshot.mark import Keep, Mark
    from tailrace.snapshot.store import Delivered
    from tailrace.values import LogicalType


STALE: Final = timedelta(days=1)
"""How long an attempt to change a snapshot may take; a table of its that is older, and not known, is nobody's."""


@dataclass(frozen=True)
class WarehouseSnapshot(Told):
    """One generation of a sync's snapshot, in its warehouse; generation 0 is empty and was never saved."""

    identity: Identity
    warehouse: Deskful = field(repr=False)
    schema: Schema
    manifest: Manifest | None = None
    revision: int = 0
    """Counts every change of the manifest."""
    values: Literal["clear"] = "clear"

    @property
    def table(self) -> str:
        """The table of its rows."""
        return self.schema.rows(self.identity, self.manifest)

    def emptied(self) -> WarehouseSnapshot:
        """The same without its rows: the types it pins are all that is left to compare with."""
        return self if self.manifest is None else replace(self, manifest=replace(self.manifest, rows=0))

    def held(self, keys: pl.DataFrame, types: Mapping[str, LogicalType]) -> pl.DataFrame:
        """Keys and match values of the rows with one of these keys (`k:`), which are of those types, under them."""
        names = [*keys.columns, *(f"m:{name}" for name in self.identity.match)]
        with self.warehouse.desk(write=False) as desk:
            return found_by_key(desk, self, keys, types).select(names)

    def owned(self, ids: Collection[str]) -> set[str]:
        """Which of these record ids rows of it have."""
        if self.manifest is None or not self.rows:
            return set()
        with self.warehouse.desk(write=False) as desk:
            return tables.held_ids(desk, self.table, pl.Series(list(ids), dtype=pl.String))

    def frame(self) -> pl.DataFrame:
        """All rows, in memory, in the order of their keys: for what is known to be small."""
        if self.manifest is None or not self.rows:
            return pl.DataFrame(schema={"record_id": pl.String(), "unknown": tables.UNKNOWN})
        with self.warehouse.desk(write=False) as desk:
            frame = pl.concat(tables.read(desk, self.table, self.manifest))
        return frame.sort([name for name in frame.columns if name[:2] == "k:"])


def found_by_key(
    desk: Desk, snapshot: WarehouseSnapshot, keys: pl.DataFrame, types: Mapping[str, LogicalType]
) -> pl.DataFrame:
    """Stored rows with one of these keys; keys and match values are under those types, null where they cannot be."""
    manifest = snapshot.manifest
    names = keys.columns
    if manifest is None or not manifest.rows or keys.is_empty():
        shape = {name: keys.schema[name] for name in names}
        match = {f"m:{name}": pl.String() for name in snapshot.identity.match}
        return pl.DataFrame(schema={**shape, **match, "record_id": pl.String(), "unknown": tables.UNKNOWN})
    there = keys.select(convert_rows(keys[name], types[name], manifest.types[name]).alias(name) for name in names)
    found = tables.read_near(desk, snapshot.table, manifest, there.drop_nulls(), names)
    return under(found.lazy(), manifest.types, types).collect().join(keys, on=names, how="semi")


class WarehouseStore:
    """All snapshots in one schema of a warehouse. Commits of one sync must be serialised by its lease."""

    def __init__(
        self,
        warehouse: Deskful,
        schema: str,
        *,
        work: Workplace | Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._warehouse, self._name = warehouse, schema
        self._work = Workplace.at(work)
        self._clock = clock

    def open(self, identity: Identity) -> WarehouseSnapshot:
        """The latest snapshot; an empty one when there is none."""
        found = self.look(identity)
        if found.manifest is not None and found.manifest.moved:
            raise SnapshotError(
                f"the snapshot of {identity.sync!r} was moved out of the warehouse",
                hint=f"Set snapshots: in tailrace.yml back to a folder or bucket; or move it here again: "
                f"tailrace snapshot move {identity.sync} --to warehouse",
            )
        return found

    def look(self, identity: Identity) -> WarehouseSnapshot:
        """The same, be it that the rows have been moved elsewhere."""
        with self._warehouse.desk(write=False) as desk:
            return self._look(desk, identity)

    def _schema(self, desk: Desk) -> Schema:
        return Schema(self._name, desk.words)

    def _look(self, desk: Desk, identity: Identity) -> WarehouseSnapshot:
        schema = self._schema(desk)
        empty, manifests = WarehouseSnapshot(identity, self._warehouse, schema), schema.manifests(identity)
        if not desk.has_table(schema.name, schema.manifest_name(identity)):
            return empty
        sql = f"SELECT revision, body FROM {manifests} WHERE digest = {desk.words.mark}"  # noqa: S608
        found = desk.rows(sql, [identity.digest])
        if not found:
            return empty
        revision, body = found[0]
        if not body:
            return empty  # held by a run that has yet to write, or broke off
        return replace(empty, manifest=parse(body, manifests, identity), revision=int(revision))

    def commit(
        self,
        snapshot: WarehouseSnapshot,
        delivered: Delivered,
        run_id: str,
        *,
        digests: Digests | None = None,
        mark: Mark | Keep | None = KEEP,
    ) -> WarehouseSnapshot:
        """Save the next generation in one transaction; any error leaves the old one in place."""
        from tailrace.pushdown.commit import Commit  # noqa: PLC0415 - whoever only reads need not load what writes

        assert digests is None  # noqa: S101 - the session refuses values: hashed
        with self._work.scratch() as work:
            begun = self._begun(snapshot, run_id)
            job = Commit(begun, delivered, work)
            with self.moving(snapshot, job.prepare) as desk:
                manifest = job.run(desk)
                manifest = manifest if mark == KEEP else replace(manifest, mark=mark)
                saved = replace(manifest, generation=begun.generation + 1, run_id=run_id, saved_at=self._clock())
                done = self.save(desk, begun, saved)
        reach("manifest.replaced")
        self._swept(snapshot, done)
        return done

    def set_mark(self, snapshot: WarehouseSnapshot, mark: Mark | None, run_id: str) -> WarehouseSnapshot:
        """Save how far the model was read, and nothing else: the generation stays.

        So does the revision, where manifests are compared under a lock: what was planned on it still holds.
        """
        if snapshot.mark == mark:
            return snapshot
        begun = self._begun(snapshot, run_id)
        assert begun.manifest is not None  # noqa: S101 - there is one now
        with self.moving(snapshot) as desk:
            return self.save(desk, begun, replace(begun.manifest, mark=mark), step=1 if desk.words.copy else 0)

    def _swept(self, before: WarehouseSnapshot, now: WarehouseSnapshot) -> None:
        """Drop tables that a commit has left behind, where it could not do so by itself."""
        if not now.schema.words.commits or now.table == before.table:
            return
        with self._warehouse.desk(write=True) as desk:
            if now.schema.words.copy:
                self._retired(desk, before, now)
                return
            for table in tables.left_over(desk, now.schema, now.identity, now.table):
                desk.run(f"DROP TABLE IF EXISTS {table}")

    def _retired(self, desk: Desk, before: WarehouseSnapshot, now: WarehouseSnapshot) -> None:
        """Have the table go that was before, which others may be reading, and what attempts that failed have made.

        Nothing that another run is about to make known, or has made known since: it is young, or is what is known.
        """
        known = {now.table}
        if before.manifest is not None and before.manifest.table:
            known.add(before.table)
            desk.run(desk.words.retire.format(table=before.table))
        stale = tables.abandoned(desk, now.schema, now.identity, self._clock() - STALE)
        if known.issuperset(stale):
            return
        known.add(self._look(desk, now.identity).table)
        for table in stale:
            if table not in known:
                desk.run(f"DROP TABLE IF EXISTS {table}")

    def without(
        self, snapshot: WarehouseSnapshot, keys: pl.DataFrame, types: Mapping[str, LogicalType], run_id: str
    ) -> WarehouseSnapshot:
        """Save the next generation without the rows that have one of these keys."""
        if snapshot.manifest is None or not snapshot.rows:
            return snapshot
        left, copy = self._copied(snapshot)
        table = snapshot.schema.rows(snapshot.identity, left)
        with self.moving(snapshot, copy) as desk:
            gone = tables.remove(desk, table, left, keys, types)
            if not gone:
                if copy is not None:
                    desk.run(f"DROP TABLE IF EXISTS {table}")
                return snapshot
            left = replace(left, rows=snapshot.rows - gone, mark=None)  # the model may have them yet
            saved = replace(left, generation=left.generation + 1, run_id=run_id, saved_at=self._clock())
            done = self.save(desk, snapshot, saved)
        self._swept(snapshot, done)
        return done

    def _copied(self, snapshot: WarehouseSnapshot) -> tuple[Manifest, Callable[[Desk], None] | None]:
        """The manifest of a copy of the rows, and what makes the copy; of the rows themselves where they may change."""
        assert snapshot.manifest is not None  # noqa: S101 - there is something to change
        if not snapshot.schema.words.copy:
            return snapshot.manifest, None
        manifest = replace(snapshot.manifest, table=tables.fresh_name(snapshot.identity))
        return manifest, lambda desk: tables.copy(desk, snapshot.schema, snapshot.table, snapshot.identity, manifest)

    def fill(self, snapshot: WarehouseSnapshot, manifest: Manifest, rows: Iterator[pl.DataFrame]) -> None:
        """Put a whole snapshot that was elsewhere in place of what is here, in one transaction."""
        commits = snapshot.schema.words.commits
        manifest = replace(manifest, table=tables.fresh_name(snapshot.identity) if commits and manifest.columns else "")
        table = snapshot.schema.rows(snapshot.identity, manifest)

        def make(desk: Desk) -> None:
            desk.run(f"DROP TABLE IF EXISTS {table}")
            if manifest.columns:  # else there never was a row, and the first ones make the table
                tables.create(desk, table, manifest)

        with self.moving(snapshot, make) as desk:
            if not commits:
                make(desk)
            filled, number = manifest, 0
            for frame in rows:
                filled = tables.append(desk, table, filled, frame, snapshot.revision + 1)
                number += frame.height
            done = self.save(desk, snapshot, replace(filled, rows=number))
        reach("manifest.replaced")
        self._swept(snapshot, done)

    def leave(self, snapshot: WarehouseSnapshot, where: str) -> None:
        """Remove a snapshot that was moved elsewhere, and leave word of it."""
        assert snapshot.manifest is not None  # noqa: S101 - there is something to leave
        gone = f"DROP TABLE IF EXISTS {snapshot.table}"
        with self.moving(snapshot) as desk:
            if not desk.words.commits:
                desk.run(gone)
            self.save(desk, snapshot, Manifest(*_identifying(snapshot.manifest), types={}, rows=0, moved=where))
        if snapshot.schema.words.commits:
            with self._warehouse.desk(write=True) as desk:
                desk.run(gone)

    def maintain(self, snapshot: WarehouseSnapshot) -> WarehouseSnapshot:
        """Nothing: the warehouse sees to its tables itself."""
        return snapshot

    def forget(self, identity: Identity) -> None:
        """Remove a snapshot; nothing happens when there is none."""
        with self._warehouse.desk(write=True) as desk:
            schema = self._schema(desk)
            if desk.has_table(schema.name, schema.manifest_name(identity)):
                manifests = schema.manifests(identity)
                if desk.words.copy:
                    desk.run(f"DROP TABLE IF EXISTS {manifests}")
                else:
                    desk.run(f"DELETE FROM {manifests} WHERE digest = {desk.words.mark}", [identity.digest])  # noqa: S608
                for table in (schema.rows(identity), *tables.left_over(desk, schema, identity, schema.rows(identity))):
                    desk.run(f"DROP TABLE IF EXISTS {table}")

    def others(self, identity: Identity) -> tuple[Identity, ...]:
        """Identities this sync had before, whose snapshots are still there."""
        with self._warehouse.desk(write=False) as desk:
            schema = self._schema(desk)
            found = [tables.identity_in(body) for body in tables.bodies(desk, schema, identity)]
        return tuple(sorted((item for item in found if item and item != identity), key=lambda item: item.digest))

    @contextmanager
    def moving(self, snapshot: WarehouseSnapshot, make: Callable[[Desk], None] | None = None) -> Iterator[Desk]:
        """A transaction that ends in the next revision of this very snapshot; SnapshotError when it is not the latest.

        Whoever else would write waits until the end, and is then refused. `make` makes tables, where none can be made
        within the transaction: such as nobody else knows of until it has ended.
        """
        with self._warehouse.desk(write=True) as desk:
            schema = self._schema(desk)
            tables.prepare(desk, schema, snapshot.identity)
            if make is not None and desk.words.commits and not desk.words.copy:
                make(desk)
            desk.begin()
            tables.claim(desk, schema, snapshot.identity)
            latest = self._look(desk, snapshot.identity)
            # Not the number alone: after a reset another snapshot may have got so far.
            if (latest.revision, latest.manifest) != (snapshot.revision, snapshot.manifest):
                raise _overtaken(snapshot, latest.revision)
            if make is not None and desk.words.copy:
                make(desk)
            yield desk

    def _begun(self, snapshot: WarehouseSnapshot, run_id: str) -> WarehouseSnapshot:
        """The snapshot with a manifest."""
        if snapshot.manifest is not None:
            return snapshot
        empty = Manifest(snapshot.identity, 0, run_id, self._clock(), {}, 0)
        return replace(snapshot, manifest=empty)

    def save(self, desk: Desk, snapshot: WarehouseSnapshot, manifest: Manifest, *, step: int = 1) -> WarehouseSnapshot:
        """Put a manifest in place of the one that is there; its revision is that many higher."""
        mark, identity, revision = desk.words.mark, snapshot.identity, snapshot.revision + step
        at = f"UPDATE {snapshot.schema.manifests(identity)} SET revision = {mark}, body = {mark}"  # noqa: S608
        values: list[object] = [revision, manifest.to_json(), identity.digest, snapshot.revision]
        if desk.words.unmoved:
            values.append(snapshot.manifest.table if snapshot.manifest is not None else "")
        if desk.run(f"{at} WHERE digest = {mark} AND revision = {mark}{desk.words.unmoved}", values) != 1:
            raise _overtaken(snapshot, None)
        reach("manifest.ready")
        return replace(snapshot, manifest=manifest, revision=revision)


def _identifying(manifest: Manifest) -> tuple[Identity, int, str, datetime]:
    return manifest.identity, manifest.generation, manifest.run_id, manifest.saved_at


def _overtaken(snapshot: WarehouseSnapshot, found: int | None) -> SnapshotError:
    now = "" if found is None else f" (revision {found}, not {snapshot.revision})"
    return SnapshotError(
        f"the snapshot of {snapshot.identity.sync!r} in the warehouse was changed by another run{now}",
        hint="Run it again: what was sent is in the journal, and the next run takes it in.",
    )
