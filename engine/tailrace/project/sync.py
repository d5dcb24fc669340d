"""One sync as it was loaded, and the views of it that the engine's parts take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.destination import Lookup
from tailrace.project.config import DestinationConfig, SyncConfig, SyncOptions

if TYPE_CHECKING:
    from tailrace.changes import DiffSpec
    from tailrace.warehouses.base import Projection, Window


_UNMEANT = frozenset({
    "description", "tags", "schedule", "paused", "timeout", "freshness", "alerts", "warehouse", "snapshot",
})  # fmt: skip
"""Keys that do not change what a run does; the warehouse counts by the name that it has in the end."""


@dataclass(frozen=True, slots=True)
class Sync:
    """A valid sync: its file, its model, and the configured ends it connects."""

    name: str
    config: SyncConfig
    options: SyncOptions | None
    """The adapter's own keys; None when the adapter has none."""
    sql: str
    """The model's text, verbatim but for its templates."""
    path: Path
    """The sync's file."""
    warehouse: str
    """The warehouse's name, also when the file leaves it out."""
    destination_config: DestinationConfig
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)
    """Line and column of each mapped and each match field in the file, and of the cursor."""

    def at(self, name: str) -> str:
        """Where the file has a field, as `FILE:LINE:COLUMN`; the file alone where it has no such field."""
        place = self.places.get(name)
        return str(self.path) if place is None else f"{self.path}:{place[0]}:{place[1]}"

    @property
    def place(self) -> str:
        """Where to look when the query fails: the model's file, or what is read without one."""
        config = self.config
        in_file = config.model is not None and config.reference is None
        return f"models/{config.model}.sql" if in_file else config.source

    def projection(self, window: Window | None = None) -> Projection:
        """The columns to read, and what the warehouse computes for them; of all rows, or of those in a window."""
        from tailrace.warehouses.base import Projection  # noqa: PLC0415  pulls pyarrow in

        return Projection(self.sql, self.config.key, dict(self.config.match), dict(self.config.fields), window)

    def diff_spec(self, fold_match: Iterable[str] = ()) -> DiffSpec:
        """What is compared; `fold_match` are the match fields the destination compares without case."""
        from tailrace.changes import DiffSpec  # noqa: PLC0415  pulls polars in

        fields = self.config.fields
        return DiffSpec(
            key=self.config.key,
            match=tuple(self.config.match),
            fields=tuple(fields),
            skip_nulls=frozenset(name for name, field in fields.items() if field.nulls == "skip"),
            create_only=frozenset(name for name, field in fields.items() if field.write == "create"),
            fill_empty=frozenset(name for name, field in fields.items() if field.write == "empty"),
            fold_match=frozenset(fold_match) & frozenset(self.config.match),
            match_is_key=set(self.config.match.values()) == set(self.config.key),
        )

    def lookups(self) -> Mapping[str, Lookup]:
        """The fields that are references to other records."""
        return {
            name: Lookup(field.lookup, field.by, field.label, field.primary)
            for name, field in self.config.fields.items()
            if field.lookup is not None and field.by is not None
        }

    @property
    def definition_hash(self) -> str:
        """Hex SHA-256 over all that decides what a run does: the file's meaning and the model's SQL.

        Layout of the YAML, defaults written out, description and tags, when it runs and who is told do not count;
        neither do line ends and outer blank space of the SQL. Secrets count by their references.
        """
        unmeant = set(_UNMEANT)
        # Hashes are as they were before there were these keys.
        unmeant |= {key for key in ("table", "cursor") if getattr(self.config, key) is None}
        meaning = {
            "sync": self.config.model_dump(mode="json", exclude=unmeant),
            "options": self.options.model_dump(mode="json") if self.options else None,
            "warehouse": self.warehouse,
            "sql": "\n".join(self.sql.splitlines()).strip(),
        }
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
