"""The lifecycle stage: it moves forward only, unless it is cleared first."""

import pytest

from tailrace.destination import Operation
from tailrace.errors import AnswerLost, BatchRejected
from tailrace.judging import Mapped, Wish
from tailrace_destinations.hubspot.config import HubSpotOptions
from tailrace_destinations.hubspot.stages import FORWARD_ONLY


@pytest.fixture
def back(connect, control):
    """An open destination whose sync lets stages move back."""
    return connect(options=HubSpotOptions(lifecycle_backwards=True))


def stages(control):
    """Stages by key."""
    kept = (record["properties"] for record in control.records("contacts"))
    return {properties["warehouse_id"]: properties.get("lifecyclestage") for properties in kept}


def customers(hub, batch, *keys):
    """Make customers; gives their ids."""
    return [o.record_id for o in hub.push(batch("upsert", *({"id": k, "lifecyclestage": "customer"} for k in keys)))]


@pytest.mark.parametrize("operation", ["upsert", "update"])
def test_without_the_option_it_stays(hub, batch, control, operation):
    """HubSpot acknowledges an earlier stage and keeps the later one: the mapping's notes say so."""
    (id_,) = customers(hub, batch, "a")
    row = {"id": "a", "lifecyclestage": "lead"} | ({"record_id": id_} if operation == "update" else {})
    assert hub.push(batch(operation, row))[0].status == "acknowledged"
    assert stages(control) == {"a": "customer"}


@pytest.mark.parametrize("operation", ["upsert", "update"])
def test_with_the_option_it_is_cleared_first(back, batch, control, calls, operation):
    """Those that go back are cleared in a request of its own; others are left alone."""
    ids = customers(back, batch, "a", "b", "c")
    rows = [
        {"id": "a", "lifecyclestage": "lead", "firstname": "Ann"},
        {"id": "b", "lifecyclestage": "evangelist"},
        {"id": "c", "firstname": "Cy"},
    ]
    if operation == "update":
        rows = [{**row, "record_id": id_} for row, id_ in zip(rows, ids, strict=True)]
    before = len(calls.spent)
    outcomes = back.push(batch(operation, *rows))
    assert {outcome.status for outcome in outcomes} == {"acknowledged"}
    assert stages(control) == {"a": "lead", "b": "evangelist", "c": "customer"}
    assert [call.write for call in calls.spent[before:]] == [False, True, True]


def test_forward_moves_clear_nothing(back, batch, control, calls):
    """New records, later and equal stages, and NULL take one look and one write; rows without a stage take no look."""
    customers(back, batch, "a", "b", "d")
    before = len(calls.spent)
    moves = {"a": "customer", "b": "evangelist", "c": "lead", "d": None}
    back.push(batch("upsert", *({"id": key, "lifecyclestage": stage} for key, stage in moves.items())))
    assert [call.write for call in calls.spent[before:]] == [False, True]
    assert stages(control) == moves
    back.push(batch("upsert", {"id": "a", "firstname": "Ann"}))
    back.push(batch("create", {"id": "z", "lifecyclestage": "lead"}))
    assert [call.write for call in calls.spent[before:]] == [False, True, True, True]


def test_a_row_that_cannot_be_sent_clears_nothing(back, batch, control):
    """What is refused here is refused before anything is written."""
    customers(back, batch, "a")
    (outcome,) = back.push(batch("upsert", {"id": "a", "lifecyclestage": "lead", "n_orders": float("nan")}))
    assert (outcome.status, outcome.partly) == ("rejected", False)
    assert stages(control) == {"a": "customer"}


def test_a_row_refused_after_its_stage_was_cleared(back, batch, control):
    """It is written in part: the engine takes it for unknown and sends it again."""
    customers(back, batch, "a", "b")
    rows = ({"id": "a", "lifecyclestage": "lead", "email": "none"}, {"id": "b", "email": "none"})
    outcomes = {outcome.marker: outcome for outcome in back.push(batch("upsert", *rows))}
    assert [outcomes[marker].partly for marker in ("r0", "r1")] == [True, False]
    assert stages(control) == {"a": None, "b": "customer"}


def test_a_stage_that_cannot_be_cleared(back, batch, control):
    """Its row is refused and not sent; the others go out."""
    ids = customers(back, batch, "a", "b")
    control.fail_rows("contacts", "NO_WAY", field="id", values=[ids[0]])
    rows = ({"id": key, "lifecyclestage": "lead", "firstname": "F"} for key in "ab")
    outcomes = {outcome.marker: outcome for outcome in back.push(batch("upsert", *rows))}
    assert (outcomes["r0"].status, outcomes["r0"].partly) == ("rejected", False)
    assert "could not be cleared" in outcomes["r0"].message
    assert stages(control) == {"a": "customer", "b": "lead"}


@pytest.mark.parametrize(
    ("fault", "error"), [({"drop": True}, AnswerLost), ({"status": 400, "body": {"message": "no"}}, BatchRejected)]
)
def test_an_answer_lost_after_clearing(back, batch, control, fault, error):
    """The batch counts as written in part, whatever became of it."""
    customers(back, batch, "a", "b")
    control.fail("/batch/upsert", **fault)
    with pytest.raises(error) as caught:
        back.push(batch("upsert", *({"id": key, "lifecyclestage": "lead"} for key in "ab")))
    assert caught.value.partly
    assert {o.status for o in back.push(batch("upsert", {"id": "a", "lifecyclestage": "lead"}))} == {"acknowledged"}
    assert stages(control)["a"] == "lead"


def test_contacts_told_by_address(back, batch, control):
    """An address in other letters means the same contact, whose stage is found and cleared."""
    back.push(batch("upsert", {"id": "a@x.io", "lifecyclestage": "customer"}, match=("email",)))
    outcomes = back.push(batch("upsert", {"id": " A@x.io", "lifecyclestage": "lead"}, match=("email",)))
    assert [outcome.status for outcome in outcomes] == ["acknowledged"]
    assert [record["properties"]["lifecyclestage"] for record in control.records("contacts")] == ["lead"]


@pytest.mark.parametrize(("operation", "noted"), [("upsert", True), ("update", True), ("create", False)])
def test_the_contract_tells(hub, back, operation, noted):
    """A mapped stage is worth a note, either way, where records may be there already."""
    wish = Wish("contacts", frozenset({Operation(operation)}), ("warehouse_id",), [Mapped("lifecyclestage")])
    assert (FORWARD_ONLY in hub.judge(wish).notes) is noted
    assert any("lifecycle_backwards: true" in note for note in back.judge(wish).notes) is noted
    assert FORWARD_ONLY not in back.judge(wish).notes
