"""The file of a job: rows as CSV that Bulk API 2.0 takes, written a slice at a time.

An empty cell leaves its field as it is, `#N/A` clears it. Null within a relationship column means nothing that is
documented, so a reference is cleared through a plain column of its own, which is there only if it is needed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Final

import polars as pl

from tailrace.bulk import Spooled
from tailrace.destination import Operation, Outcome, rejected
from tailrace_destinations.plain import NO_RECORD_ID, Unfit
from tailrace_destinations.salesforce.cells import CLEAR, cells
from tailrace_destinations.salesforce.errors import DELETES
from tailrace_destinations.salesforce.marks import digest_marks, id_marks, key_cells, key_marks
from tailrace_destinations.salesforce.records import null_unfit
from tailrace_destinations.salesforce.schema import upsert_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor
    from pathlib import Path
    from typing import IO
    from zoneinfo import ZoneInfo

    from tailrace.bulk import Order
    from tailrace_destinations.salesforce.links import Link
    from tailrace_destinations.salesforce.schema import Column, SObject

MOST_BYTES: Final = 100_000_000
"""Of a file: Salesforce takes 150 MB in base64, and asks for no more than this."""
MOST_CHARACTERS: Final = 32_000
"""Of a cell."""
MOST_IN_ROW: Final = 400_000
"""Characters of a record."""
SLICE_BYTES: Final = 8 << 20
"""Of rows worked on at once: so many that the fixed cost of each step is small, and memory does not grow."""
MOST_THREADS: Final = 4
ID: Final = "Id"
_MAY_BE_BLANK: Final = frozenset({"string", "json", "binary"})


@dataclass(frozen=True, slots=True)
class Part:
    """One column of the file."""

    header: str
    source: str
    """The column of the rows: `v:FIELD` or `m:FIELD`."""
    name: str
    """The field as the sync calls it, for messages."""
    column: Column
    """What encodes the values: the field, or the parent's key behind a relationship."""
    null: str | None = CLEAR
    """What a written null is in this column."""
    key: bool = False
    """Whether it is the match value, which is trimmed."""
    only_null: bool = False
    """Whether it holds nothing but the nulls of a reference."""


class Layout:
    """The columns of an order's files, and how their rows are told."""

    def __init__(self, order: Order, sobject: SObject, links: Mapping[str, Link]) -> None:
        self.order = order
        self.object = sobject.name
        self.key = upsert_key(sobject, order.match) if order.operation is Operation.UPSERT else None
        self.by_id = order.operation is Operation.UPDATE or order.operation in DELETES
        self.parts = () if order.operation in DELETES else tuple(self._parts(sobject, links))
        self.references = frozenset(
            part.header for part in self.parts if part.name in order.lookups or part.column.targets
        )

    def _parts(self, sobject: SObject, links: Mapping[str, Link]) -> list[Part]:
        writes_match = self.order.operation is not Operation.UPDATE
        match = {name.casefold() for name in self.order.match} if writes_match else set()
        made: list[Part] = []
        for name in self.order.fields:
            # The match field is written once, from the match value.
            if name.casefold() not in match:
                made += _parts_of(name, sobject, links.get(name))
        for name in self.order.match if writes_match else ():
            column = sobject.column(name)
            made.append(Part(column.name, f"m:{name}", name, column, key=True))
        return made

    @property
    def headers(self) -> tuple[str, ...]:
        """All columns a file may have, in their order."""
        return ((ID,) if self.by_id else ()) + tuple(part.header for part in self.parts)

    def marks(self, texts: pl.DataFrame) -> pl.Series:
        """What tells rows of these cells; the columns may be fewer and in another order."""
        if self.by_id:
            return id_marks(texts[ID])
        if self.key is not None:
            return key_marks(texts[self.key.name], self.key)
        return digest_marks(texts, self.headers)


def _parts_of(name: str, sobject: SObject, link: Link | None) -> list[Part]:
    source = f"v:{name}"
    if link is None:
        return [Part(sobject.column(name).name, source, name, sobject.written(name))]
    if link.by is None:
        return [Part(link.column.name, source, name, link.column)]
    path = f"{link.relationship}.{link.by.name}"
    header = f"{link.type}:{path}" if link.type else path
    named = Part(header, source, name, link.by, null=None)
    return [named, Part(link.column.name, source, name, link.column, only_null=True)]


@dataclass(frozen=True, slots=True)
class _Written:
    """Cells of a slice of rows."""

    texts: pl.DataFrame
    refused: dict[int, Unfit]
    """Rows with a value that does not fit, by position."""
    aside: pl.Series
    """Which rows a job cannot carry."""
    null: str
    """What a null cell of a row that is sent is in the file."""


@dataclass(frozen=True, slots=True)
class _Column:
    """Cells of one column of a slice."""

    texts: pl.Series
    refused: dict[int, Unfit] = field(default_factory=dict)
    odd: pl.Series | None = None
    """Rows for which the cell would say something else than the value."""
    nulls_clear: bool = False
    """Whether a null cell is one that clears, or one of a row that is not sent; else it is an empty one."""


@dataclass(slots=True)
class _Done:
    """What was written so far."""

    marks: list[pl.DataFrame] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    taken: int = 0


class Spooler:
    """Writes the rows of one order."""

    def __init__(self, layout: Layout, zone: ZoneInfo | None, most_bytes: int = MOST_BYTES) -> None:
        self._layout = layout
        self._zone = zone
        self._most = most_bytes
        # A digest is of all that is in the file.
        self._nulls_may_stay = layout.order.operation is not Operation.CREATE

    def write(self, rows: pl.DataFrame, path: Path) -> Spooled:
        """As many rows as fit into one file, from the first on."""
        parts = [part for part in self._layout.parts if not part.only_null or _has_null(rows, part)]
        doubles = _doubles(rows) if self._layout.by_id else None
        done, at_once = _Done(), _rows_at_once(rows)
        # Most of the work is done without Python's lock: columns are made side by side, while others are written.
        with path.open("wb") as file, ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(_threads()) as pool:
            headers = ((ID,) if self._layout.by_id else ()) + tuple(part.header for part in parts)
            pl.DataFrame(schema=dict.fromkeys(headers, pl.String)).write_csv(file)

            def make(start: int) -> tuple[pl.DataFrame, _Written]:
                piece = rows.slice(start, at_once)
                again = None if doubles is None else doubles.slice(start, at_once)
                return piece, self._slice(piece, parts, again, pool)

            coming = ahead.submit(make, 0)
            for following in range(at_once, rows.height + at_once, at_once):
                piece, made = coming.result()
                if following < rows.height:
                    coming = ahead.submit(make, following)
                count = self._write_slice(piece, made, file, done)
                done.taken += count
                if count < piece.height:
                    break
        marks = pl.concat(done.marks) if done.marks else pl.DataFrame(schema={"seq": pl.Int64, "mark": pl.String})
        return Spooled(marks, done.refused, done.aside, done.taken)

    def _slice(self, rows: pl.DataFrame, parts: list[Part], doubles: pl.Series | None, pool: Executor) -> _Written:
        refused: dict[int, Unfit] = {}
        aside = _none(rows.height) if doubles is None else doubles
        columns: list[pl.Series] = []
        if self._layout.by_id:
            ids = id_marks(rows["record_id"]).alias(ID)
            nameless = Unfit(*NO_RECORD_ID)
            refused.update(dict.fromkeys(ids.is_null().arg_true().to_list(), nameless))
            columns.append(ids)
        made = list(pool.map(partial(self._column, rows), parts))
        # As a rule each null clears: the writer can say that, and the cells need not be filled.
        null = CLEAR if self._nulls_may_stay and all(column.nulls_clear for column in made) else ""
        for part, column in zip(parts, made, strict=True):
            filled = column.texts.fill_null(CLEAR) if column.nulls_clear and not null else column.texts
            columns.append(filled.alias(part.header))
            aside = aside if column.odd is None else aside | column.odd
            for row, why in column.refused.items():
                refused.setdefault(row, why)
        texts = pl.DataFrame(columns)
        return _Written(texts, refused, aside | _too_long(texts), null)

    def _column(self, rows: pl.DataFrame, part: Part) -> _Column:
        values = rows[part.source]
        written = None if part.key else rows[f"w:{part.name}"]
        empty = values.is_null() if written is None else values.is_null() & written
        if part.only_null:
            return _Column(_clears(empty))
        everywhere = written is None or bool(written.all())
        if written is not None and not everywhere:
            values = values.set(~written, None)
        logical = self._layout.order.types[part.source]
        if part.key and logical.kind == "string":
            values = key_cells(values)
        made = cells(values, logical, part.column, self._zone)
        refused = {row: Unfit(why.code, f"{part.name}: {why}") for row, why in made.refused.items()}
        odd = None
        if logical.kind in _MAY_BE_BLANK:
            bare = _bare(made.texts)
            if bare is not None:
                odd, blank = (bare == CLEAR).fill_null(value=False), (bare == "").fill_null(value=False)
                # Salesforce keeps no empty text: it is null. What an empty key of a parent is, a batch may learn.
                empty, odd = (empty | blank, odd) if part.null is not None else (empty, odd | blank)
        unfit = self._no_empty(part) if empty.any() else None
        if unfit is not None:
            refused |= dict.fromkeys(empty.arg_true().to_list(), unfit)
        elif odd is None and everywhere and part.null == CLEAR:
            return _Column(made.texts, refused, nulls_clear=True)
        elif part.null is not None:
            return _Column(made.texts.set(empty, part.null), refused, odd)
        return _Column(made.texts, refused, odd)

    def _no_empty(self, part: Part) -> Unfit | None:
        """Why the column cannot be empty, where it cannot."""
        if part.key and self._layout.key is not None:
            return Unfit("NO_MATCH_VALUE", f"{part.name} is empty, so no record can be meant")
        why = null_unfit(part.column) if part.null is not None else None
        return None if why is None else Unfit(why.code, f"{part.name}: {why}")

    def _write_slice(self, rows: pl.DataFrame, made: _Written, file: IO[bytes], done: _Done) -> int:
        """Write what goes into the file; how many of the rows were taken."""
        ready, places = made.texts, pl.int_range(rows.height, eager=True)
        if made.refused or made.aside.any():
            sent = (~made.aside).scatter(list(made.refused), values=False)
            ready, places = ready.filter(sent), sent.arg_true()
        start, fitting = file.tell(), ready.height
        _write(ready, file, made.null)
        if file.tell() > self._most:
            file.seek(start)
            file.truncate()
            fitting = _fitting(ready, self._most - start, made.null)
            _write(ready.head(fitting), file, made.null)
        count = rows.height if fitting == ready.height else int(places[fitting])
        self._account(rows["seq"].head(count), made, ready.head(fitting), places.head(fitting), done)
        return count

    def _account(self, seq: pl.Series, made: _Written, ready: pl.DataFrame, places: pl.Series, done: _Done) -> None:
        done.marks.append(pl.DataFrame([seq.gather(places).alias("seq"), self._layout.marks(ready).alias("mark")]))
        for row, unfit in sorted(made.refused.items()):
            if row < len(seq):
                done.refused.append(rejected(str(seq[row]), unfit.code, str(unfit)))
        for row in made.aside.head(len(seq)).arg_true():
            if row not in made.refused:
                done.aside.append(int(seq[row]))


def _threads() -> int:
    return min(MOST_THREADS, os.cpu_count() or 1)


def _rows_at_once(rows: pl.DataFrame) -> int:
    return max(1, SLICE_BYTES * rows.height // max(1, int(rows.estimated_size())))


def _bare(texts: pl.Series) -> pl.Series | None:
    """Texts without outer white space; None when none can be blank or `#N/A`, which is cheap to see."""
    # Blanks begin with what sorts before `!`, or with white space beyond ASCII.
    text = pl.col(texts.name)
    suspect = (text < "!") | (text > "\x7f") | text.str.starts_with(CLEAR)
    return texts.str.strip_chars() if texts.to_frame().select(suspect.any()).item() else None


def _has_null(rows: pl.DataFrame, part: Part) -> bool:
    return bool((rows[part.source].is_null() & rows[f"w:{part.name}"]).any())


def _doubles(rows: pl.DataFrame) -> pl.Series:
    """Rows whose record came before: in one job they would be refused, and in a batch they are not."""
    ids = id_marks(rows["record_id"])
    return ~ids.is_first_distinct() & ids.is_not_null()


def _too_long(texts: pl.DataFrame) -> pl.Series:
    """Rows that are larger than a job may carry, as a whole or in one cell."""
    sizes = texts.select(pl.all().str.len_bytes().max()).row(0)
    most = [size or 0 for size in sizes]
    if max(most) <= MOST_CHARACTERS and sum(most) <= MOST_IN_ROW:
        return _none(texts.height)
    lengths = pl.all().str.len_chars().fill_null(0)
    longest = texts.select(pl.max_horizontal(lengths)).to_series() > MOST_CHARACTERS
    return longest | (texts.select(pl.sum_horizontal(lengths)).to_series() > MOST_IN_ROW)


def _none(height: int) -> pl.Series:
    return pl.Series([False]).new_from_index(0, height)


def _clears(empty: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, len(empty)).set(empty, CLEAR)


def _write(texts: pl.DataFrame, file: IO[bytes], null: str) -> None:
    texts.write_csv(file, include_header=False, quote_style="necessary", line_terminator="\n", null_value=null)


def _size(texts: pl.DataFrame, null: str) -> int:
    buffer = BytesIO()
    _write(texts, buffer, null)
    return buffer.tell()


def _fitting(texts: pl.DataFrame, room: int, null: str) -> int:
    """How many rows, from the first on, make no more bytes than there is room."""
    low, high = 0, texts.height
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(texts.head(middle), null) <= room else (low, middle - 1)
    return low
