"""What each run meant to do and what came of it, kept under `ROOT/SYNC/runs/RUN/`.

The changes are durable before the first byte is sent, the outcomes before the snapshot builds on
them; both stay as the sync's history.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tailrace.canonical import parse, python_values, text, type_of
from tailrace.errors import SnapshotError, UsageError
from tailrace.snapshot.files import folder, make_folder, parquet, replace_file, told
from tailrace.snapshot.identity import Identity
from tailrace.values import LogicalType, Value

CHANGES, OUTCOMES, META = "changes.parquet", "outcomes.parquet", "meta.json"
FORMAT = 1
_RUNS = "runs"
_NO_OUTCOME: dict[str, pl.DataType] = {
    "seq": pl.Int64(),
    "status": pl.String(),
    "record_id": pl.String(),
    "code": pl.String(),
    "message": pl.String(),
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


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a run was about to do, as kept before it sent anything."""

    run_id: str
    frame: pl.DataFrame
    types: Mapping[str, LogicalType]
    identity: Identity | None
    """The snapshot it was planned on, where the run said so."""


class RunFiles:
    """Files of all runs under one folder. Run ids sort by time."""

    def __init__(self, root: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._root = root
        self._clock = clock

    def save_changes(
        self,
        sync: str,
        run_id: str,
        frame: pl.DataFrame,
        types: Mapping[str, LogicalType],
        identity: Identity | None = None,
    ) -> None:
        """Keep a run's plan frame; durable when this returns."""
        place = self._place(sync, run_id)
        make_folder(place)
        replace_file(place / CHANGES, parquet(frame))
        meta = {
            "format": FORMAT,
            "sync": sync,
            "run_id": run_id,
            "at": self._clock().isoformat(),
            "rows": frame.height,
            "identity": identity.as_dict() if identity else None,
            "types": {name: str(logical) for name, logical in types.items()},
        }
        # Last, so that a run with its meta has all its changes.
        replace_file(place / META, lambda file: file.write(json.dumps(meta, indent=2).encode() + b"\n"))

    def load(self, sync: str, run_id: str) -> SavedRun | None:
        """A run's changes and what they stand on; None when the run never got so far as to save them."""
        path = self._place(sync, run_id) / META
        if not path.exists():
            return None
        meta = _meta(path)
        return SavedRun(run_id, self.load_changes(sync, run_id), _types(meta, path), _identity(meta, path))

    def load_changes(self, sync: str, run_id: str) -> pl.DataFrame:
        """A run's plan frame; SnapshotError when it is missing or damaged."""
        return _read(self._place(sync, run_id) / CHANGES)

    def load_types(self, sync: str, run_id: str) -> dict[str, LogicalType]:
        """The logical types saved with a run's changes."""
        path = self._place(sync, run_id) / META
        return _types(_meta(path), path)

    def save_outcomes(self, sync: str, run_id: str, frame: pl.DataFrame) -> None:
        """Keep a run's outcomes; durable when this returns."""
        place = self._place(sync, run_id)
        make_folder(place)
        replace_file(place / OUTCOMES, parquet(frame))

    def load_outcomes(self, sync: str, run_id: str) -> pl.DataFrame | None:
        """A run's outcomes; None when it has saved none yet."""
        path = self._place(sync, run_id) / OUTCOMES
        return _read(path) if path.exists() else None

    def runs(self, sync: str) -> list[str]:
        """Ids of all runs with saved changes, oldest first."""
        return sorted(path.parent.name for path in folder(self._root, sync, _RUNS).glob(f"*/{META}"))

    def row_history(self, sync: str, key: Mapping[str, Value]) -> list[RowEvent]:
        """All that the runs did to the row of that key, oldest first; UsageError when it is no key.

        Values may be given as text, as a command line has them.
        """
        return [event for run_id in self.runs(sync) for event in self._events(sync, run_id, key)]

    def _events(self, sync: str, run_id: str, key: Mapping[str, Value]) -> Iterator[RowEvent]:
        place = self._place(sync, run_id)
        meta = _meta(place / META)
        types = _types(meta, place / META)
        with told(place / CHANGES, "read"):
            scan = pl.scan_parquet(place / CHANGES)
            rows = scan.filter(_is_row(key, scan.collect_schema(), types)).collect()
        if rows.height:
            at = datetime.fromisoformat(str(meta["at"]))
            yield from _row_events(_with_outcomes(rows, place / OUTCOMES), types, run_id, at)

    def _place(self, sync: str, run_id: str) -> Path:
        return folder(self._root, sync, _RUNS, run_id)


def _read(path: Path) -> pl.DataFrame:
    with told(path, "read"):
        return pl.read_parquet(path, memory_map=False)


def _meta(path: Path) -> dict[str, Any]:
    with told(path, "read"):
        data = path.read_bytes()
    with _sound(path):
        meta = dict(json.loads(data))
        if int(meta["format"]) <= FORMAT:
            return meta
    raise SnapshotError(f"{path} was written by a newer version of Tailrace", hint="Upgrade Tailrace.")


def _types(meta: Mapping[str, Any], path: Path) -> dict[str, LogicalType]:
    with _sound(path):
        return {name: LogicalType.parse(kind) for name, kind in meta["types"].items()}


def _identity(meta: Mapping[str, Any], path: Path) -> Identity | None:
    with _sound(path):
        return Identity.from_dict(meta["identity"]) if meta.get("identity") else None


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(
            f"{path} is damaged", hint="Restore it from a backup, or remove this run's folder."
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


def _with_outcomes(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    outcomes = _read(path) if path.exists() else pl.DataFrame(schema=_NO_OUTCOME)
    answers = outcomes.unique("seq", keep="last").rename({"record_id": "answered"})
    return rows.join(answers.select("seq", "status", "answered", "code", "message"), on="seq", how="left")


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
        )
