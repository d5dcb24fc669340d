"""Reading by a cursor: from where, what was read, and how far the next run need not look back.

A run reads rows from its mark on, less an overlap, those without a cursor, and those that earlier runs left unsettled.
The mark it leaves is kept in the snapshot's manifest with the rows it speaks of. No clock is asked: values alone count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from tailrace.canonical import python_values
from tailrace.errors import UsageError, WarehouseError
from tailrace.jsonform import to_json
from tailrace.planning.extent import Extent
from tailrace.project.cursor import PLACE
from tailrace.running.settle import LEFT_GONE, SETTLED
from tailrace.snapshot.mark import Mark
from tailrace.warehouses.base import Window
from tailrace.warehouses.literals import is_literal

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.project import Sync
    from tailrace.project.cursor import CursorConfig
    from tailrace.snapshot.mark import Moment
    from tailrace.warehouses.literals import Literal

OVERLAP_S, OVERLAP_STEPS = 900.0, 1_000
"""How far before its mark a run begins, where the sync does not say: of moments, and of whole numbers."""
DAY_S = 86_400
WHOLE, DATE, TIME, ZONED = "a whole number", "a date", "a timestamp", "a timestamp with time zone"
MOST_AGAIN, MOST_TEXT = 500, 30_000
"""So many unsettled rows are read again by their keys, which have so many characters; of more, the mark stays where it
was. Redshift has no longer text than 65,535 bytes for the manifest that they are part of."""
_EPOCH = {True: datetime(1970, 1, 1, tzinfo=UTC), False: datetime(1970, 1, 1)}  # noqa: DTZ001 - naive as the values are
_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(slots=True)
class Reading:
    """One reading of a model by its cursor. `top` is known when all batches have passed."""

    config: CursorConfig
    place: str
    """Of the cursor in the sync's file."""
    mark: Mark | None
    """Where it begins; None reads all."""
    why: str = ""
    """Why all rows are read."""
    top: Moment | None = None
    """The highest value that was read."""

    @property
    def window(self) -> Window:
        """What the warehouse is asked for."""
        if self.mark is None:
            return Window(self.config.column)
        return Window(self.config.column, before(self.mark.value, self.config), self.mark.again)

    @property
    def extent(self) -> Extent:
        """What to tell of it."""
        since = self.window.since
        return Extent(self.config.column, None if since is None else to_json(since), self.why)

    def watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches without the cursor's column, whose values are looked at as they pass.

        UsageError where they are neither moments nor whole numbers, or no overlap can be taken from them; Unfit where
        they are of another kind than the mark.
        """
        for batch in batches:
            self._look(batch.column(batch.num_columns - 1))
            yield batch.select(batch.schema.names[:-1])

    def _look(self, values: pa.Array) -> None:
        if pa.types.is_null(values.type):
            return
        self._judge(values.type)
        import pyarrow.compute as pc  # noqa: PLC0415 - slow to import, and runs without a cursor need none of it

        most = pc.max(values) if len(values) else None
        if most is not None and most.is_valid:
            value = _moment(most, self.config.column)
            self.top = value if self.top is None else max(self.top, value)

    def _judge(self, arrow: pa.DataType) -> None:
        kind = _kind_of(arrow)
        if kind is None:
            raise UsageError(
                f"{self.place}: cursor: {self.config.column} is of type {arrow}, and must be a timestamp, a date or a "
                "whole number",
                hint="cast it in the model, or name another column",
            )
        if self.mark is not None and kind != type_of(self.mark.value):
            raise Unfit(f"{self.config.column} was {type_of(self.mark.value)} and is now {kind}")
        for distance in (self.config.overlap, self.config.full):
            if distance is not None and isinstance(distance, int) != (kind == WHOLE):
                wanted = "whole numbers" if kind == WHOLE else "durations with a unit, such as 15m"
                raise UsageError(
                    f"{self.place}: cursor: {self.config.column} is {kind}, so overlap and full are {wanted}, not "
                    f"{told(distance)}",
                    hint="correct `cursor` there",
                )


class Unfit(Exception):
    """What is new cannot be read by the mark; all can."""


def reading(sync: Sync, mark: Mark | None, *, full: bool) -> Reading:
    """How to read the model of a sync that has a cursor, and whose snapshot has that mark."""
    config = sync.config.cursor
    assert config is not None  # noqa: S101 - callers have seen to it
    why = _why_all(sync, config, mark, full=full)
    return Reading(config, sync.at(PLACE), None if why else mark, why)


def _why_all(sync: Sync, config: CursorConfig, mark: Mark | None, *, full: bool) -> str:
    """Why a mark cannot be begun at; nothing where it can."""
    if full:
        return "--full asks for it"
    if mark is None:
        return f"how far {config.column} was read is not known yet"
    if mark.definition != sync.definition_hash:
        return "the sync or its model was edited since they last were"
    if config.full is not None and back(mark.value, config.full) >= mark.whole:  # type: ignore[operator]
        return f"{config.column} has risen by {told(config.full)} or more since they last were"
    return ""


def before(value: Moment, config: CursorConfig) -> Moment:
    """Where reading begins for a mark of that value."""
    if config.overlap is not None:
        return back(value, config.overlap)
    return back(value, OVERLAP_STEPS if isinstance(value, int) else OVERLAP_S)


def back(value: Moment, distance: float) -> Moment:
    """A value less a distance: seconds, or steps of whole numbers. Of dates, a part of a day is a day."""
    if isinstance(value, int):
        return value - int(distance)
    try:
        step = timedelta(seconds=distance) if isinstance(value, datetime) else timedelta(days=ceil(distance / DAY_S))
        return value - step
    except OverflowError:
        return datetime.min.replace(tzinfo=value.tzinfo) if isinstance(value, datetime) else date.min


def told(distance: float) -> str:
    """A distance for people: steps as they are, seconds with the largest unit that divides them."""
    if isinstance(distance, int):
        return f"{distance:,}"
    units = (("d", DAY_S), ("h", 3_600), ("m", 60))
    return next((f"{distance / size:g}{unit}" for unit, size in units if not distance % size), f"{distance:g}s")


def type_of(value: Moment) -> str:
    """The kind of a cursor's value, for people."""
    if isinstance(value, datetime):
        return TIME if value.tzinfo is None else ZONED
    return WHOLE if isinstance(value, int) else DATE


def _kind_of(arrow: pa.DataType) -> str | None:
    """The same, of all values of a column; None where it cannot be a cursor."""
    if pa.types.is_timestamp(arrow):
        return TIME if arrow.tz is None else ZONED
    if pa.types.is_date(arrow):
        return DATE
    return WHOLE if pa.types.is_integer(arrow) or (pa.types.is_decimal(arrow) and arrow.scale == 0) else None


def _moment(scalar: Any, column: str) -> Moment:
    """The value as Python has it, parts of a microsecond left off: what lies behind is read again, not lost."""
    kind = scalar.type
    try:
        if pa.types.is_timestamp(kind):
            micros = scalar.value * 10**6 // _PER_S[kind.unit]
            return _EPOCH[kind.tz is not None] + timedelta(microseconds=micros)
        value = scalar.as_py()
    except (OverflowError, ValueError) as error:
        raise WarehouseError(
            f"cursor: {column} holds a moment outside the years 1 to 9999, such as 'infinity'",
            hint="Turn it into NULL, or into a real date, in the model.",
        ) from error
    return int(value) if isinstance(value, Decimal) else value


def following(
    sync: Sync, read: Reading, changes: ChangeSet, outcomes: pl.LazyFrame | None, *, some: bool
) -> Mark | None:
    """The mark that a run leaves; that which it began at where it cannot leave another, None where that means none.

    `outcomes` are all those of the run, None where nothing was sent. With `some` the run looked at some rows only.
    """
    settled = None if outcomes is None else outcomes.filter(SETTLED & ~LEFT_GONE)
    again = None if some else _again(changes, settled)
    top = read.top if read.mark is None else max(read.top or read.mark.value, read.mark.value)
    if again is None or top is None:
        return read.mark
    whole = top if read.mark is None else read.mark.whole
    return Mark(read.config.column, top, whole, sync.definition_hash, again)


def _again(changes: ChangeSet, settled: pl.LazyFrame | None) -> tuple[tuple[Literal, ...], ...] | None:
    """Keys of rows that must be read again wherever they stand; None where they are too many, or of no exact text."""
    keys = dict.fromkeys([*_unsettled(changes, settled), *_set_aside(changes)])
    found = tuple(key for key in keys if key is not None)
    exact = all(is_literal(value) for key in found for value in key)
    few = len(found) <= MOST_AGAIN and sum(len(str(value)) for key in found for value in key) <= MOST_TEXT
    return found if exact and few and len(found) == len(keys) else None


def _unsettled(changes: ChangeSet, settled: pl.LazyFrame | None) -> Iterator[tuple[Any, ...]]:
    """Keys of changed rows that were not sent, or not taken: at most one more than are asked for."""
    names = [name for name in changes.rows.schema if name[:2] == "k:"]
    owed = changes.rows.lazy(["seq", "op", *names]).filter(pl.col("op") != "delete")
    if settled is not None:
        owed = owed.join(settled.select("seq"), on="seq", how="anti")
    frame = owed.select(names).head(MOST_AGAIN + 1).collect(engine="streaming")
    yield from zip(*(python_values(frame[name], changes.types[name]) for name in names), strict=True)


def _set_aside(changes: ChangeSet) -> Iterator[tuple[Any, ...] | None]:
    """Keys of rows that share a key or a match value: once the other is mended, they are sound as they stand.

    None where not all of them are told. What lacks its key or match value must change itself, so that its cursor rises.
    """
    for group in changes.invalid:
        if group.reason in {"duplicate_key", "duplicate_match"}:
            yield from (tuple(key.values()) for key in group.examples)
            if group.rows > len(group.examples):
                yield None
