"""Rows of Python values into Arrow batches whose types hold from the first batch to the last."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, TypeAlias

import pyarrow as pa

from tailrace.errors import WarehouseError

Types: TypeAlias = Sequence[pa.DataType | None]
Chunk: TypeAlias = Sequence[Sequence[Any]]
"""Some rows of the result, in the order of the columns."""

_MAX_DIGITS = 38
_MOST, _MOST_UNSIGNED = 2**63 - 1, 2**64 - 1


def batches(chunks: Iterable[Chunk], names: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
    """One batch per chunk, and at least one. Where a type is None, all chunks are read before the first comes.

    WarehouseError names the column whose values do not fit its type, or are of several types.
    """
    known = [kind for kind in types if kind is not None]
    if len(known) == len(types):
        yield from _streamed(chunks, pa.schema(list(zip(names, known, strict=True))))
    else:
        yield from _gathered(chunks, names, types)


def _streamed(chunks: Iterable[Chunk], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    empty = True
    for chunk in chunks:
        empty = False
        columns = zip(*chunk, strict=True)
        arrays = [_array(field.name, column, field.type) for field, column in zip(schema, columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    if empty:
        yield pa.RecordBatch.from_pylist([], schema=schema)


def _gathered(chunks: Iterable[Chunk], names: Sequence[str], types: Types) -> Iterator[pa.RecordBatch]:
    """As the last chunk may be the one that tells a column's type, all are put aside in a file first."""
    with tempfile.TemporaryFile(prefix="tailrace-") as file:
        found: list[dict[pa.DataType, None]] = [{} for _ in names]
        written = 0
        for chunk in chunks:
            columns = zip(names, types, zip(*chunk, strict=True), strict=True)
            arrays = [
                _array(name, column, kind if kind is not None else _inferred(name, column))
                for name, kind, column in columns
            ]
            for kinds, array in zip(found, arrays, strict=True):
                kinds[array.type] = None
            _put_aside(file, pa.RecordBatch.from_arrays(arrays, names=list(names)))
            written += 1
        common = [kind or _valued(_common(name, seen)) for name, kind, seen in zip(names, types, found, strict=True)]
        schema = pa.schema(list(zip(names, common, strict=True)))
        file.seek(0)
        for _ in range(written):
            with pa.ipc.open_stream(pa.PythonFile(file, mode="r")) as reader:
                for batch in reader:
                    yield _joined(batch, schema)
        if not written:
            yield pa.RecordBatch.from_pylist([], schema=schema)


def _put_aside(file: IO[bytes], batch: pa.RecordBatch) -> None:
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(pa.PythonFile(file, mode="w"), batch.schema, options=options) as writer:
        writer.write_batch(batch)


def _joined(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field, column in zip(schema, batch.columns, strict=True):
        try:
            arrays.append(column.cast(field.type))
        except pa.ArrowException as error:
            raise unfit(field.name, field.type, error) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _common(name: str, found: Iterable[pa.DataType]) -> pa.DataType:
    """The one type that holds the values of all of a column's chunks."""
    kinds = [kind for kind in dict.fromkeys(found) if not pa.types.is_null(kind)]
    if len(kinds) <= 1:
        return kinds[0] if kinds else pa.null()
    if all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in kinds):
        return pa.decimal128(_MAX_DIGITS, max(getattr(kind, "scale", 0) for kind in kinds))
    if set(kinds) == {pa.int64(), pa.float64()}:
        return pa.float64()
    if all(pa.types.is_nested(kind) for kind in kinds):
        return _common_nested(name, kinds)
    raise _mixed(name, sorted(str(kind) for kind in kinds))


def _valued(kind: pa.DataType) -> pa.DataType:
    """Lists of NULLs alone as lists of texts: pyarrow 26 miscounts the elements of the former."""
    return pa.list_(pa.string()) if pa.types.is_list(kind) and pa.types.is_null(kind.value_type) else kind


def _common_nested(name: str, kinds: Sequence[pa.DataType]) -> pa.DataType:
    try:
        schemas = [pa.schema([(name, kind)]) for kind in kinds]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException as error:
        raise _mixed(name, sorted(str(kind) for kind in kinds)) from error


def _inferred(name: str, values: Sequence[Any]) -> pa.DataType | None:
    """The type of some values; None leaves lists and structs to Arrow, pa.null() says they are all NULL."""
    classes = {cls for cls in set(map(type, values)) if cls is not type(None)}
    kinds = {_KINDS.get(cls, "string") for cls in classes}
    if not kinds:
        return pa.null()
    if kinds == {"int", "decimal"}:
        kinds = {"decimal"}
    if kinds == {"int", "float"}:
        kinds = {"float"}
    if len(kinds) > 1:
        raise _mixed(name, sorted(kinds))
    return _INFER[kinds.pop()](name, values)


def _decimal(name: str, values: Sequence[Any]) -> pa.DataType:
    exponents = [value.as_tuple().exponent for value in values if isinstance(value, Decimal)]
    if any(isinstance(exponent, str) for exponent in exponents):
        raise WarehouseError(
            f"{_shown(name)} holds a decimal that is no number (NaN or infinity)",
            hint="cast it to double precision in the model, or turn it into NULL",
        )
    scale = max(0, *(-int(exponent) for exponent in exponents)) if exponents else 0
    if scale > _MAX_DIGITS:
        raise _too_long(name)
    return pa.decimal128(_MAX_DIGITS, scale)


def _whole(_name: str, values: Sequence[Any]) -> pa.DataType:
    """Numbers of 64 bits, which without a sign may be larger than those with one; no database has longer ones."""
    unsigned = any(value is not None and _MOST < value <= _MOST_UNSIGNED for value in values)
    return pa.decimal128(_MAX_DIGITS, 0) if unsigned else pa.int64()


def _timestamp(name: str, values: Sequence[Any]) -> pa.DataType:
    zoned = {value.tzinfo is not None for value in values if value is not None}
    if len(zoned) > 1:
        raise _mixed(name, ["timestamps with a zone", "timestamps without one"])
    return pa.timestamp("us", "UTC") if zoned.pop() else pa.timestamp("us")


def _array(name: str, values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    try:
        if kind is None:
            return pa.array(values)
        return pa.array(_prepared(values, kind), type=kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise unfit(name, kind, error) from error


def _prepared(values: Sequence[Any], kind: pa.DataType) -> Sequence[Any]:
    """Driver's objects that Arrow does not take as they are: UUIDs, addresses, memory views, whole decimals."""
    if pa.types.is_string(kind):
        return values if set(map(type, values)) <= {str, type(None)} else [_text(value) for value in values]
    if pa.types.is_binary(kind):
        return [None if value is None else bytes(value) for value in values]
    if pa.types.is_boolean(kind):
        # SQLite and MySQL have no booleans and give 0 and 1.
        return [None if value is None else bool(value) for value in values]
    return values


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return str(value)


def _shown(name: str) -> str:
    """A projection's column as the sync's file calls it."""
    role, _, rest = name.partition(":")
    return f"{_ROLES[role]} {rest!r}" if role in _ROLES else f"column {name!r}"


def unfit(name: str, kind: pa.DataType | None, error: Exception) -> WarehouseError:
    """What to tell of a column whose values do not fit its type."""
    if kind is not None and pa.types.is_decimal(kind):
        return _too_long(name)
    return WarehouseError(
        f"{_shown(name)} holds a value that does not fit {kind or 'one type'}",
        said=str(error),
        hint="cast the column in the model, to text if need be",
    )


def _too_long(name: str) -> WarehouseError:
    return WarehouseError(
        f"{_shown(name)} holds a number of more than {_MAX_DIGITS} digits",
        hint="round it in the model, or cast it to double precision or to text",
    )


def _mixed(name: str, kinds: Sequence[str]) -> WarehouseError:
    return WarehouseError(
        f"{_shown(name)} holds values of several types: {', '.join(kinds)}",
        hint="cast the column to one type in the model",
    )


_ROLES = {"k": "key column", "m": "match field", "f": "field"}
_KINDS: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    Decimal: "decimal",
    bytes: "binary",
    bytearray: "binary",
    memoryview: "binary",
    datetime: "timestamp",
    date: "date",
    time: "time",
    list: "nested",
    tuple: "nested",
    dict: "nested",
}
_INFER: Mapping[str, Callable[[str, Sequence[Any]], pa.DataType | None]] = {
    "bool": lambda _name, _values: pa.bool_(),
    "int": _whole,
    "float": lambda _name, _values: pa.float64(),
    "decimal": _decimal,
    "string": lambda _name, _values: pa.string(),
    "binary": lambda _name, _values: pa.binary(),
    "timestamp": _timestamp,
    "date": lambda _name, _values: pa.date32(),
    "time": lambda _name, _values: pa.time64("us"),
    "nested": lambda _name, _values: None,
}
