"""The warehouse seam: run a projected model, hand back Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from tailrace.project.config import FieldMap

if TYPE_CHECKING:
    from tailrace.pushdown.desk import Desk
    from tailrace.warehouses.literals import Literal

CURSOR = "x:cursor"
"""The name of the cursor's column among those of a projection."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a model: rows whose cursor is new, those that have none, and those with certain keys."""

    column: str
    """The cursor, which is read as well: the last column, `x:cursor`."""
    since: Literal | None = None
    """The least cursor to read; None reads all rows."""
    keys: tuple[tuple[Literal, ...], ...] = ()
    """Rows to read whatever their cursor: a value per column of the key."""
    highest: bool = False
    """Whether only the highest cursor is read, in one row."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The columns a sync needs of its model. The warehouse computes them around the model's own SQL."""

    model_sql: str
    """The user's SELECT, verbatim."""
    key: tuple[str, ...]
    match: Mapping[str, str]
    """Destination field: model column."""
    fields: Mapping[str, FieldMap]
    window: Window | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Column names of the result, in order: `k:` keys, `m:` match fields, `f:` fields, and the cursor's."""
        return (
            *(f"k:{name}" for name in self.key),
            *(f"m:{name}" for name in self.match),
            *(f"f:{name}" for name in self.fields),
            *([CURSOR] if self.window is not None else []),
        )

    def highest(self, column: str) -> Projection:
        """One row with the model's highest value of a column, as its cursor."""
        return Projection(self.model_sql, (), {}, {}, Window(column, highest=True))

    def emptied(self) -> Projection:
        """The same columns of no rows: to read it has the warehouse compile all of the mapping, and tell the types."""
        return replace(self, model_sql=f"SELECT * FROM (\n{self.model_sql}\n) AS no_rows WHERE 1 = 0")  # noqa: S608


class Warehouse(Protocol):
    """An open warehouse. Nothing is ever written to it but by a desk that may, to a schema of ours."""

    def check(self) -> str:
        """Connect and say what answered, such as `DuckDB 2.0.0, warehouse.duckdb`; WarehouseError if not."""

    def columns(self, model_sql: str) -> tuple[str, ...]:
        """The model's column names, without running it in full; WarehouseError with the SQL's fault."""

    def read(
        self, projection: Projection, *, batch_rows: int = 65_536
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """Run the projected model; batches whose columns are named `projection.names`, in that order.

        At least one batch comes, so that an empty result has a schema too. A column that the model
        lacks is a WarehouseError that names the nearest one.
        """

    def desk(self, *, write: bool) -> AbstractContextManager[Desk]:
        """A transaction, for snapshots kept there; committed at the end of a block that may write, unless it raises.

        WarehouseError where the warehouse cannot keep any.
        """

    def close(self) -> None:
        """Give the connection back."""
