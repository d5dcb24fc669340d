"""The order in which a plan's rows go out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from tailrace.actions import REMOVALS, WRITES
from tailrace.destination import DELETED, Status
from tailrace.diff.columns import match_values
from tailrace.diff.moves import claiming, held_values, moving

if TYPE_CHECKING:
    from tailrace.rowset import Rows


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one action; `round` counts how often they were sent again after being refused for now."""

    action: str
    rows: Rows
    round: int = 0


def writes(rows: Rows, match: Sequence[str], fold: Collection[str]) -> Iterator[list[Part]]:
    """Phases of what creates or changes records; each phase ends before the next begins.

    Rows whose match value moves go first: another row may take the value they leave, and would
    otherwise be written over their record.
    """
    moves = moving(match, fold, rows.schema)
    # A plain insert moves nothing, and there may be very many of them.
    yield _parts(rows.part(bulk=False).where(moves), ["update"])
    yield _parts(rows.where(~moves), WRITES)


def removals(rows: Rows) -> Iterator[list[Part]]:
    """Phases of what takes records away; deletes come last."""
    known = rows.part(bulk=False)
    yield _parts(known, ["archive", "retire", "clear"])
    yield _parts(known, ["delete", "hard_delete"])


def superseded(
    rows: Rows, outcomes: pl.DataFrame, match: Sequence[str], fold: Collection[str], status: Status
) -> list[int]:
    """The numbers of removals whose record now belongs to another row, written in this run with that status.

    A row that left the model may have passed its match value, and so its record, to a new row:
    removing it then would remove the new row's record. `outcomes` are those of the writes.
    """
    known = rows.part(bulk=False)
    names = [*(f"om:{name}" for name in match), *(f"m:{name}" for name in match)]
    narrow = known.collect(["seq", "action", "record_id", *names])
    leaving = narrow.filter(pl.col("action").is_in(REMOVALS))
    if leaving.is_empty():
        return []
    kept = outcomes.filter(pl.col("status") == status).join(leaving, on="seq", how="anti")
    owned = kept.select(pl.col("record_id").alias("owned")).drop_nulls()
    by_id = leaving.join(owned, left_on="record_id", right_on="owned", how="semi")["seq"]
    if not match:
        return by_id.to_list()
    # Plain inserts have no match value that a row of the snapshot has.
    owners = narrow.filter(pl.col("action").is_in(WRITES)).join(kept.select("seq"), on="seq", how="semi")
    labels = [f"h:{name}" for name in match]
    new = owners.select(
        value.alias(n) for n, value in zip(labels, match_values("m", match, fold, narrow.schema), strict=True)
    )
    by_match = held_values(leaving, match, fold).join(new, on=labels, how="semi")["seq"]
    return pl.concat([by_id, by_match]).unique().to_list()


class Vacancies:
    """Which match values are free: a row whose record moves frees the old one when its move is acknowledged."""

    def __init__(self, rows: Rows, match: Sequence[str], fold: Collection[str]) -> None:
        self._match, self._fold = match, fold
        known = rows.part(bulk=False)
        names = ["seq", *(f"om:{name}" for name in match)]
        moves = known.where(moving(match, fold, rows.schema)) if match else None
        held = moves.collect(names) if moves is not None and moves.sources else pl.DataFrame()
        self._held = held_values(held, match, fold) if held.height else held

    def admit(self, part: Part, outcomes: Callable[[], pl.DataFrame]) -> Part:
        """The part without rows that would be written over a record that has not moved away.

        They get no outcome, and come up again in the next run. `outcomes` are those so far.
        """
        if self._held.is_empty() or part.action not in WRITES:
            return part
        left = (pl.col("status") == "skipped") & (pl.col("code") == DELETED)
        gone = outcomes().filter((pl.col("status") == "acknowledged") | left.fill_null(value=False))
        held = self._held.join(gone, on="seq", how="anti").drop("seq")
        new = part.rows.where((pl.col("op") == "insert") | pl.lit(part.action != "update"))
        waiting = claiming(new, held, self._match, self._fold)
        return replace(part, rows=part.rows.without(waiting))


def _parts(rows: Rows, actions: Sequence[str]) -> list[Part]:
    return [Part(action, rows.where(pl.col("action") == action)) for action in actions] if rows.sources else []
