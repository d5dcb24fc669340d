"""Platform events of Salesforce: rows that are published, by batches and by jobs, and whose ids tell nothing."""

import pytest

from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth: {{flow: client_credentials, login_url: "{url}", client_id: app, client_secret: "${{env:SF_SECRET}}"}}
"""
SYNC = """\
model: people
destination: crm
object: Low_Ink__e
mode: append
key: id
bulk: {bulk}
fields:
  Printer__c: name
"""
FIELD = {"name": "Printer__c", "type": "string", "length": 80, "createable": True}


@pytest.fixture
def org(workspace, monkeypatch):
    """A project that publishes events, and the org it publishes them in."""
    with SandboxServer(hubspot=False) as server:
        monkeypatch.setenv("SF_SECRET", "sf-canary-1")
        server.control.salesforce.declare({"Low_Ink__e": {"fields": [FIELD]}})
        workspace.write("tailrace.yml", PROJECT.format(url=server.salesforce_url))
        workspace.org = server.control.salesforce
        yield workspace


def printers(org):
    """What was published."""
    return sorted(record["Printer__c"] for record in org.org.records("Low_Ink__e"))


@pytest.mark.parametrize("bulk", ["never", "always"])
def test_each_event_is_published_once(org, bulk):
    """All have the same id in the answers; none is taken for another one, in this run or in those after it."""
    org.write("syncs/people.yml", SYNC.format(bulk=bulk))
    org.people(*((n, f"P{n}", "", 0) for n in range(5)))
    (run,) = org.run("run", "people", "--json").json["runs"]
    assert (run["status"], run["acknowledged"]) == ("succeeded", 5)
    org.people(*((n, f"P{n}", "", 0) for n in range(7)))
    (run,) = org.run("run", "people", "--json").json["runs"]
    assert (run["status"], run["acknowledged"]) == ("succeeded", 2)
    (run,) = org.run("run", "people", "--json").json["runs"]
    assert run["status"] == "nothing_to_do"
    assert printers(org) == [f"P{n}" for n in range(7)]
