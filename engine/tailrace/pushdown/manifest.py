"""What a warehouse's own table says of each snapshot there, one row each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tailrace.errors import SnapshotError
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.mark import Mark
from tailrace.values import LogicalType

FORMAT = 1
"""Version of the tables; a higher one was written by a newer Tailrace."""
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot's types, columns, and how far it has come."""

    identity: Identity
    generation: int
    """Counts changes of content."""
    run_id: str
    saved_at: datetime
    types: Mapping[str, LogicalType]
    """Pinned types by column (`k:`, `m:`, `f:`); one that never held a value pins nothing, and is absent."""
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of the columns in the table, of those that have a type."""
    layouts: tuple[Names, ...] = ()
    """Sets of fields (`f:`) that are known of rows: each row has the number of its set."""
    shared: bool = False
    """Whether two rows may have one match value."""
    folds: frozenset[str] = frozenset()
    """Match fields that compared without regard to case when rows were last told apart."""
    table: str = ""
    """The table of the rows within the schema; nothing where it has the name that all have."""
    moved: str = ""
    """Where the rows have been moved to; nothing while they are here."""
    mark: Mark | None = None
    """How far the model was read by its cursor, where the sync has one."""

    @property
    def fields(self) -> Names:
        """Fields (`f:`) that are known of some row."""
        return tuple(dict.fromkeys(name for layout in self.layouts for name in layout))

    def layout(self, fields: Sequence[str]) -> tuple[Manifest, int]:
        """The manifest with a layout of these fields (`f:`), and the layout's number."""
        wanted = tuple(sorted(fields))
        if wanted in self.layouts:
            return self, self.layouts.index(wanted)
        return replace(self, layouts=(*self.layouts, wanted)), len(self.layouts)

    def typed(self, types: Mapping[str, LogicalType]) -> Manifest:
        """The manifest with columns for these types."""
        columns = dict(self.columns)
        for name in types:
            if name not in columns:
                taken = [int(column[1:]) for column in columns.values() if column[0] == name[0]]
                columns[name] = f"{name[0]}{max(taken, default=-1) + 1}"
        return replace(self, types={**self.types, **types}, columns=columns)

    def to_json(self) -> str:
        """As kept."""
        body = {
            "format": FORMAT,
            "identity": self.identity.as_dict(),
            "generation": self.generation,
            "run_id": self.run_id,
            "saved_at": self.saved_at.isoformat(),
            "types": {name: str(kind) for name, kind in self.types.items()},
            "rows": self.rows,
            "columns": dict(self.columns),
            "layouts": [list(layout) for layout in self.layouts],
            "shared": self.shared,
            "folds": sorted(self.folds),
            "moved": self.moved,
            **({"table": self.table} if self.table else {}),
            **({"mark": self.mark.to_json()} if self.mark else {}),
        }
        return json.dumps(body, ensure_ascii=False)


def parse(text: str, where: str, identity: Identity) -> Manifest:
    """A manifest from its text; SnapshotError when it cannot be trusted."""
    sync = identity.sync
    try:
        body = json.loads(text)
        if isinstance(body.get("format"), int) and body["format"] > FORMAT:
            raise SnapshotError(
                f"{where} was written by a newer version of Tailrace (format {body['format']}, this one reads up to "
                f"{FORMAT})",
                hint="Upgrade Tailrace.",
            )
        found = _parsed(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(where, f"is no manifest ({type(error).__name__}: {error})", sync) from error
    if found.identity != identity:
        raise damaged(where, "belongs to another sync or account", sync)
    return found


def damaged(where: str, what: str, sync: str) -> SnapshotError:
    """The error for a snapshot that cannot be trusted."""
    return SnapshotError(
        f"the snapshot of {sync!r} is damaged: {where} {what}",
        hint=f"Restore the schema from a backup; or forget it with `tailrace reset {sync}`, and then take what the "
        f"destination holds with `tailrace adopt {sync}`.",
    )


def _parsed(body: Mapping[str, Any]) -> Manifest:
    return Manifest(
        identity=Identity.from_dict(body["identity"]),
        generation=int(body["generation"]),
        run_id=str(body["run_id"]),
        saved_at=datetime.fromisoformat(body["saved_at"]),
        types={str(name): LogicalType.parse(text) for name, text in body["types"].items()},
        rows=int(body["rows"]),
        columns={str(name): str(column) for name, column in body["columns"].items()},
        layouts=tuple(tuple(map(str, layout)) for layout in body["layouts"]),
        shared=bool(body["shared"]),
        folds=frozenset(map(str, body["folds"])),
        moved=str(body["moved"]),
        table=str(body.get("table", "")),
        mark=Mark.from_json(body["mark"]) if "mark" in body else None,
    )
