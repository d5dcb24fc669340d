"""Lists and their members; custom events and their definitions."""

import pytest

from tailrace.sandbox.hubspot import HubSpot
from tailrace.sandbox.options import HubSpotOptions

LISTS = "/crm/v3/lists"
DEFINITIONS = "/events/v3/event-definitions"


@pytest.fixture
def ids(hub_upsert):
    """Three contacts."""
    rows = hub_upsert([(key, {}) for key in "abc"]).json()["results"]
    return sorted(row["id"] for row in rows)


def make(hub, name="VIP", processing="MANUAL", type_id="0-1"):
    """Make a list; gives the answer."""
    return hub.post(f"{LISTS}/", json={"name": name, "processingType": processing, "objectTypeId": type_id})


@pytest.fixture
def vip(hub):
    """The path of a list that is kept by hand."""
    return f"{LISTS}/{make(hub).json()['list']['listId']}"


def test_members_come_and_go(hub, vip, ids, server):
    """Those that are in already are passed over; those that do not exist are told as missing."""
    first = hub.put(f"{vip}/memberships/add", json=[*ids[:2], "99"]).json()
    assert first == {"recordsIdsAdded": ids[:2], "recordIdsRemoved": [], "recordIdsMissing": ["99"]}
    assert hub.put(f"{vip}/memberships/add", json=ids[:1]).json()["recordsIdsAdded"] == []
    body = {"recordIdsToAdd": [ids[2]], "recordIdsToRemove": [ids[0], "98"]}
    both = hub.put(f"{vip}/memberships/add-and-remove", json=body).json()
    assert (both["recordsIdsAdded"], both["recordIdsRemoved"]) == ([ids[2]], [ids[0]])
    assert server.control.hubspot.records("lists")[0]["members"] == ids[1:]
    assert hub.put(f"{vip}/memberships/remove", json=ids[1:]).json()["recordIdsRemoved"] == ids[1:]


def test_members_are_shown_in_pages(hub, vip, ids):
    """Archived ones are not."""
    hub.put(f"{vip}/memberships/add", json=ids)
    hub.delete(f"/crm/v3/objects/contacts/{ids[1]}")
    first = hub.get(f"{vip}/memberships", params={"limit": 1}).json()
    second = hub.get(f"{vip}/memberships", params={"limit": 1, "after": first["paging"]["next"]["after"]}).json()
    assert [page["results"][0]["recordId"] for page in (first, second)] == [ids[0], ids[2]]
    assert "paging" not in second
    assert hub.get(vip).json()["list"]["size"] == 2


def test_a_list_that_hubspot_keeps_cannot_be_changed(hub, ids):
    """A dynamic one takes nobody in."""
    list_id = make(hub, "Active", "DYNAMIC").json()["list"]["listId"]
    assert hub.put(f"{LISTS}/{list_id}/memberships/add", json=ids).status_code == 400
    assert hub.get(f"{LISTS}/{list_id}/memberships").json()["results"] == []


def test_lists_are_found(hub, vip):
    """By id, by name and object, and by a part of the name."""
    for number in range(3):
        make(hub, f"Other {number}", "SNAPSHOT", "0-2")
    assert hub.get(f"{LISTS}/object-type-id/0-1/name/VIP").json()["list"]["processingType"] == "MANUAL"
    assert hub.get(f"{LISTS}/object-type-id/0-2/name/VIP").status_code == 404
    found = hub.post(f"{LISTS}/search", json={"query": "other", "count": 2}).json()
    assert ([kept["name"] for kept in found["lists"]], found["hasMore"], found["total"]) == (
        ["Other 0", "Other 1"],
        True,
        3,
    )
    rest = hub.post(f"{LISTS}/search", json={"query": "other", "count": 2, "offset": found["offset"]}).json()
    assert ([kept["name"] for kept in rest["lists"]], rest["hasMore"]) == (["Other 2"], False)


@pytest.mark.parametrize(
    ("name", "processing", "type_id"), [("VIP", "MANUAL", "0-1"), ("x", "ODD", "0-1"), ("x", "MANUAL", "9-9")]
)
def test_lists_that_cannot_be(hub, vip, name, processing, type_id):
    """A name is taken once an object."""
    assert make(hub, name, processing, type_id).status_code == 400
    assert hub.delete(vip).status_code == 204
    assert hub.get(vip).status_code == 404


@pytest.fixture
def paid(hub):
    """The full name of an event."""
    properties = [{"name": "amount", "label": "Amount", "type": "number"}]
    made = hub.post(DEFINITIONS, json={"name": "paid", "label": "Paid", "propertyDefinitions": properties})
    assert made.status_code in {201, 409}  # definitions outlive a reset
    return "pe24681357_paid"


def test_events_are_sent_alone_and_together(hub, paid, server):
    """Values are kept as texts, and moments in UTC."""
    one = {"eventName": paid, "email": "a@x.io", "properties": {"amount": "1.50"}}
    assert hub.post("/events/v3/send", json=one | {"occurredAt": "2026-01-01T12:00:00+01:00"}).status_code == 204
    many = [one | {"uuid": f"u{number}"} for number in range(3)]
    assert hub.post("/events/v3/send/batch", json={"inputs": many}).status_code == 204
    sent = server.control.hubspot.records("events")
    assert [each.get("uuid") for each in sent] == [None, "u0", "u1", "u2"]
    assert sent[0]["occurredAt"] == "2026-01-01T11:00:00.000Z"


def test_of_one_id_the_first_counts(hub, paid, server):
    """In one request and in several; the answer does not tell."""
    one = {"eventName": paid, "email": "a@x.io", "uuid": "u", "properties": {"amount": "1"}}
    for amount in ("1", "2"):
        inputs = [one | {"properties": {"amount": amount}}] * 2
        assert hub.post("/events/v3/send/batch", json={"inputs": inputs}).status_code == 204
    assert [each["properties"] for each in server.control.hubspot.records("events")] == [{"amount": "1"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"eventName": "pe24681357_other"},
        {"eventName": None},
        {"email": None},
        {"email": 5},
        {"properties": {"size": "1"}},
        {"properties": {"amount": "much"}},
        {"properties": {"amount": 1}},
        {"properties": {f"p{n}": "" for n in range(51)}},
        {"occurredAt": "yesterday"},
        {"uuid": 7, "email": "a@x.io"},
    ],
)
def test_one_wrong_event_refuses_all(hub, paid, server, wrong):
    """Nothing of the request is kept."""
    good = {"eventName": paid, "email": "a@x.io", "properties": {}}
    answer = hub.post("/events/v3/send/batch", json={"inputs": [good, good | wrong]})
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert server.control.hubspot.records("events") == []


def test_a_request_has_at_most_500_events(hub, paid):
    """One more is refused."""
    inputs = [{"eventName": paid, "utk": "t", "properties": {}}] * 501
    assert hub.post("/events/v3/send/batch", json={"inputs": inputs}).status_code == 400
    assert hub.post("/events/v3/send/batch", json={"inputs": inputs[:500]}).status_code == 204


def test_definitions_are_listed(hub, paid):
    """With their properties if asked for."""
    listed = hub.get(DEFINITIONS, params={"includeProperties": "true", "limit": 1}).json()
    assert "amount" in [prop["name"] for prop in listed["results"][0]["properties"]]
    assert hub.get(DEFINITIONS).json()["results"][0]["properties"] == []
    assert hub.get(f"{DEFINITIONS}/{paid}").json()["fullyQualifiedName"] == paid
    assert hub.get(f"{DEFINITIONS}/other").status_code == 404


def test_both_outlive_a_restart():
    """Lists with members, events with definitions and the ids that were seen."""
    first, second = HubSpot(HubSpotOptions()), HubSpot(HubSpotOptions())
    kept = first.lists.make({"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"})
    ann = first.portal.store("contacts").create({}, "now")
    first.lists.change(kept.id, [ann.id], ())
    first.events.define({"name": "paid", "propertyDefinitions": [{"name": "amount", "type": "number"}]})
    sent = {"eventName": "pe24681357_paid", "email": "a@x.io", "uuid": "u", "properties": {"amount": "1"}}
    first.events.add([first.events.checked(sent)])
    second.restore(first.dump())
    assert second.lists.shown() == first.lists.shown()
    second.events.add([second.events.checked(sent)])
    assert second.events.sent == first.events.sent
