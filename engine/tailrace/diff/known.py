"""What a comparison must know of a snapshot, and what it hands on to a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tailrace.values import LogicalType

if TYPE_CHECKING:
    import polars as pl

    from tailrace.changes import DiffSpec
    from tailrace.diff.changefiles import Layout
    from tailrace.diff.fingerprint import Recipe
    from tailrace.diff.hashset import Hashes, HashSet, Mask
    from tailrace.diff.pinning import Pinning
    from tailrace.rowset import Rows, Step


class Apart(Protocol):
    """What a snapshot says of how its rows are told apart."""

    @property
    def shared(self) -> bool:
        """Whether two rows may have one match value."""

    @property
    def folds(self) -> frozenset[str]:
        """Match fields that were compared without regard to case when rows were last told apart."""


class Known(Apart, Protocol):
    """A snapshot's live rows, as `tailrace.snapshot.reading.Snapshot` has them.

    A row's place is a number (`loc`) that holds as long as the snapshot's revision.
    """

    @property
    def revision(self) -> int:
        """Counts changes of the snapshot's files."""

    @property
    def rows(self) -> int:
        """Live rows."""

    @property
    def types(self) -> Mapping[str, LogicalType]:
        """Pinned types by column."""

    @property
    def stored_types(self) -> Mapping[str, LogicalType]:
        """What the columns are stored as: digests of values are text."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Stored columns, `k:`, `m:` and `f:`."""

    def converts(self, column: str, target: LogicalType) -> bool:
        """Whether every live value of a column can be had under another type."""

    def names(self, recipe: Recipe, work: Path) -> Any:
        """The rows' names by a recipe; made in the folder given where the stored ones do not serve."""

    def live_names(self, names: Any) -> tuple[Hashes, Hashes | None]:
        """The names of all live rows, in no order, and their second halves where they are wide."""

    def named(self, names: Any, wanted: HashSet) -> Hashes:
        """The places of the rows whose names are wanted, ascending."""

    def live_places(self) -> Hashes:
        """The places of all rows, ascending."""

    def matching(self, columns: Sequence[str], digest: Step, wanted: HashSet) -> Hashes:
        """The places of the rows whose `digest`, made of some columns, is wanted."""

    def look_up(
        self, columns: Sequence[str], digest: Step, wanted: HashSet, places: Hashes
    ) -> tuple[Hashes, Hashes, Mask]:
        """The same, and the digests of the rows at some places, with a mask of those that have one."""

    def repeated(self, columns: Sequence[str], digest: Step) -> Hashes:
        """The places of the rows whose `digest` another row has as well."""

    def fetch(self, places: Hashes, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """Rows in the order of their places: those columns (None: all), `record_id`, `unknown`, `loc`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a comparison stood on, for a commit that follows."""

    spec: DiffSpec
    recipe: Recipe
    revision: int
    pinning: Pinning
    names: Any
    """The snapshot's names by the recipe; None when they were not needed."""
    folder: Path
    layout: Layout
    rows: Rows
    """All changes, whatever a plan makes of them."""
    told: bool
    """Whether the changes say all there is to know of the old rows."""
    shared: bool
    """Whether two known rows have one match value."""
    left: Rows
    """Stored rows without a change of their own that the model does not have as they are: `loc`, `m:`."""
    touched: Rows
    """Rows that need nothing, but have another name than the snapshot knows: stored columns, `loc`, and `name`."""


def may_share(known: Apart, spec: DiffSpec, origin: Origin | None) -> bool:
    """Whether two of a snapshot's rows may have one match value, as what a commit stood on saw it.

    Without an origin nobody has looked, and rows that differ by the spec may be one by what told them apart before.
    """
    return origin.shared if origin is not None else known.shared or known.folds != spec.fold_match
