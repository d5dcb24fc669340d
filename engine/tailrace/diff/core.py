"""The difference between some rows of the model and some of a snapshot, both in memory. Pure.

It is exact for rows that concern no other row: `tailrace.diff.engine` brings what belongs together
into memory together, and calls it for each part.
"""

from __future__ import annotations

from tailrace.canonical import CanonicalRows
from tailrace.changes import Difference, DiffSpec, SnapshotData
from tailrace.diff.align import align
from tailrace.diff.compare import changed_rows
from tailrace.diff.departed import departed_rows
from tailrace.diff.frame import change_frame
from tailrace.diff.invalid import occupied, set_aside


def difference(rows: CanonicalRows, snapshot: SnapshotData | None, spec: DiffSpec, *, full: bool = False) -> Difference:
    """Compare the model's rows with a snapshot.

    Changes come in the order of their keys, deletes last. With `full` every field of every row is
    taken as unknown, so that all is sent again. SnapshotError when the key changed its type in a
    way that leaves nothing to compare by.

    Rows may carry `row`, those of the snapshot `loc`: numbers that the result carries on.
    """
    sides = align(rows, snapshot, spec)
    checked = set_aside(sides.new, sides.types, spec)
    known, changed, same = changed_rows(checked.valid, sides, spec, full=full)
    departed = departed_rows(sides.new, checked, sides.old, spec)
    return Difference(
        frame=change_frame(changed, departed, sides, spec),
        types=sides.types,
        model_rows=rows.frame.height,
        snapshot_rows=sides.old.height,
        unchanged=known - changed.filter(changed["op"] == "update").height,
        invalid=checked.invalid,
        occupied=occupied(checked, sides.old, spec),
        events=(*rows.events, *sides.events),
        same=same,
    )
