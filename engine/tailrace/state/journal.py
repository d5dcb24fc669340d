"""The journal of one run: what was about to be sent, and what became of it.

The intent is durable before the first byte of a batch is sent, and the outcomes are durable before
anything builds on them. Both are refused, with LeaseLost, once another run holds the sync.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tailrace.destination import Outcome, Status
from tailrace.errors import StateError
from tailrace.state.database import Database
from tailrace.state.leases import check_token
from tailrace.state.packing import pack_outcomes, pack_seqs, unpack_outcomes, unpack_seqs
from tailrace.state.records import BatchRecord, Doubt
from tailrace.state.schema import batches, runs

if TYPE_CHECKING:
    import polars as pl

_TALLIES: tuple[Status, ...] = ("acknowledged", "rejected", "unknown", "skipped")
_CHUNK = 500
"""Batches whose outcomes are unpacked at once."""


@dataclass(frozen=True, slots=True)
class RowEntry:
    """What the journal says of one row."""

    batch: int
    settled: bool
    """Whether the batch has outcomes; else it may have been sent, or not."""
    outcome: Outcome | None


class Journal:
    """The batches of one run.

    `token` is that of the lease it is written under, now: a run that recovers an older one opens the
    older one's journal with its own token.
    """

    def __init__(self, state: Database, run_id: str, token: int) -> None:
        self._state = state
        self._run_id = run_id
        self._token = token
        with state.reading() as connection:
            sync = connection.scalar(sa.select(runs.c.sync).where(runs.c.run_id == run_id))
        if sync is None:
            raise StateError(f"there is no run {run_id} to keep a journal of")
        self._sync = str(sync)

    def intend(self, number: int, operation: str, seqs: Sequence[int]) -> None:
        """Record durably that these rows are about to be sent. `number` is new within the run."""
        with self._state.transaction() as connection:
            check_token(connection, self._sync, self._token)
            values = {
                "run_id": self._run_id,
                "number": number,
                "operation": operation,
                "rows": len(seqs),
                "intended_at": self._state.now(connection),
                "seqs": pack_seqs(seqs),
            }
            connection.execute(sa.insert(batches), values | {str(name): 0 for name in _TALLIES})

    def settle(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Record durably what became of a batch's rows; markers are row numbers.

        A row without an outcome was not written: it was refused for now, or never sent.
        """
        self.settle_all([(number, outcomes)])

    def settle_all(self, settled: Sequence[tuple[int, Sequence[Outcome]]]) -> None:
        """The same of several batches at once: all of them are recorded, or none."""
        packed = [_settlement(number, outcomes) for number, outcomes in settled]
        if not packed:
            return
        with self._state.transaction() as connection:
            check_token(connection, self._sync, self._token)
            at = {"settled_at": self._state.now(connection)}
            here = (batches.c.run_id == self._run_id) & (batches.c.number == sa.bindparam("batch"))
            connection.execute(sa.update(batches).where(here), [at | values for values in packed])

    def batches(self) -> list[BatchRecord]:
        """All batches in the order of their numbers."""
        wanted = [batches.c[name] for name in BatchRecord.__slots__]
        with self._state.reading() as connection:
            rows = connection.execute(self._mine(*wanted)).mappings()
            return [BatchRecord(**row) for row in rows]

    def batch(self, number: int) -> BatchRecord | None:
        """One batch; None where there is none of that number."""
        wanted = [batches.c[name] for name in BatchRecord.__slots__]
        with self._state.reading() as connection:
            row = connection.execute(self._mine(*wanted).where(batches.c.number == number)).mappings().one_or_none()
        return None if row is None else BatchRecord(**row)

    def of_row(self, seq: int) -> RowEntry | None:
        """The last batch that took a row, and what it said of it; None where no batch took it, or it was pruned."""
        query = self._mine(batches.c.number, batches.c.seqs, batches.c.settled_at, batches.c.outcomes)
        found = None
        with self._state.reading() as connection:
            for number, seqs, settled_at, outcomes in connection.execute(query.where(batches.c.seqs.is_not(None))):
                if seq in unpack_seqs(seqs):
                    found = RowEntry(number, settled=settled_at is not None, outcome=_outcome_of(seq, outcomes))
        return found

    def next_number(self) -> int:
        """The first number not yet taken."""
        with self._state.reading() as connection:
            query = sa.select(sa.func.max(batches.c.number)).where(batches.c.run_id == self._run_id)
            return int(connection.scalar(query) or 0) + 1

    def doubts(self) -> list[Doubt]:
        """Batches that may have been sent and have no outcomes: the run died in between."""
        query = self._mine(batches.c.number, batches.c.operation, batches.c.seqs)
        query = query.where(batches.c.settled_at.is_(None), batches.c.seqs.is_not(None))
        with self._state.reading() as connection:
            return [Doubt(row[0], row[1], unpack_seqs(row[2])) for row in connection.execute(query)]

    def outcomes(self) -> pl.DataFrame:
        """All outcomes so far, one per row, by seq: seq, status, record_id, code, message, batch."""
        import polars as pl  # noqa: PLC0415 - most users of the state database need none

        schema = {
            "seq": pl.Int64,
            "status": pl.String,
            "record_id": pl.String,
            "code": pl.String,
            "message": pl.String,
            "batch": pl.Int64,
        }
        parts = [pl.DataFrame(dict(zip(schema, part, strict=True)), schema=schema) for part in self._packed()]
        whole = pl.concat(parts) if parts else pl.DataFrame(schema=schema)
        return whole.unique("seq", keep="last", maintain_order=True).sort("seq")

    def prune(self) -> None:
        """Drop the rows' details once they are folded into the snapshot; the summary of each batch stays."""
        with self._state.transaction() as connection:
            here = sa.update(batches).where(batches.c.run_id == self._run_id)
            connection.execute(here.values(seqs=None, outcomes=None))

    def _packed(self) -> Iterator[list[list[Any]]]:
        """Columns of outcomes, with the numbers of their batches, of many batches at once."""
        query = self._mine(batches.c.outcomes, batches.c.number).where(batches.c.outcomes.is_not(None))
        with self._state.reading() as connection:
            blobs = iter(connection.execute(query))
            while chunk := list(islice(blobs, _CHUNK)):
                columns = [(*(held := unpack_outcomes(blob)), [number] * len(held[0])) for blob, number in chunk]
                yield [list(chain.from_iterable(column)) for column in zip(*columns, strict=True)]

    def _mine(self, *columns: sa.Column[Any]) -> sa.Select[Any]:
        return sa.select(*columns).where(batches.c.run_id == self._run_id).order_by(batches.c.number)


def _settlement(number: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The values of a settled batch."""
    counted = Counter(outcome.status for outcome in outcomes)
    tallies = {str(name): counted.get(name, 0) for name in _TALLIES}
    return {"batch": number, "outcomes": pack_outcomes(outcomes), **tallies}


def _outcome_of(seq: int, blob: bytes | None) -> Outcome | None:
    if blob is None:
        return None
    for row, status, record_id, code, message in zip(*unpack_outcomes(blob), strict=True):
        if row == seq:
            return Outcome(str(row), status, record_id, code=code, message=message)
    return None
