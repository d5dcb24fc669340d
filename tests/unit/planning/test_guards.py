"""Brakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.planning.guards import Figures, contract_guard, evaluate, percent
from tailrace.project.config import Guards


def tripped(guards, **figures):
    counted = {"model_rows": 100, "snapshot_rows": 100, "updates": 0, "deletes": 0, "invalid": 0, **figures}
    return {result.guard for result in evaluate(guards, Figures(**counted)) if result.tripped}


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"deletes": 15}, set()),
        ({"deletes": 16}, {"max_deletes"}),
        ({"deletes": 10, "snapshot_rows": 20}, set()),
        ({"deletes": 11, "snapshot_rows": 20}, {"max_deletes"}),
        ({"updates": 100}, set()),
        ({"invalid": 5}, set()),
        ({"invalid": 6}, {"max_invalid"}),
        ({"model_rows": 0}, {"on_empty"}),
        ({"model_rows": 0, "snapshot_rows": 0}, set()),
    ],
)
def test_defaults_stop_what_the_table_says(figures, expected):
    """15% of deletes and more than ten rows, 5% invalid, an empty model; no limit on updates."""
    assert tripped(Guards(), **figures) == expected


def test_a_share_means_the_same_written_out_or_not():
    """Ten rows may always go under a share: writing the default down changes nothing."""
    guards = Guards.model_validate({"max_deletes": "15%"})
    for deletes, snapshot_rows in ((3, 12), (10, 20), (11, 20), (15, 100), (16, 100)):
        figures = {"deletes": deletes, "snapshot_rows": snapshot_rows}
        assert tripped(guards, **figures) == tripped(Guards(), **figures)


def test_a_number_limits_rows():
    """max_deletes: 3 lets three rows go and stops at four."""
    guards = Guards.model_validate({"max_deletes": 3})
    assert tripped(guards, deletes=3) == set()
    assert tripped(guards, deletes=4) == {"max_deletes"}


def test_off_is_off():
    """A guard that is off says nothing."""
    guards = Guards.model_validate({"max_deletes": "off", "max_invalid": "off", "on_empty": "allow"})
    assert tripped(guards, deletes=100, invalid=100, model_rows=0) == set()


def test_overwrites_can_be_limited():
    """max_changes counts updates and deletes against the snapshot, so that a first run passes."""
    guards = Guards.model_validate({"max_changes": "50%"})
    assert tripped(guards, updates=51) == {"max_changes"}
    assert tripped(guards, updates=0, snapshot_rows=0) == set()


def test_a_part_of_the_model_is_judged_by_the_whole():
    """What was read since last is no measure: the shares are of the snapshot, and an empty part says nothing."""
    assert tripped(Guards(), partial=True, model_rows=0) == set()
    assert tripped(Guards(), partial=True, model_rows=6, invalid=5) == set()
    assert tripped(Guards(), partial=True, model_rows=6, invalid=6) == {"max_invalid"}
    assert tripped(Guards(), partial=True, model_rows=200, snapshot_rows=10, invalid=10) == set()
    assert tripped(Guards.model_validate({"max_changes": "50%"}), partial=True, model_rows=51, updates=51) == {
        "max_changes"
    }


@given(st.integers(0, 500), st.integers(0, 500))
def test_no_delete_share_above_the_limit_passes(deletes, snapshot_rows):
    """0 bypasses: whatever the sizes, the default trips exactly above 15% and above ten rows."""
    expected = deletes > 10 and snapshot_rows > 0 and deletes > 0.15 * snapshot_rows
    assert ("max_deletes" in tripped(Guards(), deletes=deletes, snapshot_rows=snapshot_rows)) == expected


def test_the_contract_names_each_fault():
    """The verdict on the mapping carries field and fault."""
    result = contract_guard({"Emial": "no such field"})
    assert result.tripped
    assert "Emial: no such field" in result.detail


@pytest.mark.parametrize(
    ("share", "text"), [(0.15, "15%"), (0.0023, "0.2%"), (0.0, "0%"), (0.00004, "0.004%"), (1.0, "100%")]
)
def test_shares_read_well(share, text):
    """A share that is not zero never shows as 0%."""
    assert percent(share) == text


def test_without_shares_only_numbers_of_rows_count():
    """A share of what a delete sync has deleted says nothing; a number of rows does."""
    assert tripped(Guards(), deletes=100, shares=False) == set()
    assert evaluate(Guards(on_empty="allow", max_invalid=None), Figures(1, 1, 0, 1, 0, shares=False)) == ()
    guards = Guards.model_validate({"max_deletes": 3, "max_changes": 5})
    assert tripped(guards, deletes=3, shares=False) == set()
    assert tripped(guards, deletes=4, shares=False) == {"max_deletes"}
    assert tripped(guards, deletes=6, shares=False) == {"max_deletes", "max_changes"}
