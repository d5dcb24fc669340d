"""Headers that a sync opts in to go with every request, those that are repeated included."""

import pytest
from tests.e2e.labs import on_salesforce, ran

from tailrace.sandbox import SandboxServer
from tailrace.sandbox.options import SalesforceOptions

SYNC = """\
model: people
destination: crm
object: Lead
mode: MODE
key: id
match: {External_Id__c: id}
fields:
  LastName: name
  Company: {value: Acme}
  Email: {sql: "'same@example.com'"}
"""
OPTED = "allow_duplicates: true\nassignment_rules: false\n"
PEOPLE = [(n, f"Zoë {n}", "", n) for n in range(1, 7)]
BODY = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]


@pytest.fixture(scope="module")
def shared_server():
    """An org with a duplicate rule and an assignment rule for leads."""
    rules = SalesforceOptions(duplicate_rules={"Lead": ["Email"]}, assignment_rules={"Lead": "Round robin"})
    with SandboxServer(salesforce=rules, hubspot=False) as running:
        yield running


@pytest.fixture
def crm(workspace, shared_server, monkeypatch):
    """Six leads with one address, three in a batch, not yet sent."""
    shared_server.control.reset()
    shared_server.control.salesforce.heal()
    on_salesforce(workspace, shared_server, monkeypatch, batch_size=3)
    workspace.people(*PEOPLE)
    return workspace


def owners(crm):
    """How many owners the leads have, and whether the rule's is one of them."""
    found = {record["OwnerId"] for record in crm.org.records("Lead")}
    return len(found), any(owner.endswith("2AAA") for owner in found)


def test_without_them_the_rules_hold(crm):
    """The measure of the tests below: five leads are stopped, and the first one is handed over."""
    crm.write("syncs/people.yml", SYNC.replace("MODE", "upsert"))
    run = ran(crm, code=4)
    assert (run["acknowledged"], run["rejected"], run["errors"][0]["code"]) == (1, 5, "DUPLICATES_DETECTED")
    assert owners(crm) == (1, True)


def busy(crm):
    """Salesforce is busy, three times."""
    crm.org.fail("/composite/", status=503, headers={"Retry-After": "0"}, times=3)


def signed_out(crm):
    """The session ends with the second batch."""
    crm.org.fail("/composite/", status=401, body=BODY, skip=1)


def lost(crm):
    """The first answer does not come."""
    crm.org.fail("/composite/", drop=True)


def locked(crm):
    """Rows are refused for now, and go out again in smaller batches."""
    crm.org.fail_rows("Lead", "UNABLE_TO_LOCK_ROW", times=4)


def spoilt(crm):
    """A batch is refused as a whole, and halved down to the row at fault."""
    crm.org.fail("/composite/", status=400, body=[{"errorCode": "JSON_PARSER_ERROR", "message": "x"}])


@pytest.mark.parametrize("trouble", [busy, signed_out, lost, locked, spoilt], ids=lambda made: made.__name__)
@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_they_go_with_every_request_that_is_repeated(crm, mode, trouble):
    """Whatever the reason to repeat it, a new session included: no rule stops or moves a lead."""
    crm.write("syncs/people.yml", SYNC.replace("MODE", mode) + OPTED)
    trouble(crm)
    assert ran(crm)["acknowledged"] == 6
    assert len(crm.org.records("Lead")) == 6
    assert owners(crm) == (1, False)
    assert not any(crm.org.pending_faults().values()), "the trouble was met"
    if mode == "upsert":  # whose only POSTs are those of signing in
        assert crm.org.counters()["methods"]["POST"] == (2 if trouble is signed_out else 1)
