"""Where a sync's snapshots are kept: in files, or in its warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tailrace.snapshot.mark import KEEP

if TYPE_CHECKING:
    import polars as pl

    from tailrace.diff.digests import Digests
    from tailrace.pushdown.store import WarehouseSnapshot
    from tailrace.snapshot.identity import Identity
    from tailrace.snapshot.mark import Keep, Mark
    from tailrace.snapshot.reading import Snapshot
    from tailrace.snapshot.store import Delivered
    from tailrace.values import LogicalType

AnySnapshot: TypeAlias = "Snapshot | WarehouseSnapshot"


class Store(Protocol):
    """What keeps snapshots. A snapshot that is given to it must have come from it."""

    def open(self, identity: Identity) -> AnySnapshot:
        """The latest snapshot; an empty one when there is none."""

    def commit(
        self,
        snapshot: Any,
        delivered: Delivered,
        run_id: str,
        *,
        digests: Digests | None = None,
        mark: Mark | Keep | None = KEEP,
    ) -> AnySnapshot:
        """Save the next generation, durably and at once; an error leaves the old one in place."""

    def set_mark(self, snapshot: Any, mark: Mark | None, run_id: str) -> AnySnapshot:
        """Save how far the model was read, and nothing else."""

    def without(self, snapshot: Any, keys: pl.DataFrame, types: Mapping[str, LogicalType], run_id: str) -> AnySnapshot:
        """Save the next generation without the rows that have one of these keys (`k:`), which are of those types."""

    def maintain(self, snapshot: Any) -> AnySnapshot:
        """Tidy up; the content stays the same."""

    def forget(self, identity: Identity) -> None:
        """Remove a snapshot; nothing happens when there is none."""

    def others(self, identity: Identity) -> tuple[Identity, ...]:
        """Identities this sync had before, whose snapshots are still there."""
