"""What every snapshot tells of itself, in files or in a warehouse, and its rows under other types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import polars as pl

from tailrace.canonical import dtype
from tailrace.canonical.convert import caster
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.snapshot.mark import Mark


class Telling(Protocol):
    """A manifest, as far as it is of one kind everywhere."""

    @property
    def generation(self) -> int:
        """Counts changes of content."""

    @property
    def run_id(self) -> str:
        """The run that saved it."""

    @property
    def saved_at(self) -> datetime:
        """When it was saved, in UTC."""

    @property
    def types(self) -> Mapping[str, LogicalType]:
        """Pinned types by column."""

    @property
    def rows(self) -> int:
        """Rows in it."""

    @property
    def mark(self) -> Mark | None:
        """How far the model was read by its cursor."""


class Told:
    """What a snapshot's manifest says, and what holds where there is none."""

    manifest: Telling | None

    @property
    def generation(self) -> int:
        """Counts changes of content; 0 when there is no snapshot."""
        return self.manifest.generation if self.manifest else 0

    @property
    def run_id(self) -> str | None:
        """The run that saved it."""
        return self.manifest.run_id if self.manifest and self.generation else None

    @property
    def saved_at(self) -> datetime | None:
        """When it was saved, in UTC."""
        return self.manifest.saved_at if self.manifest and self.generation else None

    @property
    def types(self) -> Mapping[str, LogicalType]:
        """Pinned types by column. A column that never held a value pins nothing, and is absent."""
        return self.manifest.types if self.manifest else {}

    @property
    def rows(self) -> int:
        """Live rows in it."""
        return self.manifest.rows if self.manifest else 0

    @property
    def mark(self) -> Mark | None:
        """How far the model was read by its cursor; None where that is not known, or there is no cursor."""
        return self.manifest.mark if self.manifest else None


def under(rows: pl.LazyFrame, source: Mapping[str, LogicalType], types: Mapping[str, LogicalType]) -> pl.LazyFrame:
    """Keys and match values of stored rows, of `source` types, under other types; null where they cannot be had so."""
    casts = [
        pl.col(name).map_batches(caster(source[name], kind), return_dtype=dtype(kind), is_elementwise=True)
        for name, kind in types.items()
        if name[:2] in {"k:", "m:"} and source.get(name, kind) != kind
    ]
    present = rows.collect_schema().names()
    return rows.with_columns(cast for cast in casts if cast.meta.output_name() in present)
