"""The model's rows as a stream: never whole in memory, each column with the way to its canonical values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from tailrace.canonical.arrow import canonical_column
from tailrace.canonical.convert import convert
from tailrace.canonical.plain import Form, form_of
from tailrace.canonical.types import DECIMAL_DIGITS, dtype, logical_type
from tailrace.errors import WarehouseError
from tailrace.values import LogicalType

_PEEK = 16
"""Batches looked at to find the type of a column whose first values are missing."""
_CALENDAR = {pl.Date: (-719_162, 2_932_896), pl.Datetime: (-62_135_596_800_000_000, 253_402_300_799_999_999)}
"""First and last day of the years 1 to 9999 since 1970, and their first and last microsecond."""

_FAMILIAR = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_date,
    pa.types.is_timestamp,
)
"""Plain types that polars has too."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of the stream."""

    name: str
    type: LogicalType
    """What its canonical values are."""
    value: pl.Expr
    """The canonical values."""
    carried: pl.Expr
    """What fingerprints are taken of: see `tailrace.canonical.plain`."""
    carrier: str = ""


@dataclass
class Watch:
    """What is noticed while the rows stream by: known only when they have all passed."""

    ended: bool = False
    notes: dict[str, str] = field(default_factory=dict)
    """By column, what had to be given up of its values."""
    outside: dict[str, int] = field(default_factory=dict)
    """By column, how many moments no calendar holds."""
    overlong: dict[str, int] = field(default_factory=dict)
    """By column, how many numbers have more digits than their type says: DuckDB's HUGEINT is one short."""

    def moments(self, name: str, physical: pl.DataType) -> Callable[[pl.Series], pl.Series]:
        """Lets a column of moments pass and counts those outside the calendar."""
        first, last = _CALENDAR[physical.base_type()]

        def look(series: pl.Series) -> pl.Series:
            raw = series.cast(pl.Int64)  # `to_physical` and comparisons take a detour that costs more than the look
            least, most = raw.min(), raw.max()
            if least is not None and (least < first or most > last):  # type: ignore[operator]
                found = int((~raw.is_between(first, last)).sum())
                self.outside[name] = self.outside.get(name, 0) + found
            return series

        return look

    def digits(self, name: str, physical: pl.Decimal) -> Callable[[pl.Series], pl.Series]:
        """Lets a column of decimals pass and counts those that are too long."""
        most = pl.lit(Decimal((0, (9,) * DECIMAL_DIGITS, -physical.scale))).cast(physical)

        def look(series: pl.Series) -> pl.Series:
            fits = pl.col(series.name).is_between(-most, most).fill_null(value=True)
            found = int(series.to_frame().select((~fits).sum()).item())
            if found:
                self.overlong[name] = self.overlong.get(name, 0) + found
            return series

        return look


class ModelRows:
    """The model's rows: columns `k:`, `m:` and `f:`. A stream of batches can be read once."""

    def __init__(self, lazy: pl.LazyFrame, columns: Sequence[SourceColumn], watch: Watch, *, pushes: bool) -> None:
        self.lazy = lazy
        """The columns as the driver has them."""
        self.columns: Mapping[str, SourceColumn] = {column.name: column for column in columns}
        self.watch = watch
        self.options = pl.QueryOptFlags() if pushes else pl.QueryOptFlags(predicate_pushdown=False)
        """How queries over `lazy` may be optimised."""

    @classmethod
    def from_batches(cls, batches: Iterable[pa.RecordBatch]) -> ModelRows:
        """Rows of any warehouse; WarehouseError when there is not even an empty batch."""
        stream = iter(batches)
        first = list(_peek(stream))
        if not first:
            raise WarehouseError("the warehouse gave no result, not even an empty one", hint="Run `tailrace check`.")
        reader = _Reader(_unified([batch.schema for batch in first]), first[0], Watch())
        lazy = register_io_source(reader.source(chain(first, stream)), schema=reader.schema)
        return cls(lazy, reader.columns, reader.watch, pushes=False)

    @classmethod
    def from_parquet(cls, path: str | Path, columns: Mapping[str, str]) -> ModelRows:
        """Rows of a parquet file; `columns` are the file's names by ours (`k:`, `m:`, `f:`)."""
        scan = pl.scan_parquet(path).select(pl.col(theirs).alias(ours) for ours, theirs in columns.items())
        forms = {name: form_of(physical) for name, physical in scan.collect_schema().items()}
        odd = [columns[name] for name, form in forms.items() if form is None]
        if odd:
            raise WarehouseError(
                f"{path}: {', '.join(odd)} cannot be read from parquet directly",
                hint="read the file through a DuckDB warehouse instead",
            )
        watch = Watch(ended=True)
        physical = scan.collect_schema()
        known = [_column(name, form, watch, physical[name]) for name, form in forms.items() if form is not None]
        return cls(scan, known, watch, pushes=True)

    @property
    def types(self) -> dict[str, LogicalType]:
        """Logical types by column."""
        return {name: column.type for name, column in self.columns.items()}

    def finish(self) -> None:
        """To be called when the rows have passed; WarehouseError when they are not all there, or not all sound."""
        for name, found in self.watch.outside.items():
            raise WarehouseError(
                f"column {name!r} holds {found} value(s) outside the years 1 to 9999, such as 'infinity'",
                hint="Turn them into NULL, or into a real date, in the model.",
            )
        for name, found in self.watch.overlong.items():
            raise WarehouseError(
                f"column {name!r} holds {found} number(s) of more than {DECIMAL_DIGITS} digits",
                hint="Cast the column to text in the model.",
            )
        if not self.watch.ended:
            raise WarehouseError("the model's rows broke off before their end", hint="Run it again.")


class Capsule:
    """Arrow data as any library takes them: polars is quicker with that than with pyarrow's own classes."""

    def __init__(self, data: pa.Array | pa.RecordBatch) -> None:
        self._data = data

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The Arrow PyCapsule protocol."""
        capsules: tuple[object, object] = self._data.__arrow_c_array__(requested_schema)
        return capsules


class _Reader:
    """From Arrow batches to polars frames: ordinary columns as they are, the others canonical already."""

    def __init__(self, arrow: pa.Schema, first: pa.RecordBatch, watch: Watch) -> None:
        self.watch = watch
        self._arrow = arrow
        self._forms = {item.name: _plain_form(item.type) for item in arrow}
        self._types = {item.name: _type_of(item, first) for item in arrow}
        self.schema: dict[str, pl.DataType] = {}
        self.columns: list[SourceColumn] = []
        for item in arrow:
            form = self._forms[item.name]
            physical = _imported(item.type) if form else dtype(self._types[item.name])
            self.schema[item.name] = physical
            self.columns.append(_column(item.name, form or _canonical(self._types[item.name]), watch, physical))

    def source(
        self, batches: Iterator[pa.RecordBatch]
    ) -> Callable[[list[str] | None, pl.Expr | None, int | None, int | None], Iterator[pl.DataFrame]]:
        """What polars reads from."""

        def read(
            names: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            for batch in batches:
                frame = self._frame(batch)
                yield frame.select(names) if names is not None else frame
            self.watch.ended = True

        return read

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        batch = batch if batch.schema.types == self._arrow.types else _fitted(batch, self._arrow)
        plain = [name for name, form in self._forms.items() if form is not None]
        frame = pl.DataFrame(Capsule(batch.select(plain)))
        odd = [self._series(name, batch.column(name)) for name in self.schema if name not in plain]
        return frame.with_columns(odd).select(list(self.schema)) if odd else frame

    def _series(self, name: str, array: pa.Array) -> pl.Series:
        column = canonical_column(name, pa.chunked_array([array]))
        if column.note:
            self.watch.notes[name] = column.note
        values = convert(column.values, column.type, self._types[name])
        if values is None:
            raise _half_way(f"{name}: {self._types[name]}, then {column.type}")
        return values


def _peek(stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first batch; and some more while a column has shown no value and no type yet."""
    for seen, batch in enumerate(stream, 1):
        yield batch
        if seen >= _PEEK or not any(pa.types.is_null(kind) for kind in batch.schema.types):
            return


def _unified(schemas: Sequence[pa.Schema]) -> pa.Schema:
    try:
        return pa.unify_schemas(list(dict.fromkeys(schemas)), promote_options="permissive")
    except pa.ArrowException as error:
        raise _half_way(error) from error


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch under the types of the first ones; they differ only where a driver infers them from values."""
    try:
        return pa.RecordBatch.from_arrays([batch.column(item.name).cast(item.type) for item in schema], schema=schema)
    except (pa.ArrowException, KeyError) as error:
        raise _half_way(error) from error


def _half_way(why: object) -> WarehouseError:
    return WarehouseError(
        f"the model's columns change their type half way: {why}", hint="Cast the column to one type in the model."
    )


def _imported(arrow: pa.DataType) -> pl.DataType:
    # No pa.array(): given a list, it looks for pandas, a fifth of a second where that is installed.
    return pl.Series(Capsule(pa.nulls(0, arrow))).dtype


def _familiar(arrow: pa.DataType) -> bool:
    """Whether polars reads an Arrow type soundly: at others it panics, or takes narrow decimals for wide ones."""
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return _familiar(arrow.value_type)
    if pa.types.is_dictionary(arrow):
        return arrow.value_type in {pa.string(), pa.large_string()}
    if pa.types.is_decimal(arrow):
        return bool(pa.types.is_decimal128(arrow)) and arrow.scale >= 0
    return any(test(arrow) for test in _FAMILIAR)


def _plain_form(arrow: pa.DataType) -> Form | None:
    """The form of an Arrow type that polars takes in without a change of meaning."""
    if not _familiar(arrow):
        return None
    form = form_of(_imported(arrow))
    return form if form is not None and form.type == logical_type(arrow) else None


def _type_of(item: pa.Field, first: pa.RecordBatch) -> LogicalType:
    """The type of a column; of numbers that may outgrow 128 bits the first batch tells whether they do."""
    if pa.types.is_decimal256(item.type) and first.num_rows:
        return canonical_column(item.name, pa.chunked_array([first.column(item.name)])).type
    return logical_type(item.type)


def _canonical(logical: LogicalType) -> Form:
    """The form of a column that is canonical already."""
    return Form(logical, lambda value: value, lambda value: value)


def _column(name: str, form: Form, watch: Watch, found: pl.DataType) -> SourceColumn:
    raw = pl.col(name)
    value, carried = form.value(raw), form.carried(raw)
    if form.type.kind in {"date", "timestamp", "timestamptz"}:
        physical: Any = dtype(form.type)
        carried = carried.map_batches(watch.moments(name, physical), return_dtype=physical, is_elementwise=True)
    if isinstance(found, pl.Decimal) and found.precision == DECIMAL_DIGITS:
        carried = carried.map_batches(watch.digits(name, found), return_dtype=found, is_elementwise=True)
    return SourceColumn(name, form.type, value, carried, form.carrier)
