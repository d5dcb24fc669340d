"""The lifecycle stage, which HubSpot moves forward only: a value before the one a record has is taken and not kept.

To go back, the stage must be cleared first, in a request of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tailrace.destination import Operation
from tailrace_destinations.hubspot.schema import RECORD_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tailrace.destination import Batch, Row
    from tailrace.values import Value
    from tailrace_destinations.hubspot.reading import Reader
    from tailrace_destinations.hubspot.schema import Properties

STAGE: Final = "lifecyclestage"
FORWARD_ONLY: Final = (
    f"{STAGE} moves forward only in HubSpot: a stage before the one a record has is acknowledged and not kept; "
    "`lifecycle_backwards: true` in the sync clears it first"
)
BACKWARDS: Final = (
    f"{STAGE} may move backwards (lifecycle_backwards: true): the stages that records have are read first, and those "
    "that go back are cleared before they are set"
)


class Stages:
    """Tells which rows move their record to an earlier stage. `known` describes objects."""

    def __init__(self, reader: Reader, known: Callable[[str], Properties]) -> None:
        self._reader = reader
        self._known = known

    def going_back(self, batch: Batch, rows: Sequence[Row]) -> dict[str, str]:
        """By marker the ids of records whose stage must be cleared first; the rows' values are known to fit."""
        wanted = {row.marker: row for row in rows if row.values.get(STAGE) is not None}
        if not wanted or batch.operation not in {Operation.UPSERT, Operation.UPDATE}:
            return {}
        by_id = batch.operation is Operation.UPDATE
        match = (RECORD_ID,) if by_id else batch.match
        means: dict[tuple[Value, ...], list[Row]] = {}
        for row in wanted.values():
            means.setdefault((row.record_id,) if by_id else row.match, []).append(row)
        properties = self._known(batch.object)
        encode, order = properties.encoder(STAGE), _order(properties)
        return {
            row.marker: record.id
            for record in self._reader.find(batch.object, match, list(means), (STAGE,))
            for row in means[record.match]
            if _earlier(encode(row.values[STAGE]), record.values[STAGE], order)
        }


def _order(properties: Properties) -> dict[str, int]:
    choices = properties.choices.get(STAGE)
    return {value: number for number, value in enumerate(choices.ordered)} if choices else {}


def _earlier(new: str, held: Value, order: dict[str, int]) -> bool:
    """Whether the new stage comes before that which is held; where that is not known, every change may."""
    if not new or held is None or held == new:
        return False
    if new in order and held in order:
        return order[new] < order[str(held)]
    return True
