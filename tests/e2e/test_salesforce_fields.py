"""What a revenue-operations engineer sees of a Salesforce org: at check, in plans, and row by row."""

import pytest

from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth: {{flow: {flow}, login_url: "{url}", {auth}}}
    reserve: 20%
    settle: 0s
"""
APP = 'client_id: app, client_secret: "${env:SF_SECRET}"'
SYNC = """\
model: people
destination: crm
object: Contact
mode: upsert
key: id
match: {{External_Id__c: id}}
fields:
  LastName: name
{fields}"""


@pytest.fixture(scope="module")
def server():
    """One org."""
    with SandboxServer(hubspot=False) as running:
        yield running


@pytest.fixture
def crm(workspace, server, monkeypatch):
    """A project whose sync upserts people; more of its fields, and whole keys, are added by `sync`."""
    server.control.salesforce.heal()
    server.control.reset()
    server.control.salesforce.limit(daily=1000)
    monkeypatch.setenv("SF_SECRET", "sf-canary-1")
    (workspace.root / "syncs/people.yml").unlink()

    def project(flow="client_credentials", auth=APP):
        workspace.write("tailrace.yml", PROJECT.format(flow=flow, auth=auth, url=server.salesforce_url))

    def sync(*fields, keys=()):
        lines = "".join(f"  {field}\n" for field in fields) + "".join(f"{key}\n" for key in keys)
        workspace.write("syncs/contacts.yml", SYNC.format(fields=lines))

    workspace.project, workspace.sync = project, sync
    project()
    sync()
    return workspace


def contacts(server):
    """What the org holds, by external id."""
    return {record["External_Id__c"]: record for record in server.control.salesforce.records("Contact")}


def rejected(crm):
    """Rejected rows: code and message by key."""
    rows = crm.run("rejected", "contacts", "--json").json["rejected"]
    return {row["key"]["id"]: (row["code"], row["message"]) for row in rows}


def test_check_shows_the_org(crm):
    """Id, name, sandbox or not, edition, and the calls left with the reserve, in words and in JSON."""
    said = crm.run("check").out
    assert "in Tailrace Sandbox (00D5g000004WaTrEAK, a sandbox, Developer Edition), " in said
    assert " of 1,000 calls left today, of which 200 are reserved for other programs" in said
    checks = crm.run("check", "--json").json["checks"]
    account = next(line["account"] for line in checks if line["subject"] == "sync contacts")
    left = account.pop("quota_left")
    assert 900 < left < 1000
    assert account == {
        "id": "00D5g000004WaTrEAK",
        "name": "Tailrace Sandbox",
        "sandbox": True,
        "edition": "Developer Edition",
        "quota_max": 1000,
        "reserved": 200,
    }


def test_check_tells_the_account_beside_a_fault(crm):
    """What is wrong with the mapping does not hide whose org it is."""
    crm.sync("Nickname__c: name")
    checks = crm.run("check", "--json", code=2).json["checks"]
    line = next(line for line in checks if line["subject"] == "sync contacts")
    assert not line["ok"]
    assert line["account"]["id"] == "00D5g000004WaTrEAK"


def test_check_warns_of_passwords(crm):
    """The old flow is told to be legacy, and what to use instead."""
    crm.project("password", 'username: u@x.io, password: "${env:SF_SECRET}"')
    assert "note: auth.flow password is legacy" in crm.run("check").out


def test_a_refresh_token_carries_a_run(crm, server, monkeypatch):
    """A session that ends in the middle is renewed, and the secret is shown nowhere."""
    crm.project("refresh_token", 'client_id: app, refresh_token: "${env:SF_REFRESH}"')
    monkeypatch.setenv("SF_REFRESH", "5Aep-canary")
    server.control.salesforce.fail("composite/", status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "x"}])
    answer = crm.run("run", "contacts", "--json")
    assert answer.json["runs"][0]["acknowledged"] == 3
    assert "canary" not in answer.out + answer.err
    assert set(contacts(server)) == {"1", "2", "3"}
