"""Records that are there already: told by further addresses, made by others meanwhile, or only alike."""

import httpx
import pytest

from tailrace.destination import Context
from tailrace.errors import BatchRejected, DestinationError
from tailrace.project.types import Secret
from tailrace.sandbox import HubSpotOptions, SandboxServer
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig


class Portal:
    """What another program makes of the portal."""

    def __init__(self, server, control):
        self._url, self._control = server.hubspot_url, control

    def contact(self, **properties):
        """Make a contact; gives its id."""
        answer = httpx.post(
            f"{self._url}/crm/v3/objects/contacts",
            json={"properties": properties},
            headers={"Authorization": "Bearer other"},
        )
        answer.raise_for_status()
        return answer.json()["id"]

    def kept(self):
        """Properties of all contacts, by id."""
        return {record["id"]: record["properties"] for record in self._control.records("contacts")}


@pytest.fixture
def portal(server, control):
    """An empty portal."""
    return Portal(server, control)


def test_a_further_address_means_the_contact(hub, batch, portal):
    """HubSpot refuses to make a second contact and names the first: the row is written there, its address stays."""
    id_ = portal.contact(email="ann@x.io", hs_additional_emails="ann@home.io;a@y.io", firstname="Ann")
    rows = ({"id": "Ann@Home.io", "firstname": "Anna", "city": "Rome"}, {"id": "new@x.io", "firstname": "New"})
    outcomes = {outcome.marker: outcome for outcome in hub.push(batch("upsert", *rows, match=("email",)))}
    assert (outcomes["r0"].status, outcomes["r0"].record_id) == ("acknowledged", id_)
    assert (outcomes["r0"].created, outcomes["r1"].created) == (False, True)
    kept = portal.kept()[id_]
    assert (kept["email"], kept["firstname"], kept["city"]) == ("ann@x.io", "Anna", "Rome")
    assert len(portal.kept()) == 2


def test_one_row_alone(hub, batch, portal):
    """A request of one row is refused as a whole, with status 409: that names the record too."""
    id_ = portal.contact(email="ann@x.io", hs_additional_emails="ann@home.io")
    made = batch("upsert", {"id": "ann@home.io", "firstname": "Anna"}, match=("email",))
    (outcome,) = hub.push(made)
    assert (outcome.status, outcome.record_id) == ("acknowledged", id_)


@pytest.mark.parametrize("other", [{}, {"warehouse_id": "other"}])
def test_a_contact_that_is_only_alike_is_left_alone(hub, batch, portal, other):
    """A contact of the same address and another match value is not the row's: nothing is written over."""
    id_ = portal.contact(email="ann@x.io", firstname="Ann", **other)
    (outcome,) = hub.push(batch("upsert", {"id": "a", "email": "ann@x.io", "firstname": "Anna"}))
    assert (outcome.status, outcome.code) == ("rejected", "CONFLICT")
    assert f"Existing ID: {id_}" in outcome.message
    assert "warehouse_id is another one or empty" in outcome.message
    assert portal.kept()[id_]["firstname"] == "Ann"


def test_two_rows_of_one_contact(hub, batch, portal):
    """By its two further addresses both rows name it: one is written, the other stays refused."""
    portal.contact(email="ann@x.io", hs_additional_emails="b@x.io;c@x.io")
    rows = ({"id": "b@x.io", "city": "Rome"}, {"id": "c@x.io", "city": "Bonn"})
    statuses = sorted(outcome.status for outcome in hub.push(batch("upsert", *rows, match=("email",))))
    assert statuses == ["acknowledged", "rejected"]


def test_a_record_made_meanwhile_by_somebody_else(hub, batch, control, portal):
    """The refusal names the record that was made under the row's own match value."""
    id_ = portal.contact(warehouse_id="a", firstname="Ann")
    body = {"status": "error", "category": "CONFLICT", "message": f"Contact already exists. Existing ID: {id_}"}
    control.fail("/batch/upsert", status=409, body=body)
    (outcome,) = hub.push(batch("upsert", {"id": "a", "firstname": "Anna"}))
    assert (outcome.status, outcome.record_id, outcome.created) == ("acknowledged", id_, False)
    assert portal.kept()[id_]["firstname"] == "Anna"


def two(hub, batch, portal):
    """Push a row that means a contact by a further address, and a new one."""
    portal.contact(email="ann@x.io", hs_additional_emails="b@x.io")
    rows = ({"id": "b@x.io", "city": "Rome"}, {"id": "new@x.io", "city": "Bonn"})
    return {o.marker: o.status for o in hub.push(batch("upsert", *rows, match=("email",)))}


@pytest.mark.parametrize(("call", "fault"), [("read", {"status": 400}), ("update", {"drop": True})])
def test_a_failure_on_the_way_counts_as_written_in_part(hub, batch, control, portal, call, fault):
    """The other row of the batch is written by then, so the error says so."""
    control.fail(f"/batch/{call}", **fault)
    with pytest.raises(DestinationError) as caught:
        two(hub, batch, portal)
    assert caught.value.partly
    assert "new@x.io" in {kept["email"] for kept in portal.kept().values()}


def test_an_update_that_is_refused_costs_its_row(hub, batch, control, portal):
    """The row that means the contact is rejected, the other one stays written."""
    control.fail("/batch/update", status=400, body={"status": "error", "category": "VALIDATION_ERROR"})
    assert two(hub, batch, portal) == {"r0": "rejected", "r1": "acknowledged"}


@pytest.mark.parametrize("match", ["email", "warehouse_id"])
def test_no_update_writes_the_match(hub, batch, portal, monkeypatch, match):
    """By its record id only what changed is sent; the match value is left out."""
    key = "Ann@X.io" if match == "email" else "a"
    (made,) = hub.push(batch("upsert", {"id": key, "firstname": "Ann", "city": "Rome"}, match=(match,)))
    sent, request = [], hub.client.request

    def watched(method, path, body=None, **how):
        sent.append(body)
        return request(method, path, body, **how)

    monkeypatch.setattr(hub.client, "request", watched)
    row = {"id": key, "record_id": made.record_id, "firstname": "Anna"}
    (again,) = hub.push(batch("update", row, match=(match,)))
    assert again.status == "acknowledged"
    ((written,),) = (body["inputs"] for body in sent)
    assert written["properties"] == {"firstname": "Anna"}
    kept = portal.kept()[made.record_id]
    assert (kept["firstname"], kept["city"], kept[match]) == ("Anna", "Rome", key.lower())


@pytest.fixture(params=["ignored", "nameless"])
def untraced(request):
    """A server that does not do with trace ids what it should."""
    options = HubSpotOptions(trace_ids=request.param)
    with SandboxServer(salesforce=False, hubspot=options, run_in="thread") as running:
        yield running


@pytest.mark.parametrize("version", ["v3", "2026-09"])
def test_trace_ids_that_are_not_honoured(untraced, calls, batch, version):
    """A batch that is refused, or errors that name nobody, are halved by the engine down to the row at fault."""
    given = {"type": "hubspot", "access_token": Secret.literal("pat"), "base_url": untraced.hubspot_url}
    hub = plugin.open(HubSpotConfig(**given, api_version=version), Context("hub", calls, "."))
    rows = [{"id": key, "email": "none" if key == "b" else f"{key}@x.io"} for key in "abcd"]
    outcomes = {}

    def send(*some):
        made = batch("upsert", *some)
        try:
            outcomes.update(
                {row.key[0]: o.status for row in made.rows for o in hub.push(made) if o.marker == row.marker}
            )
        except BatchRejected:
            assert len(some) > 1
            send(*some[: len(some) // 2])
            send(*some[len(some) // 2 :])

    send(*rows)
    hub.close()
    assert outcomes == {"a": "acknowledged", "b": "rejected", "c": "acknowledged", "d": "acknowledged"}
    kept = untraced.control.hubspot.records("contacts")
    assert sorted(record["properties"]["warehouse_id"] for record in kept) == ["a", "c", "d"]
