"""Snapshots on disk: `ROOT/SYNC/DIGEST/` with a manifest and one data file per generation.

A commit writes the new data file, then renames the new manifest over the old one: that rename is the
commit. A crash at any point leaves the old snapshot or the new one, and a checksum tells if a file
is not what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tailrace.canonical import dtype, type_of
from tailrace.changes import SnapshotData
from tailrace.errors import SnapshotError
from tailrace.snapshot.files import (
    folder,
    make_folder,
    parquet,
    replace_file,
    sha256_of,
    sync_folder,
    told,
    write_new,
)
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.manifest import NAME, FileEntry, Manifest, damaged, read_manifest
from tailrace.values import LogicalType

__all__ = ["Identity", "Snapshot", "SnapshotStore"]

_FIXED: dict[str, pl.DataType] = {"record_id": pl.String(), "unknown": pl.List(pl.String)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of a sync's snapshot; generation 0 is empty and was never saved."""

    identity: Identity
    folder: Path
    manifest: Manifest | None = None

    @property
    def generation(self) -> int:
        """Counts commits; 0 when there is no snapshot."""
        return self.manifest.generation if self.manifest else 0

    @property
    def run_id(self) -> str | None:
        """The run that saved it."""
        return self.manifest.run_id if self.manifest else None

    @property
    def saved_at(self) -> datetime | None:
        """When it was saved, in UTC."""
        return self.manifest.saved_at if self.manifest else None

    @property
    def types(self) -> Mapping[str, LogicalType]:
        """Pinned types by column. A column in which no row has a value pins nothing, and is absent."""
        return self.manifest.types if self.manifest else {}

    @property
    def rows(self) -> int:
        """Rows in it."""
        return self.manifest.rows if self.manifest else 0

    def frame(self) -> pl.DataFrame:
        """All rows, checksum verified; SnapshotError says which file is damaged and what to do."""
        if self.manifest is None:
            return pl.DataFrame(schema=_FIXED)
        parts = [self._read(entry) for entry in self.manifest.files]
        frame = pl.concat(parts, how="vertical")
        if frame.height != self.manifest.rows:
            raise damaged(self.folder / NAME, f"says {self.rows} rows, found {frame.height}", self.identity.sync)
        return frame

    def data(self) -> SnapshotData | None:
        """What the diff compares with; None when there is no snapshot."""
        return None if self.manifest is None else SnapshotData(self.frame(), self.types)

    def _read(self, entry: FileEntry) -> pl.DataFrame:
        path, sync = self.folder / entry.name, self.identity.sync
        if not path.is_file():
            raise damaged(path, "is missing", sync)
        with told(path, "read"):
            if path.stat().st_size != entry.size:
                raise damaged(path, f"has {path.stat().st_size} bytes, {entry.size} were written", sync)
            if sha256_of(path) != entry.sha256:
                raise damaged(path, "does not match its checksum", sync)
            return pl.read_parquet(path, memory_map=False)


class SnapshotStore:
    """All snapshots under one folder. Commits of one sync must be serialised by its lease."""

    def __init__(self, root: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._root = root
        self._clock = clock

    def open(self, identity: Identity) -> Snapshot:
        """The latest snapshot; an empty one when there is none."""
        place = self._place(identity)
        manifest = read_manifest(place, identity.sync)
        if manifest is not None and manifest.identity != identity:
            raise damaged(place / NAME, "belongs to another sync or account", identity.sync)
        return Snapshot(identity, place, manifest if manifest and manifest.generation else None)

    def commit(
        self, snapshot: Snapshot, frame: pl.DataFrame, types: Mapping[str, LogicalType], run_id: str
    ) -> Snapshot:
        """Save the next generation, durably and at once; SnapshotError leaves the old one in place.

        `types` may leave out columns that are no longer mapped: they keep the type they had.
        """
        self._refuse_stale(snapshot)
        make_folder(snapshot.folder)
        if snapshot.generation == 0:
            self._save(snapshot, Manifest(snapshot.identity, 0, run_id, self._clock(), {}, 0, ()))
        path = snapshot.folder / f"data-{snapshot.generation + 1}.parquet"
        write_new(path, parquet(frame))
        manifest = Manifest(
            identity=snapshot.identity,
            generation=snapshot.generation + 1,
            run_id=run_id,
            saved_at=self._clock(),
            types=_pinned(frame, {**snapshot.types, **types}),
            rows=frame.height,
            files=(_entry(path),),
        )
        self._save(snapshot, manifest)
        _remove_others(snapshot.folder, path)
        return Snapshot(snapshot.identity, snapshot.folder, manifest)

    def forget(self, identity: Identity) -> None:
        """Remove a snapshot, damaged or not; nothing happens when there is none."""
        place = self._place(identity)
        if not place.exists():
            return
        with told(place, "remove"):
            # The manifest goes last: a crash in between is found as damage, not taken for a new sync.
            for path in sorted(place.iterdir(), key=lambda item: item.name == NAME):
                path.unlink()
            place.rmdir()
            sync_folder(place.parent)

    def others(self, identity: Identity) -> tuple[Identity, ...]:
        """Identities this sync had before, whose snapshots are still there; damaged ones are left out."""
        found = [_identity_in(path.parent, identity.sync) for path in self._manifests(identity.sync)]
        return tuple(sorted((item for item in found if item and item != identity), key=lambda item: item.digest))

    def _save(self, snapshot: Snapshot, manifest: Manifest) -> None:
        replace_file(snapshot.folder / NAME, lambda file: file.write(manifest.to_json()))

    def _manifests(self, sync: str) -> list[Path]:
        return list(folder(self._root, sync).glob(f"*/{NAME}"))

    def _place(self, identity: Identity) -> Path:
        return folder(self._root, identity.sync, identity.digest)

    def _refuse_stale(self, snapshot: Snapshot) -> None:
        present = self.open(snapshot.identity).generation
        if present != snapshot.generation:
            raise SnapshotError(
                f"the snapshot of {snapshot.identity.sync!r} is at generation {present}, not {snapshot.generation}: "
                "another run has saved it meanwhile",
                hint="Run the sync again.",
            )


def _entry(path: Path) -> FileEntry:
    with told(path, "read"):
        return FileEntry(path.name, sha256_of(path), path.stat().st_size)


def _identity_in(place: Path, sync: str) -> Identity | None:
    try:
        manifest = read_manifest(place, sync)
    except SnapshotError:
        return None
    return manifest.identity if manifest and manifest.generation else None


def _pinned(frame: pl.DataFrame, types: Mapping[str, LogicalType]) -> dict[str, LogicalType]:
    """Types of the columns that hold a value; one that holds none may take any type later."""
    named = {name: kind for name, kind in frame.schema.items() if name not in _FIXED}
    held = {name: kind for name, kind in named.items() if frame[name].null_count() < frame.height}
    return {name: _agreeing(types.get(name), kind) for name, kind in held.items()}


def _agreeing(logical: LogicalType | None, physical: pl.DataType) -> LogicalType:
    return logical if logical is not None and dtype(logical) == physical else type_of(physical)


def _remove_others(place: Path, keep: Path) -> None:
    # Left-overs cost only space: the manifest no longer names them, and the next commit tries again.
    for path in place.glob("data-*.parquet"):
        if path != keep:
            with suppress(OSError):
                path.unlink()
