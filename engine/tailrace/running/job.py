"""The delivery job of a sync: its settings as delivery needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tailrace.delivery import Job

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.project.config import Mode
    from tailrace.running.session import Target
    from tailrace.snapshot.history import SavedRun
    from tailrace.snapshot.store import Identity
    from tailrace.values import LogicalType


def job(sync: Sync, target: Target, run_id: str, types: Mapping[str, LogicalType]) -> Job:
    """How a run of this sync delivers its rows."""
    config = sync.config
    spec = sync.diff_spec(frozenset())
    return Job(
        run_id=run_id,
        sync=sync.name,
        object=config.object,
        mode=config.mode,
        match=tuple(config.match),
        fields=tuple(config.fields),
        skip_nulls=spec.skip_nulls,
        fill_empty=spec.fill_empty,
        lookups=sync.lookups(),
        types=types,
        batch_size=target.batch_size,
        concurrency=target.concurrency,
        on_unknown=config.on_unknown,
        recreate=config.deleted_in_destination == "recreate",
        settle=target.config.settle,
        unlinks=target.capabilities.unlinks,
        appends_changes=config.append == "changes",
    )


def past_job(sync: Sync, target: Target, saved: SavedRun, identity: Identity, mode: Mode) -> Job:
    """How an earlier run delivered its rows: the sync may have been edited since."""
    today = job(sync, target, saved.run_id, saved.types)
    fields = frozenset(name[2:] for name in saved.rows.schema if name.startswith("n:"))
    return replace(
        today,
        object=identity.object,
        match=identity.match,
        mode=mode,
        fields=tuple(sorted(fields)),
        skip_nulls=today.skip_nulls & fields,
        fill_empty=today.fill_empty & fields,
        lookups={name: lookup for name, lookup in today.lookups.items() if name in fields},
    )
