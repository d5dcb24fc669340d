"""Runs that HubSpot stops in their midst: they say when to come back, and the next one sends the rest."""

import re

import pytest
from tests.e2e.labs import on_hubspot, ran

SYNC = """\
model: people
destination: hub
object: contacts
mode: mirror
batch_size: 10
key: id
match: {warehouse_id: id}
fields: {lastname: name}
"""


@pytest.fixture
def hub(workspace, hubspot_server, monkeypatch):
    """Fifty contacts in batches of ten, not yet sent."""
    hubspot_server.control.reset()
    on_hubspot(workspace, hubspot_server, monkeypatch, concurrency=1)
    workspace.write("syncs/people.yml", SYNC)
    workspace.write("models/people.sql", "select i as id, 'Name ' || i as name from range(50) as t(i)")
    yield workspace
    workspace.hub.heal()
    workspace.hub.limit(burst=190, per=10, daily=625_000)


def finish(workspace, acknowledged):
    """The next run sends the rest, and everybody is there once."""
    run = ran(workspace)
    assert (run["status"], run["acknowledged"]) == ("succeeded", acknowledged)
    kept = [record["properties"]["warehouse_id"] for record in workspace.hub.records("contacts")]
    assert sorted(map(int, kept)) == list(range(50))


def test_an_account_that_moves(hub):
    """477: nothing more is sent, what was acknowledged counts, and the message says when to come back."""
    hub.hub.fail("/batch/upsert", skip=2, status=477, headers={"Retry-After": "3600"}, body={"message": "migrating"})
    run = ran(hub, code=1)
    assert (run["status"], run["acknowledged"]) == ("failed", 20)
    assert "another data centre" in run["message"]
    assert re.search(r"Run again after \d{4}-\d\d-\d\dT\d\d:\d\d", run["message"])
    finish(hub, 30)


def test_the_days_limit_is_seen_coming(hub):
    """HubSpot's headers tell what is left: the run ends as partial before it is refused, and says when to come back."""
    hub.hub.limit(burst=190, per=10, daily=5)
    run = ran(hub, code=4)
    assert (run["status"], run["acknowledged"]) == ("partial", 30)
    assert re.search(r"resume after \d{4}-\d\d-\d\d", run["message"]), run["message"]
    assert hub.hub.counters()["refused"] == 0
    assert ran(hub, code=4)["acknowledged"] == 0


def test_the_days_limit_used_up_by_others(hub):
    """A 429 of policy DAILY ends the run as partial, and names the account's next midnight."""
    body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "DAILY", "message": "You have reached it."}
    hub.hub.fail("/batch/upsert", skip=1, status=429, body=body)
    run = ran(hub, code=4)
    assert (run["status"], run["acknowledged"]) == ("partial", 10)
    assert "midnight" in run["message"]
    assert re.search(r"resume after \d{4}-\d\d-\d\d", run["message"]), run["message"]
