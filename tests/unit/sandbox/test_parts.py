"""The parts that need no server: ids, windows, rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.sandbox.faults import Fault, Faults, RowFault, RuleError, build
from tailrace.sandbox.options import SandboxOptions
from tailrace.sandbox.salesforce.ids import long_id, make_id, parse_id
from tailrace.sandbox.windows import Window


def test_long_id_of_the_vendors_own_example():
    """The checksum is the vendor's."""
    assert long_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"


@given(st.integers(1, 62**5 - 1), st.integers(1, 62**5 - 1))
def test_ids_are_well_formed_and_differ(one, other):
    """Ids have 18 characters, a good checksum, the same short form, and are unique by number."""
    made = make_id("003", one)
    assert len(made) == 18
    assert parse_id(made) == parse_id(made[:15]) == made
    assert (made == make_id("003", other)) == (one == other)


@pytest.mark.parametrize("text", ["", "003", None, 5, "0035g0000000001AAB", "0035g000000000é", "x" * 16])
def test_what_is_no_id(text):
    """Wrong length, checksum, type or alphabet is no id."""
    assert parse_id(text) is None


def test_window_slides():
    """A request is granted again exactly when one leaves the window."""
    now = [0.0]
    window = Window(2, 10.0, lambda: now[0])
    granted = []
    for moment in (0, 1, 2, 9.9, 10, 10.5, 11):
        now[0] = moment
        granted.append(window.take())
    assert granted == [True, True, False, False, True, False, True]
    assert (window.refused, window.peak, window.left) == (3, 5, 0)


def test_window_tells_how_fast_it_was_filled():
    """It notes when a client begins to fill it anew, refused requests included."""
    now = [5.0]
    window = Window(2, 10.0, lambda: now[0])
    for moment in (5, 6, 8, 9, 20, 21):
        now[0] = moment
        window.take()
    assert window.turns == [3, 15]
    window.reset()
    window.take()
    assert window.turns == []


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5))
def test_window_never_grants_more_than_its_limit(steps, limit):
    """Whatever the pace, no window of its length holds more granted requests than the limit."""
    now, granted = [0.0], []
    window = Window(limit, 5.0, lambda: now[0])
    for step in steps:
        now[0] += step
        if window.take():
            granted.append(now[0])
    assert all(sum(start <= moment < start + 5.0 for moment in granted) <= limit for start in granted)


def test_fault_rules_are_used_up_in_order():
    """`skip` lets requests pass, `times` are then failed, and others are left alone."""
    faults = Faults()
    faults.requests.append(Fault(method="POST", path="batch/up", times=2, skip=1, status=500))
    hits = [faults.for_request("POST", "/x/batch/upsert") is not None for _ in range(5)]
    assert hits == [False, True, True, False, False]
    assert faults.for_request("GET", "/x/batch/upsert") is None


def test_row_fault_matches_by_value():
    """Only rows with one of the values fall under the rule."""
    faults = Faults()
    faults.rows.append(RowFault("Contact", "UNABLE_TO_LOCK_ROW", field="k", values=("2",)))
    assert faults.for_row("contact", {"k": 1}) is None
    assert faults.for_row("contact", {"k": 2}).code == "UNABLE_TO_LOCK_ROW"
    assert faults.for_row("contact", {"k": 2}) is None


@pytest.mark.parametrize("data", [[], {"path": "("}, {"pth": "x"}, {"status": 500, "code": 1}])
def test_a_rule_that_is_not_understood(data):
    """A misspelt or broken rule is an error, not a rule that never matches."""
    with pytest.raises(RuleError):
        build(Fault, data)


def test_options_survive_json(tmp_path):
    """Options reach another process unchanged."""
    options = SandboxOptions(hubspot=None, state=tmp_path / "s.json", rate_limits=False)
    assert SandboxOptions.from_json(options.to_json()) == options
