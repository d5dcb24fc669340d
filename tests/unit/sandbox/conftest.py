"""A sandbox in a thread, shared by all tests and emptied before each, and HTTP clients for it."""

from functools import partial

import httpx
import pytest

from tailrace.sandbox import SandboxServer


@pytest.fixture(scope="session")
def shared_server():
    """One sandbox for all tests."""
    with SandboxServer(run_in="thread") as server:
        yield server


@pytest.fixture
def server(shared_server):
    """The sandbox, with nothing in it."""
    shared_server.control.reset()
    shared_server.control.hubspot.limit(burst=None, per=10, daily=None, search=None)
    shared_server.control.salesforce.limit(daily=None)
    return shared_server


@pytest.fixture(scope="session")
def client():
    """One HTTP client, because making one costs more than most tests."""
    with httpx.Client(timeout=10) as made:
        yield made


class Site:
    """Requests below a base URL, with a token."""

    def __init__(self, client, base, token):
        self.base = base
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, method, path, *, headers=None, **kwargs):
        """Send a request; a path that is a whole URL is taken as it is."""
        url = path if path.startswith("http") else self.base + path
        return self._client.request(method, url, headers=self._headers | (headers or {}), **kwargs)

    def __getattr__(self, method):
        return partial(self.request, method.upper())


@pytest.fixture
def hub(server, client):
    """Requests to the HubSpot-like server, with a good token."""
    return Site(client, server.hubspot_url, "pat-eu1-good")


@pytest.fixture
def force(server, client):
    """Requests to the Salesforce-like server, signed in; paths are below the version."""
    form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
    granted = client.post(f"{server.salesforce_url}/services/oauth2/token", data=form).json()
    return Site(client, f"{granted['instance_url']}/services/data/v62.0", granted["access_token"])


@pytest.fixture
def upsert(force):
    """Upserts contacts by External_Id__c in one Collections call; gives the list of results."""

    def call(*rows, all_or_none=False, object="Contact"):
        records = [{"attributes": {"type": object}, **row} for row in rows]
        body = {"allOrNone": all_or_none, "records": records}
        answer = force.patch(f"/composite/sobjects/{object}/External_Id__c", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


@pytest.fixture
def hub_upsert(hub):
    """Upserts contacts by warehouse_id, with trace ids unless told otherwise; gives the response."""

    def call(rows, *, traced=True, object="contacts"):
        inputs = [{"id": key, "idProperty": "warehouse_id", "properties": values} for key, values in rows]
        if traced:
            inputs = [row | {"objectWriteTraceId": f"t:{number}"} for number, row in enumerate(inputs)]
        return hub.post(f"/crm/v3/objects/{object}/batch/upsert", json={"inputs": inputs})

    return call
