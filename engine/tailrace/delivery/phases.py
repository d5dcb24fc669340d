"""The order in which a plan's rows go out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from tailrace.destination import Status

WRITES = ("upsert", "create", "update")
REMOVALS = ("archive", "clear", "delete")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one action; `round` counts how often they were sent again after being refused for now."""

    action: str
    frame: pl.DataFrame
    round: int = 0


def writes(frame: pl.DataFrame, match: Sequence[str]) -> Iterator[list[Part]]:
    """Phases of what creates or changes records; each phase ends before the next begins.

    Rows whose match value moves go first: another row may take the value they leave, and would
    otherwise be written over their record.
    """
    moved = _moved(match)
    yield _parts(frame.filter((pl.col("action") == "update") & moved), ["update"])
    yield _parts(frame.filter((pl.col("action") != "update") | ~moved), WRITES)


def removals(frame: pl.DataFrame) -> Iterator[list[Part]]:
    """Phases of what takes records away; deletes come last."""
    yield _parts(frame, ["archive", "clear"])
    yield _parts(frame, ["delete"])


def superseded(
    frame: pl.DataFrame, outcomes: pl.DataFrame, match: Sequence[str], folded: frozenset[str], status: Status
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
    old = leaving.with_columns(_folded(f"om:{name}", name in folded).alias(f"m:{name}") for name in match)
    new = owners.with_columns(_folded(f"m:{name}", name in folded) for name in match)
    by_match = old.join(new, on=[f"m:{name}" for name in match], how="semi")
    return pl.concat([by_id["seq"], by_match["seq"]]).unique()


def _parts(frame: pl.DataFrame, actions: Sequence[str]) -> list[Part]:
    parts = [Part(action, frame.filter(pl.col("action") == action)) for action in actions]
    return [part for part in parts if part.frame.height]


def _moved(match: Sequence[str]) -> pl.Expr:
    moves = [
        pl.col(f"om:{name}").is_not_null() & pl.col(f"om:{name}").ne_missing(pl.col(f"m:{name}")) for name in match
    ]
    return pl.any_horizontal(moves) if moves else pl.lit(value=False)


def _folded(column: str, fold: bool) -> pl.Expr:  # noqa: FBT001 - private, called twice
    text = pl.col(column).cast(pl.String, strict=False)
    return (text.str.strip_chars().str.to_lowercase() if fold else text).alias(f"m:{column.split(':', 1)[1]}")
