"""Which changes of a plan are shown."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.planning.preview import ORDER, frames, shares
from tailrace.rowset import Rows, Source

counts = st.fixed_dictionaries({op: st.integers(0, 40) for op in ORDER})


@given(counts, st.integers(1, 60))
def test_parts_are_fair_and_use_all_room(counted, limit):
    """No more than asked for, no room wasted, and a kind that is cut short has no less than another, but for one."""
    shown = shares(counted, limit)
    assert all(0 <= shown[op] <= counted[op] for op in ORDER)
    assert sum(shown.values()) == min(limit, sum(counted.values()))
    for op in ORDER:
        if shown[op] < counted[op]:
            assert all(shown[other] <= shown[op] + 1 for other in ORDER)
    assert list(shown) == ["delete", "update", "insert"]


@given(counts)
def test_without_a_limit_all_is_shown(counted):
    """Every change of every kind."""
    assert shares(counted, 0) == counted


def rows(ops, *, bulk=0, action="upsert"):
    """Rows of those ops, and after them plain inserts that are carried out in some way."""
    shape = {"seq": pl.Int64, "op": pl.String, "action": pl.String}
    some = [(number, op, "delete" if op == "delete" else action) for number, op in enumerate(ops)]
    plain = [(number + len(ops), "insert", action) for number in range(bulk)]
    made = [pl.DataFrame(part, shape, orient="row") for part in (some, plain)]
    return Rows(tuple(Source(part.lazy(), part.height, bulk=place == 1) for place, part in enumerate(made)))


@pytest.mark.parametrize("limit", [0, 1, 5, 7, 100])
@pytest.mark.parametrize("bulk", [0, 6])
def test_the_rows_come_kind_by_kind_in_their_order(limit, bulk):
    """Deletes, updates, inserts, those of the model's own file among them; each kind in order, in small frames."""
    ops = ["insert", "update", "delete", "update", "insert", "delete", "update"]
    counted = {"insert": 2 + bulk, "update": 3, "delete": 2}
    found = list(frames(rows(ops, bulk=bulk), counted, limit, 2))
    assert all(frame.height <= 2 for frame in found)
    whole = pl.concat(found)
    part = shares(counted, limit)
    inserts = [0, 4, *range(7, 7 + bulk)]
    wanted = [*[2, 5][: part["delete"]], *[1, 3, 6][: part["update"]], *inserts[: part["insert"]]]
    assert whole["seq"].to_list() == wanted


def test_plain_inserts_may_stand_for_deletes():
    """A sync of mode delete deletes the records of new rows."""
    made = rows(["insert"], bulk=3, action="delete")
    found = pl.concat(frames(made, {"insert": 0, "update": 0, "delete": 4}, 0, 10))
    assert found["seq"].to_list() == [0, 1, 2, 3]
    mixed = list(frames(made, {"insert": 0, "update": 1, "delete": 4}, 0, 10))
    assert [frame["seq"].to_list() for frame in mixed] == [[0, 1, 2, 3]]
