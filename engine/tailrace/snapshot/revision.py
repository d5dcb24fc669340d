"""The manifest that follows another: which segments stay, which rows of them are still live, what is new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tailrace.canonical.types import dtype
from tailrace.diff.known import may_share
from tailrace.diff.pinning import Pinning
from tailrace.snapshot.compaction import merged
from tailrace.snapshot.manifest import NAME, Garbage, Manifest, Segment, is_ours
from tailrace.snapshot.naming import naming_of, secret_tag, stored_names
from tailrace.snapshot.writing import publish_segment_file, write_live

if TYPE_CHECKING:
    from tailrace.diff.digests import Digests
    from tailrace.rowset import Step
    from tailrace.snapshot.commit import Moved
    from tailrace.snapshot.naming import NameFile
    from tailrace.snapshot.reading import Snapshot
    from tailrace.snapshot.segments import Places
    from tailrace.snapshot.store import Delivered
    from tailrace.values import LogicalType


def committed(snapshot: Snapshot, delivered: Delivered, moved: Moved, work: Path, digests: Digests | None) -> Manifest:
    """The manifest after a commit, still without number and date."""
    old = _of(snapshot)
    origin = delivered.origin if moved.named else None
    names = origin.names if origin is not None else None
    step = _rewriting(snapshot, delivered, digests)
    retyped = {n: kind for n, kind in delivered.types.items() if n in old.types and old.types[n] != kind}
    if step is None:
        kept = without(snapshot, moved.gone, work, names.made if names is not None else {})
    else:
        # Digests in place of values leave the names of the rows as they are; values of another type do not.
        files = [names[at] for at in range(len(snapshot.readers))] if names is not None and not retyped else None
        kept = _rewritten(snapshot, moved.gone, work, step, files)
    segments = (*kept, *(draft.publish(snapshot.place) for draft in moved.drafts))
    naming = naming_of(origin.recipe) if origin is not None else old.naming
    return replace(
        old,
        types={**old.types, **retyped, **moved.pinned},
        segments=segments,
        naming=naming,
        values="clear" if digests is None else "hashed",
        secret=secret_tag(digests.key) if digests is not None else "",
        shared=moved.shared or may_share(snapshot, delivered.spec, origin),
    )


def without(
    snapshot: Snapshot, gone: Places, work: Path, made: Mapping[str, Path] | None = None
) -> tuple[Segment, ...]:
    """The segments less the rows at some places; `made` are new names of their rows, by segment."""
    return tuple(_still_live(snapshot, gone, work, made or {}))


def advanced(snapshot: Snapshot, manifest: Manifest, run_id: str, at: datetime) -> Manifest:
    """The manifest as the next generation."""
    return _numbered(snapshot, replace(manifest, generation=manifest.generation + 1, run_id=run_id, saved_at=at), at)


def compacted(snapshot: Snapshot, segments: Collection[Segment], work: Path, at: datetime) -> Manifest:
    """The manifest with some segments merged into one."""
    old = _of(snapshot)
    positions = [position for position, segment in enumerate(old.segments) if segment in segments]
    readers = snapshot.readers
    names = stored_names(readers, wide=old.naming.wide) if old.naming else None
    draft = merged(snapshot, positions, work, f"s{old.revision + 1}-m", names=names)
    kept = [segment for segment in old.segments if segment not in segments]
    merged_one = [draft.publish(snapshot.place)] if draft.rows else []
    return _numbered(snapshot, replace(old, segments=(*kept, *merged_one)), at)


def _numbered(snapshot: Snapshot, manifest: Manifest, at: datetime) -> Manifest:
    """The next revision; files of ours that it does not name become garbage: what crashes left there."""
    old = _of(snapshot)
    named = {NAME, *(file.name for file in manifest.files), *(item.name for item in manifest.garbage)}
    dropped = [Garbage(name, at) for name in snapshot.place.names() if name not in named and is_ours(name)]
    return replace(
        manifest,
        revision=old.revision + 1,
        rows=sum(segment.live_rows for segment in manifest.segments),
        garbage=(*manifest.garbage, *dropped),
    )


def _of(snapshot: Snapshot) -> Manifest:
    assert snapshot.manifest is not None  # noqa: S101 - callers have seen to it
    return snapshot.manifest


def _still_live(snapshot: Snapshot, gone: Places, work: Path, made: Mapping[str, Path]) -> Iterator[Segment]:
    for reader in snapshot.readers:
        segment = reader.segment
        dead = snapshot.rows_in(gone, reader.position)
        if dead.size:
            live = reader.live()
            live = np.ones(segment.rows, np.bool_) if live is None else live.copy()
            live[dead] = False
            left = int(live.sum())
            if not left:
                continue
            path = write_live(work / f"{segment.id}.live", live)
            entry = publish_segment_file(snapshot.place, segment.id, "live", path)
            segment = replace(segment, live=entry, live_rows=left)
        if segment.id in made:
            entry = publish_segment_file(snapshot.place, segment.id, "names", made[segment.id])
            segment = replace(segment, names=entry)
        yield segment


def _rewriting(snapshot: Snapshot, delivered: Delivered, digests: Digests | None) -> Step | None:
    """What makes of stored rows such as are stored from now on; None where they are so already."""
    types = snapshot.types
    retyped = [name for name, kind in delivered.types.items() if types.get(name, kind) != kind]
    hides = digests is not None and snapshot.values == "clear" and snapshot.rows
    if not retyped and not hides:
        return None
    pinning = delivered.origin.pinning if delivered.origin else _convertible(snapshot, delivered, retyped)

    def rewrite(rows: pl.LazyFrame) -> pl.LazyFrame:
        made = pinning.stored(rows, types)
        return _digested(made, digests, {**types, **delivered.types}) if digests is not None and hides else made

    return rewrite


def _convertible(snapshot: Snapshot, delivered: Delivered, retyped: Sequence[str]) -> Pinning:
    lost = frozenset(name for name in retyped if not snapshot.converts(name, delivered.types[name]))
    fixed = frozenset(name for name in snapshot.types if snapshot.stored_types[name] != snapshot.types[name])
    return Pinning(delivered.types, frozenset(retyped), lost, (), fixed)


def _digested(rows: pl.LazyFrame, digests: Digests, types: Mapping[str, LogicalType]) -> pl.LazyFrame:
    def hide(name: str) -> Callable[[pl.Series], pl.Series]:
        return lambda values: digests.series(values, types[name], name)

    fields = [name for name in rows.collect_schema().names() if name.startswith("f:")]
    return rows.with_columns(
        pl.col(name).map_batches(hide(name), return_dtype=dtype(digests.type), is_elementwise=True) for name in fields
    )


def _rewritten(
    snapshot: Snapshot, gone: Places, work: Path, step: Step, names: Sequence[NameFile] | None
) -> tuple[Segment, ...]:
    positions = range(len(snapshot.readers))
    identity = f"s{snapshot.revision + 1}-w"
    draft = merged(snapshot, positions, work, identity, names=names, without=gone, step=step)
    return (draft.publish(snapshot.place),) if draft.rows else ()
