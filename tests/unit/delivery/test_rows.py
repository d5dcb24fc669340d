"""From the plan frame to rows."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from tailrace.actions import operation
from tailrace.delivery.rows import make_batch, make_rows, part_of
from tailrace.destination import Lookup, Operation
from tailrace.values import LogicalType


def test_upsert_carries_every_field(bench, plan):
    """A new record gets all fields, nulls included: null clears."""
    (row,) = make_rows(bench.job, plan({"id": 7, "name": None, "size": 3}), "upsert")
    assert (row.marker, row.key, row.match, row.values) == ("0", (7,), ("e7",), {"name": None, "size": 3})


def test_nulls_that_are_skipped_are_absent(bench, plan):
    """A field with `nulls: skip` is left out where it is null, in new and changed rows alike."""
    bench.wants(skip_nulls=frozenset({"name"}))
    frame = plan({"name": None}, {"name": "b"})
    assert [row.values for row in make_rows(bench.job, frame, "upsert")] == [{"size": 0}, {"name": "b", "size": 1}]
    assert [row.values for row in make_rows(bench.job, frame, "update")] == [{"size": 0}, {"name": "b", "size": 1}]


def test_update_carries_changed_fields_only(bench, plan):
    """What did not change is not sent; a change to null is."""
    frame = plan({"name": None, "changed": ("name",)}, {"changed": ("size",)}, action="update")
    assert [row.values for row in make_rows(bench.job, frame, "update")] == [{"name": None}, {"size": 1}]


def test_a_moved_match_value_is_written_and_addressed_by_the_old(bench, plan):
    """The record is found by what the snapshot knew, and gets its new match value."""
    (row,) = make_rows(bench.job, plan({"ext": "new", "was": "old", "changed": ()}, action="update"), "update")
    assert (row.match, row.values) == (("old",), {"ext": "new"})


@pytest.mark.parametrize("action", ["delete", "archive"])
def test_removals_carry_no_values(bench, plan, action):
    """A row that left is addressed by the match value the snapshot knew, and by its id."""
    (row,) = make_rows(bench.job, plan({"ext": "x", "record_id": "m1"}, action=action), action)
    assert (row.match, row.values, row.record_id) == (("x",), {}, "m1")


def test_delete_mode_addresses_by_the_models_match(bench, plan):
    """In delete mode the model itself says which records to delete."""
    (row,) = make_rows(bench.job, plan({"ext": "x", "op": "insert"}, action="delete"), "delete")
    assert row.match == ("x",)


def test_clear_nulls_all_fields_but_the_match(bench, plan):
    """Clearing must not make the record unfindable."""
    bench.wants(fields=("ext", "name", "size"))
    (row,) = make_rows(bench.job, plan({"ext": "x"}, action="clear"), "clear")
    assert row.values == {"name": None, "size": None}
    assert operation("clear") is Operation.UPDATE


def test_values_are_plain_python(bench, plan):
    """Decimals stay exact, zoned times are UTC, JSON is parsed."""
    frame = plan({}).with_columns(
        pl.Series("n:name", [datetime(2026, 1, 2, tzinfo=UTC)]),
        pl.Series("n:size", [Decimal("1.50")], dtype=pl.Decimal(38, 2)),
        pl.Series("m:ext", ['{"a":[1]}']),
    )
    types = {"f:name": LogicalType("timestamptz"), "f:size": LogicalType("decimal", 2), "m:ext": LogicalType("json")}
    bench.wants(types={**bench.job.types, **types})
    (row,) = make_rows(bench.job, frame, "upsert")
    assert row.values == {"name": datetime(2026, 1, 2, tzinfo=UTC), "size": Decimal("1.50")}
    assert row.match == ({"a": [1]},)


def test_batch_ids_name_their_rows(bench, plan):
    """The same rows give the same id, other rows, attempts, operations and runs another."""
    rows = make_rows(bench.job, plan({}, {}), "upsert")
    whole = make_batch(bench.job, Operation.UPSERT, rows)
    assert make_batch(bench.job, Operation.UPSERT, rows).id == whole.id
    assert part_of(whole, rows) is whole
    bench.wants(run_id="r2")
    others = [
        part_of(whole, rows[:1]),
        part_of(whole, rows[1:]),
        make_batch(bench.job, Operation.UPSERT, rows),
        make_batch(bench.job, Operation.UPDATE, rows, 1),
    ]
    assert len({whole.id, *(batch.id for batch in others)}) == 5


@pytest.mark.parametrize("action", ["update", "clear", "upsert"])
def test_references_tell_what_they_were_to_before(bench, plan, action):
    """Only those that are written, and only to adapters that ask for it."""
    frame = plan({"changed": ("name",)}, {"changed": ("size",)}, {"changed": ("name",)}, action=action)
    frame = frame.with_columns(pl.Series("o:name", ["x", "y", None]))
    bench.wants(lookups={"name": Lookup("other", "ext")})
    assert [row.before for row in make_rows(bench.job, frame, action)] == [{}] * 3
    bench.wants(unlinks=True)
    written = {"name": "y"} if action != "update" else {}
    assert [row.before for row in make_rows(bench.job, frame, action)] == [{"name": "x"}, written, {}]
