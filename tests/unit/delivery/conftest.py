"""A plan frame, a job, a destination and a journal, each in a line."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import polars as pl
import pytest

from tailrace.delivery import Job, Limiter, deliver, recover
from tailrace.destination import Context
from tailrace.rowset import Rows
from tailrace.testing.memory import CAPABILITIES, MemoryDestination, MemoryStore
from tailrace.values import LogicalType

TEXT, INT = LogicalType("string"), LogicalType("int64")
SCHEMA = {
    "seq": pl.Int64, "op": pl.String, "action": pl.String, "record_id": pl.String, "k:id": pl.Int64,
    "m:ext": pl.String, "om:ext": pl.String,
    "n:name": pl.String, "o:name": pl.String, "c:name": pl.Boolean,
    "n:size": pl.Int64, "o:size": pl.Int64, "c:size": pl.Boolean,
}  # fmt: skip
TYPES = {"k:id": INT, "m:ext": TEXT, "f:name": TEXT, "f:size": INT}


@dataclass
class Notebook:
    """A journal in memory that checks its own order."""

    tells_sent: bool = False
    intents: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    settled: dict[int, list] = field(default_factory=dict)
    receipts: dict[int, list[str]] = field(default_factory=dict)
    flushed: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def intend(self, number, operation, seqs):
        """Note an intent; a number is used once."""
        with self.lock:
            assert number not in self.intents
            self.intents[number] = (operation, tuple(seqs))

    def intend_all(self, intents):
        """Note several intents."""
        for intent in intents:
            self.intend(intent.number, intent.operation, intent.seqs)

    def intend_job(self, number, operation, seqs):
        """Note a job that is not opened yet."""
        self.intend(number, operation, seqs)
        self.receipts[number] = []

    def keep_receipt(self, number, receipt):
        """Note by what a job can be asked for; it has no outcomes yet."""
        with self.lock:
            assert number not in self.settled
            self.receipts[number].append(receipt)

    def begin(self, number):
        """Note that a batch is sent that was intended."""
        with self.lock:
            assert number in self.intents
            self.begun.append(number)

    def settle(self, number, outcomes):
        """Note outcomes, of rows that were intended."""
        with self.lock:
            assert {int(outcome.marker) for outcome in outcomes} <= set(self.intents[number][1])
            self.settled[number] = list(outcomes)

    def flush(self):
        """Note how many batches were settled by now."""
        self.flushed.append(len(self.settled))

    @property
    def outcomes(self):
        """Every settled outcome, by row number."""
        return {int(o.marker): o for outcomes in self.settled.values() for o in outcomes}


@dataclass
class Sleeps:
    """Remembers how long we would have slept."""

    slept: list[float] = field(default_factory=list)

    def __call__(self, seconds):
        """Do not sleep."""
        self.slept.append(seconds)


class Bench:
    """Everything a delivery needs; `run` delivers rows."""

    def __init__(self):
        self.store = MemoryStore()
        self.limiter = Limiter()
        self.journal = Notebook()
        self.sleeps = Sleeps()
        self.capabilities = CAPABILITIES
        self.job = Job(
            run_id="r1", sync="s", object="thing", mode="upsert", match=("ext",), fields=("name", "size"),
            skip_nulls=frozenset(), fill_empty=frozenset(), lookups={}, types=TYPES, batch_size=10, concurrency=1,
            on_unknown="hold", settle=7.0,
        )  # fmt: skip

    def owned(self, ids):
        """Of these records those that rows of the snapshot have: there is none."""
        return ()

    def can(self, **changes):
        """Change what the adapter can do."""
        self.capabilities = replace(self.capabilities, **changes)

    def wants(self, **changes):
        """Change the job."""
        self.job = replace(self.job, **changes)

    def destination(self):
        """The adapter, over the bench's store."""
        return MemoryDestination(self.store, Context("memory", self.limiter, "."), self.capabilities)

    def run(self, frame, destination=None, **kwargs):
        """Deliver a plan frame."""
        kwargs = {"limiter": self.limiter, "sleep": self.sleeps, "owned": self.owned, **kwargs}
        return deliver(self.job, Rows.of_frame(frame), destination or self.destination(), self.journal, **kwargs)

    def recover(self, rows, journal, destination=None):
        """Settle what a dead run left in doubt."""
        kwargs = {"limiter": self.limiter, "sleep": self.sleeps, "owned": self.owned}
        return recover(self.job, rows, destination or self.destination(), journal, **kwargs)

    def records(self):
        """What the destination holds: ext → (name, size)."""
        return {r["ext"]: (r.get("name"), r.get("size")) for r in self.store.records("thing").values()}

    def pushes(self):
        """Operation and number of rows of each push."""
        return [(str(r.operation), r.rows) for r in self.store.requests if r.step == "push"]


@pytest.fixture
def bench():
    """A fresh bench."""
    return Bench()


@pytest.fixture(scope="session")
def make_bench():
    """Makes benches, for tests that need several."""
    return Bench


@pytest.fixture(scope="session")
def plan():
    """Makes a plan frame out of rows; each says what differs from a plain new row."""
    return make_plan


def make_plan(*rows, action="upsert"):
    """A plan frame. A row may give id, ext, was, name, size, changed, action, op, record_id."""
    return pl.DataFrame([_row(seq, action, row) for seq, row in enumerate(rows)], schema=SCHEMA, orient="row")


_OPS = {"upsert": "insert", "create": "insert", "update": "update"}


def _row(seq, action, row):
    action = row.get("action", action)
    op = row.get("op", _OPS.get(action, "delete"))
    ext = row.get("ext", f"e{row.get('id', seq)}")
    was = row.get("was", None if op == "insert" else ext)
    changed = row.get("changed", ("name", "size") if op != "delete" else ())
    name = row.get("name", f"name {seq}")
    return (
        seq, op, action, row.get("record_id"), row.get("id", seq), None if op == "delete" else ext, was,
        name, None, "name" in changed, row.get("size", seq), None, "size" in changed,
    )  # fmt: skip
