"""Platform events of Salesforce: rows that are published, by batches and by jobs, and whose ids tell nothing."""

import pytest
from tests.e2e.labs import on_salesforce, ran

from tailrace.sandbox import SandboxServer

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
        server.control.salesforce.declare({"Low_Ink__e": {"fields": [FIELD]}})
        yield on_salesforce(workspace, server, monkeypatch)


def printers(org):
    """What was published."""
    return sorted(record["Printer__c"] for record in org.org.records("Low_Ink__e"))


@pytest.mark.parametrize("bulk", ["never", "always"])
def test_each_event_is_published_once(org, bulk):
    """All have the same id in the answers; none is taken for another one, in this run or in those after it."""
    org.write("syncs/people.yml", SYNC.format(bulk=bulk))
    org.people(*((n, f"P{n}", "", 0) for n in range(5)))
    run = ran(org)
    assert (run["status"], run["acknowledged"]) == ("succeeded", 5)
    org.people(*((n, f"P{n}", "", 0) for n in range(7)))
    run = ran(org)
    assert (run["status"], run["acknowledged"]) == ("succeeded", 2)
    assert ran(org)["status"] == "nothing_to_do"
    assert printers(org) == [f"P{n}" for n in range(7)]
