"""The order in which a plan's rows go out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tailrace.destination import Status
from tailrace.diff.columns import match_values
from tailrace.diff.moves import claiming, held_values, moving

WRITES = ("upsert", "create", "update")
REMOVALS = ("archive", "clear", "delete")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one action; `round` counts how often they were sent again after being refused for now."""

    action: str
    frame: pl.DataFrame
    round: int = 0


def writes(frame: pl.DataFrame, match: Sequence[str], fold: Collection[str]) -> Iterator[list[Part]]:
    """Phases of what creates or changes records; each phase ends before the next begins.

    Rows whose match value moves go first: another row may take the value they leave, and would
    otherwise be written over their record.
    """
    moves = moving(match, fold, frame.schema)
    yield _parts(frame.filter(moves), ["update"])
    yield _parts(frame.filter(~moves), WRITES)


def removals(frame: pl.DataFrame) -> Iterator[list[Part]]:
    """Phases of what takes records away; deletes come last."""
    yield _parts(frame, ["archive", "clear"])
    yield _parts(frame, ["delete"])


def superseded(
    frame: pl.DataFrame, outcomes: pl.DataFrame, match: Sequence[str], fold: Collection[str], status: Status
) -> pl.Series:
    """The seqs of removals whose record now belongs to another row, written in this run with that status.

    A row that left the model may have passed its match value, and so its record, to a new row:
    removing it then would remove the new row's record. `outcomes` are those of the writes.
    """
    leaving = frame.filter(pl.col("action").is_in(REMOVALS))
    written = frame.filter(pl.col("action").is_in(WRITES))
    kept = outcomes.filter(pl.col("status") == status).select("seq", owned="record_id")
    owners = written.join(kept, on="seq", how="inner")
    by_id = leaving.join(owners.select("owned").drop_nulls(), left_on="record_id", right_on="owned", how="semi")
    if not match:
        return by_id["seq"]
    names = [f"h:{name}" for name in match]
    new = owners.select(
        value.alias(n) for n, value in zip(names, match_values("m", match, fold, frame.schema), strict=True)
    )
    by_match = held_values(leaving, match, fold).join(new, on=names, how="semi")
    return pl.concat([by_id["seq"], by_match["seq"]]).unique()


class Vacancies:
    """Which match values are free: a row whose record moves frees the old one when its move is acknowledged."""

    def __init__(self, frame: pl.DataFrame, match: Sequence[str], fold: Collection[str]) -> None:
        self._match, self._fold = match, fold
        self._held = held_values(frame.filter(moving(match, fold, frame.schema)), match, fold)

    def admit(self, part: Part, outcomes: Callable[[], pl.DataFrame]) -> Part:
        """The part without rows that would be written over a record that has not moved away.

        They get no outcome, and come up again in the next run. `outcomes` are those so far.
        """
        if self._held.is_empty() or part.action not in WRITES:
            return part
        gone = outcomes().filter(pl.col("status") == "acknowledged")
        held = self._held.join(gone, on="seq", how="anti").drop("seq")
        new = part.frame.filter((pl.col("op") == "insert") | (part.action != "update"))
        waiting = claiming(new, held, self._match, self._fold)
        return replace(part, frame=part.frame.filter(~pl.col("seq").is_in(waiting.to_list())))


def _parts(frame: pl.DataFrame, actions: Sequence[str]) -> list[Part]:
    parts = [Part(action, frame.filter(pl.col("action") == action)) for action in actions]
    return [part for part in parts if part.frame.height]
