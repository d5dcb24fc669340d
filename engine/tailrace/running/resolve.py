"""Settles rows of unknown outcome: sent, and no answer came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl

from tailrace.canonical import python_values
from tailrace.clock import new_id
from tailrace.errors import UsageError
from tailrace.planning import keys
from tailrace.running.lease import leased
from tailrace.running.settle import forget_issues, save_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.snapshot.history import SavedRun
    from tailrace.snapshot.store import Identity
    from tailrace.state import RowIssue

Way: TypeAlias = Literal["resend", "skip", "look_up"]


def resolve(session: Session, sync: Sync, way: Way | None) -> tuple[RowIssue, ...]:
    """Show the held rows; with a way, settle them and give those that were held.

    `resend` plans them again, `skip` takes them as delivered, `look_up` asks the destination by match,
    takes the found as delivered and plans the others again.
    """
    held = session.state.held(sync.name)
    if way is None or not held:
        return held
    with leased(session, sync):
        for run_id in dict.fromkeys(issue.run_id for issue in held):
            _settle(session, sync, run_id, [issue for issue in held if issue.run_id == run_id], way)
    return held


def _settle(session: Session, sync: Sync, run_id: str, issues: Sequence[RowIssue], way: Way) -> None:
    texts = [issue.key_text for issue in issues]
    if way != "resend":
        saved = session.files.load(sync.name, run_id)
        if saved is None or saved.identity is None:
            raise UsageError(
                f"the changes of run {run_id} are gone, so its rows cannot be taken as delivered",
                hint=f"tailrace resolve {sync.name} --resend plans them again",
            )
        _deliver(session, sync, saved, saved.identity, set(texts), way)
    forget_issues(session, sync, issues[0].identity, texts)


def _deliver(session: Session, sync: Sync, saved: SavedRun, identity: Identity, texts: set[str], way: Way) -> None:
    chosen = pl.Series([text in texts for text in keys(saved.frame, saved.types)], dtype=pl.Boolean)
    frame = saved.frame.filter(chosen)
    ids: list[str | None] = [None] * frame.height
    if way == "look_up":
        frame, ids = _found(session, sync, saved, identity.match, frame)
    outcomes = frame.select(
        "seq",
        pl.lit("acknowledged").alias("status"),
        pl.Series("record_id", ids, dtype=pl.String),
        pl.lit(None, dtype=pl.String).alias("code"),
        pl.lit(None, dtype=pl.String).alias("message"),
    )
    save_snapshot(session, session.store.open(identity), frame, saved.types, outcomes, new_id())


def _found(
    session: Session, sync: Sync, saved: SavedRun, match: tuple[str, ...], frame: pl.DataFrame
) -> tuple[pl.DataFrame, list[str | None]]:
    target = session.target(sync)
    if not (match and target.capabilities.find):
        raise UsageError(
            f"{sync.name}: rows cannot be looked up without match, or by {target.plugin.name}",
            hint="use --resend or --skip",
        )
    columns = [python_values(frame[f"m:{name}"], saved.types[f"m:{name}"]) for name in match]
    values = list(zip(*columns, strict=True))
    with session.destination(sync, target, read_only=True) as destination:
        records = {record.match: record.id for record in destination.find(sync.config.object, match, values)}
    ids = [records.get(value) for value in values]
    present = pl.Series([each is not None for each in ids], dtype=pl.Boolean)
    return frame.filter(present), [each for each in ids if each is not None]
