"""Snapshots as they are kept: `SYNC/DIGEST/` with a manifest, and segments that never change.

A commit writes new files, then puts the new manifest in place of the old one: that is the commit. A crash
at any point leaves the old snapshot or the new one, and a checksum tells if a file is not what was written.
"""

# ruff: noqa: PLC0415 - whoever only reads a snapshot need not load what writes one
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrace.errors import SnapshotError
from tailrace.failpoints import reach
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.manifest import NAME, Manifest, damaged, parse_manifest
from tailrace.snapshot.mark import KEEP
from tailrace.snapshot.reading import Snapshot
from tailrace.snapshot.storage import LocalStorage, Place, Storage, checked_name
from tailrace.snapshot.work import Workplace

if TYPE_CHECKING:
    import polars as pl

    from tailrace.changes import DiffSpec
    from tailrace.diff.digests import Digests
    from tailrace.diff.known import Origin
    from tailrace.rowset import Rows
    from tailrace.snapshot.mark import Keep, Mark
    from tailrace.snapshot.segments import Places
    from tailrace.values import LogicalType

__all__ = ["Delivered", "Identity", "Snapshot", "SnapshotStore"]

MOVED: Final = "moved"
"""A file that says where a snapshot was moved to."""
GRACE: Final = timedelta(hours=1)
"""How long files that no row needs any more stay, for readers that began before."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Changes, and what became of them."""

    rows: Rows
    types: Mapping[str, LogicalType]
    outcomes: pl.DataFrame
    """seq, status, record_id, code, message."""
    spec: DiffSpec
    origin: Origin | None = None
    """What the changes were made from; None where the rows come from elsewhere."""


class SnapshotStore:
    """All snapshots in one storage. Commits of one sync must be serialised by its lease.

    `work` is for files in the making; on the disk of the snapshots, nothing is copied.
    """

    def __init__(
        self,
        storage: Storage | str | Path,
        *,
        work: Workplace | Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = LocalStorage(storage) if isinstance(storage, str | Path) else storage
        self._work = Workplace.at(work)
        self._clock = clock

    def open(self, identity: Identity) -> Snapshot:
        """The latest snapshot; an empty one when there is none."""
        place = Place(self._storage, identity.sync, identity.digest)
        source = place.read(NAME)
        if source is None:
            _refuse_moved(place, identity.sync)
            _refuse_orphans(place, identity.sync)
            return Snapshot(identity, place)
        manifest = parse_manifest(source, place.path(NAME), identity.sync)
        if manifest.identity != identity:
            raise damaged(place.path(NAME), "belongs to another sync or account", identity.sync)
        return Snapshot(identity, place, manifest, source)

    def commit(
        self,
        snapshot: Snapshot,
        delivered: Delivered,
        run_id: str,
        *,
        digests: Digests | None = None,
        mark: Mark | Keep | None = KEEP,
    ) -> Snapshot:
        """Save the next generation, durably and at once; SnapshotError leaves the old one in place.

        `digests` stand for the values of fields where those may not be kept. `mark` is that of the new generation.
        """
        from tailrace.snapshot.commit import Commit
        from tailrace.snapshot.revision import advanced, committed

        with self._work.scratch() as work:
            begun = self._begun(snapshot, run_id)
            moved = Commit(begun, delivered, work, digests=digests).run()
            manifest = committed(begun, delivered, moved, work, digests)
            manifest = manifest if mark == KEEP else replace(manifest, mark=mark)
            saved = self._save(begun, advanced(begun, manifest, run_id, self._clock()))
            return self._maintained(saved, work)

    def set_mark(self, snapshot: Snapshot, mark: Mark | None, run_id: str) -> Snapshot:
        """Save how far the model was read, and nothing else: neither generation nor revision moves."""
        if snapshot.mark == mark:
            return snapshot
        begun = self._begun(snapshot, run_id)
        return self._save(begun, replace(_manifest(begun), mark=mark))

    def drop(self, snapshot: Snapshot, places: Places, run_id: str) -> Snapshot:
        """Save the next generation without the rows at some places, and without a mark: the model may have them yet."""
        from tailrace.snapshot.revision import advanced, without

        with self._work.scratch() as work:
            manifest = replace(_manifest(snapshot), segments=without(snapshot, places, work), mark=None)
            return self._save(snapshot, advanced(snapshot, manifest, run_id, self._clock()))

    def without(
        self, snapshot: Snapshot, keys: pl.DataFrame, types: Mapping[str, LogicalType], run_id: str
    ) -> Snapshot:
        """Save the next generation without the rows that have one of these keys (`k:`), which are of those types."""
        places = snapshot.with_keys(keys, types)
        return self.drop(snapshot, places, run_id) if places.size else snapshot

    def leave(self, identity: Identity, where: str) -> None:
        """Remove a snapshot that was moved elsewhere, and leave word of it."""
        place = Place(self._storage, identity.sync, identity.digest)
        place.replace(MOVED, where.encode(), was=place.read(MOVED))
        # The manifest goes first: what says where the rows are now must not be contradicted by it.
        place.remove(sorted((name for name in place.names() if name != MOVED), key=lambda name: name != NAME))

    def holds(self, identity: Identity) -> bool:
        """Whether there is a snapshot, damaged or not."""
        return Place(self._storage, identity.sync, identity.digest).read(NAME) is not None

    def renumber(self, snapshot: Snapshot, generation: int, run_id: str, saved_at: datetime) -> Snapshot:
        """The same content under the number, run and date that it had elsewhere."""
        manifest = replace(_manifest(snapshot), generation=generation, run_id=run_id, saved_at=saved_at)
        return self._save(snapshot, replace(manifest, revision=manifest.revision + 1))

    def maintain(self, snapshot: Snapshot) -> Snapshot:
        """Merge segments where it pays, and remove what nobody needs any more. The content stays the same."""
        if snapshot.manifest is None:
            return snapshot
        with self._work.scratch() as work:
            return self._maintained(snapshot, work)

    def forget(self, identity: Identity) -> None:
        """Remove a snapshot, damaged or not; nothing happens when there is none."""
        place = Place(self._storage, identity.sync, identity.digest)
        # The manifest goes last: a crash in between is found as damage, not taken for a new sync.
        place.remove(sorted(place.names(), key=lambda name: name == NAME))

    def others(self, identity: Identity) -> tuple[Identity, ...]:
        """Identities this sync had before, whose snapshots are still there; damaged ones are left out."""
        found = [self._identity_at(identity.sync, digest) for digest in self._digests(identity.sync)]
        return tuple(sorted((item for item in found if item and item != identity), key=lambda item: item.digest))

    def _begun(self, snapshot: Snapshot, run_id: str) -> Snapshot:
        """The snapshot with a manifest: an empty one is written before any data, so that data are never without."""
        if snapshot.manifest is not None:
            return snapshot
        return self._save(snapshot, Manifest(snapshot.identity, 0, 0, run_id, self._clock(), {}, 0))

    def _save(self, snapshot: Snapshot, manifest: Manifest) -> Snapshot:
        data = manifest.to_json()
        reach("manifest.ready")
        snapshot.place.replace(NAME, data, was=snapshot.source)
        reach("manifest.replaced")
        return Snapshot(snapshot.identity, snapshot.place, manifest, data)

    def _maintained(self, snapshot: Snapshot, work: Path) -> Snapshot:
        from tailrace.snapshot.compaction import due
        from tailrace.snapshot.revision import compacted

        manifest = _manifest(snapshot)
        segments = due(manifest)
        if segments:
            snapshot = self._save(snapshot, compacted(snapshot, segments, work, self._clock()))
            reach("compaction.done")
        return self._collected(snapshot)

    def _collected(self, snapshot: Snapshot) -> Snapshot:
        """Remove files that no row has needed for a while."""
        manifest = _manifest(snapshot)
        before = self._clock() - GRACE
        old = [item for item in manifest.garbage if item.since <= before]
        if not old:
            return snapshot
        snapshot.place.remove(item.name for item in old)
        left = tuple(item for item in manifest.garbage if item.since > before)
        return self._save(snapshot, replace(manifest, revision=manifest.revision + 1, garbage=left))

    def _digests(self, sync: str) -> list[str]:
        names = self._storage.names(f"{checked_name(sync)}/")
        return [parts[1] for parts in (name.split("/") for name in names) if len(parts) == _DEPTH and parts[2] == NAME]

    def _identity_at(self, sync: str, digest: str) -> Identity | None:
        place = Place(self._storage, sync, digest)
        try:
            manifest = parse_manifest(place.read(NAME) or b"", place.path(NAME), sync)
        except SnapshotError:
            return None
        return manifest.identity if manifest.generation else None


_DEPTH = 3


def _manifest(snapshot: Snapshot) -> Manifest:
    assert snapshot.manifest is not None  # noqa: S101 - callers have seen to it
    return snapshot.manifest


def _refuse_moved(place: Place, sync: str) -> None:
    where = place.read(MOVED)
    if where is not None:
        raise SnapshotError(
            f"the snapshot of {sync!r} was moved to the {where.decode()}",
            hint=f"Set snapshots: {where.decode()} in tailrace.yml; or move it back: tailrace snapshot move {sync} "
            "--to local",
        )


def _refuse_orphans(place: Place, sync: str) -> None:
    # The first commit writes an empty manifest before any data, so that this is never a mere crash.
    if any(name.endswith((".parquet", ".names")) for name in place.names()):
        raise damaged(place.path(NAME), "is missing, though data files are there", sync)
