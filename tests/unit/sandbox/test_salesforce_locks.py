"""Locks: two requests that overlap on one parent contend for it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

LONG_S = 30.0
"""Held until the test gives them back; no test waits that long."""


def until(there):
    """Return when it is so."""
    deadline = time.monotonic() + LONG_S
    while not there():
        assert time.monotonic() < deadline


@pytest.fixture
def org(server):
    """The org's control, with two accounts; locks are given back at the end."""
    control = server.control.salesforce
    yield control
    control.limit(locks=0)


@pytest.fixture
def accounts(upsert, org):
    """Two accounts, before any lock is held."""
    made = upsert({"External_Id__c": "a", "Name": "A"}, {"External_Id__c": "b", "Name": "B"}, object="Account")
    org.limit(locks=LONG_S)
    return [result["id"] for result in made]


def contact(key, account):
    """A contact of an account."""
    return {"External_Id__c": key, "LastName": "Roe", "Account": {"External_Id__c": account}}


@pytest.fixture
def overlapping(upsert, org):
    """Sends rows in a request that keeps its locks until they are given back; gives what waits for its results."""
    pool = ThreadPoolExecutor()

    def send(*rows):
        held = org.counters()["locks_held"]
        sending = pool.submit(upsert, *rows)
        until(lambda: org.counters()["locks_held"] > held or sending.done())
        return sending.result

    yield send
    org.limit(locks=0)
    pool.shutdown()


def test_rows_contend_while_another_request_has_their_parent(accounts, upsert, overlapping, org):
    """A row is refused for its parent's lock alone; others of the same request wait for nothing."""
    first = overlapping(contact("1", "a"))
    second = overlapping(contact("2", "a"), contact("3", "b"))
    org.limit(locks=0)
    refused, written = second()
    assert refused["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert accounts[0] in refused["errors"][0]["message"]
    assert written["success"]
    assert org.counters()["locks_refused"] == 1
    assert [row["External_Id__c"] for row in org.records("Contact")] == ["1", "3"]
    assert upsert(contact("2", "a"))[0]["success"]
    assert [row["success"] for row in first()] == [True]


def test_jobs_contend_too(accounts, overlapping, force, org):
    """A row of a bulk job whose parent is locked by a request fails with the same code."""
    overlapping(contact("1", "a"))
    order = {"object": "Contact", "operation": "upsert", "externalIdFieldName": "External_Id__c"}
    job = force.post("/jobs/ingest", json=order).json()["id"]
    data = "External_Id__c,LastName,Account.External_Id__c\n2,Roe,a\n3,Roe,b\n"
    force.put(f"/jobs/ingest/{job}/batches", content=data, headers={"Content-Type": "text/csv"})
    force.patch(f"/jobs/ingest/{job}", json={"state": "UploadComplete"})
    until(lambda: force.get(f"/jobs/ingest/{job}").json()["state"] == "JobComplete")
    failed = force.get(f"/jobs/ingest/{job}/failedResults").text
    assert "UNABLE_TO_LOCK_ROW" in failed
    assert '"2"' in failed
    assert '"3"' not in failed


@pytest.mark.usefixtures("accounts")
def test_owners_are_not_locked(overlapping, org):
    """Rows name the users of the set-up without locking them: those of one owner do not contend for it."""
    owner = {"OwnerId": org.records("User")[0]["Id"]}
    first, second = overlapping(contact("1", "a") | owner), overlapping(contact("2", "b") | owner)
    org.limit(locks=0)
    assert [row["success"] for row in (*first(), *second())] == [True, True]
    assert org.counters()["locks_refused"] == 0
