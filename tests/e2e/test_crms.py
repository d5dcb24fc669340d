"""The main job into both simulated CRMs, with everything that goes wrong on a network, and with kill -9."""

import signal
import sqlite3
import subprocess
import time

import pytest

from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth:
      flow: client_credentials
      login_url: "{sf}"
      client_id: "${{env:SF_ID}}"
      client_secret: "${{env:SF_SECRET}}"
    settle: 0s
  hub: {{type: hubspot, access_token: "${{env:HUB_TOKEN}}", base_url: "{hub}", settle: 0s, concurrency: 2}}
"""
CONTACTS = """\
model: people
destination: crm
object: Contact
mode: {mode}
key: id
match: {{External_Id__c: id}}
fields:
  LastName: name
  Email: email
  LTV__c: {{sql: "round(spent, 2)"}}
"""
HUB_CONTACTS = """\
model: people
destination: hub
object: contacts
mode: {mode}
key: id
match: {{warehouse_id: id}}
fields:
  lastname: name
  email: email
  company: {{sql: "cast(spent as varchar)"}}
"""
PEOPLE = [(n, f"Name {n}", f"p{n}@example.com", n) for n in range(1, 1001)]


LATE_S = 2
"""A request that is killed in flight still lands that much later; `settle` must be longer."""


@pytest.fixture(scope="module")
def shared_server():
    """Both simulators, without rate limits."""
    with SandboxServer() as running:
        yield running


@pytest.fixture
def server(request, shared_server):
    """The shared simulators; a pair of its own for a test that leaves requests behind which land later."""
    if "leaves_requests" not in request.keywords:
        yield shared_server
        return
    with SandboxServer() as running:
        yield running


@pytest.fixture
def crm(workspace, server, monkeypatch):
    """A project that sends a thousand people to both."""
    server.control.reset()
    for name, value in {"SF_ID": "app", "SF_SECRET": "sf-canary-1", "HUB_TOKEN": "hub-canary-2"}.items():
        monkeypatch.setenv(name, value)
    workspace.write("tailrace.yml", PROJECT.format(sf=server.salesforce_url, hub=server.hubspot_url))
    (workspace.root / "syncs/people.yml").unlink()
    workspace.write("syncs/contacts.yml", CONTACTS.format(mode="mirror"))
    workspace.write("syncs/hub_contacts.yml", HUB_CONTACTS.format(mode="mirror"))
    workspace.people(*PEOPLE)
    return workspace


def in_salesforce(server):
    return sorted(
        (int(r["External_Id__c"]), r["LastName"], r["Email"], float(r["LTV__c"]))
        for r in server.control.salesforce.records("Contact")
    )


def in_hubspot(server):
    found = [record["properties"] for record in server.control.hubspot.records("contacts")]
    return sorted((int(p["warehouse_id"]), p["lastname"], p["email"]) for p in found)


def assert_equal_to_model(server, people=PEOPLE):
    assert in_salesforce(server) == sorted((n, name, email, float(spent)) for n, name, email, spent in people)
    assert in_hubspot(server) == sorted((n, name, email) for n, name, email, _ in people)


def test_both_crms_get_the_model_and_then_only_changes(crm, server):
    """A first run, a second with 12 changes that sends 12 rows, a third with nothing."""
    crm.spawn("run", "--all")
    assert_equal_to_model(server)
    changed = [
        (n, f"New {n}" if n <= 5 else name, email, spent) for n, name, email, spent in PEOPLE if n not in {10, 20}
    ]
    changed += [(n, f"Name {n}", f"p{n}@example.com", n) for n in range(2001, 2006)]
    crm.people(*changed)
    runs = crm.run("run", "--all", "--json").json["runs"]
    assert [(r["inserts"], r["updates"], r["deletes"], r["acknowledged"]) for r in runs] == [(5, 5, 2, 12)] * 2
    assert_equal_to_model(server, changed)
    assert [r["status"] for r in crm.run("run", "--all", "--json").json["runs"]] == ["nothing_to_do"] * 2


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 503},
        {"status": 500},
        {"drop": True, "commit": False},
        {"drop": True, "commit": True},
    ],
    ids=["429", "503", "500", "dropped before", "dropped after commit"],
)
def test_a_bad_network_loses_nothing_and_repeats_nothing(crm, server, fault):
    """Refusals, server errors and lost answers: every row arrives, exactly once."""
    for vendor in (server.control.salesforce, server.control.hubspot):
        vendor.fail("(batch|composite)/", times=2, skip=1, **fault)
    for run in crm.run("run", "--all", "--json").json["runs"]:
        assert (run["status"], run["acknowledged"]) == ("succeeded", 1000)
        assert run["retries"] >= 1
    assert_equal_to_model(server)


def test_an_expired_session_signs_in_again(crm, server):
    """A session that ends in mid-run costs one sign-in."""
    server.control.salesforce.fail(
        "composite/", skip=2, status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}]
    )
    crm.run("run", "contacts")
    assert len(in_salesforce(server)) == 1000


def test_a_poison_row_costs_one_row(crm, server):
    """One row that each CRM refuses is rejected with the vendor's code; 999 arrive."""
    crm.people(*((n, name, "no address" if n == 333 else email, spent) for n, name, email, spent in PEOPLE))
    runs = crm.run("run", "--all", "--json", code=4).json["runs"]
    assert [(r["status"], r["acknowledged"], r["rejected"]) for r in runs] == [("partial", 999, 1)] * 2
    assert {r["errors"][0]["code"] for r in runs} == {"INVALID_EMAIL_ADDRESS", "INVALID_EMAIL"}
    assert len(in_salesforce(server)) == len(in_hubspot(server)) == 999


@pytest.mark.leaves_requests
@pytest.mark.parametrize("mode", ["mirror", "upsert", "insert", "append"])
def test_kill_9_loses_no_row_and_doubles_none(crm, server, mode):
    """Killed with a request in flight that lands later, the next run finishes the job: each record once."""
    config = crm.root / "tailrace.yml"
    config.write_text(config.read_text().replace("settle: 0s", f"settle: {2 * LATE_S}s"))
    crm.write("syncs/hub_contacts.yml", HUB_CONTACTS.format(mode=mode))
    server.control.hubspot.fail("batch/(upsert|create)", skip=4, delay=LATE_S)
    process = subprocess.Popen(
        crm.command("run", "hub_contacts"), cwd=crm.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        _wait_until_only_the_slow_request_is_left(server, crm)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(in_hubspot(server)) < 1000
    with sqlite3.connect(crm.root / ".tailrace/state.db") as state:
        (known,) = state.execute("select sum(acknowledged) from batches").fetchone()
    second = crm.run("run", "hub_contacts", "--json", code=None)
    result = second.json["runs"][0]
    assert result["recovered"], result
    assert in_hubspot(server) == sorted((n, name, email) for n, name, email, _ in PEOPLE)
    assert result["acknowledged"] <= 1000 - known, "nothing is sent again whose outcome is on record"
    assert crm.run("run", "hub_contacts", "--json").json["runs"][0]["status"] == "nothing_to_do"


def _wait_until_only_the_slow_request_is_left(server, crm):
    """Until the delayed request has been taken up, seen by the fault being used."""
    deadline = time.monotonic() + 60
    while server.control.hubspot.pending_faults().get("requests"):
        assert time.monotonic() < deadline, "the run never came to the slow request"
        time.sleep(0.02)


@pytest.mark.leaves_requests
def test_ctrl_c_finishes_the_batch_in_flight_and_saves(crm, server):
    """SIGINT ends the run with 130 after the batch in flight; the next run sends only the rest."""
    server.control.hubspot.fail("batch/upsert", skip=2, delay=1)
    process = subprocess.Popen(
        crm.command("run", "hub_contacts", "--json"),
        cwd=crm.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_until_only_the_slow_request_is_left(server, crm)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    sent = len(in_hubspot(server))
    assert 0 < sent < 1000
    assert crm.run("run", "hub_contacts", "--json").json["runs"][0]["acknowledged"] == 1000 - sent
    assert len(in_hubspot(server)) == 1000


def test_wrong_credentials_and_unknown_fields_are_said_before_anything_is_sent(crm, server, monkeypatch):
    """Exit code 1 for the credentials, 3 for the contract; the CRM stays empty, and no secret shows."""
    monkeypatch.setenv("SF_SECRET", "wrong-canary-3")
    monkeypatch.setenv("HUB_TOKEN", "wrong-canary-4")
    answer = crm.run("run", "--all", code=1)
    assert "wrong-canary" not in answer.out + answer.err
    assert "wrong-canary" not in crm.run("check", code=1).out
    monkeypatch.setenv("SF_SECRET", "sf-canary-1")
    crm.write("syncs/contacts.yml", CONTACTS.format(mode="mirror").replace("LTV__c:", "LTV_c:"))
    assert "LTV__c" in crm.run("run", "contacts", code=3).out
    assert in_salesforce(server) == in_hubspot(server) == []


def test_no_secret_is_left_behind(crm, server):
    """Not in any file, log line or output of a run with debug logs and errors."""
    server.control.hubspot.fail("batch/", status=500, times=3)
    outputs = [
        crm.run(*command, code=None)
        for command in (
            ["run", "--all", "--log-level", "debug"],
            ["plan", "--out", "p.plan", "contacts"],
            ["status"],
            ["runs"],
        )
    ]
    texts = [(answer.out + answer.err).encode() for answer in outputs]
    texts += [path.read_bytes() for path in crm.root.rglob("*") if path.is_file()]
    for canary in (b"sf-canary-1", b"hub-canary-2"):
        assert not [text for text in texts if canary in text]


def test_a_plan_needs_no_network_and_writes_nothing(crm, server):
    """A plan sends no request at all; with --check it only reads."""
    before = server.control.salesforce.counters()["requests"]
    crm.run("plan", "contacts")
    assert server.control.salesforce.counters()["requests"] == before
    crm.run("plan", "contacts", "--check")
    assert server.control.salesforce.counters()["requests"] > before
    assert in_salesforce(server) == []
