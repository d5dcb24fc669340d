"""The difference between the model's rows and what the destination last acknowledged. Pure."""

from __future__ import annotations

from tailrace.canonical import CanonicalRows
from tailrace.changes import ChangeSet, DiffSpec, SnapshotData
from tailrace.diff.align import align
from tailrace.diff.compare import changed_rows
from tailrace.diff.departed import departed_rows
from tailrace.diff.frame import change_frame
from tailrace.diff.invalid import occupied, set_aside

__all__ = ["SnapshotData", "diff"]


def diff(rows: CanonicalRows, snapshot: SnapshotData | None, spec: DiffSpec, *, full: bool = False) -> ChangeSet:
    """Compare the model's rows with a snapshot.

    Changes come in the order of their keys, deletes last. With `full` every field of every row is
    taken as unknown, so that all is sent again. SnapshotError when the key changed its type in a
    way that leaves nothing to compare by.
    """
    sides = align(rows, snapshot, spec)
    checked = set_aside(sides.new, sides.types, spec)
    known, changed = changed_rows(checked.valid, sides, spec, full=full)
    departed = departed_rows(sides.new, checked, sides.old, spec)
    return ChangeSet(
        frame=change_frame(changed, departed, sides, spec),
        types=sides.types,
        model_rows=rows.frame.height,
        snapshot_rows=sides.old.height,
        unchanged=known - changed.filter(changed["op"] == "update").height,
        invalid=checked.invalid,
        occupied=occupied(checked, sides.old, spec),
        events=(*rows.events, *sides.events),
    )
