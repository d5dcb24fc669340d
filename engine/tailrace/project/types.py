"""Small value types of the configuration: durations, limits, rates, secrets.

Each validates exactly what its JSON Schema accepts. Values already in their final form are taken as
they are when a model is built from code, that is without a validation context.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

from tailrace import memory, rates
from tailrace.project.dbt import REFERENCE_PATTERN, Reference
from tailrace.project.model import Model, whole
from tailrace.project.reading import Text, problem
from tailrace.project.references import END
from tailrace.project.secrets import Secret, SecretUrl

__all__ = [
    "Age",
    "Count",
    "Duration",
    "Filled",
    "Interval",
    "Limit",
    "Memory",
    "ModelName",
    "NameText",
    "Percent",
    "Rate",
    "Secret",
    "SecretUrl",
    "TableName",
    "Text",
    "matching",
]

_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
DURATION_PATTERN = rf"^{_NUMBER}(?:ms|s|m|h|d){END}"
INTERVAL_PATTERN = rf"^(?=[0-9.]*[1-9]){_NUMBER}(?:ms|s|m|h|d){END}"
MEMORY_PATTERN = rf"^(?=[0-9.]*[1-9]){_NUMBER}(?:KiB|MiB|GiB|TiB){END}"
PERCENT_PATTERN = rf"^(?:100(?:\.0{{1,6}})?|[0-9]{{1,2}}(?:\.[0-9]{{1,6}})?)%{END}"
NAME_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_\-]{{0,99}}{END}"


def seconds_of(duration: str) -> float:
    """Seconds of a text that fits one of the patterns of durations."""
    unit = "ms" if duration.endswith("ms") else duration[-1]
    return float(duration.removesuffix(unit)) * _UNITS[unit]


def matching(pattern: str, words: str, *examples: str) -> tuple[Any, WithJsonSchema]:
    """How a text that fits a pattern is read, and what editors are told of it; `words` say what it should be."""

    def read(value: object) -> str:
        if isinstance(value, str) and re.match(pattern, value):
            return str(value)
        raise problem(words)

    told = {"type": "string", "pattern": pattern, **({"examples": list(examples)} if examples else {})}
    return (
        GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(read)),
        WithJsonSchema(told),
    )


def _seconds(pattern: str, least: str) -> Callable[[object, core_schema.ValidationInfo], float]:
    def read(value: object, info: core_schema.ValidationInfo) -> float:
        if isinstance(value, str) and re.match(pattern, value):
            return seconds_of(value)
        if info.context is None and isinstance(value, float | int):
            return float(value)
        raise problem(f"should be a duration{least} with its unit: 500ms, 60s, 15m, 1h or 1d")

    return read


def _duration(pattern: str, least: str = "") -> Any:
    def schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_seconds(pattern, least))

    return GetPydanticSchema(schema)


Duration: TypeAlias = Annotated[
    float, _duration(DURATION_PATTERN), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
]
"""Seconds, zero included, written with a unit."""

Interval: TypeAlias = Annotated[
    float, _duration(INTERVAL_PATTERN, " above zero"), WithJsonSchema({"type": "string", "pattern": INTERVAL_PATTERN})
]
"""Seconds, above zero, written with a unit."""


def _age(value: object, info: core_schema.ValidationInfo) -> float | None:
    if value == "off" or (value is None and info.context is None):
        return None
    if isinstance(value, str) and not re.match(INTERVAL_PATTERN, value):
        raise problem("should be a duration above zero with its unit, such as 90d, or off")
    return _seconds(INTERVAL_PATTERN, " above zero")(value, info)


Age: TypeAlias = Annotated[
    float | None,
    GetPydanticSchema(lambda _source, _handler: core_schema.with_info_plain_validator_function(_age)),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": INTERVAL_PATTERN}, {"const": "off"}]}),
]
"""Seconds, above zero, written with a unit, or None for ever, written `off`."""


def _memory(value: object, info: core_schema.ValidationInfo) -> int | None:
    if value is None and info.context is None:
        return None
    size = value if isinstance(value, int) and info.context is None else None
    if isinstance(value, str) and re.match(MEMORY_PATTERN, value):
        size = int(float(value[:-3]) * _BYTES[value[-3:]])
    if size is not None and size >= memory.LEAST:
        return size
    raise problem("should be an amount of memory with its unit, at least 512MiB: 768MiB or 2GiB")


Memory: TypeAlias = Annotated[
    int | None,
    GetPydanticSchema(lambda _source, _handler: core_schema.with_info_plain_validator_function(_memory)),
    WithJsonSchema({"type": "string", "pattern": MEMORY_PATTERN}),
]
"""Bytes, written with a unit; None where nothing is said."""

Count: TypeAlias = Annotated[int, Field(ge=1)]
"""A whole number, 1 or more."""


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100


def _percent(value: object, info: core_schema.ValidationInfo) -> float:
    if isinstance(value, str) and re.match(PERCENT_PATTERN, value):
        return _share(value)
    if info.context is None and isinstance(value, float):
        return value
    raise problem("should be a share from 0% to 100%, such as 20%")


def _limit(value: object, info: core_schema.ValidationInfo) -> float | int | None:
    if value == "off" or (value is None and info.context is None):
        return None
    if isinstance(value, str) and re.match(PERCENT_PATTERN, value):
        return _share(value)
    if info.context is None and isinstance(value, float):
        return value
    rows = whole(value)
    if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0:
        return rows
    raise problem("should be a share such as 15%, a number of rows, or off")


def _plain(function: Callable[[object, core_schema.ValidationInfo], Any]) -> Any:
    return GetPydanticSchema(lambda _source, _handler: core_schema.with_info_plain_validator_function(function))


Percent: TypeAlias = Annotated[float, _plain(_percent), WithJsonSchema({"type": "string", "pattern": PERCENT_PATTERN})]
"""A share from 0 to 1, written as a percentage."""

Limit: TypeAlias = Annotated[
    float | int | None,  # a float is a share of the snapshot, an int a number of rows, None is off
    _plain(_limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PERCENT_PATTERN},
                {"const": "off"},
                {"type": "integer", "minimum": 0},
            ]
        }
    ),
]
"""A brake: a share of the snapshot (float, 0 to 1), a number of rows (int), or None for off."""


class RateEntry(Model):
    """How a rate is written: `{calls: 50, per: 5s}`."""

    calls: Count
    per: Interval


def _rate(entry: object) -> object:
    return rates.Rate(entry.calls, entry.per) if isinstance(entry, RateEntry) else entry


def _rate_schema(_source: Any, handler: Any) -> core_schema.CoreSchema:
    """A mapping read as `RateEntry`; in code also a `rates.Rate` itself."""
    entry: Any = core_schema.no_info_after_validator_function(_rate, handler.generate_schema(RateEntry))

    def read(value: object, inner: core_schema.ValidatorFunctionWrapHandler) -> object:
        return value if isinstance(value, rates.Rate) else inner(value)

    return core_schema.no_info_wrap_validator_function(read, entry)


Rate: TypeAlias = Annotated[rates.Rate, GetPydanticSchema(_rate_schema)]
"""At most `calls` requests in any window of `per` seconds."""


_MODEL_PART = r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,99}"
MODEL_PATTERN = rf"^{_MODEL_PART}(?:/{_MODEL_PART}){{0,9}}{END}"


def _model(value: object) -> str:
    if isinstance(value, str) and (re.match(MODEL_PATTERN, value) or Reference.read(value)):
        return str(value)
    raise problem(
        "should name a file under models/ without its .sql, such as customers or marts/customers, "
        "or a model of dbt, such as ref('customers')"
    )


ModelName: TypeAlias = Annotated[
    str,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_model)),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"pattern": MODEL_PATTERN}, {"pattern": REFERENCE_PATTERN}],
        }
    ),
]
"""`NAME` of `models/NAME.sql`, with folders below models/ separated by `/`; or a reference to what dbt built."""


_TABLE_PART = r"""(?:[A-Za-z_][A-Za-z0-9_$]*|"[^"\n]+"|`[^`\n]+`|\[[^\]\n]+\])"""
TABLE_PATTERN = rf"^{_TABLE_PART}(?:\.{_TABLE_PART}){{0,3}}{END}"


TableName: TypeAlias = Annotated[
    str,
    *matching(
        TABLE_PATTERN,
        "should name one table or view, such as analytics.customers; quote what is no plain name as SQL does",
    ),
]
"""A table or view as the warehouse's SQL names it."""

Filled: TypeAlias = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""


NameText: TypeAlias = Annotated[
    str,
    *matching(NAME_PATTERN, "should be a name: letters, digits, _ and -, at most 100, starting with a letter or digit"),
]
"""The name of a sync, warehouse or destination: safe as a file name."""
