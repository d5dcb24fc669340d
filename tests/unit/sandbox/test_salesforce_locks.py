"""Locks: two requests that overlap on one parent contend for it."""

import threading
import time

import pytest

LONG_S = 30.0
"""Held until the test gives them back; no test waits that long."""


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
    """Sends rows in a request that ends when the test does; gives its results, then."""
    results, threads = [], []

    def send(*rows):
        threads.append(threading.Thread(target=lambda: results.append(upsert(*rows))))
        threads[-1].start()
        deadline = time.monotonic() + LONG_S
        while not org.counters()["locks_held"]:
            assert time.monotonic() < deadline
        return results

    yield send
    org.limit(locks=0)
    for thread in threads:
        thread.join()


def test_rows_contend_while_another_request_has_their_parent(accounts, upsert, overlapping, org):
    """A row is refused for its parent's lock alone; others of the same request wait for nothing."""
    first = overlapping(contact("1", "a"))
    held = org.counters()["locks_held"]
    answers = []
    second = threading.Thread(target=lambda: answers.append(upsert(contact("2", "a"), contact("3", "b"))))
    second.start()
    deadline = time.monotonic() + LONG_S
    while org.counters()["locks_held"] == held:
        assert time.monotonic() < deadline
    org.limit(locks=0)
    second.join()
    refused, written = answers[0]
    assert refused["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert accounts[0] in refused["errors"][0]["message"]
    assert written["success"]
    assert org.counters()["locks_refused"] == 1
    assert [row["External_Id__c"] for row in org.records("Contact")] == ["1", "3"]
    assert upsert(contact("2", "a"))[0]["success"]
    assert first == [[{**first[0][0], "success": True}]]


def test_jobs_contend_too(accounts, overlapping, force, org):
    """A row of a bulk job whose parent is locked by a request fails with the same code."""
    overlapping(contact("1", "a"))
    order = {"object": "Contact", "operation": "upsert", "externalIdFieldName": "External_Id__c"}
    job = force.post("/jobs/ingest", json=order).json()["id"]
    data = "External_Id__c,LastName,Account.External_Id__c\n2,Roe,a\n3,Roe,b\n"
    force.put(f"/jobs/ingest/{job}/batches", content=data, headers={"Content-Type": "text/csv"})
    force.patch(f"/jobs/ingest/{job}", json={"state": "UploadComplete"})
    while force.get(f"/jobs/ingest/{job}").json()["state"] != "JobComplete":
        pass
    failed = force.get(f"/jobs/ingest/{job}/failedResults").text
    assert "UNABLE_TO_LOCK_ROW" in failed
    assert '"2"' in failed
    assert '"3"' not in failed


def test_owners_are_not_locked(accounts, upsert, org):
    """Rows name the users of the set-up without locking them: only the record itself is."""
    org.limit(locks=0.001)
    assert upsert(contact("1", "a"))[0]["success"]
    assert upsert(contact("2", "b"))[0]["success"]
    assert org.counters()["locks_held"] == 0
    assert org.counters()["locks_refused"] == 0
