"""What each run meant to do and what came of it, kept under `SYNC/runs/RUN/`.

The changes are durable before the first byte is sent, the outcomes before the snapshot builds on
them; both stay as the sync's history.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tailrace.canonical import parse, python_values, text, type_of
from tailrace.errors import SnapshotError, UsageError
from tailrace.rowset import Rows
from tailrace.snapshot.files import told
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.runrows import Kept, keep, read_rows, without_values
from tailrace.snapshot.storage import LocalStorage, Place, Storage
from tailrace.snapshot.work import Workplace
from tailrace.values import LogicalType, Value

OUTCOMES, META = "outcomes.parquet", "meta.json"
FORMAT = 2
"""Since 2 plain inserts may be in a file of their own."""
_RUNS = "runs"
_NO_OUTCOME: dict[str, pl.DataType] = {
    "seq": pl.Int64(),
    "status": pl.String(),
    "record_id": pl.String(),
    "code": pl.String(),
    "message": pl.String(),
    "batch": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class RowEvent:
    """What one run did to one row."""

    run_id: str
    at: datetime
    """When the run's changes were saved, in UTC."""
    op: str
    action: str | None
    status: str | None
    """None while no outcome is known."""
    code: str | None
    message: str | None
    fields: Mapping[str, Mapping[str, Value]]
    """Per field written (for a delete: per field that had a value): `old` and `new`."""
    record_id: str | None
    seq: int
    """The row's number in the run."""
    batch: int | None
    """The number of the batch that brought the outcome, where the run kept it."""
    values_kept: bool = True
    """Else `fields` only names those written: their values may not be kept."""


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a run was about to do, as kept before it sent anything."""

    run_id: str
    rows: Rows
    types: Mapping[str, LogicalType]
    identity: Identity | None
    """The snapshot it was planned on, where the run said so."""


class RunFiles:
    """Files of all runs in one storage. Run ids sort by time. `work` is for files in the making."""

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

    def save_changes(
        self,
        sync: str,
        run_id: str,
        rows: Rows,
        types: Mapping[str, LogicalType],
        identity: Identity | None = None,
        *,
        files: Path | None = None,
    ) -> None:
        """Keep a run's rows; durable when this returns. `files` is the folder of plain inserts' own file."""
        place = self._place(sync, run_id)
        kept = keep(place, rows, self._work.folder, files)
        meta = {
            "format": FORMAT,
            "sync": sync,
            "run_id": run_id,
            "at": self._clock().isoformat(),
            "identity": identity.as_dict() if identity else None,
            "types": {name: str(logical) for name, logical in types.items()},
            "rows": kept.to_json(),
        }
        # Last, so that a run with its meta has all its changes.
        place.replace(META, json.dumps(meta, indent=2).encode() + b"\n", was=place.read(META))

    def load(self, sync: str, run_id: str) -> SavedRun | None:
        """A run's changes and what they stand on; None when the run never got so far as to save them."""
        place = self._place(sync, run_id)
        data = place.read(META)
        if data is None:
            return None
        meta = _meta(data, place)
        types = _types(meta, place)
        return SavedRun(run_id, read_rows(place, _kept(meta, place), types), types, _identity(meta, place))

    def load_types(self, sync: str, run_id: str) -> dict[str, LogicalType]:
        """The logical types saved with a run's changes."""
        place = self._place(sync, run_id)
        return _types(_meta(place.read(META) or b"", place), place)

    def forget_values(self, sync: str, run_id: str) -> None:
        """Keep of a run's changes which fields they wrote, and no longer what: for those who may not keep it.

        Of a run that never got so far as to save them all, nothing is kept.
        """
        place = self._place(sync, run_id)
        saved = self.load(sync, run_id)
        if saved is None:
            place.remove(place.names())
            return
        meta = _meta(place.read(META) or b"", place)
        rest = without_values(place, saved.rows, self._work.folder)
        data = json.dumps({**meta, "rows": rest.to_json()}, indent=2).encode() + b"\n"
        place.replace(META, data, was=place.read(META))
        # Whatever else is there held values: also what an attempt that broke off has left.
        place.remove(name for name in place.names() if name not in {META, OUTCOMES, *rest.files})

    def outcomes(self, sync: str, run_id: str) -> pl.DataFrame:
        """The outcomes that were kept of a run; none yet while it is under way, but for those at its checkpoints."""
        place = self._place(sync, run_id)
        path = place.local(OUTCOMES)
        if path is None:
            return pl.DataFrame(schema=_NO_OUTCOME)
        with told(path, "read"):
            return pl.read_parquet(path)

    def save_outcomes(self, sync: str, run_id: str, frame: pl.DataFrame | pl.LazyFrame) -> None:
        """Keep all of a run's outcomes; durable when this returns."""
        place = self._place(sync, run_id)
        path = self._work.folder / f"{run_id}.outcomes"
        with told(path, "write"):
            frame.lazy().sink_parquet(path, compression="zstd", row_group_size=65_536)
        place.publish(OUTCOMES, path)
        path.unlink()

    def remove(self, sync: str, run_id: str) -> None:
        """Forget a run's rows; nothing happens when there are none."""
        place = self._place(sync, run_id)
        # What makes the others be looked for goes first: a crash in between leaves files that nobody misses.
        place.remove(sorted(place.names(), key=lambda name: name != META))

    def runs(self, sync: str) -> list[str]:
        """Ids of all runs with saved changes, oldest first."""
        names = (name.split("/") for name in self._storage.names(f"{Place(self._storage, sync, _RUNS).name}/"))
        return sorted(parts[2] for parts in names if len(parts) == _DEPTH and parts[3] == META)

    def row_history(self, sync: str, key: Mapping[str, Value]) -> list[RowEvent]:
        """All that the runs did to the row of that key, oldest first; UsageError when it is no key.

        Values may be given as text, as a command line has them.
        """
        return [event for run_id in self.runs(sync) for event in self._events(sync, run_id, key)]

    def row_of(self, sync: str, run_id: str, key: Mapping[str, Value]) -> RowEvent | None:
        """What one run did to the row of that key; None where it is not among those it changed."""
        return next(self._events(sync, run_id, key), None)

    def _events(self, sync: str, run_id: str, key: Mapping[str, Value]) -> Iterator[RowEvent]:
        place = self._place(sync, run_id)
        data = place.read(META)
        if data is None:
            return  # it was forgotten meanwhile
        meta = _meta(data, place)
        types = _types(meta, place)
        kept = _kept(meta, place)
        saved = read_rows(place, kept, types)
        with told(Path(place.path(META)), "read"):
            rows = saved.where(_is_row(key, saved.schema, types)).collect()
        if rows.height:
            at = datetime.fromisoformat(str(meta["at"]))
            for event in _row_events(_with_outcomes(rows, place.local(OUTCOMES)), types, run_id, at):
                yield replace(event, values_kept=kept.has_values)

    def _place(self, sync: str, run_id: str) -> Place:
        return Place(self._storage, sync, _RUNS, run_id)


_DEPTH = 4


def _meta(data: bytes, place: Place) -> dict[str, Any]:
    with _sound(place):
        meta = dict(json.loads(data))
        if int(meta["format"]) <= FORMAT:
            return meta
    raise SnapshotError(f"{place.path(META)} was written by a newer version of Tailrace", hint="Upgrade Tailrace.")


def _kept(meta: Mapping[str, Any], place: Place) -> Kept:
    with _sound(place):
        return Kept.from_json(meta)


def _types(meta: Mapping[str, Any], place: Place) -> dict[str, LogicalType]:
    with _sound(place):
        return {name: LogicalType.parse(kind) for name, kind in meta["types"].items()}


def _identity(meta: Mapping[str, Any], place: Place) -> Identity | None:
    with _sound(place):
        return Identity.from_dict(meta["identity"]) if meta.get("identity") else None


@contextmanager
def _sound(place: Place) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(
            f"{place.path(META)} is damaged", hint="Restore it from a backup, or remove this run's folder."
        ) from error


def _is_row(key: Mapping[str, Value], schema: pl.Schema, types: Mapping[str, LogicalType]) -> pl.Expr:
    """Whether a row has that key; a run from before the key's columns were renamed has no such row."""
    names = {name[2:] for name in schema if name.startswith("k:")}
    if not key:
        raise UsageError("a key is needed", hint="Give it as COLUMN=VALUE.")
    if names != set(key):
        return pl.lit(value=False)
    return pl.all_horizontal(_equals(f"k:{name}", value, schema, types) for name, value in key.items())


def _equals(column: str, value: Value, schema: pl.Schema, types: Mapping[str, LogicalType]) -> pl.Expr:
    logical = types.get(column) or type_of(schema[column])
    wanted = parse(_as_text(value, logical), logical)
    return (
        pl.col(column) == pl.lit(wanted.first(), dtype=schema[column]) if wanted[0] is not None else pl.lit(value=False)
    )


def _as_text(value: Value, logical: LogicalType) -> pl.Series:
    return pl.Series([value]) if isinstance(value, str) else text(pl.Series([value]), logical)


def _with_outcomes(rows: pl.DataFrame, path: Path | None) -> pl.DataFrame:
    outcomes = pl.DataFrame(schema=_NO_OUTCOME)
    if path is not None:
        with told(path, "read"):
            wanted = rows["seq"].implode()
            found = pl.scan_parquet(path).filter(pl.col("seq").is_in(wanted)).collect()
            outcomes = pl.concat([outcomes, found], how="diagonal_relaxed")
    answers = outcomes.unique("seq", keep="last", maintain_order=True).rename({"record_id": "answered"})
    return rows.join(answers.select("seq", "status", "answered", "code", "message", "batch"), on="seq", how="left")


def _row_events(rows: pl.DataFrame, types: Mapping[str, LogicalType], run_id: str, at: datetime) -> Iterator[RowEvent]:
    fields = [name[2:] for name in rows.columns if name.startswith("n:")]
    values = {
        f"{side}:{name}": python_values(
            rows[f"{side}:{name}"], types.get(f"f:{name}") or type_of(rows[f"n:{name}"].dtype)
        )
        for name in fields
        for side in "on"
    }
    for index, row in enumerate(rows.to_dicts()):
        pairs = {name: {"old": values[f"o:{name}"][index], "new": values[f"n:{name}"][index]} for name in fields}
        delete = row["op"] == "delete"
        yield RowEvent(
            run_id=run_id,
            at=at,
            op=row["op"],
            action=row.get("action"),
            status=row["status"],
            code=row["code"],
            message=row["message"],
            fields={n: p for n, p in pairs.items() if row[f"c:{n}"] or (delete and p["old"] is not None)},
            record_id=row["answered"] or row["record_id"],
            seq=row["seq"],
            batch=row["batch"],
        )
