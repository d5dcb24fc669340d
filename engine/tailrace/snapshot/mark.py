"""How far a model was read by its cursor: kept in the manifest, so that it agrees with the rows whatever happens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from tailrace.warehouses.literals import Literal as Value

Keep: TypeAlias = Literal["keep"]
KEEP: Final = "keep"
"""In place of a mark: that of the generation before."""
Moment: TypeAlias = int | date | datetime
"""A cursor's value. A `datetime` is exact to the microsecond; with a zone it is UTC."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Says of the model as read: each row below `value` is in the snapshot as it is, but for those of `again`."""

    column: str
    value: Moment
    """The highest value of the cursor that was read."""
    whole: Moment
    """What that was when all rows were read last."""
    definition: str
    """The hash of the sync as it was defined: of another one the mark says nothing."""
    again: tuple[tuple[Value, ...], ...] = ()
    """Keys of rows that are not settled, one value per column of the key: they are read again wherever they stand."""

    @property
    def token(self) -> str:
        """Tells one mark from another."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The form in a manifest."""
        return {
            "column": self.column,
            "value": _tagged(self.value),
            "whole": _tagged(self.whole),
            "definition": self.definition,
            "again": [[_tagged(value) for value in key] for key in self.again],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Mark:
        """Read that form; ValueError, KeyError or TypeError when it is none."""
        value, whole = _value(data["value"]), _value(data["whole"])
        if not (_is_moment(value) and _is_moment(whole)):
            raise ValueError(f"{data['value']!r} is no value of a cursor")
        again = tuple(tuple(map(_value, key)) for key in data["again"])
        return cls(str(data["column"]), value, whole, str(data["definition"]), again)  # type: ignore[arg-type]


def _is_moment(value: object) -> bool:
    return isinstance(value, int | date) and not isinstance(value, bool)


def _tagged(value: Value) -> list[Any]:
    match value:
        case bool() | int() | str():
            return [type(value).__name__, value]
        case Decimal():
            return ["decimal", format(value, "f")]
        case datetime():
            return ["datetime", value.isoformat()]
        case date():
            return ["date", value.isoformat()]


_READ = {"decimal": Decimal, "datetime": datetime.fromisoformat, "date": date.fromisoformat}


def _value(tagged: list[Any]) -> Value:
    kind, value = tagged
    if kind in _READ:
        return _READ[kind](value)  # type: ignore[no-any-return,operator]
    if type(value).__name__ != kind or kind not in {"bool", "int", "str"}:
        raise ValueError(f"{tagged!r} is no value")
    return value  # type: ignore[no-any-return]
