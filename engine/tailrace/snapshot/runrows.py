"""The rows of a run, as files: one of all rows, but for plain inserts that have a file of their own already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tailrace.diff.changefiles import BITS, PLAIN, Bulk, bulk_rows, write_bits, write_rows
from tailrace.errors import SnapshotError
from tailrace.rowset import Rows
from tailrace.snapshot.files import told
from tailrace.snapshot.segments import digest_of
from tailrace.snapshot.storage import checked_name
from tailrace.snapshot.writing import publish

if TYPE_CHECKING:
    from tailrace.snapshot.storage import Place
    from tailrace.values import LogicalType

CHANGES, WRITTEN = "changes.parquet", "written.parquet"
"""The rows as they were planned; and without what their fields held."""
FIRST = 1
"""The format of runs that have all their rows in one file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of a run's rows."""

    flat: int | None
    """Rows in the one file; None where it has yet to be asked."""
    bulk: Bulk | None = None
    action: str = ""
    """Of the plain inserts."""
    initial: tuple[str, ...] = ()
    """Fields of theirs that are written only if that makes the record."""
    file: str = CHANGES
    """The name of the one file."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Checksums by file; runs of the first format have none."""

    @property
    def has_values(self) -> bool:
        """Whether what their fields held is still there."""
        return self.file != WRITTEN

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files."""
        return (self.file, PLAIN, BITS) if self.bulk else (self.file,)

    def to_json(self) -> dict[str, Any]:
        """As kept with the files."""
        bulk = self.bulk.to_json() if self.bulk else None
        return {
            "file": self.file,
            "flat": self.flat,
            "bulk": bulk,
            "action": self.action,
            "initial": list(self.initial),
            "digests": dict(self.digests),
        }

    @classmethod
    def from_json(cls, meta: Mapping[str, Any]) -> Kept:
        """Back from a run's meta; KeyError, TypeError or ValueError when it is none."""
        if meta["format"] == FIRST:
            return cls(None)
        data = meta["rows"]
        bulk = Bulk.from_json(data["bulk"]) if data["bulk"] else None
        return cls(
            flat=int(data["flat"]),
            bulk=bulk,
            action=str(data["action"]),
            initial=tuple(map(str, data["initial"])),
            file=checked_name(str(data["file"])),
            digests={str(name): str(digest) for name, digest in data["digests"].items()},
        )


def keep(place: Place, rows: Rows, work: Path, files: Path | None) -> Kept:
    """Write a run's rows to its place, durably; `files` is the folder of the plain inserts' own file."""
    plain = rows.part(bulk=True)
    first = plain.head(1) if plain.sources and files is not None else pl.DataFrame()
    kept = _keep_flat(place, rows.part(bulk=False) if first.height else rows, work)
    if files is None or not first.height:
        return kept
    bulk = plain.sources[0].origin
    assert isinstance(bulk, Bulk)  # noqa: S101 - plain inserts come from such a file alone
    chosen = np.zeros(bulk.rows, np.bool_)
    for batch in plain.batches(columns=["row"]):
        chosen[batch["row"].to_numpy()] = True
    path = work / f"{place.name.replace('/', '-')}.{BITS}"
    write_bits(path, chosen)
    digests = {name: publish(place, name, made).digest for name, made in ((BITS, path), (PLAIN, files / PLAIN))}
    path.unlink()
    return replace(
        kept,
        bulk=Bulk(bulk.rows, int(chosen.sum()), bulk.first_seq, bulk.nullable),
        action=first["action"][0],
        initial=tuple(name[2:] for name in first.columns if name.startswith("w:")),
        digests={**kept.digests, **digests},
    )


def read_rows(place: Place, kept: Kept, types: Mapping[str, LogicalType]) -> Rows:
    """The rows in a run's files; SnapshotError when one is missing or damaged."""
    path = _local(place, kept.file, kept)
    with told(path, "read"):
        height = kept.flat if kept.flat is not None else pl.scan_parquet(path).select(pl.len()).collect().item()
        flat = Rows.of_file(path, height)
    if kept.bulk is None:
        return flat
    marks = [pl.lit(value=True).alias(f"w:{name}") for name in kept.initial]
    plain = bulk_rows(_local(place, PLAIN, kept), _local(place, BITS, kept), kept.bulk, types).then(
        lambda lazy: lazy.with_columns(pl.lit(kept.action).alias("action"), *marks)
    )
    order = list(flat.schema)
    return Rows((*flat.sources, *plain.then(lambda lazy: lazy.select(order)).sources))


def without_values(place: Place, rows: Rows, work: Path) -> Kept:
    """Write the rows anew without what their fields held."""
    gone = [pl.lit(None, kind).alias(name) for name, kind in rows.schema.items() if name[:2] in {"n:", "o:"}]
    bare = rows.then(lambda lazy: lazy.with_columns(gone))
    return _keep_flat(place, bare, work, WRITTEN)


def _keep_flat(place: Place, rows: Rows, work: Path, name: str = CHANGES) -> Kept:
    path = work / f"{place.name.replace('/', '-')}.{name}"
    with told(path, "write"):
        # Where the snapshot has a row is of no use later: it may be elsewhere by then.
        height = write_rows(path, rows, [column for column in rows.schema if column != "loc"])
    entry = publish(place, name, path)
    path.unlink()
    return Kept(height, file=name, digests={name: entry.digest})


def _local(place: Place, name: str, kept: Kept) -> Path:
    path, digest = place.local(name), kept.digests.get(name)
    if path is None or (digest is not None and digest_of(path) != digest):
        what = "is missing" if path is None else "does not match its checksum"
        raise SnapshotError(
            f"cannot read {place.path(name)}: it {what}",
            hint="Restore it from a backup, or remove this run's folder.",
        )
    return path
