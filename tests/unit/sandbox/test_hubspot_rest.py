"""HubSpot beside its batches: single records, search, properties, associations, account, limits."""

import pytest

CONTACTS = "/crm/v3/objects/contacts"
WRONG = {"Authorization": "Bearer wrong-token"}


@pytest.fixture
def five(hub_upsert):
    """Five contacts; gives record ids by key."""
    rows = [(f"k{n}", {"n_orders": str(n * 3), "firstname": f"Name {n}"}) for n in range(5)]
    results = hub_upsert(rows).json()["results"]
    return {r["properties"]["warehouse_id"]: r["id"] for r in results}


def found(hub, **body):
    """Keys that a search finds, in order."""
    answer = hub.post(f"{CONTACTS}/search", json={"properties": ["warehouse_id"], **body})
    assert answer.status_code == 200, answer.text
    return [r["properties"]["warehouse_id"] for r in answer.json()["results"]]


def test_single_record_from_create_to_delete(hub):
    """POST 201, GET, PATCH, DELETE 204, and then 404."""
    made = hub.post(CONTACTS, json={"properties": {"email": "a@x.io", "warehouse_id": "w"}})
    path = f"{CONTACTS}/{made.json()['id']}"
    assert made.status_code == 201
    changed = hub.patch(path, json={"properties": {"firstname": "Ann"}})
    assert (changed.status_code, changed.json()["properties"]["firstname"]) == (200, "Ann")
    shown = hub.get(f"{CONTACTS}/w", params={"idProperty": "warehouse_id", "properties": "firstname,phone"})
    assert shown.json()["properties"].items() >= {"firstname": "Ann", "phone": None}.items()
    assert hub.delete(path).status_code == 204
    assert hub.get(path).status_code == hub.patch(path, json={"properties": {}}).status_code == 404


@pytest.mark.parametrize(
    ("properties", "status"), [({"email": "a@x.io"}, 409), ({"email": "x"}, 400), ({"nope": "1"}, 400), (None, 400)]
)
def test_refused_create(hub, properties, status):
    """A taken email is 409 with the existing id, bad values are 400."""
    hub.post(CONTACTS, json={"properties": {"email": "a@x.io"}})
    assert hub.post(CONTACTS, json={"properties": properties}).status_code == status


def test_list_in_pages(hub, five):
    """A list goes on by `paging` until there is none."""
    first = hub.get(CONTACTS, params={"limit": 3, "properties": "warehouse_id"}).json()
    second = hub.get(CONTACTS, params={"limit": 3, "after": first["paging"]["next"]["after"]}).json()
    assert [len(first["results"]), len(second["results"])] == [3, 2]
    assert "paging" not in second
    assert hub.get(CONTACTS, params={"limit": 101}).status_code == 400


def test_purge(hub, five, server):
    """A GDPR delete leaves nothing, not even in the recycle bin."""
    body = {"objectId": "k0", "idProperty": "warehouse_id"}
    assert hub.post(f"{CONTACTS}/gdpr-delete", json=body).status_code == 204
    assert len(server.control.hubspot.records("contacts", archived=True)) == 4


@pytest.mark.parametrize(
    ("test", "keys"),
    [
        ({"propertyName": "warehouse_id", "operator": "EQ", "value": "K1"}, {"k1"}),
        ({"propertyName": "warehouse_id", "operator": "IN", "values": ["k1", "k3", "x"]}, {"k1", "k3"}),
        ({"propertyName": "n_orders", "operator": "GT", "value": "9"}, {"k4"}),
        ({"propertyName": "n_orders", "operator": "BETWEEN", "value": "3", "highValue": "6"}, {"k1", "k2"}),
        ({"propertyName": "n_orders", "operator": "NOT_HAS_PROPERTY"}, set()),
        ({"propertyName": "firstname", "operator": "CONTAINS_TOKEN", "value": "*e 2*"}, {"k2"}),
    ],
)
def test_search(hub, five, test, keys):
    """Each filter finds what it means."""
    assert set(found(hub, filterGroups=[{"filters": [test]}])) == keys


def test_search_groups_order_and_pages(hub, five):
    """Groups are alternatives, results can be ordered and paged."""
    groups = [{"filters": [{"propertyName": "n_orders", "operator": "EQ", "value": v}]} for v in ("3", "12")]
    assert set(found(hub, filterGroups=groups)) == {"k1", "k4"}
    down = [{"propertyName": "n_orders", "direction": "DESCENDING"}]
    assert found(hub, sorts=down, limit=2) == ["k4", "k3"]
    assert found(hub, sorts=down, limit=2, after="2") == ["k2", "k1"]
    assert found(hub, query="name 3") == ["k3"]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 200, "after": 9_900},
        {"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "EQ", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "WHAT", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "n_orders", "operator": "GT", "value": "x"}]}]},
        [],
    ],
)
def test_refused_search(hub, five, body):
    """Pages over 200, results over 10,000 and unknown filters are 400."""
    assert hub.post(f"{CONTACTS}/search", json=body).status_code == 400


def test_properties(hub):
    """Properties say what a client must know to write them."""
    answer = hub.get("/crm/v3/properties/contacts").json()["results"]
    by_name = {prop["name"]: prop for prop in answer}
    assert by_name["warehouse_id"]["hasUniqueValue"]
    assert by_name["score"]["calculated"]
    assert by_name["createdate"]["modificationMetadata"]["readOnlyValue"]
    assert by_name["hubspot_owner_id"]["externalOptions"]
    assert "NEW" in [option["value"] for option in by_name["hs_lead_status"]["options"]]
    assert hub.get("/crm/v3/properties/contacts/email").json()["type"] == "string"
    assert hub.get("/crm/v3/properties/contacts/nope").status_code == 404
    assert hub.get("/crm/v3/properties/nope").status_code == 400


def test_property_created_over_the_api(hub, hub_upsert):
    """A new unique property can identify records at once; its name cannot be taken twice."""
    new = {"name": "shop_id", "label": "Shop", "type": "string", "fieldType": "text", "hasUniqueValue": True}
    assert hub.post("/crm/v3/properties/contacts", json=new).status_code == 201
    assert hub.post("/crm/v3/properties/contacts", json=new).status_code == 409
    inputs = [{"id": "s1", "idProperty": "shop_id", "properties": {}}]
    for new_record in (True, False):
        answer = hub.post(f"{CONTACTS}/batch/upsert", json={"inputs": inputs})
        assert answer.json()["results"][0]["new"] == new_record


@pytest.mark.parametrize("body", [{"name": "x"}, {"name": "X Y", "type": "string"}, {"name": "x", "type": "what"}, []])
def test_property_that_cannot_be(hub, body):
    """Names and types are checked."""
    assert hub.post("/crm/v3/properties/contacts", json=body).status_code == 400


def test_declared_object(hub, hub_upsert, server):
    """A custom object works by its name, its full name and its type id."""
    server.control.hubspot.declare({"pets": {"properties": [{"name": "species", "type": "string"}]}})
    assert hub_upsert([("rex", {"species": "dog"})], object="pets").status_code == 200
    schema = hub.get("/crm-object-schemas/v3/schemas").json()["results"][0]
    names = [schema["objectTypeId"], schema["fullyQualifiedName"]]
    assert [len(hub.get(f"/crm/v3/objects/{name}").json()["results"]) for name in names] == [1, 1]


def test_associations(hub, hub_upsert, five):
    """Records can be associated, read from both sides, and taken apart; unknown ones are errors."""
    company = hub_upsert([("acme", {"name": "Acme"})], object="companies").json()["results"][0]["id"]
    base = "/crm/v4/associations/contacts/companies/batch"
    kinds = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
    pairs = [{"from": {"id": five["k0"]}, "to": {"id": to}, "types": kinds} for to in (company, "99999")]
    answer = hub.post(f"{base}/create", json={"inputs": pairs})
    assert (answer.status_code, answer.json()["numErrors"], len(answer.json()["results"])) == (207, 1, 1)
    plain = [{"from": {"id": five["k0"]}, "to": {"id": company}}]
    assert hub.post(f"{base}/associate/default", json={"inputs": plain}).status_code == 200
    read = hub.post(f"{base}/read", json={"inputs": [{"id": five["k0"]}]}).json()["results"][0]["to"][0]
    assert {t["typeId"] for t in read["associationTypes"]} == {1, 279}
    back = hub.post("/crm/v4/associations/companies/contacts/batch/read", json={"inputs": [{"id": company}]})
    assert back.json()["results"][0]["to"][0]["toObjectId"] == int(five["k0"])
    gone = [{"from": {"id": five["k0"]}, "to": [{"id": company}]}]
    assert hub.post(f"{base}/archive", json={"inputs": gone}).status_code == 204
    assert hub.post(f"{base}/read", json={"inputs": [{"id": five["k0"]}]}).json()["results"] == []


def test_account_and_tokens(hub, server):
    """The portal's id can be learnt in each of the vendor's ways."""
    portal = hub.get("/account-info/v3/details").json()["portalId"]
    assert hub.get("/oauth/v1/access-tokens/abc").json()["hub_id"] == portal
    key = {"tokenKey": "abc"}
    assert hub.post("/oauth/v2/private-apps/get/access-token-info", json=key).json()["hubId"] == portal
    assert hub.get("/oauth/v1/access-tokens/wrong").status_code == 404


def test_wrong_and_expired_tokens(hub, server):
    """Wrong and expired tokens are 401 with a category; read-only ones may not write."""
    answer = hub.get(CONTACTS, headers=WRONG)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    assert hub.get(CONTACTS).status_code == 200
    server.control.hubspot.expire_sessions()
    assert hub.get(CONTACTS).json()["category"] == "EXPIRED_AUTHENTICATION"
    reader = {"Authorization": "Bearer readonly"}
    assert hub.get(CONTACTS, headers=reader).status_code == 200
    refused = hub.post(CONTACTS, json={"properties": {}}, headers=reader)
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")


def test_burst_limit(hub, server):
    """Over the burst: 429 with the policy's name; headers count down; each token has its own burst."""
    server.control.hubspot.limit(burst=3, per=60, daily=100)
    answers = [hub.get(CONTACTS) for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["X-HubSpot-RateLimit-Remaining"] for a in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "60000"
    assert answers[0].headers["X-HubSpot-RateLimit-Daily-Remaining"] == "99"
    body = answers[3].json()
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert hub.get(CONTACTS, headers={"Authorization": "Bearer other"}).status_code == 200
    counters = server.control.hubspot.counters()
    assert (counters["peak_window"], counters["refused"]) == (4, 1)


def test_daily_and_search_limits(hub, server):
    """The daily limit and the search limit have policies of their own; searches tell no limits."""
    server.control.hubspot.limit(burst=100, daily=3, search=1)
    answers = [hub.post(f"{CONTACTS}/search", json={}) for _ in range(2)]
    policies = [a.json().get("policyName") for a in answers]
    policies += [hub.get(CONTACTS).json().get("policyName") for _ in range(3)]
    assert policies == [None, "SECONDLY", None, None, "DAILY"]
    assert "X-HubSpot-RateLimit-Max" not in answers[0].headers


def test_unknown_path(hub):
    """What does not exist answers in HubSpot's shape."""
    assert hub.get("/nothing").json()["status"] == "error"
    assert hub.put(CONTACTS).status_code == 405
