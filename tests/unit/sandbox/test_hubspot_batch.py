"""HubSpot's batch calls: the rules that decide whether a client gets outcomes right."""

import pytest

from tailrace.sandbox import HubSpotOptions, SandboxServer

UPSERT = "/crm/v3/objects/contacts/batch/upsert"


def kept(server, object="contacts"):
    """Live records by warehouse_id."""
    records = server.control.hubspot.records(object)
    return {record["properties"].get("warehouse_id"): record["properties"] for record in records}


def test_upsert_creates_and_updates(hub_upsert, server):
    """200 COMPLETE, `new` tells creates from updates, what is not sent stays."""
    first = hub_upsert([("a", {"firstname": "Ann", "n_orders": "7"}), ("b", {})])
    assert first.status_code == 200
    assert first.json()["status"] == "COMPLETE"
    assert {r["new"] for r in first.json()["results"]} == {True}
    second = hub_upsert([("a", {"lastname": "Roe"})]).json()
    assert [r["new"] for r in second["results"]] == [False]
    assert second["results"][0]["objectWriteTraceId"] == "t:0"
    row = kept(server)["a"]
    assert (row["firstname"], row["lastname"], row["n_orders"]) == ("Ann", "Roe", "7")


def test_results_are_shuffled(hub_upsert):
    """Results do not come in the order of the inputs, but each can be told by its trace id."""
    results = hub_upsert([(f"k{n}", {}) for n in range(50)]).json()["results"]
    keys = [result["properties"]["warehouse_id"] for result in results]
    assert keys != [f"k{n}" for n in range(50)]
    assert {(r["objectWriteTraceId"], r["properties"]["warehouse_id"]) for r in results} == {
        (f"t:{n}", f"k{n}") for n in range(50)
    }


def test_traced_bad_row_costs_one_row(hub_upsert, server):
    """With trace ids: 207, the error names its input, the others are written."""
    answer = hub_upsert([("a", {}), ("b", {"n_orders": "many"}), ("c", {})])
    body = answer.json()
    assert (answer.status_code, body["numErrors"], len(body["results"])) == (207, 1, 2)
    error = body["errors"][0]
    assert (error["category"], error["context"]) == ("VALIDATION_ERROR", {"objectWriteTraceId": ["t:1"]})
    assert error["errors"][0]["context"]["propertyName"] == ["n_orders"]
    assert set(kept(server)) == {"a", "c"}


def test_untraced_bad_row_costs_all(hub_upsert, server):
    """Without trace ids one bad row refuses the request, and nothing is written."""
    answer = hub_upsert([("a", {}), ("b", {"n_orders": "many"})], traced=False)
    body = answer.json()
    assert (answer.status_code, body["category"], body["status"]) == (400, "VALIDATION_ERROR", "error")
    assert body["correlationId"]
    assert kept(server) == {}


@pytest.mark.parametrize("traced", [True, False])
def test_duplicate_ids_refuse_all(hub_upsert, server, traced):
    """Two inputs of one id: 400 for all, trace ids or not."""
    answer = hub_upsert([("a", {}), ("b", {}), ("a", {})], traced=traced)
    assert answer.status_code == 400
    assert "Duplicate IDs found in batch input" in answer.json()["message"]
    assert answer.json()["context"] == {"ids": ["a"]}
    assert kept(server) == {}


def test_emails_are_one_whatever_their_case(hub, server):
    """Emails are lower-cased, so two that differ in case are duplicates, and match what is there."""

    def send(*emails):
        inputs = [{"id": email, "idProperty": "email", "properties": {}} for email in emails]
        return hub.post(UPSERT, json={"inputs": inputs})

    assert send("Ann@X.io", "ann@x.io").status_code == 400
    assert send("Ann@X.io").json()["results"][0]["properties"]["email"] == "ann@x.io"
    assert not send("ANN@x.io").json()["results"][0]["new"]
    assert len(server.control.hubspot.records("contacts")) == 1


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("n_orders", "7,5", "INVALID_INTEGER"),
        ("n_orders", "NaN", "INVALID_INTEGER"),
        ("email", "nobody", "INVALID_EMAIL"),
        ("active", "yes", "INVALID_OPTION"),
        ("hs_lead_status", "New", "INVALID_OPTION"),
        ("interests", "art;golf", "INVALID_OPTION"),
        ("last_order", "1767312000001", "INVALID_DATE"),
        ("last_order", "2026-01-02T03:04:05Z", "INVALID_DATE"),
        ("last_order", "02.01.2026", "INVALID_DATE"),
        ("last_order", "2026-02-30", "INVALID_DATE"),
        ("last_seen", "2026-01-02 03:04", "INVALID_LONG"),
        ("firstname", "x" * 65_537, "INVALID_LENGTH"),
        ("nope", "x", "PROPERTY_DOESNT_EXIST"),
        ("createdate", "2026-01-02", "READ_ONLY_VALUE"),
        ("score", "1", "READ_ONLY_VALUE"),
    ],
)
def test_values_are_refused(hub_upsert, name, value, code):
    """Each kind of bad value is refused with its own code."""
    error = hub_upsert([("a", {name: value})]).json()["errors"][0]
    assert error["errors"][0]["code"] == code
    assert code in error["message"]


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("n_orders", "7.50", "7.50"),
        ("active", "TRUE", "true"),
        ("last_order", "1767312000000", "2026-01-02"),
        ("last_order", "2026-01-02", "2026-01-02"),
        ("last_seen", "1767312000001", "2026-01-02T00:00:00.001Z"),
        ("last_seen", "2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05.000Z"),
        ("interests", "art;music", "art;music"),
        ("hubspot_owner_id", "4711", "4711"),
        ("firstname", " Zoë ", " Zoë "),
    ],
)
def test_values_are_kept(hub_upsert, server, name, sent, value):
    """Good values are kept in HubSpot's own form."""
    assert hub_upsert([("a", {name: sent})]).status_code == 200
    assert kept(server)["a"][name] == value


def test_empty_string_clears(hub_upsert, server):
    """`""` clears a value; clearing what is empty is fine."""
    hub_upsert([("a", {"firstname": "Ann"})])
    assert hub_upsert([("a", {"firstname": "", "n_orders": ""})]).status_code == 200
    assert not {"firstname", "n_orders"} & set(kept(server)["a"])


def test_leading_semicolon_appends(hub_upsert, server):
    """A multiple choice that starts with `;` is added to what is there."""
    hub_upsert([("a", {"interests": "art"})])
    hub_upsert([("a", {"interests": ";music;art"})])
    assert kept(server)["a"]["interests"] == "art;music"


@pytest.mark.parametrize("value", [None, 7, True, ["x"], {"a": 1}])
def test_properties_are_strings(hub_upsert, value):
    """Anything but a string is refused with the whole request, trace ids or not."""
    answer = hub_upsert([("a", {"n_orders": value}), ("b", {})])
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_most_inputs(hub_upsert):
    """100 inputs pass, 101 do not."""
    assert hub_upsert([(f"k{n}", {}) for n in range(100)]).status_code == 200
    assert hub_upsert([(f"k{n}", {}) for n in range(101)]).status_code == 400


@pytest.mark.parametrize("name", ["firstname", "nope"])
def test_id_property_must_be_unique(hub, name):
    """Records cannot be identified by a property that is not unique, or not there."""
    body = {"inputs": [{"id": "x", "idProperty": name, "properties": {}}]}
    assert hub.post(UPSERT, json=body).status_code == 400


def test_unique_value_of_another_record(hub_upsert, hub, server):
    """A taken email is a conflict that names the record: of the row when traced, else 409."""
    hub_upsert([("a", {"email": "a@x.io"})])
    existing = server.control.hubspot.records("contacts")[0]["id"]
    body = hub_upsert([("b", {"email": "A@x.io"}), ("c", {})]).json()
    assert (body["errors"][0]["category"], len(body["results"])) == ("CONFLICT", 1)
    assert f"Existing ID: {existing}" in body["errors"][0]["message"]
    inputs = [{"properties": {"email": "a@x.io"}, "associations": []}]
    answer = hub.post("/crm/v3/objects/contacts/batch/create", json={"inputs": inputs})
    assert (answer.status_code, answer.json()["category"]) == (409, "CONFLICT")


def test_two_rows_with_one_email(hub_upsert, server):
    """Within a batch the first row takes the email, the second is refused."""
    body = hub_upsert([("a", {"email": "a@x.io"}), ("b", {"email": "a@x.io"})]).json()
    assert [e["context"]["objectWriteTraceId"] for e in body["errors"]] == [["t:1"]]
    assert set(kept(server)) == {"a"}


def test_update_of_unknown_ids(hub, hub_upsert, server):
    """Unknown ids are one OBJECT_NOT_FOUND with all of them; the others are written."""
    hub_upsert([("a", {})])
    inputs = [{"id": k, "idProperty": "warehouse_id", "properties": {"firstname": "x"}} for k in ("a", "y", "z")]
    answer = hub.post("/crm/v3/objects/contacts/batch/update", json={"inputs": inputs})
    error = answer.json()["errors"][0]
    assert answer.status_code == 207
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": ["y", "z"]})
    assert kept(server)["a"]["firstname"] == "x"


def test_update_by_record_id(hub, hub_upsert, server):
    """Without idProperty ids are record ids."""
    hub_upsert([("a", {})])
    record_id = server.control.hubspot.records("contacts")[0]["id"]
    body = {"inputs": [{"id": record_id, "properties": {"warehouse_id": "b"}}]}
    assert hub.post("/crm/v3/objects/contacts/batch/update", json=body).status_code == 200
    assert set(kept(server)) == {"b"}
    assert hub_upsert([("a", {})]).json()["results"][0]["new"]


def test_create(hub, server):
    """Create answers 201, and traced refusals leave the others alone."""
    rows = [{"properties": {"email": "a@x.io"}}, {"properties": {"email": "oops"}}]
    inputs = [row | {"associations": [], "objectWriteTraceId": str(n)} for n, row in enumerate(rows)]
    assert hub.post("/crm/v3/objects/contacts/batch/create", json={"inputs": inputs}).status_code == 207
    inputs[0]["properties"] = {"email": "b@x.io"}
    assert hub.post("/crm/v3/objects/contacts/batch/create", json={"inputs": inputs[:1]}).status_code == 201
    assert len(server.control.hubspot.records("contacts")) == 2


def test_archive_and_read(hub, hub_upsert):
    """Archive answers 204 whatever the ids; a read names what is missing, and can look at archived ones."""
    ids = [r["id"] for r in hub_upsert([("a", {"email": "A@x.io"}), ("b", {})]).json()["results"]]
    body = {"inputs": [{"id": ids[0]}, {"id": "99999"}]}
    assert hub.post("/crm/v3/objects/contacts/batch/archive", json=body).status_code == 204
    body = {"properties": ["warehouse_id", "phone"], "inputs": [{"id": i} for i in ids]}
    answer = hub.post("/crm/v3/objects/contacts/batch/read", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["context"]) == (207, {"ids": [ids[0]]})
    assert answer.json()["results"][0]["properties"]["phone"] is None
    params = {"archived": "true"}
    body["inputs"] = [{"id": ids[0]}]
    assert hub.post("/crm/v3/objects/contacts/batch/read", params=params, json=body).json()["results"][0]["archived"]


def test_read_by_unique_property(hub, hub_upsert):
    """A read can go by a unique property; all found is a 200 without errors."""
    hub_upsert([("a", {"email": "A@x.io"})])
    body = {"properties": ["email"], "idProperty": "email", "inputs": [{"id": "a@X.io"}]}
    answer = hub.post("/crm/v3/objects/contacts/batch/read", json=body)
    assert (answer.status_code, "errors" in answer.json()) == (200, False)
    assert answer.json()["results"][0]["properties"]["email"] == "a@x.io"


def test_archived_record_frees_its_key(hub, hub_upsert):
    """An archived record does not match: an upsert makes a new one."""
    first = hub_upsert([("a", {})]).json()["results"][0]["id"]
    hub.post("/crm/v3/objects/contacts/batch/archive", json={"inputs": [{"id": first}]})
    again = hub_upsert([("a", {})]).json()["results"][0]
    assert again["new"]
    assert again["id"] != first


@pytest.mark.parametrize("version", ["2025-09", "2026-03", "2026-09"])
def test_dated_versions(hub, version):
    """Dated paths work alike, but 2026-09 answers 200 to what others answer 207."""
    inputs = [{"id": "a", "idProperty": "warehouse_id", "objectWriteTraceId": "1", "properties": {"nope": "x"}}]
    answer = hub.post(f"/crm/objects/{version}/contacts/batch/upsert", json={"inputs": inputs})
    assert answer.status_code == (200 if version == "2026-09" else 207)
    assert answer.json()["errors"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"inputs": []}', b'{"inputs": [1]}', b'{"inputs": [{}]}'])
def test_malformed_requests(hub, body):
    """A request that cannot be understood is a 400 in HubSpot's shape."""
    answer = hub.post(UPSERT, content=body)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_trace_ids_can_be_kept_back(client):
    """A portal can be told not to repeat trace ids, so that clients must go by the key."""
    with SandboxServer(salesforce=False, hubspot=HubSpotOptions(return_trace_ids=False), run_in="thread") as server:
        inputs = [{"id": "a", "idProperty": "warehouse_id", "objectWriteTraceId": "1", "properties": {}}]
        headers = {"Authorization": "Bearer x"}
        answer = client.post(server.hubspot_url + UPSERT, json={"inputs": inputs}, headers=headers)
        assert "objectWriteTraceId" not in answer.json()["results"][0]


def test_row_told_to_fail(hub_upsert, server):
    """A row fault hits the row it names."""
    server.control.hubspot.fail_rows("contacts", "WORKFLOW", field="id", values=["b"])
    body = hub_upsert([("a", {}), ("b", {})]).json()
    assert [e["category"] for e in body["errors"]] == ["WORKFLOW"]
    assert set(kept(server)) == {"a"}


@pytest.mark.parametrize("object", ["companies", "deals", "tickets", "0-2", "contact"])
def test_other_objects(hub_upsert, object):
    """Other objects, by any of their names, have the same unique key."""
    assert hub_upsert([("a", {})], object=object).status_code == 200
