"""The `cursor` of a sync: a column that rises whenever a row changes, so that only what is new need be read."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, GetPydanticSchema, WithJsonSchema, model_validator
from pydantic_core import core_schema

from tailrace.project.model import Model, whole
from tailrace.project.reading import problem
from tailrace.project.types import DURATION_PATTERN, INTERVAL_PATTERN, Filled, seconds_of

PLACE = "cursor:"
"""The name under which a sync knows where its cursor stands in the file."""
_ONCE = "which sends a row once and never looks at it again; leave cursor out"
REFUSED = {
    "mirror": "cannot go with mode mirror: a row that left the model looks like one that did not change, so what must "
    "be deleted is never seen; leave cursor out, or use mode upsert, which deletes nothing",
    "delete": "cannot go with mode delete: the model must say each time which records are to go; leave cursor out",
    "update": "cannot go with mode update: rows without a record are looked up again in every run, so all must be "
    "read; leave cursor out, or use mode upsert",
    "insert": f"cannot go with mode insert, {_ONCE}",
    "append": f"cannot go with mode append, {_ONCE}",
}
"""By mode, why a sync of that mode has no cursor."""


def _reach(pattern: str, least: int) -> Any:
    """A duration (seconds, a float), or steps of a whole number (an int, at least `least`)."""

    def read(value: object, info: core_schema.ValidationInfo) -> float | int:
        if isinstance(value, str) and re.match(pattern, value):
            return seconds_of(value)
        if info.context is None and isinstance(value, float):
            return value
        steps = whole(value)
        if isinstance(steps, int) and not isinstance(steps, bool) and steps >= least:
            return steps
        raise problem(
            f"should be a duration with its unit, such as 15m, or for a column of whole numbers one from {least} on"
        )

    return GetPydanticSchema(lambda _source, _handler: core_schema.with_info_plain_validator_function(read))


def _either(pattern: str, least: int) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer", "minimum": least}]})


Overlap: TypeAlias = Annotated[float | int, _reach(DURATION_PATTERN, 0), _either(DURATION_PATTERN, 0)]
"""How far back reading begins: seconds (float), or steps of a whole number (int)."""
Distance: TypeAlias = Annotated[float | int, _reach(INTERVAL_PATTERN, 1), _either(INTERVAL_PATTERN, 1)]
"""The same, and more than nothing."""


def _kinds(overlap: str, full: str) -> dict[str, Any]:
    return {"required": ["overlap", "full"], "properties": {"overlap": {"type": overlap}, "full": {"type": full}}}


class CursorConfig(Model):
    """Reads only rows whose cursor is new, and some before it; rows that left the model are not seen so."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [{"not": _kinds("string", "number")}, {"not": _kinds("number", "string")}]}
    )

    column: Filled
    """A timestamp, a date or a whole number that rises whenever the row changes."""
    overlap: Overlap | None = None
    """How far before the highest value read the next run begins: 15m, and 1000 of whole numbers."""
    full: Distance | None = None
    """All rows are read once the column has risen by so much since they last were."""

    @model_validator(mode="after")
    def _one_measure(self) -> CursorConfig:
        if self.overlap is not None and self.full is not None and type(self.overlap) is not type(self.full):
            raise ValueError("overlap and full are both durations, or both whole numbers")
        return self
