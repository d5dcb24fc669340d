"""What an adapter is besides that makes fields which an object lacks, where a sync says so.

The engine asks which they are before it judges the contract, tells of them in plans, and has them made by a run alone,
after the guards and before the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from tailrace.destination import Field
from tailrace.values import LogicalType

Make: TypeAlias = Callable[[LogicalType], Field | str]
"""The field that would be made for a column of that type; in words why there is none."""


@runtime_checkable
class Making(Protocol):
    """A destination that makes fields."""

    def missing(self, object: str, names: Sequence[str]) -> Mapping[str, Make]:
        """Of these fields those that are to be made; empty where the sync does not say so. Reads at most."""

    def announce(self, object: str, fields: Mapping[str, Field]) -> str:
        """What plans tell of the fields that a run would make."""

    def make_fields(self, object: str, types: Mapping[str, LogicalType]) -> None:
        """Make fields for columns of those types; one that is there by now, as another run made it, is fine.

        StopRun where it is of another kind. May be repeated.
        """
