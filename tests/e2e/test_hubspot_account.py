"""Runs against a HubSpot account as an OAuth app and by a dated version, with values that are no options."""

import pytest

from tailrace.sandbox import HubSpotOptions, SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hub:
    type: hubspot
    auth:
      flow: refresh_token
      client_id: app
      client_secret: "${{env:HUB_SECRET}}"
      refresh_token: "${{env:HUB_REFRESH}}"
    api_version: "2026-09"
    base_url: "{url}"
    settle: 0s
    concurrency: 1
"""
SYNC = """\
model: people
destination: hub
object: contacts
mode: mirror
batch_size: 4
key: id
match: {warehouse_id: id}
fields: {lastname: name, hs_lead_status: status}
"""
STATUSES = ["NEW", "Open", "OPEN", "In progress", "NEWS", None, "OPEN", "CONNECTED"]


@pytest.fixture(scope="module")
def shared():
    """An account that wants a city of everybody who is connected."""
    rules = {"contacts": [{"if": {"hs_lead_status": "CONNECTED"}, "then": ["city"]}]}
    with SandboxServer(salesforce=False, hubspot=HubSpotOptions(required=rules)) as running:
        yield running


@pytest.fixture
def hub(workspace, shared, monkeypatch):
    """Eight contacts, not yet sent."""
    shared.control.reset()
    monkeypatch.setenv("HUB_SECRET", "app-canary")
    monkeypatch.setenv("HUB_REFRESH", "refresh-canary")
    workspace.write("tailrace.yml", PROJECT.format(url=shared.hubspot_url))
    workspace.write("syncs/people.yml", SYNC)
    rows = ", ".join(
        f"({number}, 'Name {number}', {'null' if status is None else repr(status)})"
        for number, status in enumerate(STATUSES)
    )
    workspace.write("models/people.sql", f"select * from (values {rows}) as t(id, name, status)")
    workspace.hub = shared.control.hubspot
    yield workspace
    workspace.hub.heal()


def ran(workspace, code=0):
    """What a run came to."""
    (run,) = workspace.run("run", "people", "--json", code=code).json["runs"]
    return run


def test_options_are_told_before_and_cost_their_rows(hub):
    """The plan counts the rows and says what to send; HubSpot's own rule costs one more; the rest is written."""
    out = hub.run("plan", "people", "--check").out
    assert "send 'OPEN'" in out
    assert "send 'IN_PROGRESS'" in out
    assert "did you mean NEW" in out
    run = ran(hub, 4)
    assert (run["acknowledged"], run["rejected"]) == (4, 4)
    assert {error["code"]: error["rows"] for error in run["errors"]} == {"INVALID_OPTION": 3, "REQUIRED_FIELD": 1}
    kept = {record["properties"]["warehouse_id"] for record in hub.hub.records("contacts")}
    assert kept == {"0", "2", "5", "6"}


def test_a_token_that_ends_in_the_midst_of_a_run(hub):
    """It is renewed once, and the run comes to what it would have."""
    body = {"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "The token expired."}
    hub.hub.fail("/batch/upsert", skip=1, status=401, body=body)
    run = ran(hub, 4)
    assert (run["acknowledged"], run["rejected"], run["unknown"], run["retries"]) == (4, 4, 0, 1)
    assert len(hub.hub.records("contacts")) == 4


def test_an_app_that_is_refused_again_and_again(hub):
    """Two refusals in a row end the run, and no secret is shown."""
    body = {"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "The token expired."}
    hub.hub.fail("/batch/upsert", times=9, status=401, body=body)
    answer = hub.run("run", "people", "--json", code=1)
    (run,) = answer.json["runs"]
    assert (run["status"], run["acknowledged"]) == ("failed", 0)
    assert "canary" not in answer.out + answer.err
