"""simple-salesforce and hubspot-api-client, used as their own manuals say, understand the sandbox."""

from urllib.parse import urlsplit

import pytest
import requests

simple_salesforce = pytest.importorskip("simple_salesforce")
bulk2 = pytest.importorskip("simple_salesforce.bulk2")
hubspot = pytest.importorskip("hubspot")


class Rerouted(requests.Session):
    """A session that sends what is meant for Salesforce, which is always https, to the sandbox."""

    def __init__(self, url):
        super().__init__()
        self._there = url

    def request(self, method, url, *args, **kwargs):
        """Send to the sandbox instead."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return super().request(method, self._there + parts.path + query, *args, **kwargs)


@pytest.fixture
def session(server):
    """A rerouted session, closed afterwards."""
    with Rerouted(server.salesforce_url) as session:
        yield session


FLOWS = [
    {"username": "u", "password": "p", "security_token": "t"},
    {"username": "u", "password": "p", "consumer_key": "k", "consumer_secret": "s"},
    {"consumer_key": "k", "consumer_secret": "s", "domain": "acme.my"},
]


@pytest.mark.parametrize("credentials", FLOWS)
def test_simple_salesforce_signs_in(session, credentials):
    """Each of the client's flows gives a session that works; a wrong password gives its own exception."""
    force = simple_salesforce.Salesforce(session=session, **credentials)
    assert force.query("SELECT Id FROM Organization")["totalSize"] == 1
    wrong = {
        name: f"wrong-{value}" if name in {"password", "consumer_secret"} else value
        for name, value in credentials.items()
    }
    with pytest.raises(simple_salesforce.SalesforceAuthenticationFailed):
        simple_salesforce.Salesforce(session=session, **wrong)


def test_simple_salesforce_reads_and_writes(session):
    """Rows, upserts, describe, limits, queries in pages, and the client's own exceptions."""
    force = simple_salesforce.Salesforce(session=session, **FLOWS[0])
    made = force.Contact.create({"LastName": "Roe", "External_Id__c": "c-1"})
    assert made["success"]
    assert force.Contact.upsert("External_Id__c/c-1", {"FirstName": "Ann"}) == 200
    assert force.Contact.get_by_custom_id("External_Id__c", "c-1")["Name"] == "Ann Roe"
    assert force.Contact.update(made["id"], {"Phone": None}) == 204
    assert force.Contact.describe()["keyPrefix"] == "003"
    assert force.limits()["DailyApiRequests"]["Max"] > 0
    with pytest.raises(simple_salesforce.SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        force.Contact.create({})
    assert force.Contact.delete(made["id"]) == 204
    with pytest.raises(simple_salesforce.SalesforceResourceNotFound):
        force.Contact.get(made["id"])
    for _ in range(11):
        records = [{"attributes": {"type": "Contact"}, "LastName": "x"}] * 200
        force.restful("composite/sobjects", method="POST", json={"records": records})
    assert len(force.query_all("SELECT Id FROM Contact")["records"]) == 2200


def test_simple_salesforce_sees_quota_and_session(session, server):
    """The client reads the usage header, and signs in again by itself when its session is gone."""
    force = simple_salesforce.Salesforce(session=session, **FLOWS[0])
    force.query("SELECT Id FROM User")
    assert force.api_usage["api-usage"].used == 1
    server.control.salesforce.expire_sessions()
    assert force.query("SELECT Id FROM User")["totalSize"] == 1


def test_simple_salesforce_runs_jobs(session, monkeypatch):
    """The client's own Bulk 2.0 handler inserts, upserts, updates and deletes, and reads all three results."""
    monkeypatch.setattr(bulk2, "sleep", lambda _seconds: None)
    force = simple_salesforce.Salesforce(session=session, **FLOWS[0])
    rows = [{"External_Id__c": f"k-{n}", "LastName": f"N{n}", "Active__c": True} for n in range(450)]
    job = force.bulk2.Contact.upsert(
        records=[*rows, {**rows[0], "External_Id__c": "bad", "LastName": "x" * 81}], external_id_field="External_Id__c"
    )[0]
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (451, 1)
    every = force.bulk2.Contact.get_all_ingest_records(job["job_id"])
    assert [len(every[kind]) for kind in ("successfulRecords", "failedRecords", "unprocessedRecords")] == [450, 1, 0]
    assert every["failedRecords"][0]["sf__Error"].startswith("STRING_TOO_LONG:")
    ids = [record["sf__Id"] for record in every["successfulRecords"]]
    changed = force.bulk2.Contact.update(records=[{"Id": record_id, "FirstName": "Ann"} for record_id in ids])
    assert changed[0]["numberRecordsFailed"] == 0
    force.bulk2.Contact.delete(records=[{"Id": record_id} for record_id in ids[:400]])
    left = force.query("SELECT Name FROM Contact")["records"]
    assert len(left) == 50
    assert all(record["Name"].startswith("Ann N") for record in left)


def upsert_inputs(*rows):
    """Inputs of an upsert by warehouse_id."""
    return {
        "inputs": [
            {"id": key, "idProperty": "warehouse_id", "objectWriteTraceId": f"t-{key}", "properties": values}
            for key, values in rows
        ]
    }


def test_hubspot_api_client(server):
    """Batches, partial failures, reads, searches, properties and the client's own exceptions."""
    client = hubspot.Client.create(access_token="pat-x", host=server.hubspot_url)
    batches = client.crm.contacts.batch_api
    done = batches.upsert(upsert_inputs(("a", {"email": "A@x.io"}), ("b", {})))
    assert (done.status, sorted(r.new for r in done.results)) == ("COMPLETE", [True, True])
    assert {r.object_write_trace_id for r in done.results} == {"t-a", "t-b"}
    partly = batches.upsert(upsert_inputs(("a", {}), ("c", {"nope": "1"})))
    assert (partly.num_errors, partly.errors[0].context) == (1, {"objectWriteTraceId": ["t-c"]})
    read = batches.read({"properties": ["email"], "idProperty": "email", "inputs": [{"id": "a@x.io"}]})
    assert read.results[0].properties["email"] == "a@x.io"
    assert client.crm.contacts.search_api.do_search({"limit": 1}).total == 2
    names = {p.name for p in client.crm.properties.core_api.get_all("contacts").results}
    assert {"email", "warehouse_id"} <= names
    with pytest.raises(hubspot.crm.contacts.ApiException, match="Duplicate IDs"):
        batches.upsert(upsert_inputs(("a", {}), ("a", {})))
    batches.archive({"inputs": [{"id": r.id} for r in done.results]})
    assert client.crm.contacts.get_all() == []


def test_hubspot_api_client_sees_limits_and_tokens(server):
    """The client's exceptions carry the status, the policy and the headers."""
    wrong = hubspot.Client.create(access_token="wrong", host=server.hubspot_url)
    with pytest.raises(hubspot.crm.contacts.exceptions.UnauthorizedException):
        wrong.crm.contacts.basic_api.get_page()
    server.control.hubspot.limit(burst=1, per=60)
    client = hubspot.Client.create(access_token="pat-x", host=server.hubspot_url)
    client.crm.contacts.basic_api.get_page()
    with pytest.raises(hubspot.crm.contacts.ApiException) as caught:
        client.crm.contacts.basic_api.get_page()
    server.control.hubspot.limit(burst=None)
    assert caught.value.status == 429
    assert "TEN_SECONDLY_ROLLING" in caught.value.body
    assert caught.value.headers["X-HubSpot-RateLimit-Remaining"] == "0"
