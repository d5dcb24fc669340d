"""Whatever is sent, the sandbox answers in the vendor's shape, and never fails itself."""

import asyncio
import json
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.sandbox.hubspot import HubSpot
from tailrace.sandbox.options import HubSpotOptions, SalesforceOptions
from tailrace.sandbox.salesforce import Salesforce

FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    ["id", "Id", "inputs", "records", "properties", "attributes", "type", "idProperty", "LastName", "External_Id__c",
     "Account", "AccountId", "LTV__c", "warehouse_id", "email", "n_orders", "last_order", "from", "to", "types",
     "filterGroups", "filters", "propertyName", "operator", "value", "values", "sorts", "limit", "after", "query",
     "objectWriteTraceId", "allOrNone", "Birthdate", "Active__c", "Last_Seen__c", "tokenKey", "objectId", "name"]
) | st.text(max_size=4)  # fmt: skip
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))
HUB_ROW = st.fixed_dictionaries(
    {"id": SCALARS, "properties": st.dictionaries(NAMES, DATA, max_size=3)},
    optional={"idProperty": st.sampled_from(["warehouse_id", "email"]) | SCALARS, "objectWriteTraceId": SCALARS},
)
FORCE_ROW = st.dictionaries(NAMES, DATA, max_size=4).map(lambda row: row | {"attributes": {"type": "Contact"}})
OBJECTS = "/crm/v3/objects/contacts"
HUB_PATHS = [
    *(f"{OBJECTS}/batch/{call}" for call in ("create", "update", "upsert", "read", "archive")),
    f"{OBJECTS}/search", f"{OBJECTS}/gdpr-delete", OBJECTS, "/crm/v3/properties/contacts",
    "/crm/v4/associations/contacts/companies/batch/create", "/crm/v4/associations/contacts/companies/batch/read",
    "/crm/v4/associations/contacts/companies/batch/archive", "/crm/v4/associations/contacts/companies/labels",
    "/crm/v3/lists", "/crm/v3/lists/search", "/events/v3/send", "/events/v3/send/batch", "/events/v3/event-definitions",
    "/crm/v4/associations/contacts/companies/batch/labels/archive", "/oauth/v2/private-apps/get/access-token-info",
]  # fmt: skip


def caller(app, base):
    """Calls an app without a network, so that its own exceptions reach the test; gives status and parsed body."""
    transport = httpx.ASGITransport(app)

    async def send(method, path, params, content):
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, params=params, content=content)

    def call(method, path, *, params=None, body=None):
        content = None if body is None else json.dumps(body)
        answer = asyncio.run(send(method, path, params, content))
        return answer.status_code, json.loads(answer.content or "null")

    return call


@pytest.fixture(scope="module")
def hub():
    """Calls of a HubSpot-like server."""
    return caller(HubSpot(HubSpotOptions(), rate_limits=False).app(), "http://hub")


@pytest.fixture(scope="module")
def force():
    """Calls of a Salesforce-like server."""
    return caller(Salesforce(SalesforceOptions(), rate_limits=False).app(), "http://force/services/data/v62.0")


@pytest.mark.parametrize("path", HUB_PATHS)
@FUZZ
@given(body=DATA | st.lists(HUB_ROW, max_size=4).map(lambda rows: {"inputs": rows}))
def test_hubspot_survives_any_json(hub, path, body):
    """No JSON makes the HubSpot-like server fail."""
    status, _ = hub("POST", path, body=body)
    assert status < 500


@pytest.mark.parametrize("path", ["/composite/sobjects", "/composite/sobjects/Contact/External_Id__c"])
@FUZZ
@given(body=DATA | st.lists(FORCE_ROW, max_size=4).map(lambda rows: {"records": rows}))
def test_salesforce_survives_any_json(force, path, body):
    """No JSON makes the Salesforce-like server fail, and every row has its result."""
    status, results = force("PATCH", path, body=body)
    assert status < 500
    if status == 200:
        assert len(results) == len(body["records"])


@FUZZ
@given(
    words=st.lists(
        st.sampled_from(["SELECT", "Id", "FROM", "Contact", "WHERE", "(", ")", ",", "=", "IN", "NOT", "'x'", "'\\", "5",
                         "Name", "LTV__c", "Account.Name", "AND", "OR", "LIKE", "LIMIT", "ORDER", "BY", "null", "COUNT",
                         "2026-01-01", "9999-99-99", "\\u0041", "OFFSET", "NULLS", "é"]),
        max_size=12,
    )
)  # fmt: skip
def test_salesforce_survives_any_query(force, words):
    """No query makes the Salesforce-like server fail."""
    for start in ("SELECT Id FROM Contact WHERE ", "SELECT Id FROM Contact ", ""):
        status, _ = force("GET", "/query", params={"q": start + " ".join(words)})
        assert status < 500


@FUZZ
@given(path=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_path_is_answered(hub, force, path):
    """No path makes either server fail."""
    escaped = quote(path, safe="")
    for method in ("GET", "PATCH", "DELETE"):
        for below in ("/sobjects/", "/sobjects/Contact/", "/sobjects/Contact/Email/", "/query/"):
            assert force(method, below + escaped, body={})[0] < 500
        assert hub(method, "/crm/v3/objects/contacts/" + escaped, body={})[0] < 500
