"""The journal of one run: what was about to be sent, and what became of it.

The intent is durable before the first byte of a batch is sent, and the outcomes are durable before
anything builds on them: see `tailrace.state.commits`. Both are refused, with LeaseLost, once another
run holds the sync.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tailrace.destination import Outcome, Status
from tailrace.errors import StateError
from tailrace.failpoints import reach
from tailrace.state.commits import Commits
from tailrace.state.database import Database
from tailrace.state.direct import Direct, Prepared, PreparedMany
from tailrace.state.leases import check_token, lost, token_query
from tailrace.state.marks import Left, Marks
from tailrace.state.packing import Columns, columns_of, pack_columns, pack_seqs, unpack_outcomes, unpack_seqs
from tailrace.state.records import BatchRecord, Doubt, Intent
from tailrace.state.schema import batches, runs

if TYPE_CHECKING:
    import polars as pl

_TALLIES: tuple[Status, ...] = ("acknowledged", "rejected", "unknown", "skipped")
_SETTLED = ("number", "sent_at", *_TALLIES, "outcomes", "settled_at")
"""What a settlement says of its batch."""
_CHUNK = 500
"""Batches whose outcomes are unpacked at once."""
_NOTED_S = 0.25
"""So long outcomes may wait where they outlive the process: as long as batches are intended ahead."""
_TIMES = struct.Struct("<dd")


@dataclass(frozen=True, slots=True)
class RowEntry:
    """What the journal says of one row."""

    batch: int
    settled: bool
    """Whether the batch has outcomes; else it may have been sent, or not."""
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What became of a batch; moments are of the monotonic clock.

    The outcomes are packed when they come: as objects they would take the processor's caches until the next commit.
    """

    number: int
    packed: bytes
    tallies: tuple[int, ...]
    """Rows by status, in the order of `_TALLIES`."""
    sent: float | None
    settled: float

    def note(self) -> bytes:
        """The same as bytes; moments mean something until the machine starts anew."""
        return _TIMES.pack(math.nan if self.sent is None else self.sent, self.settled) + self.packed

    @classmethod
    def noted(cls, number: int, note: bytes) -> Self:
        """What `note` gave."""
        sent, settled = _TIMES.unpack_from(note)
        packed = note[_TIMES.size :]
        return cls(number, packed, _tallies(unpack_outcomes(packed)), None if math.isnan(sent) else sent, settled)


class Journal:
    """The batches of one run. Several threads may write to it.

    `token` is that of the lease it is written under, now: a run that recovers an older one opens the
    older one's journal with its own token. Close it when all is written.
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
        self._direct = Direct(state)
        self._sent: dict[int, float] = {}
        self._rows: dict[int, int] = {}
        """Rows of each batch that is under way."""
        self._marks = Marks.beside(state, run_id)
        self._commits = Commits(self._write, _NOTED_S if self._marks is not None else None)

    @property
    def tells_sent(self) -> bool:
        """Whether it will be known after a crash what was sent of batches that were intended together.

        That is so where the state is a file: on this machine, until it starts anew.
        """
        return self._marks is not None

    def intend(self, number: int, operation: str, seqs: Sequence[int]) -> None:
        """Record durably that these rows are about to be sent. `number` is new within the run."""
        self.intend_all([Intent(number, operation, seqs)])

    def intend_all(self, intents: Sequence[Intent]) -> None:
        """The same of several batches, in one transaction."""
        ahead = self._marks is not None and len(intents) > 1
        if self._marks is not None and ahead:
            # Before they are on record: who is killed in between has announced nothing.
            self._marks.intended(intent.number for intent in intents)
        self._rows.update((intent.number, len(intent.seqs)) for intent in intents)
        self._commits.commit(intents, apart=ahead)
        reach("batch.announced")

    def intend_job(self, number: int, operation: str, seqs: Sequence[int]) -> None:
        """The same of a job, whose receipt follows before anything is sent."""
        self._commits.commit([Intent(number, operation, seqs, receipt="")])

    def keep_receipt(self, number: int, receipt: str) -> None:
        """Record durably by what a job can be asked for, before its data goes up."""
        here = (batches.c.run_id == self._run_id) & (batches.c.number == number)
        with self._state.transaction() as connection:
            check_token(connection, self._sync, self._token)
            connection.execute(sa.update(batches).where(here).values(receipt=receipt))

    def begin(self, number: int) -> None:
        """Note that a batch is sent now that was intended some time before, with others; StateError if that fails."""
        if self._marks is not None:
            self._marks.sent(number)
        self._sent[number] = time.monotonic()

    def settle(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Record what became of a batch's rows; markers are row numbers.

        It is durable before the next intent is, or a moment later by itself; where there are marks, it outlives this
        process from now on, and intents of several batches need not wait for it. A row without an outcome was not
        written: it was refused for now, or never sent.
        """
        settlement = self._settlement(number, outcomes)
        # Rows without an outcome may be announced again: were both batches open, either would call them in doubt.
        joins = len(outcomes) != self._rows.pop(number, None)
        if self._marks is not None:
            try:
                self._marks.settled(number, settlement.note())
            except StateError:  # the next transaction, or mark, meets the error and tells it
                joins = True
        self._commits.add(settlement, joins=joins)

    def settle_all(self, settled: Sequence[tuple[int, Sequence[Outcome]]]) -> None:
        """The same of several batches: all of them are durable when this returns, or none."""
        self._commits.commit(settled=[self._settlement(number, outcomes) for number, outcomes in settled])

    def flush(self) -> None:
        """Make durable what has been settled."""
        self._commits.commit()

    def close(self) -> None:
        """Make durable what has been settled, and give everything back."""
        try:
            self._commits.close()
        finally:
            self._direct.close()
            if self._marks is not None:
                self._marks.close()

    def batches(self) -> list[BatchRecord]:
        """All batches in the order of their numbers."""
        wanted = [batches.c[name] for name in BatchRecord.__slots__]
        with self._reading() as connection:
            rows = connection.execute(self._mine(*wanted)).mappings()
            return [BatchRecord(**row) for row in rows]

    def batch(self, number: int) -> BatchRecord | None:
        """One batch; None where there is none of that number."""
        wanted = [batches.c[name] for name in BatchRecord.__slots__]
        with self._reading() as connection:
            row = connection.execute(self._mine(*wanted).where(batches.c.number == number)).mappings().one_or_none()
        return None if row is None else BatchRecord(**row)

    def of_row(self, seq: int) -> RowEntry | None:
        """The last batch that took a row, and what it said of it; None where no batch took it, or it was pruned."""
        query = self._mine(batches.c.number, batches.c.seqs, batches.c.settled_at, batches.c.outcomes)
        found = None
        with self._reading() as connection:
            for number, seqs, settled_at, outcomes in connection.execute(query.where(batches.c.seqs.is_not(None))):
                if seq in unpack_seqs(seqs):
                    found = RowEntry(number, settled=settled_at is not None, outcome=_outcome_of(seq, outcomes))
        return found

    def next_number(self) -> int:
        """The first number not yet taken."""
        with self._reading() as connection:
            query = sa.select(sa.func.max(batches.c.number)).where(batches.c.run_id == self._run_id)
            return int(connection.scalar(query) or 0) + 1

    def doubts(self) -> list[Doubt]:
        """Batches that have no outcomes, as the run died; and which of them were not sent, where that is known."""
        left = self.take_notes()
        query = self._mine(batches.c.number, batches.c.operation, batches.c.seqs, batches.c.receipt)
        query = query.where(batches.c.settled_at.is_(None), batches.c.seqs.is_not(None))
        with self._reading() as connection:
            return [
                Doubt(number, operation, unpack_seqs(seqs), receipt, sent=number not in left.unsent)
                for number, operation, seqs, receipt in connection.execute(query)
            ]

    def take_notes(self) -> Left:
        """Make durable what the run that died noted of answers, with the moments at which they came.

        Gives all that was noted.
        """
        left = Left() if self._marks is None else self._marks.left()
        if left.settled:
            open_ones = self._mine(batches.c.number).where(batches.c.settled_at.is_(None))
            with self._reading() as connection:
                noted = [number for number in connection.scalars(open_ones) if number in left.settled]
            self._commits.commit(settled=[_Settlement.noted(number, left.settled[number]) for number in noted])
        return left

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

    def fold(self) -> None:
        """Drop the rows' details of all batches that have outcomes, once these are in the snapshot and on record."""
        self.flush()
        settled = (batches.c.run_id == self._run_id) & batches.c.settled_at.is_not(None) & batches.c.seqs.is_not(None)
        with self._state.transaction() as connection:
            check_token(connection, self._sync, self._token)
            connection.execute(sa.update(batches).where(settled).values(seqs=None, outcomes=None))
            open_ones = self._mine(batches.c.number).where(batches.c.settled_at.is_(None))
            whole = connection.scalar(open_ones.limit(1)) is None
        if self._marks is not None and whole:
            self._marks.forget()

    def prune(self) -> None:
        """Drop the rows' details once they are folded into the snapshot; the summary of each batch stays."""
        self.flush()
        with self._state.transaction() as connection:
            here = sa.update(batches).where(batches.c.run_id == self._run_id, batches.c.seqs.is_not(None))
            connection.execute(here.values(seqs=None, outcomes=None))
        if self._marks is not None:
            self._marks.drop()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """See also what has been settled and is not durable yet."""
        self.flush()
        with self._state.reading() as connection:
            yield connection

    def _packed(self) -> Iterator[list[list[Any]]]:
        """Columns of outcomes, with the numbers of their batches, of many batches at once."""
        query = self._mine(batches.c.outcomes, batches.c.number).where(batches.c.outcomes.is_not(None))
        with self._reading() as connection:
            blobs = iter(connection.execute(query))
            while chunk := list(islice(blobs, _CHUNK)):
                columns = [(*(held := unpack_outcomes(blob)), [number] * len(held[0])) for blob, number in chunk]
                yield [list(chain.from_iterable(column)) for column in zip(*columns, strict=True)]

    def _settlement(self, number: int, outcomes: Sequence[Outcome]) -> _Settlement:
        columns = columns_of(outcomes)
        packed = pack_columns(columns)
        return _Settlement(number, packed, _tallies(columns), self._sent.pop(number, None), time.monotonic())

    def _write(self, intents: Sequence[Intent], settled: Sequence[_Settlement]) -> None:
        """Everything in one transaction, under the lease."""
        begun = [self._intended(intent) for intent in intents]
        with self._direct.transaction() as cursor:
            if self._latest.scalar(cursor) != self._token:
                raise lost(self._sync)
            # What was noted by the monotonic clock, as the time of the database.
            offset = self._direct.now(cursor) - time.monotonic()
            if begun:
                for values in begun:
                    values["intended_at"] += offset
                self._insert.run(cursor, begun)
            if settled:
                self._update.run(cursor, [_dated(settlement, offset) for settlement in settled], self._run_id)

    def _intended(self, intent: Intent) -> dict[str, Any]:
        return {
            "run_id": self._run_id,
            "number": intent.number,
            "operation": intent.operation,
            "rows": len(intent.seqs),
            "seqs": pack_seqs(intent.seqs),
            "receipt": intent.receipt,
            "intended_at": time.monotonic(),
        }

    @cached_property
    def _latest(self) -> Prepared:
        return Prepared(self._state, token_query(self._sync))

    @cached_property
    def _insert(self) -> Prepared:
        names = ("run_id", "number", "operation", "rows", "seqs", "receipt", "intended_at")
        none: dict[str, Any] = {str(name): sa.literal_column("0") for name in _TALLIES}
        return Prepared(self._state, sa.insert(batches).values(none), [*names, *none])

    @cached_property
    def _update(self) -> PreparedMany:
        return PreparedMany(self._state, _settling, _SETTLED, ["run"])

    def _mine(self, *columns: sa.Column[Any]) -> sa.Select[Any]:
        return sa.select(*columns).where(batches.c.run_id == self._run_id).order_by(batches.c.number)


def _dated(settled: _Settlement, offset: float) -> tuple[Any, ...]:
    """Values for `_SETTLED`; `offset` makes moments of the monotonic clock the database's."""
    sent_at = None if settled.sent is None else offset + settled.sent
    return (settled.number, sent_at, *settled.tallies, settled.packed, offset + settled.settled)


def _settling(count: int) -> Any:
    """What takes so many settlements; for one, what SQLite knew before 3.33 as well."""
    kinds = {name: batches.c.intended_at.type if name == "sent_at" else batches.c[name].type for name in _SETTLED}
    # Cast, as nothing tells a server what a null is.
    rows = [tuple(sa.cast(sa.bindparam(f"{name}_{row}"), kinds[name]) for name in _SETTLED) for row in range(count)]
    columns = [sa.column(name, kind) for name, kind in kinds.items()]
    given: Iterable[Any] = rows[0] if count == 1 else sa.values(*columns).data(rows).cte("given").c
    number, sent_at, *others = given
    here = (batches.c.run_id == sa.bindparam("run")) & (batches.c.number == number)
    told = dict(zip(_SETTLED[2:], others, strict=True))
    return sa.update(batches).where(here).values(intended_at=sa.func.coalesce(sent_at, batches.c.intended_at), **told)


def _tallies(columns: Columns) -> tuple[int, ...]:
    """Rows by status, in the order of `_TALLIES`."""
    _, statuses, *_ = columns
    first = _TALLIES[0]  # most batches have it throughout
    if statuses.count(first) == len(statuses):
        return (len(statuses), 0, 0, 0)
    return tuple(map(statuses.count, _TALLIES))


def _outcome_of(seq: int, blob: bytes | None) -> Outcome | None:
    if blob is None:
        return None
    for row, status, record_id, code, message in zip(*unpack_outcomes(blob), strict=True):
        if row == seq:
            return Outcome(str(row), status, record_id, code=code, message=message)
    return None
