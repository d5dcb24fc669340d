"""Work on a sync's snapshot that sends nothing, kept among the runs: what `adopt` and `resolve` did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tailrace.clock import new_id
from tailrace.errors import TailraceError
from tailrace.redact import redact
from tailrace.state import Tallies

if TYPE_CHECKING:
    from tailrace.project import Sync
    from tailrace.running.session import Session
    from tailrace.snapshot.store import Identity
    from tailrace.state import Lease
    from tailrace.state.records import Upkeep


@dataclass(slots=True)
class Entry:
    """A record in the making; `settled` (rows) and `message` are what it will say."""

    run_id: str
    settled: int = 0
    message: str = ""


@contextmanager
def recorded(session: Session, sync: Sync, lease: Lease, identity: Identity, kind: Upkeep) -> Iterator[Entry]:
    """Show the block's work as a run of the sync, with its end, be it good or bad."""
    entry = Entry(new_id())
    session.state.start_run(
        entry.run_id,
        sync=sync.name,
        mode=kind,
        destination=identity.destination,
        object=identity.object,
        identity=identity.digest,
        token=lease.token,
    )
    try:
        yield entry
    except TailraceError as error:
        with suppress(TailraceError):
            session.finish_files(sync, entry.run_id)
        session.state.finish_run(entry.run_id, "failed", message=redact(str(error)), token=lease.token)
        raise
    tallies = Tallies(acknowledged=entry.settled)
    session.state.finish_run(entry.run_id, "succeeded", tallies=tallies, message=entry.message, token=lease.token)


def verdict(
    frame: pl.DataFrame, status: str | None, code: str | None = None, message: str | None = None
) -> pl.DataFrame:
    """The same outcome for each row of a change frame; a row without status stays open."""
    text = {"status": status, "record_id": None, "code": code, "message": message}
    return frame.select("seq", *(pl.lit(value, dtype=pl.String).alias(name) for name, value in text.items()))
