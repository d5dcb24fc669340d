"""Collections: shapes, order, and the refusals a real org would give."""

import pytest


def contact(key, **values):
    """A contact's row."""
    return {"External_Id__c": key, "LastName": "Roe", **values}


def errors(results):
    """The code of each result, or None for a success."""
    return [None if r["success"] else r["errors"][0]["statusCode"] for r in results]


def test_upsert_creates_then_updates_in_request_order(upsert, server):
    """Results come in request order, tell what was created, and keep the record's id."""
    first = upsert(contact("a"), contact("b"))
    second = upsert(contact("b", FirstName="Bo"), contact("c"), contact("A"))
    assert [set(r) for r in first] == [{"id", "success", "created", "errors"}] * 2
    assert [r["created"] for r in second] == [False, True, False]
    assert [second[0]["id"], second[2]["id"]] == [first[1]["id"], first[0]["id"]]
    assert {r["External_Id__c"]: r["Name"] for r in server.control.salesforce.records("Contact")} == {
        "A": "Roe",
        "b": "Bo Roe",
        "c": "Roe",
    }


def test_one_bad_row_costs_one_row(upsert):
    """The answer is 200, the bad row carries its error in place, the others are written."""
    results = upsert(contact("a"), {"External_Id__c": "b"}, contact("c"))
    assert errors(results) == [None, "REQUIRED_FIELD_MISSING", None]
    fault = results[1]["errors"][0]
    assert fault["message"] == "Required fields are missing: [LastName]"
    assert fault["fields"] == ["LastName"]
    assert "id" not in results[1]


def test_all_or_none_writes_nothing_and_names_the_innocent(upsert, server):
    """With allOrNone the good rows are rolled back, and say so."""
    upsert(contact("old"))
    results = upsert(contact("old", FirstName="x"), contact("a"), {"External_Id__c": "b"}, all_or_none=True)
    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert errors(results) == [rolled_back, rolled_back, "REQUIRED_FIELD_MISSING"]
    assert [r["FirstName"] for r in server.control.salesforce.records("Contact")] == [None]
    assert errors(upsert(contact("a"))) == [None]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("LastName", "x" * 81, "STRING_TOO_LONG"),
        ("LastName", None, "REQUIRED_FIELD_MISSING"),
        ("Email", "nobody", "INVALID_EMAIL_ADDRESS"),
        ("Birthdate", "1990-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Birthdate", "1990-02-03T00:00:00Z", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Last_Seen__c", "2026-01-02 03:04:05+00:00", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Last_Seen__c", "2026-01-02T03:04:05", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Active__c", None, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Active__c", "yes", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("LTV__c", "a lot", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("LTV__c", True, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("LTV__c", 1e16, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Tier__c", "Lead", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Interests__c", "Art;Golf", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Nope__c", 1, "INVALID_FIELD"),
        ("CreatedDate", "2026-01-01T00:00:00Z", "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Score__c", 1, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("AccountId", "oops", "MALFORMED_ID"),
        ("AccountId", "001A0000006Vm9rIAC", "INVALID_CROSS_REFERENCE_KEY"),
        ("AccountId", "003A0000006Vm9r", "FIELD_INTEGRITY_EXCEPTION"),
        ("Account", {"External_Id__c": "none"}, "INVALID_FIELD"),
        ("Id", "003A0000006Vm9rIAC", "INVALID_FIELD"),
    ],
)
def test_values_are_refused_as_the_vendor_does(upsert, field, value, code):
    """Each kind of bad value gets its own code, and the row is not written."""
    assert errors(upsert({**contact("a"), field: value})) == [code]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("LTV__c", "143.70", 143.7),
        ("LTV__c", 0.125, 0.125),
        ("Orders__c", 7, 7.0),
        ("Last_Seen__c", "2026-01-02T03:04:05.678+01:00", "2026-01-02T02:04:05.678+0000"),
        ("Last_Order__c", "2024-02-29", "2024-02-29"),
        ("Active__c", "true", True),
        ("FirstName", "  Zoë ", "Zoë"),
        ("FirstName", "", None),
        ("LeadSource", "Something new", "Something new"),
        ("Interests__c", "Art;Sport", "Art;Sport"),
    ],
)
def test_values_are_kept_as_the_vendor_does(upsert, server, field, sent, kept):
    """Numbers keep the digits beyond their scale, times turned to UTC, texts trimmed, free picklists grow."""
    assert errors(upsert(contact("a", **{field: sent}))) == [None]
    assert server.control.salesforce.records("Contact")[0][field] == kept


def test_same_key_twice_rejects_both(upsert):
    """Rows that share a key, in whatever case, are refused; the others are written."""
    results = upsert(contact("a"), contact("b"), contact("A"))
    assert errors(results) == ["DUPLICATE_VALUE", None, "DUPLICATE_VALUE"]
    assert "Duplicate external id specified" in results[0]["errors"][0]["message"]


def test_key_missing(upsert):
    """A row without its key is refused."""
    assert errors(upsert({"LastName": "Roe"}, contact(None), contact(""))) == ["MISSING_ARGUMENT"] * 3


def test_reference_by_external_id(upsert, server):
    """A parent can be named by its key, and taken away with null."""
    account = upsert({"External_Id__c": "a-7", "Name": "Acme"}, object="Account")[0]["id"]
    assert errors(upsert(contact("c", Account={"External_Id__c": "A-7"}))) == [None]
    assert server.control.salesforce.records("Contact")[0]["AccountId"] == account
    upsert(contact("c", Account=None))
    assert server.control.salesforce.records("Contact")[0]["AccountId"] is None


def test_missing_parent_is_a_row_error_with_the_vendors_words(upsert):
    """The message tells a missing parent from an unknown field."""
    result = upsert(contact("c", Account={"External_Id__c": "x"}))[0]
    words = "Foreign key external ID: x not found for field External_Id__c in entity Account"
    assert result["errors"][0] == {"statusCode": "INVALID_FIELD", "message": words, "fields": []}


def test_key_of_several_records(upsert, server):
    """A key that is not unique and names two records is refused."""
    field = {"name": "Loose__c", "type": "string", "length": 20, "externalId": True, "relationshipName": None}
    server.control.salesforce.declare({"Contact": {"fields": [field]}})
    upsert(contact("a", Loose__c="x"), contact("b", Loose__c="x"))
    results = upsert(contact("c", ReportsTo={"Loose__c": "x"}))
    assert errors(results) == ["DUPLICATE_EXTERNAL_ID"]


def test_create_update_and_delete(force):
    """The other three calls have the vendor's shapes, and errors in place."""
    row = {"attributes": {"type": "Contact"}, "LastName": "Roe"}
    made = force.post("/composite/sobjects", json={"records": [row, {"attributes": {"type": "Contact"}}]}).json()
    record_id = made[0]["id"]
    assert made[0] == {"id": record_id, "success": True, "errors": []}
    assert errors(made) == [None, "REQUIRED_FIELD_MISSING"]
    records = [{**row, "id": record_id[:15], "LastName": "Poe"}, {**row, "id": "003A0000006Vm9rIAC"}, row]
    changed = force.patch("/composite/sobjects", json={"records": records}).json()
    assert changed[0] == {"id": record_id, "success": True, "errors": []}
    assert errors(changed) == [None, "INVALID_CROSS_REFERENCE_KEY", "MISSING_ARGUMENT"]
    params = {"ids": f"{record_id},{record_id},nonsense", "allOrNone": "false"}
    gone = force.delete("/composite/sobjects", params=params).json()
    assert gone[0] == {"id": record_id, "success": True, "errors": []}
    assert errors(gone) == [None, "ENTITY_IS_DELETED", "MALFORMED_ID"]
    assert errors(force.patch("/composite/sobjects", json={"records": records[:1]}).json()) == ["ENTITY_IS_DELETED"]


def test_deleted_record_does_not_match_and_blocks_nothing(force, upsert, server):
    """A key in the recycle bin is free: an upsert makes a new record."""
    old = upsert(contact("a"))[0]["id"]
    force.delete("/composite/sobjects", params={"ids": old})
    new = upsert(contact("a"))[0]
    assert new["created"]
    assert new["id"] != old
    assert len(server.control.salesforce.records("Contact", archived=True)) == 2


def test_unique_value_of_another_record(force, upsert):
    """A create whose unique value is taken names the record that has it."""
    taken = upsert(contact("a"))[0]["id"]
    row = {"attributes": {"type": "Contact"}, **contact("A")}
    result = force.post("/composite/sobjects", json={"records": [row]}).json()[0]
    assert result["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    assert taken in result["errors"][0]["message"]


@pytest.mark.parametrize("body", [None, [], {}, {"records": "x"}, {"records": [1]}, {"records": [], "allOrNone": 1}])
def test_malformed_envelope(force, body):
    """Only a malformed envelope is a 400, with `errorCode`."""
    answer = force.post("/composite/sobjects", json=body)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "JSON_PARSER_ERROR"


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"records": [NaN]}', b"[" * 100_000])
def test_what_is_no_json(force, body):
    """Broken text, NaN and endless nesting are 400, never a failure of the server."""
    assert force.post("/composite/sobjects", content=body).json()[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_most_records(force):
    """200 records pass, 201 are refused as a whole."""
    rows = [{"attributes": {"type": "Contact"}, "LastName": "x"}] * 201
    assert len(force.post("/composite/sobjects", json={"records": rows[:200]}).json()) == 200
    assert force.post("/composite/sobjects", json={"records": rows}).json()[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_chunks_of_types(force):
    """Changing the type too often in one request is refused."""
    rows = [{"attributes": {"type": kind}, "LastName": "x", "Name": "x"} for kind in ("Contact", "Account") * 6]
    assert force.post("/composite/sobjects", json={"records": rows}).status_code == 400


@pytest.mark.parametrize(("object", "field"), [("Nope", "External_Id__c"), ("Contact", "Nope"), ("Contact", "Phone")])
def test_unknown_object_or_key_field(force, object, field):
    """An object or key field that does not exist is a 404 of the request."""
    body = {"records": [{"attributes": {"type": object}}]}
    answer = force.patch(f"/composite/sobjects/{object}/{field}", json=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_row_told_to_fail(upsert, server):
    """A row fault hits the row it names, as often as it was told."""
    server.control.salesforce.fail_rows("Contact", "UNABLE_TO_LOCK_ROW", field="External_Id__c", values=["b"])
    assert errors(upsert(contact("a"), contact("b"))) == [None, "UNABLE_TO_LOCK_ROW"]
    assert errors(upsert(contact("b"))) == [None]
