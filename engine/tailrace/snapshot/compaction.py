"""Writes the live rows of some segments as one: after many small runs, or when much of a file is dead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.diff import hashset
from tailrace.snapshot.files import told
from tailrace.snapshot.naming import write_names
from tailrace.snapshot.writing import GROUP_ROWS, PARQUET, Draft, joined

if TYPE_CHECKING:
    from tailrace.diff.hashset import Hashes
    from tailrace.rowset import Step
    from tailrace.snapshot.manifest import Manifest, Segment
    from tailrace.snapshot.naming import NameFile
    from tailrace.snapshot.reading import Snapshot
    from tailrace.snapshot.segments import Places

MANY = 12
"""So many segments are merged, but for those that hold most of the rows."""
DEAD = 0.25
"""The share of dead rows at which everything is written anew."""
SMALL = 100_000
"""Below so many rows, writing everything anew costs next to nothing."""


def due(manifest: Manifest) -> tuple[Segment, ...]:
    """The segments to merge now; none when it does not pay."""
    segments = manifest.segments
    rows = sum(segment.rows for segment in segments)
    if len(segments) < 2 and rows == manifest.rows:  # noqa: PLR2004 - one whole segment is as good as it gets
        return ()
    if rows - manifest.rows > DEAD * rows or (rows <= SMALL and len(segments) > MANY // 3):
        return segments
    if len(segments) <= MANY:
        return ()
    # The largest ones stay, so that a row is written again only when as many others have joined it.
    return tuple(segment for segment in segments if segment.live_rows * 4 < manifest.rows)


def merged(
    snapshot: Snapshot,
    positions: Sequence[int],
    work: Path,
    identity: str,
    *,
    names: Sequence[NameFile] | None,
    without: Places | None = None,
    step: Step | None = None,
) -> Draft:
    """One segment of the live rows of others, less those at some places; `step` makes of stored columns others.

    Without `names` the rows get none: they are made when they are needed.
    """
    readers = [snapshot.readers[position] for position in positions]
    places = snapshot.live_places(readers)
    kept = places if without is None else hashset.merged([places], without=without)
    rows = snapshot.fetch(kept).drop("loc")
    if not any(reader.may_lack(snapshot.columns) for reader in readers) and step is None:
        rows = rows.drop("unknown")
    files = {"values": work / f"{identity}.values"}
    with told(files["values"], "write"):
        (rows if step is None else step(rows)).sink_parquet(files["values"], row_group_size=GROUP_ROWS, **PARQUET)
    if names is not None:
        files["names"] = work / f"{identity}.names"
        write_names(files["names"], _names(snapshot, positions, names, kept))
    return Draft(identity, int(kept.size), int(kept.size), files)


def _names(snapshot: Snapshot, positions: Sequence[int], names: Sequence[NameFile], kept: Places) -> list[Hashes]:
    lanes: list[list[Hashes]] = [[], []]
    for position in positions:
        rows = snapshot.rows_in(kept, position)
        for lane, values in zip(lanes, (names[position].first(), names[position].second()), strict=True):
            if values is not None:
                lane.append(values[rows])
    return [joined(lane) for lane in lanes if lane]
