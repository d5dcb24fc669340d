"""Deleting contacts for good: by record id, one request each, told as it goes."""

import pytest

from tailrace.destination import Operation
from tailrace.errors import AnswerLost, WriteForbidden
from tailrace_destinations.hubspot import kinds, plugin


@pytest.fixture
def people(hub, batch):
    """Three contacts; gives rows that erase them."""
    made = hub.push(batch("upsert", *({"id": key, "email": f"{key}@x.io"} for key in "abc")))
    return [{"id": key, "record_id": o.record_id} for key, o in zip("abc", made, strict=True)]


def kept(control):
    """Keys of all contacts, those in the recycle bin too."""
    return sorted(record["properties"]["warehouse_id"] for record in control.records("contacts", archived=True))


def test_erased_contacts_are_nowhere(hub, batch, control, calls, people):
    """One request each, and the recycle bin does not have them; what is there already goes from it too."""
    hub.push(batch("archive", people[1]))
    before = calls.writes
    outcomes = list(hub.push(batch("hard_delete", *people[:2])))
    assert [(o.marker, o.status) for o in outcomes] == [("r0", "acknowledged"), ("r1", "acknowledged")]
    assert kept(control) == ["c"]
    assert calls.writes == before + 2


def test_what_is_gone_is_erased(hub, batch, control, people):
    """A second time changes nothing, whichever way HubSpot says that there is nothing."""
    assert {o.status for o in hub.push(batch("hard_delete", *people))} == {"acknowledged"}
    control.fail("gdpr-delete", status=404, body={"status": "error", "category": "OBJECT_NOT_FOUND", "message": "none"})
    assert {o.status for o in hub.push(batch("hard_delete", *people))} == {"acknowledged"}
    assert kept(control) == []


def test_outcomes_come_as_it_goes(hub, batch, control, people):
    """An answer that is lost in between does not take the outcomes before it along."""
    control.fail("gdpr-delete", skip=1, drop=True, commit=True)
    told = []
    with pytest.raises(AnswerLost):
        told.extend(hub.push(batch("hard_delete", *people)))
    assert [outcome.marker for outcome in told] == ["r0"]
    assert kept(control) == ["c"]


def test_one_that_is_refused_costs_itself(hub, batch, control, people):
    """The others go on; a row without a record id is not guessed."""
    control.fail("gdpr-delete", status=400, body={"status": "error", "category": "VALIDATION_ERROR", "message": "no"})
    rows = [*people, {"id": "d"}]
    outcomes = {o.marker: (o.status, o.code) for o in hub.push(batch("hard_delete", *rows))}
    assert outcomes["r0"] == ("rejected", "VALIDATION_ERROR")
    assert outcomes["r2"] == ("acknowledged", None)
    assert outcomes["r3"] == ("rejected", "NO_RECORD_ID")
    assert kept(control) == ["a"]


def test_a_dry_run_erases_nothing(hub, batch, calls, control, people):
    """The budget refuses it as any write."""
    calls.read_only = True
    with pytest.raises(WriteForbidden):
        list(hub.push(batch("hard_delete", *people)))
    assert kept(control) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("object", "able"),
    [
        ("contacts", True),
        ("0-1", True),
        ("companies", False),
        ("2-123", False),
        ("list:VIP", False),
        ("event:x", False),
    ],
)
def test_only_contacts(hub, object, able):
    """Other objects have no such deletion."""
    can = kinds(hub.client._config, object)
    assert (Operation.HARD_DELETE in can.operations) is able
    assert Operation.HARD_DELETE not in plugin.capabilities(hub.client._config).operations
