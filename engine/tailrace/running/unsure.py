"""Asks a snapshot which fields of a row nobody knows: such as those new to the mapping, or never acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.planning.plan import Unsure
    from tailrace.pushdown.partial import Partial
    from tailrace.snapshot.store import Snapshot


def unsure(changes: ChangeSet, snapshot: Snapshot | Partial) -> Unsure | None:
    """What tells it of the rows of a plan that is made of these changes; None where all is known."""
    columns = [name for name in changes.types if name[:2] in {"k:", "f:"}]  # rows are fetched with their keys
    pinning = changes.origin.pinning
    if not pinning.lost and not snapshot.may_lack(columns):
        return None

    def ask(frame: pl.DataFrame) -> Sequence[frozenset[str]]:
        places = np.unique(frame["loc"].drop_nulls().to_numpy())
        if not places.size:
            return [frozenset()] * frame.height
        stored = pinning.stored(snapshot.fetch(places, columns), snapshot.types)
        known = dict(stored.select("loc", "unknown").collect().iter_rows())
        return [frozenset(known.get(place) or ()) for place in frame["loc"]]

    return ask
