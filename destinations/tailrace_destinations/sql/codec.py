"""Between canonical values and what a column holds, in both directions and without loss.

Every column has a form, told by its declared type. Values are bound as plain driver values: text for JSON, and
for SQLite, which has no such types, ISO 8601 text for dates and times (with `+00:00` when they had a zone).

SQLite keeps a NUMERIC column's numbers as 64-bit integers and floats. A decimal that both would change is
refused (declare the column TEXT to keep any number of digits), as is NaN, which SQLite turns into NULL.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

from sqlalchemy import types as sql

from tailrace.jsonform import to_json
from tailrace.values import KINDS, Kind, Value

Form: TypeAlias = Literal[
    "bool", "int", "float", "decimal", "string", "binary", "date", "time", "timestamp", "timestamptz", "json", "array",
    "other",
]  # fmt: skip

_NUMBERS: frozenset[Kind] = frozenset({"int64", "float64", "decimal"})
_INT64 = 2**63
_ACCEPTS: dict[Form, frozenset[Kind]] = {
    "bool": frozenset({"bool"}),
    "int": frozenset({"int64", "decimal"}),
    "float": _NUMBERS,
    "decimal": _NUMBERS,
    "string": frozenset(KINDS) - {"binary"},
    "binary": frozenset({"binary"}),
    "date": frozenset({"date"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"timestamp", "timestamptz", "date"}),
    "timestamptz": frozenset({"timestamp", "timestamptz", "date"}),
    "json": frozenset(KINDS) - {"binary"},
    "array": frozenset({"json"}),
    "other": frozenset({"string"}),
}


class UnfitError(ValueError):
    """A value that a column cannot hold unchanged; the text says why."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one column's values go in and come out. Neither function is called with None."""

    form: Form
    accepts: frozenset[Kind]
    encode: Callable[[Value], Any]
    """UnfitError when the column cannot hold the value unchanged."""
    decode: Callable[[Any], Value]
    plain: frozenset[type]
    """Types whose values, and None, go in as they are."""

    def column(self, values: Sequence[Value]) -> Sequence[Any]:
        """Encode a column of values, nulls included; most columns need no work at all."""
        if self.plain.issuperset(map(type, values)):
            return values
        encode = self.encode
        return [None if value is None else encode(value) for value in values]


def codec(declared: sql.TypeEngine[Any], dialect: str) -> Codec:
    """Choose the codec for a column of that declared type."""
    form = _form(declared)
    encode, accepts = _ENCODE[form], _ACCEPTS[form]
    if dialect == "sqlite":
        encode = _SQLITE_ENCODE.get(form, encode)
        accepts = _SQLITE_ACCEPTS.get(form, accepts)
    plain = (_SQLITE_PLAIN if dialect == "sqlite" else _PLAIN).get(form, ())
    return Codec(form, accepts, encode, _DECODE[form], frozenset({type(None), *plain}))


def _form(declared: sql.TypeEngine[Any]) -> Form:
    for kind, form in _FORMS:
        if isinstance(declared, kind):
            return "timestamptz" if form == "timestamp" and getattr(declared, "timezone", False) else form
    return "other"


_FORMS: tuple[tuple[type[Any], Form], ...] = (
    (sql.Boolean, "bool"),
    (sql.Integer, "int"),
    (sql.Float, "float"),
    (sql.Numeric, "decimal"),
    (sql.DateTime, "timestamp"),
    (sql.Date, "date"),
    (sql.Time, "time"),
    (sql.JSON, "json"),
    (sql.ARRAY, "array"),
    (sql.LargeBinary, "binary"),
    (sql.BINARY, "binary"),
    (sql.VARBINARY, "binary"),
    (sql.String, "string"),
)


def text(value: Value) -> str:  # one line per type
    """Give a value as text: what a text column gets, and what record ids are made of."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping | Sequence):
        return _json(value)
    return str(value)


def _json(value: Value) -> str:
    # Text is taken as JSON text, as the database itself would: warehouses hand JSON columns over as text.
    if isinstance(value, str):
        return value
    return json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":"))


def _refuse(value: Value, what: str) -> UnfitError:
    return UnfitError(f"{type(value).__name__} {text(value)[:80]!r} does not fit {what}")


def _to_bool(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if value in (0, 1, "true", "false"):
        return value in (1, "true")
    raise _refuse(value, "a boolean column")


def _to_int(value: Value) -> int:
    if type(value) is int:
        return value
    try:
        number = int(value)  # type: ignore[arg-type]  # what int() does not take is refused
    except (TypeError, ValueError, OverflowError):
        raise _refuse(value, "an integer column") from None
    if isinstance(value, float | Decimal) and number != value:
        raise _refuse(value, "an integer column")
    return number


def _to_float(value: Value) -> float:
    if type(value) is float:
        return value
    try:
        return float(value)  # type: ignore[arg-type]  # what float() does not take is refused
    except (TypeError, ValueError, OverflowError):
        raise _refuse(value, "a float column") from None


def _to_decimal(value: Value) -> Decimal:
    if isinstance(value, Decimal):
        return value
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, InvalidOperation):
        raise _refuse(value, "a numeric column") from None


def _to_bytes(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(value)  # type: ignore[arg-type]  # what is no text is refused
    except (TypeError, ValueError):
        raise _refuse(value, "a binary column") from None


def _parsed(value: Value, kind: type[Any], what: str) -> Any:
    try:
        return kind.fromisoformat(value)
    except (TypeError, ValueError):
        raise _refuse(value, what) from None


def _to_date(value: Value) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    found: date = _parsed(value, date, "a date column")
    return found


def _to_time(value: Value) -> time:
    if isinstance(value, time):
        return value
    found: time = _parsed(value, time, "a time column")
    return found


def _moment(value: Value) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())  # a date has no zone
    found: datetime = _parsed(value, datetime, "a timestamp column")
    return found


def _to_naive(value: Value) -> datetime:
    """A column without a zone gets the UTC wall clock of a moment that had one."""
    moment = _moment(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _to_utc(value: Value) -> datetime:
    """A column with a zone gets a naive moment as UTC, whatever the session's zone."""
    moment = _moment(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_list(value: Value) -> Any:
    if isinstance(value, list | tuple):
        return list(value)
    raise _refuse(value, "an array column")


_ENCODE: dict[Form, Callable[[Value], Any]] = {
    "bool": _to_bool,
    "int": _to_int,
    "float": _to_float,
    "decimal": _to_decimal,
    "string": text,
    "binary": _to_bytes,
    "date": _to_date,
    "time": _to_time,
    "timestamp": _to_naive,
    "timestamptz": _to_utc,
    "json": _json,
    "array": _to_list,
    "other": text,
}


def _sqlite_int(value: Value) -> int:
    number = _to_int(value)
    if not -_INT64 <= number < _INT64:
        raise _refuse(value, "SQLite's 64-bit integers; make it a TEXT column")
    return number


def _sqlite_float(value: Value) -> float:
    number = _to_float(value)
    if math.isnan(number):
        raise UnfitError("SQLite stores NaN as NULL; give NULL, or another value, in the model")
    return number


def _sqlite_decimal(value: Value) -> int | float:
    number = _to_decimal(value)
    if number.is_nan():
        return _sqlite_float(float("nan"))
    near = float(number)
    if Decimal(repr(near)) == number:
        return near
    if number == number.to_integral_value() and abs(number) < _INT64:
        return int(number)
    raise _refuse(value, "SQLite's NUMERIC without losing digits; make it a TEXT column")


def _sqlite_moment(value: Value) -> str:
    moment = _moment(value)
    zone = moment.tzinfo
    return (moment if zone is None or zone is UTC else moment.astimezone(UTC)).isoformat(" ")


def _sqlite_other(value: Value) -> Any:
    """A column without a declared type keeps what it gets; what SQLite has no type for becomes text."""
    return value if isinstance(value, str | int | float | bytes) else text(value)


_SQLITE_ENCODE: dict[Form, Callable[[Value], Any]] = {
    "bool": lambda value: int(_to_bool(value)),
    "int": _sqlite_int,
    "float": _sqlite_float,
    "decimal": _sqlite_decimal,
    "date": lambda value: _to_date(value).isoformat(),
    "time": lambda value: _to_time(value).isoformat(),
    "timestamp": _sqlite_moment,
    "other": _sqlite_other,
}
_PLAIN: dict[Form, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float,),
    "decimal": (Decimal,),
    "string": (str,),
    "binary": (bytes,),
    "date": (date,),
    "time": (time,),
    "array": (list,),
    "other": (str,),
}
_SQLITE_PLAIN: dict[Form, tuple[type, ...]] = {"bool": (bool,), "string": (str,), "binary": (bytes,), "other": (str,)}
_SQLITE_ACCEPTS: dict[Form, frozenset[Kind]] = {
    "int": frozenset({"int64", "decimal", "bool"}),
    "other": frozenset(KINDS),
}


def _from_text(value: Any) -> Value:
    if isinstance(value, memoryview):
        return bytes(value)
    if value is None or isinstance(value, str | int | float | Decimal | bytes | date | time):
        return value
    return str(value)


def _from_time(value: Any) -> Value:
    if isinstance(value, timedelta):  # MySQL's drivers
        return (datetime.min + value).time()  # noqa: DTZ901  # a time of day has no zone
    return time.fromisoformat(value) if isinstance(value, str) else value


def _from_json(value: Any) -> Value:
    try:
        found: Value = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        return _from_text(value)  # SQLite does not check what a JSON column gets
    return found


def _from_moment(value: Any) -> Value:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment


_DECODE: dict[Form, Callable[[Any], Value]] = {
    "bool": bool,
    "int": lambda value: value,
    "float": lambda value: value,
    "decimal": lambda value: value if isinstance(value, Decimal) else Decimal(str(value)),
    "string": _from_text,
    "binary": bytes,
    "date": lambda value: date.fromisoformat(value) if isinstance(value, str) else value,
    "time": _from_time,
    "timestamp": _from_moment,
    "timestamptz": _from_moment,
    "json": _from_json,
    "array": lambda value: value,
    "other": _from_text,
}
