"""Fingerprints: 64 bits that stand for all that is compared of a row.

A fingerprint is a wrapping sum of one hash per column, each with a seed of its own: without seeds the
same values in other columns would give the same sum. As it is a sum, a column is taken in or out
without a look at the others. The hash is polars', which promises nothing from one version to the next:
`golden` tells whether it still is the one that names were made with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tailrace.canonical.plain import carried_of
from tailrace.canonical.types import dtype
from tailrace.diff.lists import list_hash
from tailrace.values import LogicalType

if TYPE_CHECKING:
    from tailrace.changes import DiffSpec

SALT: Final = 0x9E37_79B9_7F4A_7C15
"""Added to the name of a row that no row of the model can equal: it is always compared value by value."""
_SECOND: Final = "second"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One column of a fingerprint. Whatever makes its values compare otherwise is part of it."""

    column: str
    """`k:`, `m:` or `f:`, and the name."""
    policy: str = ""
    """`skip` or `empty` for fields that a NULL leaves alone, or that are only filled; `fold` for match fields that
    compare without regard to case; else nothing."""
    carrier: str = ""
    """See `tailrace.canonical.plain`."""

    def seed(self, secret: bytes = b"", lane: str = "") -> int:
        """64 bits that differ for each part, secret, and lane."""
        text = f"{self.column}\0{self.policy}\0{self.carrier}\0{lane}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=secret[:64]).digest(), "little")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How rows are fingerprinted. `secret` keeps outsiders from trying values out."""

    parts: tuple[Part, ...]
    secret: bytes = b""
    wide: bool = False
    """Whether a second fingerprint, with other seeds, makes it 128 bits."""

    @classmethod
    def of(cls, spec: DiffSpec, carriers: Mapping[str, str], *, secret: bytes = b"", wide: bool = False) -> Recipe:
        """The recipe of a comparison; fields that are never compared take no part."""
        parts = [Part(column, "", carriers.get(column, "")) for column in (f"k:{name}" for name in spec.key)]
        parts += [
            Part(f"m:{name}", "fold" if name in spec.fold_match else "", carriers.get(f"m:{name}", ""))
            for name in spec.match
        ]
        parts += [
            Part(f"f:{name}", _policy(name, spec), carriers.get(f"f:{name}", ""))
            for name in spec.fields
            if name not in spec.create_only
        ]
        return cls(tuple(parts), secret, wide)

    def names(self, carried: Mapping[str, pl.Expr]) -> list[pl.Expr]:
        """`name`, and `name2` where fingerprints are wide, of what each column is hashed by."""
        lanes = {"name": "", "name2": _SECOND} if self.wide else {"name": ""}
        return [self._sum(carried, lane).alias(alias) for alias, lane in lanes.items()]

    def stored(self, types: Mapping[str, LogicalType]) -> list[pl.Expr]:
        """The same of canonical values, as they are stored."""
        carried = {
            part.column: carried_of(part.carrier, pl.col(part.column).cast(dtype(types[part.column])))
            for part in self.parts
        }
        return self.names(carried)

    def _sum(self, carried: Mapping[str, pl.Expr], lane: str) -> pl.Expr:
        return total(_hashed(carried[part.column], part.carrier, part.seed(self.secret, lane)) for part in self.parts)


def _hashed(value: pl.Expr, carrier: str, seed: int) -> pl.Expr:
    if not carrier:
        return value.hash(seed)
    return value.map_batches(list_hash(seed), return_dtype=pl.UInt64(), is_elementwise=True)


def total(hashes: Iterable[pl.Expr]) -> pl.Expr:
    """The wrapping sum of hashes."""
    return pl.sum_horizontal(list(hashes))


def digest(values: Sequence[pl.Expr]) -> pl.Expr:
    """One hash over some values, whatever their columns are called; null where one of them is missing."""
    if not values:
        return pl.lit(None, pl.UInt64)
    hashes = total(value.hash(Part(str(at), "digest").seed()) for at, value in enumerate(values))
    return pl.when(pl.all_horizontal(value.is_not_null() for value in values)).then(hashes)


@cache
def golden() -> str:
    """Hex digest over the hashes of sample values of every type: another one means that names must be made anew."""
    samples, seed = _samples(), Part("golden").seed()
    rows = max(len(values) for values, _ in samples)
    columns = [
        pl.Series(str(at), [*values, *([None] * (rows - len(values)))], dtype=physical)
        for at, (values, physical) in enumerate(samples)
    ]
    hashes = pl.DataFrame(columns).select(
        _hashed(pl.col(column.name), "list" if isinstance(column.dtype, pl.List) else "", seed) for column in columns
    )
    return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()


def _policy(name: str, spec: DiffSpec) -> str:
    if name in spec.fill_empty:
        return "empty"
    return "skip" if name in spec.skip_nulls else ""


def _samples() -> list[tuple[list[Any], pl.DataType]]:
    moment = datetime(2026, 11, 22, 6, 30, 0, 250, tzinfo=UTC)
    naive = moment.replace(tzinfo=None)
    return [
        ([True, False, None], pl.Boolean()),
        ([0, 1, -(2**63), 2**63 - 1, None], pl.Int64()),
        ([0.0, 1.5, -1e300, float("nan"), float("inf"), None], pl.Float64()),
        ([Decimal("0.00"), Decimal("-12345678901234567890.12"), None], pl.Decimal(38, 2)),
        (["", "a", "Zoë", "x" * 100, None], pl.String()),
        ([b"", b"\0\xff", None], pl.Binary()),
        ([date(1969, 12, 31), date(2026, 11, 22), None], pl.Date()),
        ([time(0), time(23, 59, 59, 999_999), None], pl.Time()),
        ([naive, None], pl.Datetime("us")),
        ([moment, None], pl.Datetime("us", "UTC")),
        ([[], ["a", None], [""], None], pl.List(pl.String)),
        ([[], [1, None], [0], None], pl.List(pl.Int64)),
        ([[], [True, None], [False], None], pl.List(pl.Boolean)),
    ]
