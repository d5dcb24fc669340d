"""Cron expressions and time zones as configuration types."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, TypeAlias
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

from tailrace.project.reading import problem
from tailrace.project.references import END

_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
_DAYS = "SUN MON TUE WED THU FRI SAT"


def _names(words: str) -> str:
    return "|".join("".join(f"[{char}{char.lower()}]" for char in word) for word in words.split())


def _field(value: str, *special: str) -> str:
    """A list of `*`, values and ranges, each with a step if need be, or of the field's special forms."""
    item = "|".join((rf"(?:\*|(?:{value})(?:-(?:{value}))?)(?:/[1-9][0-9]{{0,2}})?", *special))
    return rf"(?:{item})(?:,(?:{item})){{0,99}}"


_FIELDS = (
    _field(r"[0-5]?[0-9]"),
    _field(r"[01]?[0-9]|2[0-3]"),
    _field(r"0?[1-9]|[12][0-9]|3[01]", r"[Ll][Ww]?"),
    _field(rf"0?[1-9]|1[0-2]|{_names(_MONTHS)}"),
    _field(rf"0?[0-7]|{_names(_DAYS)}", r"[0-7][Ll]", rf"(?:[0-7]|{_names(_DAYS)})#[1-5]"),
)
CRON_PATTERN = rf"^{' +'.join(_FIELDS)}{END}"
"""Five fields. It lets ranges that run backwards and days that never come pass; the validator does not."""


def _cron(value: object) -> str:
    if not isinstance(value, str):
        raise problem("should be a text: put the cron expression in quotes")
    try:
        if re.match(CRON_PATTERN, value):
            next(CronSim(value, datetime(2024, 1, 1, tzinfo=UTC)))
            return str(value)
        reason = "minute, hour, day of month, month, day of week"
    except StopIteration:
        raise problem(_NEVER) from None
    except CronSimError as fault:
        if _comes_in_other_months(value):
            raise problem(_NEVER) from None
        reason = str(fault)
    raise problem(f'should be a cron expression of five fields, such as "*/15 * * * *" ({reason})')


_NEVER = "is a cron expression of a time that never comes: there is no such day"


def _comes_in_other_months(expression: str) -> bool:
    """Whether it is well but for its month, which lacks the day."""
    minute, hour, day, _, weekday = expression.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


Cron: TypeAlias = Annotated[
    str,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_cron)),
    WithJsonSchema({"type": "string", "pattern": CRON_PATTERN, "examples": ["*/15 * * * *"]}),
]
"""A cron expression of five fields that fires at some time."""


@cache
def zones() -> frozenset[str]:
    """Names of all time zones known here."""
    return frozenset(available_timezones()) | {"UTC"}


def _zone(value: object) -> str:
    if isinstance(value, str) and (value == "UTC" or value in zones()):
        return str(value)
    near = get_close_matches(value, zones(), n=1) if isinstance(value, str) and len(value) < 100 else []  # noqa: PLR2004
    raise problem(f"should be a time zone{f'; did you mean `{near[0]}`?' if near else ' such as Europe/Berlin'}")


class _ZoneSchema:
    """Makes the JSON Schema an enumeration, which is read from disk only when a schema is asked for."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(_zone)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(zones())}


Zone: TypeAlias = Annotated[str, _ZoneSchema()]
"""An IANA time zone."""
