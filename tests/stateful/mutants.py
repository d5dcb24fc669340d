"""Faults built into the engine on purpose: a machine that does not find them proves nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from tailrace.destination import acknowledged
from tailrace.state.journal import Journal
from tailrace.state.leases import Lease


def answers_are_made_up(patch: pytest.MonkeyPatch) -> None:
    """A row that was sent without an answer is taken for acknowledged."""

    def known(rows: Any, _error: Any, sent: Any) -> None:
        sent.outcomes.update({row.marker: acknowledged(row.marker) for row in rows})

    patch.setattr("tailrace.delivery.send._unknown", known)


def refused_rows_enter(patch: pytest.MonkeyPatch) -> None:
    """The snapshot takes rows in that the destination refused."""
    runner = importlib.import_module("tailrace.running.runner")
    save = runner.save_snapshot
    status = pl.col("status").replace("rejected", "acknowledged")

    def greedy(session: Any, sync: Any, snapshot: Any, done: Any) -> Any:
        return save(session, sync, snapshot, replace(done, outcomes=done.outcomes.with_columns(status)))

    patch.setattr(runner, "save_snapshot", greedy)


def nobody_looks_back(patch: pytest.MonkeyPatch) -> None:
    """A run that recovers another does not look what became of the rows that were in flight."""
    patch.setattr(Journal, "doubts", lambda _: [])


def outcomes_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """A run that recovers another forgets what that one was told."""
    patch.setattr("tailrace.running.recovery.save_snapshot", lambda *_: None)


def held_rows_go_out(patch: pytest.MonkeyPatch) -> None:
    """Rows that may be there already are sent again."""
    patch.setattr("tailrace.running.planner.held", lambda *_, **__: {})


def nothing_is_fenced(patch: pytest.MonkeyPatch) -> None:
    """A run that was overtaken goes on as if nothing had happened."""
    ours = property(lambda journal: SimpleNamespace(scalar=lambda _cursor: journal._token))
    patch.setattr(Journal, "_latest", ours)
    for name in ("leases", "runs", "holds", "retention"):
        patch.setattr(f"tailrace.state.{name}.check_token", lambda *_: None)
    patch.setattr(Lease, "renew", lambda _: None)


MUTANTS: Mapping[str, Callable[[pytest.MonkeyPatch], None]] = {
    function.__name__: function
    for function in (
        answers_are_made_up,
        refused_rows_enter,
        nobody_looks_back,
        outcomes_are_dropped,
        held_rows_go_out,
        nothing_is_fenced,
    )
}
