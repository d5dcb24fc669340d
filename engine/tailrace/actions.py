"""What a plan's actions ask of a destination, and which of their rows may go out in jobs."""

from __future__ import annotations

from typing import Final

import polars as pl

from tailrace.destination import Capabilities, Operation

ADDRESSED: Final = frozenset({"update", "retire", "clear", "delete", "hard_delete", "archive"})
"""Actions on a record that is there: it is named by its id, or by the match value it had."""
WRITES: Final = ("upsert", "create", "update")
REMOVALS: Final = ("archive", "retire", "clear", "delete", "hard_delete")
"""`retire` sets the fields of `on_delete: {archive: …}`."""
SENT: Final = (*WRITES, *REMOVALS)
"""All actions, in the order in which their rows are sent as a rule."""


def operation(action: str) -> Operation:
    """How a plan's action is carried out; to clear is to update with nulls, to retire with what the sync says."""
    return Operation.UPDATE if action in {"clear", "retire"} else Operation(action)


def only_jobs(capabilities: Capabilities, action: str) -> bool:
    """Whether a plan's action is carried out in jobs alone."""
    wanted = operation(action)
    return capabilities.bulk is not None and wanted in capabilities.bulk.operations - capabilities.operations


def able(capabilities: Capabilities, action: str, *, conditional: bool, looked_up: bool) -> pl.Expr | None:
    """Which of a plan's rows of an action can go out in jobs: those that need no look-up first; None for no row.

    `conditional` says whether what is written depends on the record, `looked_up` whether records to be created are
    looked up before.
    """
    bulk = capabilities.bulk
    if bulk is None or operation(action) not in bulk.operations or conditional:
        return None
    if action == "create" and looked_up:
        return None
    by_id = action in ADDRESSED and capabilities.addresses == "record_id"
    return pl.col("record_id").is_not_null() if by_id else pl.lit(value=True)
