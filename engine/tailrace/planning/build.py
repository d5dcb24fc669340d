"""From a change set to a plan. Pure: the clock, the state and the network were asked before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from tailrace.diff.moves import claiming, held_values, moving
from tailrace.planning.cost import Quota, estimate
from tailrace.planning.guards import Figures, GuardResult, contract_guard, evaluate
from tailrace.planning.holds import Hold
from tailrace.planning.modes import actions, count_ops, with_actions
from tailrace.planning.payload import keys, numbers, payload_hashes
from tailrace.planning.plan import Basis, Plan, Unsure

if TYPE_CHECKING:
    from tailrace.changes import ChangeSet
    from tailrace.destination import Capabilities, Rate
    from tailrace.planning.extent import Extent
    from tailrace.project.config import SyncConfig
    from tailrace.rowset import Rows


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What planning must know besides the change set."""

    capabilities: Capabilities
    batch_size: int
    rates: tuple[Rate, ...]
    quota: Quota = field(default_factory=Quota)
    held: Mapping[str, Hold] = field(default_factory=dict)
    """Rows not to be sent, by key text."""
    tracked: frozenset[str] = frozenset()
    """Key texts of all rows that earlier runs had trouble with, held or not."""
    only: Collection[str] | None = None
    """Key texts to confine the plan to; None for all."""
    limit: int | None = None
    """Most changes to send; the guards judge all of them."""
    contract: Mapping[str, str] | None = None
    """Faults of the mapping by field; None when the destination was not asked."""
    notes: tuple[str, ...] = ()
    old_known: bool = True
    """Whether the snapshot has the values that fields had before."""
    unsure: Unsure | None = None
    """Which of these are not known all the same."""
    extent: Extent | None = None
    """How much of the model was read, where the sync has a cursor."""
    secret: bytes = b""
    """The key of hashes of payloads; none where values may be kept."""


def build(
    sync: str, config: SyncConfig, changes: ChangeSet, basis: Basis, around: Surroundings, *, at: datetime, plan_id: str
) -> Plan:
    """Put a change set through mode, held rows, guards and cost."""
    acted = with_actions(changes.rows, config, changes.types)
    named = _named(acted, changes, around)
    due, held = _due(acted, named, changes, around)
    there = [seq for key, seq in held.items() if around.held[key].reason != "deleted"]
    waiting = _waiting(due, acted, changes, config, around, there)
    sendable = due.without(waiting)
    rows = _limited(sendable, named, config, around)
    return Plan(
        sync=sync,
        mode=config.mode,
        plan_id=plan_id,
        made_at=at,
        basis=basis,
        rows=rows,
        types=changes.types,
        counts=count_ops(rows),
        model_rows=changes.model_rows,
        snapshot_rows=changes.snapshot_rows,
        unchanged=changes.unchanged,
        holds={key: around.held[key] for key in held},
        standing=around.tracked & named.keys(),
        invalid=changes.invalid,
        guards=_guards(config, changes, sendable, around),
        cost=estimate(
            rows,
            config,
            around.capabilities,
            batch_size=around.batch_size,
            rates=around.rates,
            quota=around.quota,
        ),
        events=changes.events,
        notes=(*around.notes, *_told(len(waiting)), *_for_good(config, rows)),
        old_known=around.old_known,
        extent=around.extent,
        unsure=around.unsure,
    )


def _named(acted: Rows, changes: ChangeSet, around: Surroundings) -> dict[str, int]:
    """The numbers of rows that the state or the request names, by key text."""
    return numbers(acted, changes.types, {*around.held, *around.tracked, *(around.only or ())})


def _due(
    acted: Rows, named: Mapping[str, int], changes: ChangeSet, around: Surroundings
) -> tuple[Rows, dict[str, int]]:
    """The rows that may be sent now, and by key text the numbers of those that are held back."""
    if around.only is not None:
        return acted.numbered(named[key] for key in around.only if key in named), {}
    suspects = acted.take(named[key] for key in around.held if key in named)
    if suspects.is_empty():
        return acted, {}
    hashes = zip(keys(suspects, changes.types), payload_hashes(suspects, changes.types, around.secret), strict=True)
    held = {key: named[key] for key, payload in hashes if around.held[key].payload in {None, payload}}
    return acted.without(list(held.values())), held


def _waiting(
    due: Rows, acted: Rows, changes: ChangeSet, config: SyncConfig, around: Surroundings, held: Collection[int]
) -> list[int]:
    """The numbers of new rows whose match value still belongs to the record of a row that is not sent now.

    To send them would write over that record.
    """
    match, fold = tuple(config.match), around.capabilities.case_insensitive_match
    names = [*(f"om:{name}" for name in match), *(f"m:{name}" for name in match)]
    if not match:
        return []
    kept = _moving(acted, match, fold).collect(["seq", *names])
    if around.only is None:
        kept = kept.filter(pl.col("seq").is_in(list(held)))
    else:
        kept = kept.join(due.collect(["seq"]), on="seq", how="anti")
    parts = [part for part in (kept.drop("seq"), changes.occupied) if not part.is_empty()]
    claims = due.where((pl.col("op") == "insert") & pl.col("action").is_in(["upsert", "update"]))
    found = [claiming(claims, held_values(part, match, fold), match, fold) for part in parts]
    return sorted({seq for seqs in found for seq in seqs})


def _moving(rows: Rows, match: tuple[str, ...], fold: Collection[str]) -> Rows:
    """Rows whose records are to go by another match value; plain inserts are none."""
    known = rows.part(bulk=False)
    return known.where(moving(match, fold, known.schema)) if known.sources else known


def _limited(rows: Rows, named: Mapping[str, int], config: SyncConfig, around: Surroundings) -> Rows:
    """As many rows as the limit permits.

    Those that move to another match value go first, as others may wait for it; those that were in trouble before
    go last, or a few rows that are refused every time would keep a canary from ever sending another.
    """
    if around.limit is None:
        return rows
    match, fold = tuple(config.match), around.capabilities.case_insensitive_match
    troubled = {named[key] for key in around.tracked if key in named}
    moves = _moving(rows, match, fold).collect(["seq"])["seq"].to_list() if match else []
    first = rows.without([*moves, *troubled]).head(around.limit)["seq"].to_list()
    last = sorted(troubled.difference(moves))
    present = set(rows.numbered(last).collect(["seq"])["seq"]) if last else set()
    ordered = dict.fromkeys([*moves, *first, *(seq for seq in last if seq in present)])
    return rows.numbered(list(ordered)[: around.limit])


def _told(waiting: int) -> tuple[str, ...]:
    if not waiting:
        return ()
    rows = "1 new row waits" if waiting == 1 else f"{waiting} new rows wait"
    return (f"{rows}: the match value still belongs to the record of another row, which is not sent now",)


def _for_good(config: SyncConfig, rows: Rows) -> tuple[str, ...]:
    """What must be told of records that nobody can restore."""
    if "hard_delete" not in actions(config).values():
        return ()
    gone = rows.part(bulk=False).count(pl.col("action") == "hard_delete")
    if not gone:
        return ()
    records = "1 record is" if gone == 1 else f"{gone:,} records are"
    return (
        f"{records} deleted for good (on_delete: {config.on_delete}): no recycle bin has them, nobody can restore them",
    )


def _guards(config: SyncConfig, changes: ChangeSet, rows: Rows, around: Surroundings) -> tuple[GuardResult, ...]:
    counted = count_ops(rows)
    figures = Figures(
        model_rows=changes.model_rows,
        snapshot_rows=changes.snapshot_rows,
        updates=counted["update"],
        deletes=counted["delete"],
        invalid=sum(group.rows for group in changes.invalid),
        shares=config.mode != "delete",
        partial=changes.partial,
    )
    judged = evaluate(config.guards, figures)
    if around.contract is None or config.guards.contract == "off":
        return judged
    return (*judged, contract_guard(around.contract))
