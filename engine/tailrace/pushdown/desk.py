"""What a snapshot in a warehouse asks of it: statements within one transaction, rows out as Arrow, rows in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from tailrace.pushdown.words import Sort, Words
from tailrace.values import LogicalType
from tailrace.warehouses.base import Projection

Columns = Mapping[str, LogicalType]


class Desk(Protocol):
    """One transaction. Every failure is a WarehouseError."""

    words: Words

    def begin(self) -> None:
        """Begin the transaction where none has begun; until then each statement is one by itself.

        Only where statements about tables end transactions is there a time before, in which to make those statements.
        """

    def has_schema(self, schema: str) -> bool:
        """Whether there is such a schema."""

    def has_table(self, schema: str, table: str) -> bool:
        """Whether a schema has such a table."""

    def listed(self, schema: str, beginning: str) -> Mapping[str, datetime | None]:
        """Tables whose names begin so, and since when they are there, where that is told."""

    def compiled(self, projection: Projection) -> str:
        """A projected model as a query, whose columns are c0, c1 and so on."""

    def sorts(self, sql: str) -> list[Sort]:
        """What the columns of a query are, without running it."""

    def stream(
        self,
        sql: str,
        names: Sequence[str],
        known: Mapping[int, pa.DataType],
        batch_rows: int,
        parameters: Sequence[Any] = (),
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, under these names; `known` are types by position that the driver need not tell.

        At least one batch comes, so that an empty result has a schema too.
        """

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The few rows of a query."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; gives how many rows it wrote."""

    def values(
        self, frame: pl.DataFrame, columns: Columns, beside: str = ""
    ) -> AbstractContextManager[tuple[str, list[Any]]]:
        """Canonical values as a table to select from, v0, v1 … in the order of the columns, and its parameters.

        `beside` is a table of ours that is about to be written to: many values may be put down next to it.
        """

    def load(self, table: str, names: Sequence[str], frame: pl.DataFrame, columns: Columns) -> None:
        """Append canonical values to columns of a table; `columns` has the frame's names, `names` the table's."""


class Deskful(Protocol):
    """A warehouse that can hold snapshots."""

    def desk(self, *, write: bool) -> AbstractContextManager[Desk]:
        """A transaction, committed at the end of a block that may write, unless it raises."""
