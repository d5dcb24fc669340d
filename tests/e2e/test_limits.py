"""What a spent quota and an account out of order do to runs, and how the next ones go on."""

import sqlite3

import pytest

from tailrace.delivery.retry import BRIEF_ATTEMPTS
from tailrace.limits.breaker import THRESHOLD
from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {type: duckdb, path: ":memory:"}
destinations:
"""
HUB = """\
  {name}:
    type: hubspot
    access_token: "${{env:{token}}}"
    base_url: "{url}"
    batch_size: 10
    concurrency: 2
    reserve: {reserve}
"""
SYNC = """\
model: people
destination: hub
object: contacts
mode: mirror
key: id
match: {warehouse_id: id}
fields: {lastname: name}
"""
PEOPLE = [(n, f"Name {n}", None, 0) for n in range(1, 401)]


@pytest.fixture(scope="module")
def shared_server():
    """The HubSpot simulator."""
    with SandboxServer(salesforce=False) as running:
        yield running


@pytest.fixture
def hub(shared_server):
    """Its control, with an empty account and no limits."""
    control = shared_server.control.hubspot
    control.limit(burst=None, daily=None)
    control.reset()
    control.heal()
    return control


@pytest.fixture
def project(workspace, shared_server, hub, monkeypatch):
    """Four hundred people for HubSpot: forty requests."""
    monkeypatch.setenv("HUB_TOKEN", "hub-canary-5")
    monkeypatch.setenv("OTHER_TOKEN", "hub-canary-6")
    workspace.write("tailrace.yml", PROJECT + entry(shared_server))
    (workspace.root / "syncs/people.yml").unlink()
    workspace.write("syncs/contacts.yml", SYNC)
    workspace.people(*PEOPLE)
    return workspace


def entry(server, name="hub", token="HUB_TOKEN", reserve="20%"):
    """A destination of the project."""
    return HUB.format(name=name, token=token, url=server.hubspot_url, reserve=reserve)


def run(project, code):
    """The result of one run."""
    return project.run("run", "contacts", "--json", code=code).json["runs"][0]


def later(project, **columns):
    """Let some times of the account's budget lie so many seconds further back."""
    with sqlite3.connect(project.root / ".tailrace/state.db") as connection:
        for name, seconds in columns.items():
            connection.execute(f"update limits set {name} = {name} - {seconds}")


def test_a_spent_quota_ends_the_run_and_the_next_one_goes_on(project, hub):
    """The run stops at the reserve, and says when to resume; then the rest is sent, each row once."""
    hub.limit(burst=10_000, daily=30)
    first = run(project, code=4)
    assert first["status"] == "partial"
    assert "resume after" in first["message"]
    assert "6 are reserved for other programs" in first["message"]
    assert 0 < first["acknowledged"] < 400
    assert 24 <= hub.counters()["daily_used"] < 24 + 2, "up to one for each batch in flight may be too many"
    assert len(hub.records("contacts")) == first["acknowledged"]

    before = hub.counters()["requests"]
    again = run(project, code=4)
    assert (again["status"], again["acknowledged"]) == ("partial", 0)
    assert "resume after" in again["message"]
    assert hub.counters()["requests"] == before

    later(project, quota_seen_at=3_601)
    hub.limit(daily=1_000)
    last = run(project, code=0)
    assert (last["status"], last["acknowledged"]) == ("succeeded", 400 - first["acknowledged"])
    assert len(hub.records("contacts")) == 400
    assert run(project, code=0)["status"] == "nothing_to_do"


def test_a_day_that_the_vendor_ends_is_gone_on_with_too(project, hub, shared_server):
    """Without a reserve the vendor says no: the run is partial, names the next day, and the next one finishes."""
    project.write("tailrace.yml", PROJECT + entry(shared_server, reserve="0%"))
    hub.fail("batch/upsert", times=99, skip=20, status=429, body={"policyName": "DAILY", "message": "daily limit"})
    first = run(project, code=4)
    assert (first["status"], first["acknowledged"]) == ("partial", 200)
    assert "daily limit" in first["message"]
    assert "midnight" in first["message"]
    hub.heal()
    assert run(project, code=0)["acknowledged"] == 200


def test_destinations_of_one_account_share_its_quota(project, hub, shared_server):
    """What one entry of the project has used up, another with the same token has too; one with its own has not."""
    entries = entry(shared_server), entry(shared_server, "again"), entry(shared_server, "other", "OTHER_TOKEN")
    project.write("tailrace.yml", PROJECT + "".join(entries))
    for name in ("again", "other"):
        project.write(f"syncs/{name}.yml", SYNC.replace("destination: hub", f"destination: {name}"))
    hub.limit(burst=10_000, daily=30)
    run(project, code=4)
    before = hub.counters()["requests"]
    project.run("run", "again", code=4)
    assert hub.counters()["requests"] == before
    project.run("run", "other", code=4)
    assert hub.counters()["requests"] > before


def test_an_account_out_of_order_is_left_alone_and_tried_again(project, hub):
    """After so many runs in vain the next one ends at once, without a request, and says why; one try closes it."""
    hub.fail("", times=1_000, status=503, body={"message": "down for maintenance"})
    for _ in range(THRESHOLD):
        assert "down for maintenance" in run(project, code=1)["message"]
    before = hub.counters()["requests"]
    refused = run(project, code=1)
    assert refused["status"] == "failed"
    assert hub.counters()["requests"] == before
    for words in ("have failed since", "down for maintenance", "when it is tried again", "tailrace check"):
        assert words in refused["message"]

    later(project, open_until=31)
    run(project, code=1)
    assert hub.counters()["requests"] == before + BRIEF_ATTEMPTS, "one question, whose failure opened it again"
    run(project, code=1)
    assert hub.counters()["requests"] == before + BRIEF_ATTEMPTS

    hub.heal()
    later(project, open_until=61)
    assert run(project, code=0)["acknowledged"] == 400


def test_check_asks_an_account_that_is_left_alone(project, hub):
    """A person need not wait for the cool-down: what `check` finds counts for all."""
    hub.fail("", times=1_000, status=503)
    for _ in range(THRESHOLD):
        run(project, code=1)
    project.run("check", code=1)
    hub.heal()
    assert "have failed since" in run(project, code=1)["message"]
    project.run("check")
    assert run(project, code=0)["acknowledged"] == 400


def test_a_sign_in_that_is_throttled_waits(project, hub):
    """A refusal that names a time to wait does not fail the run, not even at its first request."""
    hub.fail("account-info|properties", times=2, status=429, headers={"Retry-After": "0"})
    assert run(project, code=0)["acknowledged"] == 400
