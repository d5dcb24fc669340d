"""From a change set to a plan. Pure: the clock, the state and the network were asked before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from tailrace.diff.moves import claiming, held_values, moving
from tailrace.planning.cost import estimate
from tailrace.planning.guards import Figures, GuardResult, contract_guard, evaluate
from tailrace.planning.modes import count_ops, renumbered, with_actions
from tailrace.planning.payload import keys, payload_hashes
from tailrace.planning.plan import Basis, Plan

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.destination import Capabilities, Rate
    from tailrace.project.config import SyncConfig


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What planning must know besides the change set."""

    capabilities: Capabilities
    batch_size: int
    rates: tuple[Rate, ...]
    quota_left: int | None = None
    held: Mapping[str, str | None] = field(default_factory=dict)
    """Rows not to be sent, by key text: the payload hash they were held with, None for whatever the payload."""
    tracked: frozenset[str] = frozenset()
    """Key texts of all rows that earlier runs had trouble with, held or not."""
    only: Collection[str] | None = None
    """Key texts to confine the plan to; None for all."""
    limit: int | None = None
    """Most changes to send; the guards judge all of them."""
    contract: Mapping[str, str] | None = None
    """Faults of the mapping by field; None when the destination was not asked."""
    notes: tuple[str, ...] = ()


def build(
    sync: str, config: SyncConfig, changes: ChangeSet, basis: Basis, around: Surroundings, *, at: datetime, plan_id: str
) -> Plan:
    """Put a change set through mode, held rows, guards and cost."""
    acted = with_actions(changes.frame, config)
    due = _without_held(_confined(acted, changes, around), changes, around)
    waiting = _waiting(due, acted, changes, config, around)
    sendable = due.filter(~pl.col("seq").is_in(waiting))
    frame = renumbered(_limited(sendable, changes, config, around))
    return Plan(
        sync=sync,
        mode=config.mode,
        plan_id=plan_id,
        made_at=at,
        basis=basis,
        frame=frame,
        types=changes.types,
        model_rows=changes.model_rows,
        snapshot_rows=changes.snapshot_rows,
        unchanged=changes.unchanged,
        held=acted.height - due.height if around.only is None else 0,
        standing=_standing(acted, changes, around),
        invalid=changes.invalid,
        guards=_guards(config, changes, sendable, around),
        cost=estimate(
            frame,
            config,
            around.capabilities,
            batch_size=around.batch_size,
            rates=around.rates,
            quota_left=around.quota_left,
        ),
        events=changes.events,
        notes=(*around.notes, *_told(len(waiting))),
    )


def _confined(frame: pl.DataFrame, changes: ChangeSet, around: Surroundings) -> pl.DataFrame:
    if around.only is None:
        return frame
    return frame.filter(pl.Series([key in around.only for key in keys(frame, changes.types)], dtype=pl.Boolean))


def _without_held(frame: pl.DataFrame, changes: ChangeSet, around: Surroundings) -> pl.DataFrame:
    if not around.held or frame.is_empty():
        return frame
    known = pl.Series([key in around.held for key in keys(frame, changes.types)], dtype=pl.Boolean)
    suspects = frame.filter(known)
    hashes = zip(keys(suspects, changes.types), payload_hashes(suspects, changes.types), strict=True)
    blocked = [around.held[key] in {None, payload} for key, payload in hashes]
    stay = suspects.filter(pl.Series(blocked, dtype=pl.Boolean))
    return frame.join(stay.select("seq"), on="seq", how="anti", maintain_order="left")


def _waiting(
    due: pl.DataFrame, acted: pl.DataFrame, changes: ChangeSet, config: SyncConfig, around: Surroundings
) -> list[int]:
    """The seqs of new rows whose match value still belongs to the record of a row that is not sent now.

    To send them would write over that record.
    """
    match, fold = tuple(config.match), around.capabilities.case_insensitive_match
    claims = due.filter((pl.col("op") == "insert") & pl.col("action").is_in(["upsert", "update"]))
    if not match or claims.is_empty():
        return []
    staying = acted.filter(moving(match, fold, acted.schema)).join(due, on="seq", how="anti")
    parts = [part for part in (staying.drop("seq"), changes.occupied) if not part.is_empty()]
    found = [claiming(claims, held_values(part, match, fold), match, fold) for part in parts]
    return sorted({seq for seqs in found for seq in seqs})


def _limited(frame: pl.DataFrame, changes: ChangeSet, config: SyncConfig, around: Surroundings) -> pl.DataFrame:
    """As many rows as the limit permits.

    Those that move to another match value go first, as others may wait for it; those that were in trouble before
    go last, or a few rows that are refused every time would keep a canary from ever sending another.
    """
    if around.limit is None:
        return frame
    moves = pl.lit(value=False)
    if config.match:
        moves = moving(tuple(config.match), around.capabilities.case_insensitive_match, frame.schema)
    troubled = pl.Series([key in around.tracked for key in keys(frame, changes.types)], dtype=pl.Boolean)
    ordered = frame.with_columns(first=moves, last=troubled).sort(~pl.col("first"), "last", maintain_order=True)
    return ordered.head(around.limit).drop("first", "last").sort("seq")


def _told(waiting: int) -> tuple[str, ...]:
    if not waiting:
        return ()
    rows = "1 new row waits" if waiting == 1 else f"{waiting} new rows wait"
    return (f"{rows}: the match value still belongs to the record of another row, which is not sent now",)


def _standing(acted: pl.DataFrame, changes: ChangeSet, around: Surroundings) -> frozenset[str]:
    return around.tracked & frozenset(keys(acted, changes.types)) if around.tracked else frozenset()


def _guards(
    config: SyncConfig, changes: ChangeSet, frame: pl.DataFrame, around: Surroundings
) -> tuple[GuardResult, ...]:
    counted = count_ops(frame)
    figures = Figures(
        model_rows=changes.model_rows,
        snapshot_rows=changes.snapshot_rows,
        updates=counted["update"],
        deletes=counted["delete"],
        invalid=sum(group.rows for group in changes.invalid),
        shares=config.mode != "delete",
    )
    judged = evaluate(config.guards, figures)
    if around.contract is None or config.guards.contract == "off":
        return judged
    return (*judged, contract_guard(around.contract))
