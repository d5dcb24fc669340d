"""Rows that lock the same record go out side by side, and never in two batches at once."""

import threading
from collections import Counter

import polars as pl
import pytest

from tailrace.delivery import neighbours
from tailrace.delivery.neighbours import Neighbours
from tailrace.destination import Context, Lookup, Operation, rejected
from tailrace.errors import StopRun
from tailrace.rowset import Rows
from tailrace.testing.jobs import JobStore, MemoryBulkDestination
from tailrace.testing.memory import MemoryDestination


class Locking(MemoryDestination):
    """A destination where writing a row locks the record that `name` refers to."""

    def contended(self, object, fields):
        """Name the field."""
        return [name for name in fields if name == "name"]


class LockingJobs(MemoryBulkDestination):
    """The same, which takes jobs."""

    contended = Locking.contended


@pytest.fixture
def locking(bench):
    """The bench's destination, with locks."""
    return Locking(bench.store, Context("memory", bench.limiter, "."), bench.capabilities)


@pytest.fixture
def family(plan):
    """Rows of four parents, as far apart as can be."""
    return plan(*({"name": f"parent {n % 4}"} for n in range(60)))


class Overlaps:
    """Watches a store's pushes: which parents two batches had at the same time."""

    def __init__(self, store, patience):
        self.both, self.most, self.flying = set(), 0, []
        self.batches = []
        self._write, self._met, self._patience = store.write, threading.Condition(), patience
        store.write = self.write

    def write(self, batch):
        """Note whom the batch meets; wait a moment for another to come."""
        parents = {row.values["name"] for row in batch.rows}
        with self._met:
            self.batches.append(parents)
            for other in self.flying:
                self.both |= other & parents
            self.flying.append(parents)
            self.most = max(self.most, len(self.flying))
            self._met.notify_all()
            self._met.wait_for(lambda: self.most > 1, self._patience)
        try:
            return self._write(batch)
        finally:
            with self._met:
                self.flying.remove(parents)


def test_children_of_a_parent_stand_side_by_side(bench, locking, family):
    """Batches of ten rows have the parents one after another, and all rows arrive."""
    seen = Overlaps(bench.store, 0)
    assert bench.run(family, locking).acknowledged == 60
    assert [len(parents) for parents in seen.batches] == [1, 2, 1, 1, 2, 1]
    assert len(bench.records()) == 60


def test_without_locks_rows_go_in_their_own_order(bench, family):
    """A destination that states none gets its rows as the plan has them."""
    seen = Overlaps(bench.store, 0)
    bench.run(family)
    assert [len(parents) for parents in seen.batches] == [4] * 6


def test_no_two_batches_in_flight_lock_the_same_record(bench, locking, family):
    """Several are in flight at once, and none of them shares a parent; without locks they do."""
    bench.wants(concurrency=4)
    seen = Overlaps(bench.store, 20)
    assert bench.run(family, locking).acknowledged == 60
    assert (seen.most > 1, seen.both) == (True, set())


def test_batches_contend_where_nothing_is_stated(bench, family):
    """The measure of the test above: rows as the plan has them meet their parents in flight."""
    bench.wants(concurrency=4)
    seen = Overlaps(bench.store, 20)
    bench.run(family)
    assert seen.both


def test_a_parent_with_more_rows_than_a_batch_goes_batch_after_batch(bench, locking, plan):
    """One parent for all: one batch in flight at a time, and none is lost."""
    bench.wants(concurrency=4)
    seen = Overlaps(bench.store, 0.2)  # for so long each batch waits for another one, which must not come
    assert bench.run(plan(*({"name": "only"} for _ in range(45))), locking).acknowledged == 45
    assert seen.most == 1


def test_rows_refused_for_a_lock_are_sent_again_in_smaller_batches(bench, locking, plan):
    """Eight children that met a lock: their next batches have two rows each, and one parent."""
    seen = Overlaps(bench.store, 0)
    write, first = bench.store.write, []

    def contend(batch):
        if not first:
            first.append(batch)
            return [rejected(row.marker, "UNABLE_TO_LOCK_ROW", "locked", "retry") for row in batch.rows]
        return write(batch)

    bench.store.write = contend
    bench.wants(batch_size=8)
    report = bench.run(plan(*({"name": f"p{n % 2}"} for n in range(8))), locking)
    assert report.acknowledged == 8
    assert [rows for _, rows in bench.pushes()] == [2] * 4
    assert [len(parents) for parents in seen.batches] == [1] * 4


def test_rows_of_a_job_are_in_order_too(bench, family):
    """The file has the children of a parent one after another."""
    bench.store = JobStore()
    bench.run(family, LockingJobs(bench.store, Context("memory", bench.limiter, "."), bench.capabilities))
    (job,) = bench.store.jobs.values()
    assert [row.values["name"] for _, row in job.rows] == sorted(f"parent {n % 4}" for n in range(60))


def test_an_adapter_that_cannot_tell_stops_the_run(bench, family):
    """To ask which fields lock may need the network: what it says of it is the report's."""

    class Silent(Locking):
        def contended(self, object, fields):
            raise StopRun("no such object")

    silent = Silent(bench.store, Context("memory", bench.limiter, "."), bench.capabilities)
    report = bench.run(family, silent)
    assert (report.acknowledged, str(report.stopped)) == (0, "no such object")


def frame(**columns):
    """A frame with row numbers."""
    made = pl.DataFrame(columns)
    return made.with_columns(seq=pl.int_range(made.height))


def test_the_order_is_stable_and_knows_departed_rows():
    """Parents without case and outer spaces; a delete goes by the parent it had; roots come first."""
    made = frame(**{"n:a": ["B", None, " b ", "a", None], "o:a": [None, "a", None, None, None]})
    assert Neighbours(["a"]).ordered(made)["seq"].to_list() == [4, 1, 3, 0, 2]


def test_the_first_field_counts_most():
    """A second reference orders rows of one parent."""
    made = frame(**{"n:a": ["y", "x", "y", "x"], "n:b": ["2", "2", "1", "1"]})
    assert Neighbours(["a", "b"]).ordered(made)["seq"].to_list() == [3, 1, 2, 0]
    assert Neighbours(["b", "a"]).ordered(made)["seq"].to_list() == [3, 2, 1, 0]


def test_locks_are_of_the_record_left_and_of_the_one_entered():
    """A child that moves locks both; equal keys of different objects are different records."""
    made = frame(**{"n:a": ["x", "y"], "o:a": [None, "x"], "n:b": ["x", None]})
    locks = Neighbours(["a", "b"]).locks(made)
    assert [len(locks["0"]), len(locks["1"])] == [2, 2]
    assert len(locks["0"] & locks["1"]) == 1
    same = Neighbours(["a", "b"], {"a": "account.ext", "b": "account.ext"}).locks(made)
    assert len(same["0"]) == 1


def test_lookups_of_one_object_are_told_by_it(bench, locking):
    """Two fields that look up the same object by the same key name the same records."""
    bench.wants(lookups={"name": Lookup("Account", "Ext")})
    found = Neighbours.of(bench.job, locking)
    assert found.fields == ("name",)
    assert found.locks(frame(**{"n:name": ["x"]})) == Neighbours(["q"], {"q": "account.ext"}).locks(
        frame(**{"n:q": ["x"]})
    )


def test_values_that_are_no_keys_order_nothing():
    """Lists and bytes name no record."""
    made = frame(**{"n:a": [[2], [1]], "n:b": [b"2", b"1"]})
    assert Neighbours(["a", "b", "absent"]).ordered(made)["seq"].to_list() == [0, 1]
    assert Neighbours(["a", "b"]).locks(made) == {"0": frozenset(), "1": frozenset()}


def test_memory_is_bounded_by_windows(monkeypatch):
    """Rows are ordered window by window, and every row comes once, in pieces of the size asked for."""
    monkeypatch.setattr(neighbours, "BATCH_ROWS", 20)
    made = frame(**{"n:a": [f"{n % 3}" for n in range(50)]})
    pieces = list(Neighbours(["a"]).pieces(Rows.of_frame(made), 10))
    assert [piece.height for piece in pieces] == [10] * 5
    assert Counter(seq for piece in pieces for seq in piece["seq"]) == Counter(range(50))
    assert pieces[0]["n:a"].to_list() == ["0"] * 7 + ["1"] * 3


def test_the_order_of_operations_stays(bench, locking, plan):
    """Upserts before updates before deletes, whatever their parents."""
    bench.run(plan({"id": 1, "action": "delete"}, {"id": 2, "name": "z"}, {"id": 3, "action": "update"}), locking)
    operations = [operation for operation, _ in bench.pushes()]
    assert operations[0] == Operation.UPSERT
    assert operations[-1] == Operation.DELETE
