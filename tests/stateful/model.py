"""The model's rows, and the mapping, as people edit them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

Row: TypeAlias = dict[str, Any]
TYPES: Mapping[str, pa.DataType] = {
    "id": pa.int64(),
    "ref": pa.string(),
    "name": pa.string(),
    "note": pa.string(),
    "size": pa.int64(),
}


@dataclass
class Model:
    """Rows in no order. Names are said once only, so that a record tells which state of its row it was made from."""

    rows: list[Row] = field(default_factory=list)
    said: int = 0
    past: dict[int, list[Row]] = field(default_factory=dict)
    """By key: what its row was before."""
    turns: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How often a key's row got a name."""
    highest: int = 0

    def add(self, ref: str | None, note: str | None) -> None:
        """A new row."""
        self.highest += 1
        self.rows.append({"id": self.highest, "ref": ref, "name": None, "note": note, "size": self.highest})
        self.rename(self.highest)

    def rename(self, key: int) -> None:
        """A row changes its name."""
        self.said += 1
        self.change(key, {"name": f"N{self.said}"})

    def change(self, key: int, values: Mapping[str, Any]) -> None:
        """A row changes."""
        for row in self.with_key(key):
            self._remember(row)
            row.update(values)
            self.turns[key, str(row["name"])] += 1

    def remove(self, key: int) -> None:
        """A row leaves."""
        for row in self.with_key(key):
            self._remember(row)
            self.rows.remove(row)

    def bring_back(self, key: int, version: int) -> None:
        """A row is again what it once was, be it still there or not."""
        old = dict(self.past[key][version % len(self.past[key])])
        if not self.with_key(key):
            self.rows.append(old)
        self.change(key, old)

    def repeat(self, key: int) -> None:
        """A second row with the same key."""
        self.rows.append(dict(self.with_key(key)[0]))

    def tell_apart(self) -> None:
        """Remove what is odd: rows without a key, and all but one of those that share one."""
        seen: dict[int, Row] = {}
        for row in self.rows:
            if row["id"] is not None:
                seen.setdefault(row["id"], row)
        self.rows = list(seen.values())

    def with_key(self, key: int | None) -> list[Row]:
        """The rows of a key."""
        return [row for row in self.rows if row["id"] == key]

    @property
    def keys(self) -> list[int]:
        """Keys of which there is a row, sorted."""
        return sorted({row["id"] for row in self.rows if row["id"] is not None})

    def valid(self, *, matched: bool) -> Iterator[Row]:
        """Rows that can be told apart, and addressed by their match value where there is one."""
        keys = Counter(row["id"] for row in self.rows)
        refs = Counter(ref for ref, _ in {(row["ref"], row["id"]) for row in self.rows if row["id"] is not None})
        for row in self.rows:
            told = row["id"] is not None and keys[row["id"]] == 1
            if told and (not matched or (row["ref"] is not None and refs[row["ref"]] == 1)):
                yield row

    def _remember(self, row: Row) -> None:
        if row["id"] is not None:
            self.past.setdefault(row["id"], []).append(dict(row))


@dataclass
class Setup:
    """The sync's file: how it is set up, and the fields, which change."""

    mode: str
    matched: bool
    more: Mapping[str, Any] = field(default_factory=dict)
    fields: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def text(self) -> str:
        """The sync's file. JSON is YAML."""
        fields = {"Id": {"column": "id"}, **self.fields} if self.mode == "append" else self.fields
        return json.dumps(
            {
                "model": "people",
                "destination": "mem",
                "object": "people",
                "mode": self.mode,
                "key": "id",
                **({"match": {"Ref": "ref"}} if self.matched else {}),
                "batch_size": 3,
                "guards": {"max_deletes": "off", "max_invalid": "off", "on_empty": "allow"},
                "rejects": {"max_attempts": 3},
                **self.more,
                "fields": fields,
            }
        )
