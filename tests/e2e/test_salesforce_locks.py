"""Children of one parent in Salesforce: rows of one action are sorted by it, and batches do not contend for it."""

import threading
import time

import httpx
import pytest
from tests.e2e.labs import on_salesforce, ran, signed_in

from tailrace_destinations.salesforce.adapter import SalesforceDestination

SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
bulk: BULK
guards: {max_changes: "100%", max_deletes: "100%"}
fields:
  LastName: name
  AccountId: {lookup: Account, by: External_Id__c, column: company}
"""
MODEL = "select range as id, 'Roe' as name, 'c' || range % 9 as company from range(300)"
LONG_S = 60.0


@pytest.fixture
def crm(workspace, salesforce_server, monkeypatch):
    """A project that mirrors 300 contacts of nine accounts, which are there."""
    salesforce_server.control.reset()
    on_salesforce(workspace, salesforce_server, monkeypatch, batch_size=20, concurrency=4)
    workspace.write("syncs/people.yml", SYNC.replace("BULK", "never"))
    workspace.write("models/people.sql", MODEL)
    accounts = [{"attributes": {"type": "Account"}, "External_Id__c": f"c{n}", "Name": "A"} for n in range(9)]
    assert all(result["success"] for result in write(workspace, accounts, "Account"))
    return workspace


def write(crm, records, object):
    """Upsert records as another program would."""
    url = f"{crm.url}/services/data/v62.0/composite/sobjects/{object}/External_Id__c"
    body = {"allOrNone": False, "records": records}
    return httpx.patch(url, json=body, headers=signed_in(crm.url), timeout=LONG_S).json()


def test_four_batches_in_flight_never_contend_for_a_parent(crm):
    """Locks are held long enough for the batches to meet; new, changed and departed rows meet none."""
    crm.org.limit(locks=0.05)
    assert ran(crm)["acknowledged"] == 300
    crm.write("models/people.sql", MODEL.replace("'Roe'", "'Poe'").replace("range(300)", "range(200)"))
    assert ran(crm)["acknowledged"] == 300
    assert crm.org.counters()["locks_refused"] == 0
    assert crm.org.counters()["writes"]["Contact"] == 600


def test_rows_that_meet_a_lock_of_another_program_are_sent_again(crm):
    """Another program holds a parent while we write: its children are sent again in smaller batches, and arrive."""
    crm.org.limit(locks=LONG_S)
    other = {"attributes": {"type": "Account"}, "External_Id__c": "c4", "Name": "B"}
    holder = threading.Thread(target=write, args=(crm, [other], "Account"))
    holder.start()
    until(crm, "locks_held")
    crm.org.limit(locks=0.01)  # what our own batches hold; the other goes on holding
    giver = threading.Thread(target=lambda: (until(crm, "locks_refused"), crm.org.limit(locks=0)))
    giver.start()
    run = ran(crm)
    for thread in (giver, holder):
        thread.join()
    assert (run["acknowledged"], run["rejected"]) == (300, 0)
    assert 0 < crm.org.counters()["locks_refused"] <= 34, "rows of c4 alone"
    assert len(crm.org.records("Contact")) == 300


def until(crm, counter):
    """Wait until the sandbox counts one."""
    deadline = time.monotonic() + LONG_S
    while not crm.org.counters()[counter]:
        assert time.monotonic() < deadline


def test_the_rows_of_a_job_are_sorted_by_parent(crm, monkeypatch):
    """The file that goes up has the children of an account one after another."""
    files, upload = [], SalesforceDestination.upload_job

    def looking(self, receipt, path):
        files.append(path.read_text("utf-8"))
        upload(self, receipt, path)

    monkeypatch.setattr(SalesforceDestination, "upload_job", looking)
    crm.write("syncs/people.yml", SYNC.replace("BULK", "always"))
    assert ran(crm)["acknowledged"] == 300
    header, *lines = files[0].splitlines()
    parent = header.split(",").index("Account.External_Id__c")
    parents = [line.split(",")[parent] for line in lines]
    assert (len(files), len(lines), len(set(parents))) == (1, 300, 9)
    assert parents == sorted(parents)
