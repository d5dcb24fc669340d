import httpx
import pytest

from tailrace.destination import Context
from tailrace.errors import BatchRejected
from tailrace.project.types import Secret
from tailrace.sandbox import HubSpotOptions, SandboxServer
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig
from tailrace_destinations.hubspot.errors import Reply, refusal_in

CLOSED = {"deals": [{"if": {"dealstage": "closedlost"}, "then": ["description"]}]}


@pytest.fixture
def by(connect, control):
    """Open destinations by version on a fresh server, with the paths that were asked for."""

    def by(version):
        opened = connect(api_version=version)
        asked = []
        send = opened.client._send
        opened.client._send = lambda method, path, *args, **kwargs: (
            asked.append(path),
            send(method, path, *args, **kwargs),
        )[1]
        return opened, asked

    return by


@pytest.fixture
def strict_deals():
    """A server whose account wants a description of deals that are lost."""
    options = HubSpotOptions(required=CLOSED)
    with SandboxServer(salesforce=False, hubspot=options, run_in="thread") as running:
        yield running


@pytest.mark.parametrize(("version", "place"), [("v3", "/crm/v3/"), ("2026-09", "/crm/objects/2026-09/")])
def test_every_call_goes_to_the_version(by, batch, control, version, place):
    """Records are written, found, changed and archived under the version's own paths, with the same ends."""
    hub, asked = by(version)
    made = hub.push(batch("upsert", {"id": "a", "firstname": "Ann"}, {"id": "b", "lifetime_value": "no number"}))
    outcomes = {outcome.marker: outcome for outcome in made}
    assert (outcomes["r0"].status, outcomes["r1"].status) == ("acknowledged", "rejected")
    found = list(hub.find("contacts", ["warehouse_id"], [("a",), ("nobody",)]))
    assert [record.id for record in found] == [outcomes["r0"].record_id]
    changed = hub.push(batch("update", {"id": "a", "record_id": found[0].id, "firstname": "Anna"}))
    assert changed[0].status == "acknowledged"
    gone = hub.push(batch("archive", {"id": "a", "record_id": found[0].id}))
    assert gone[0].status == "acknowledged"
    assert [record["archived"] for record in control.records("contacts", archived=True)] == [True]
    objects = [path for path in asked if "properties" not in path]
    assert objects
    assert [path for path in objects if not path.startswith(place)] == []


def test_lists_go_to_the_version(connect, server, control, batch):
    """Lists are found, changed and read under the version's own paths."""
    headers = {"Authorization": "Bearer other"}
    body = {"name": "VIP", "processingType": "MANUAL", "objectTypeId": "0-1"}
    httpx.post(f"{server.hubspot_url}/crm/lists/2026-09/", json=body, headers=headers).raise_for_status()
    connect().push(batch("upsert", {"id": "a", "firstname": "Ann"}))
    control.fail("/crm/v3/", status=500, times=100)
    config = connect(api_version="2026-09").client._config
    members = plugin.open(config, Context("hub", RecordingCalls(), ".", object="list:VIP", mode="mirror"))
    assert members.describe("list:VIP").fault == ""
    (put_in,) = members.push(batch("upsert", {"id": "a"}, object="list:VIP"))
    assert (put_in.status, put_in.created) == ("acknowledged", True)
    assert [record.match for record in members.find("list:VIP", ["warehouse_id"], [("a",)])] == [("a",)]
    members.close()


def test_a_version_that_is_not_there(server, control):
    """The sandbox knows the versions that there are, and no others."""
    headers = {"Authorization": "Bearer other"}
    url = f"{server.hubspot_url}/crm/properties/2031-01/contacts"
    assert httpx.get(url, headers=headers).status_code == 404


def test_errors_of_a_200_are_read(by, batch, control):
    """Version 2026-09 answers 200 with errors in the body: the row at fault is rejected, the others are written."""
    hub, _ = by("2026-09")
    control.fail_rows("contacts", "VALIDATION_ERROR", field="id", values=["b"])
    rows = ({"id": "a", "firstname": "Ann"}, {"id": "b", "firstname": "Bo"}, {"id": "c", "firstname": "Cy"})
    outcomes = {outcome.marker: outcome.status for outcome in hub.push(batch("upsert", *rows))}
    assert outcomes == {"r0": "acknowledged", "r1": "rejected", "r2": "acknowledged"}


def _deals(server, version, calls, batch, *rows):
    given = {"type": "hubspot", "access_token": Secret.literal("pat"), "base_url": server.hubspot_url}
    config = HubSpotConfig(**given, api_version=version)
    hub = plugin.open(config, Context("hub", calls, "."))
    try:
        return {outcome.marker: outcome for outcome in hub.push(batch("upsert", *rows, object="deals"))}
    finally:
        hub.close()


def test_only_the_dated_version_keeps_the_accounts_rules(strict_deals, calls, batch):
    """A property that the account requires by another's value costs its row by 2026-09, and nothing by v3."""
    rows = ({"id": "a", "dealstage": "closedlost"}, {"id": "b", "dealstage": "closedwon"})
    refused = _deals(strict_deals, "2026-09", calls, batch, *rows)
    assert (refused["r0"].status, refused["r1"].status) == ("rejected", "acknowledged")
    assert "description" in refused["r0"].message
    lenient = _deals(strict_deals, "v3", calls, batch, *rows)
    assert {outcome.status for outcome in lenient.values()} == {"acknowledged"}
    told = _deals(strict_deals, "2026-09", calls, batch, {"id": "c", "dealstage": "closedlost", "description": "dear"})
    assert told["r0"].status == "acknowledged"


@pytest.mark.parametrize(
    ("status", "body", "refuses"),
    [
        (200, {"status": "error", "message": "no", "category": "VALIDATION_ERROR"}, True),
        (201, {"status": "error", "message": "no"}, True),
        (200, {"status": "COMPLETE", "results": [], "errors": [{}]}, False),
        (200, {"status": "error", "results": []}, False),
        (207, {"results": []}, False),
        (204, {}, False),
        (400, {}, True),
    ],
)
def test_no_answer_is_judged_by_its_status_alone(status, body, refuses):
    """An error is one under any status; results are read under any status of success."""
    assert (refusal_in(Reply(status, body, {})) is not None) is refuses


def test_an_error_under_200_halves_the_batch(by, batch, control):
    """A refusal that comes with status 200 is that of the whole batch."""
    hub, _ = by("2026-09")
    hub.describe("contacts")
    control.fail(path="upsert", status=200, body={"status": "error", "category": "VALIDATION_ERROR"})
    with pytest.raises(BatchRejected):
        hub.push(batch("upsert", {"id": "a"}, {"id": "b"}))


def test_errors_that_are_counted_and_not_listed(by, batch, control):
    """Removals of which some failed, nobody says which, are not taken for done."""
    hub, _ = by("2026-09")
    control.fail(path="archive", status=200, body={"status": "COMPLETE", "numErrors": 1})
    with pytest.raises(BatchRejected, match="1 errors"):
        hub.push(batch("archive", {"id": "a", "record_id": "1"}, {"id": "b", "record_id": "2"}))
