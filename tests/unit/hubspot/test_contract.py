"""What is told of a mapping before anything is written: options, and properties that cannot be written to."""

import httpx
import pytest

from tailrace.destination import Lookup, Operation
from tailrace.judging import Judge, Mapped, Wish
from tailrace_destinations.hubspot.choices import read_choices
from tailrace_destinations.plain import Unfit

PROPERTIES = [
    {
        "name": "tier",
        "type": "enumeration",
        "fieldType": "select",
        "options": [
            {"value": "t1", "label": "Gold"},
            {"value": "t2", "label": "Silver"},
            {"value": "t9", "label": "Wood", "hidden": True},
        ],
    },
    {"name": "put_away", "type": "string", "fieldType": "text"},
]


@pytest.fixture
def portal(hub, control, server):
    """A portal with a choice of its own and a property that was archived."""
    control.declare({"contacts": {"properties": PROPERTIES}})
    url = f"{server.hubspot_url}/crm/v3/properties/contacts/put_away"
    httpx.delete(url, headers={"Authorization": "Bearer other"}).raise_for_status()
    return hub


def judged(hub, *fields, match=("warehouse_id",), operations=("upsert", "update")):
    """The judgement of a mapping of contacts."""
    mapped = [field if isinstance(field, Mapped) else Mapped(field) for field in fields]
    return hub.judge(Wish("contacts", frozenset(map(Operation, operations)), match, mapped))


def test_the_adapter_judges(portal):
    """The engine sees that it does."""
    assert isinstance(portal, Judge)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("t1", None),
        ("t9", None),
        ("Gold", "send 't1'"),
        (" gold ", "send 't1'"),
        ("Wood", "send 't9'"),
        ("T2", "send 't2'"),
        ("golden", "did you mean t1"),
        ("platinum", "there are t1, t2"),
        (None, None),
    ],
)
def test_options_are_internal_values(portal, batch, control, value, words):
    """A label is told with the value behind it, a near miss with what is near; hidden options are taken."""
    why = judged(portal, "tier").closed["tier"](value)
    (outcome,) = portal.push(batch("upsert", {"id": "a", "tier": value}))
    kept = [record["properties"].get("tier") for record in control.records("contacts")]
    if words is None:
        assert why is None
        assert (outcome.status, kept) == ("acknowledged", [value])
    else:
        assert words in why
        assert (outcome.status, outcome.code) == ("rejected", "INVALID_OPTION")
        assert outcome.message == f"tier: {why}"
        assert kept == []
        assert str(value) not in why or value == "T2"


def test_no_option_costs_its_row_before_it_is_sent(portal, batch, calls):
    """The other rows go out without it, in one request."""
    portal.describe("contacts")
    before = calls.writes
    rows = [{"id": key, "tier": tier} for key, tier in (("a", "t1"), ("b", "Gold"), ("c", "t2"))]
    outcomes = {outcome.marker: outcome.status for outcome in portal.push(batch("upsert", *rows))}
    assert outcomes == {"r0": "acknowledged", "r1": "rejected", "r2": "acknowledged"}
    assert calls.writes == before + 1


@pytest.mark.parametrize(("value", "fits"), [("art;music", True), (["art"], True), ("art;dance", False), ([], True)])
def test_several_choices_are_looked_at_one_by_one(portal, value, fits):
    """A checkbox takes each of its options, in a text or a list."""
    assert (judged(portal, "interests").closed["interests"](value) is None) is fits


def test_what_is_not_closed(portal):
    """Free texts, owners and constants are no closed sets of values."""
    owner = judged(portal, "hubspot_owner_id", "firstname", Mapped("tier", constant=True, value="t1"))
    assert owner.closed == {}
    assert owner.faults == {}


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("put_away", "archived in HubSpot"),
        ("score", "HubSpot calculates it"),
        (Mapped("tier", constant=True, value="Gold"), "send 't1'"),
        (Mapped("n_orders", constant=True, value="seven"), "holds numbers"),
    ],
)
def test_faults(portal, field, words):
    """What no row could be written with is told by property."""
    found = judged(portal, field)
    name = field.name if isinstance(field, Mapped) else field
    assert words in found.faults[name]


def test_unknown_properties_are_left_to_the_engine(portal):
    """It tells them with what is near; references are no properties."""
    lookup = Mapped("put_away", lookup=Lookup("companies", "warehouse_id"))
    assert judged(portal, "firstnam", lookup).faults == {}


@pytest.mark.parametrize(("operations", "told"), [(("upsert",), True), (("create",), False)])
def test_a_match_must_have_unique_values(portal, operations, told):
    """It is told what could be one; mode append needs none."""
    faults = judged(portal, "firstname", match=("lastname",), operations=operations).faults
    assert ("lastname" in faults) is told
    assert not told or "warehouse_id" in faults["lastname"]


def test_unique_values_are_worth_a_note(portal):
    """A mapped property whose values are unique may cost rows."""
    assert any(note.startswith("email has unique values") for note in judged(portal, "email").notes)
    assert judged(portal, "firstname").notes == ()


def test_two_options_with_one_label():
    """Neither is meant for sure, so none is told."""
    options = [{"value": "a", "label": "Same"}, {"value": "b", "label": "same"}]
    choices = read_choices({"type": "enumeration", "options": options})
    with pytest.raises(Unfit) as caught:
        choices.fit("Same")
    assert "send" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "string", "options": [{"value": "a"}]},
        {"type": "enumeration", "externalOptions": True, "options": [{"value": "a"}]},
        {"type": "enumeration", "options": []},
        {"type": "enumeration", "options": [{}]},
        {"type": "enumeration"},
    ],
)
def test_properties_that_take_any_value(entry):
    """Without a list of options nothing is refused here."""
    assert read_choices(entry) is None


def test_notes_on_what_cannot_be_undone_and_what_may_be_emptied(portal):
    """Erasing contacts, and upserts by address that leave fields out, are told of."""
    erasing = judged(portal, "firstname", operations=("upsert", "update", "hard_delete"))
    assert any("cannot be undone" in note for note in erasing.notes)
    skipping = Mapped("city", skips_nulls=True)
    by_email = judged(portal, "firstname", skipping, match=("email",)).notes
    assert any("nulls: skip (city)" in note for note in by_email)
    assert judged(portal, "firstname", skipping).notes == ()
    assert judged(portal, "firstname", match=("email",)).notes == ()
