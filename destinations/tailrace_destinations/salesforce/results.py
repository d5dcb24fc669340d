"""What a job's result files say: streamed, as bytes in UTF-8, and joined to rows by their marks."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tailrace.destination import Outcome
from tailrace.errors import Retriable
from tailrace_destinations.salesforce.csvfile import ID, Layout
from tailrace_destinations.salesforce.errors import Refused, csv_error, is_event, refusal
from tailrace_destinations.salesforce.marks import by_lower

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Kind: TypeAlias = Literal["successfulResults", "failedResults", "unprocessedrecords"]
KINDS: Final[tuple[Kind, ...]] = ("successfulResults", "failedResults", "unprocessedrecords")
"""Names of the three results, as URLs have them."""
UNPROCESSED: Final = "UNPROCESSED"
FRAME_ROWS: Final = 50_000
_BLOCK: Final = 8 << 20
"""Bytes read at once; far more than the largest record."""
_SF_ID: Final = "sf__Id"
_SF_ERROR: Final = "sf__Error"
_SCHEMA: Final = dict.fromkeys(("mark", "status", "record_id", "code", "message", "recovery"), pl.String())


class Results:
    """Reads the results of one order's jobs."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._headers = by_lower((*layout.headers, _SF_ID, _SF_ERROR))

    def read(self, kind: Kind, path: Path) -> Iterator[pl.DataFrame]:
        """The rows of one file, in the seam's form, some ten thousand at a time."""
        for cells in _frames(path, self._headers):
            if not self._tells(cells):
                continue  # the file's header was not understood: nothing can be said of its rows
            for start in range(0, cells.height, FRAME_ROWS):
                yield self._outcomes(kind, cells.slice(start, FRAME_ROWS))

    def _tells(self, cells: pl.DataFrame) -> bool:
        key = self._layout.key.name if self._layout.key else ID
        return (self._layout.key is None and not self._layout.by_id) or key in cells.columns

    def _outcomes(self, kind: Kind, cells: pl.DataFrame) -> pl.DataFrame:
        needed = {"successfulResults": {_SF_ID}, "failedResults": {_SF_ERROR}}.get(kind, set())
        if not needed <= set(cells.columns):
            raise Retriable(f"The {kind} of the job have no column {min(needed)}", code="NO_CSV")
        marks = self._layout.marks(cells).fill_null("").alias("mark")
        if kind == "successfulResults":
            return _frame(marks, "acknowledged", None if is_event(self._layout.object) else cells[_SF_ID])
        if kind == "failedResults":
            return self._refused(marks, cells)
        message = "Salesforce did not come to this row before the job ended"
        return _frame(marks, "rejected", None, UNPROCESSED, message, "retry")

    def _refused(self, marks: pl.Series, cells: pl.DataFrame) -> pl.DataFrame:
        ids = cells[ID] if self._layout.by_id else [None] * cells.height
        refers = self._refers(cells)
        order = self._layout.order
        outcomes = [
            refusal(mark, record_id, csv_error(error or ""), Refused(order.operation, order.match, refers=refer))
            for mark, record_id, error, refer in zip(marks, ids, cells[_SF_ERROR], refers, strict=True)
        ]
        return pl.DataFrame([_told(outcome) for outcome in outcomes], schema=_SCHEMA, orient="row")

    def _refers(self, cells: pl.DataFrame) -> pl.Series:
        """Rows that write a reference."""
        columns = [pl.col(name).is_not_null() for name in cells.columns if name in self._layout.references]
        if not columns:
            return pl.Series([False]).new_from_index(0, cells.height)
        return cells.select(pl.any_horizontal(columns)).to_series()


def _told(outcome: Outcome) -> tuple[str | None, ...]:
    return (
        outcome.marker, outcome.status, outcome.record_id, outcome.code, outcome.message, outcome.recovery,
    )  # fmt: skip


def _frame(
    marks: pl.Series,
    status: str,
    ids: pl.Series | None,
    code: str | None = None,
    message: str | None = None,
    recovery: str | None = None,
) -> pl.DataFrame:
    record_ids = pl.lit(None, pl.String) if ids is None else pl.lit(ids)
    fixed = {"status": status, "code": code, "message": message, "recovery": recovery}
    literals = {name: pl.lit(value, pl.String) for name, value in fixed.items()}
    return marks.to_frame().with_columns(record_id=record_ids, **literals).select(list(_SCHEMA))


def _frames(path: Path, headers: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """The columns that are known, under our names for them; empty cells are null."""
    try:
        found = [name for name in _header(path) if name.lower() in headers]
    except csv.Error as error:
        raise _no_csv(error) from None
    if not found:
        return
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(found, pa.string()), include_columns=found, strings_can_be_null=False
    )
    options = {
        "read_options": arrow_csv.ReadOptions(block_size=_BLOCK),
        "parse_options": arrow_csv.ParseOptions(newlines_in_values=True),
        "convert_options": convert,
    }
    names = {name: headers[name.lower()] for name in found}
    try:
        with arrow_csv.open_csv(path, **options) as reader:
            for batch in reader:
                yield _own(batch, names)
    except pa.ArrowInvalid as error:
        raise _no_csv(error) from None


def _no_csv(error: Exception) -> Retriable:
    return Retriable(f"A result of the job is no CSV: {error}", code="NO_CSV")


def _own(batch: pa.RecordBatch, names: Mapping[str, str]) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    if isinstance(frame, pl.Series):  # cannot be: a batch has columns
        frame = frame.to_frame()
    return frame.rename(dict(names)).select(pl.when(pl.all() != "").then(pl.all()))


def _header(path: Path) -> list[str]:
    """The names of the columns; none where no row follows."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        return header if next(lines, None) else []
