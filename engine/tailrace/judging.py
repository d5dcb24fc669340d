"""What an adapter may add to the contract guard: faults of a mapping that only it can tell.

The engine compares the mapping with `describe` by itself: fields that are not there, cannot be written, or are of
another type. An adapter that knows more, such as what a reference may refer to, implements `Judge` besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from tailrace.destination import Lookup, Operation
from tailrace.values import Value

Refusal: TypeAlias = Callable[[Value], str | None]
"""Why a value would cost its row; None when it would not. The words never hold the value."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapped field."""

    name: str
    lookup: Lookup | None = None
    constant: bool = False
    """Whether all rows have the same `value`, written in the sync."""
    value: Value = None
    skips_nulls: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sync asks of an object."""

    object: str
    operations: frozenset[Operation]
    match: Sequence[str]
    fields: Sequence[Mapped]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an adapter says of a wish."""

    faults: Mapping[str, str] = field(default_factory=dict)
    """By field, in place of what the engine says of it: no row could be written."""
    notes: tuple[str, ...] = ()
    """What is no fault and may surprise."""
    closed: Mapping[str, Refusal] = field(default_factory=dict)
    """Fields that take a closed set of values, so that a plan can tell beforehand which rows they will cost."""


@runtime_checkable
class Judge(Protocol):
    """A destination that judges mappings."""

    def judge(self, wish: Wish) -> Judgement:
        """Judge a mapping; reads at most, and raises as `describe` does."""
