"""Records by the match values of change frames, whatever form the vendor gives those back in."""

from decimal import Decimal

import polars as pl
import pytest

from tailrace.delivery import Job, Limiter
from tailrace.destination import Context, Record
from tailrace.errors import Retriable
from tailrace.running.lookup import records_of
from tailrace.testing.memory import MemoryDestination, MemoryStore
from tailrace.values import LogicalType


def job(**types):
    """A job whose match fields have these types."""
    return Job(
        run_id="r",
        sync="people",
        object="people",
        mode="append",
        match=tuple(types),
        fields=(),
        skip_nulls=frozenset(),
        fill_empty=frozenset(),
        lookups={},
        types={f"m:{name}": logical for name, logical in types.items()},
        batch_size=10,
        concurrency=1,
        on_unknown="hold",
        settle=0.0,
    )


class Fixed(MemoryDestination):
    """Finds what it was told to, whatever it is asked for."""

    records = ()

    def find(self, object, match, values, fields=()):
        """The records it was told of."""
        return self.records


def look(destination, job, **columns):
    """Ids of the records found per row."""
    schema = {f"m:{name}": pl.Decimal(38, 2) if kind.scale else None for name, kind in _types(job).items()}
    frame = pl.DataFrame({"seq": range(len(next(iter(columns.values()))))}).with_columns(
        pl.Series(f"m:{name}", values, dtype=schema[f"m:{name}"]) for name, values in columns.items()
    )
    found = records_of(job, frame, destination, Limiter(()))
    return [[record.id for record in each] for each in found]


def _types(job):
    return {name: job.types[f"m:{name}"] for name in job.match}


@pytest.fixture
def fixed():
    """A destination that finds the given match values, by id."""

    def make(**records):
        made = Fixed(MemoryStore(), Context("memory", Limiter(()), "."))
        made.records = [Record(name, match, {}) for name, match in records.items()]
        return made

    return make


@pytest.mark.parametrize(
    ("logical", "ours", "theirs"),
    [
        (LogicalType("decimal", 2), Decimal("1.00"), 1),
        (LogicalType("decimal", 2), Decimal("1.50"), "1.5"),
        (LogicalType("int64"), 1, "1"),
        (LogicalType("int64"), 1, 1.0),
        (LogicalType("bool"), True, "true"),
    ],
)
def test_a_value_is_known_in_another_form(fixed, logical, ours, theirs):
    """A vendor may give a number back as text, or with other digits."""
    assert look(fixed(a=(theirs,)), job(id=logical), id=[ours]) == [["a"]]


def test_each_row_gets_its_records(fixed):
    """None, one or several: in the order of the rows, by all match fields together."""
    found = fixed(a=(1, "x"), b=(1, "x"), c=(1, "y"))
    both = job(id=LogicalType("int64"), kind=LogicalType("string"))
    assert look(found, both, id=[2, 1, 1], kind=["x", "y", "x"]) == [[], ["c"], ["a", "b"]]


def test_nothing_is_asked_for_no_rows(fixed):
    """An empty frame has no records."""
    assert look(fixed(a=(1,)), job(id=LogicalType("int64")), id=[]) == []


def test_a_look_up_that_is_refused_for_now_is_repeated():
    """A vendor's pause costs time, and no adopt."""
    store = MemoryStore()
    name = store.put("people", {"id": 1})
    store.fail(Retriable("too many requests", retry_after=0.0), "find", times=2)
    destination = MemoryDestination(store, Context("memory", Limiter(()), "."))
    assert look(destination, job(id=LogicalType("int64")), id=[1]) == [[name]]
    assert len(store.requests) == 3
