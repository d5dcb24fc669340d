"""Single rows, describe and queries."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def query(force, text, **headers):
    """Run SOQL; gives the parsed answer."""
    return force.get("/query", params={"q": text}, headers=headers).json()


def test_a_row_from_create_to_delete(force):
    """POST 201, GET, PATCH 204, DELETE 204, and then 404."""
    made = force.post("/sobjects/Contact", json={"LastName": "Roe"})
    path = f"/sobjects/Contact/{made.json()['id']}"
    assert (made.status_code, made.json()["success"]) == (201, True)
    assert force.patch(path, json={"FirstName": "Ann"}).status_code == 204
    shown = force.get(path).json()
    assert (shown["Name"], shown["attributes"]["type"]) == ("Ann Roe", "Contact")
    assert set(force.get(path, params={"fields": "Name"}).json()) == {"attributes", "Id", "Name"}
    assert force.delete(path).status_code == 204
    assert force.get(path).status_code == force.delete(path).status_code == 404


def test_upsert_of_one_row(force):
    """201 created, 200 updated, 404 when only an update is allowed, 400 with the key in the body."""
    path = "/sobjects/Contact/External_Id__c/a%20b%2Fc%3Fd"
    assert force.patch(path, params={"updateOnly": "true"}, json={"LastName": "x"}).status_code == 404
    answers = [force.patch(path, json={"LastName": "Roe"}) for _ in range(2)]
    assert [(a.status_code, a.json()["created"]) for a in answers] == [(201, True), (200, False)]
    assert force.get(path).json()["External_Id__c"] == "a b/c?d"
    refused = force.patch(path, json={"LastName": "x", "External_Id__c": "z"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_FIELD")


def test_several_matches_are_300(force, upsert):
    """A key that is not unique answers with the choices."""
    upsert({"External_Id__c": "1", "LastName": "x", "Email": "a@x.io"})
    upsert({"External_Id__c": "2", "LastName": "x", "Email": "A@x.io"})
    answer = force.patch("/sobjects/Contact/Email/a@x.io", json={"LastName": "y"})
    assert (answer.status_code, len(answer.json())) == (300, 2)


def test_a_refused_row_alone_is_a_400_with_error_code(force):
    """Single rows use `errorCode`, not `statusCode`."""
    answer = force.post("/sobjects/Contact", json={"Email": "x"})
    error = answer.json()[0]
    assert (answer.status_code, error["errorCode"], error["fields"]) == (400, "INVALID_EMAIL_ADDRESS", ["Email"])


def test_describe_has_what_type_checks_need(force):
    """Every attribute that a client decides by is there, and says what the server does."""
    described = force.get("/sobjects/contact/describe").json()
    fields = {field["name"]: field for field in described["fields"]}
    needed = {
        "type", "length", "precision", "scale", "digits", "nillable", "defaultedOnCreate", "createable", "updateable",
        "externalId", "idLookup", "unique", "caseSensitive", "calculated", "autoNumber", "restrictedPicklist",
        "picklistValues", "referenceTo", "relationshipName", "polymorphicForeignKey",
    }  # fmt: skip
    assert all(needed <= set(field) for field in fields.values())
    assert described["keyPrefix"] == "003"
    assert described["createable"]
    assert (fields["LastName"]["nillable"], fields["LastName"]["length"]) == (False, 80)
    assert fields["External_Id__c"]["externalId"]
    assert fields["External_Id__c"]["unique"]
    assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (["Account"], "Account")
    assert [v["value"] for v in fields["Tier__c"]["picklistValues"]] == ["Gold", "Silver", "Bronze"]


def test_versions_objects_limits(force, server):
    """The resources around the rows answer."""
    versions = force.get(f"{server.salesforce_url}/services/data").json()
    assert "62.0" in {v["version"] for v in versions}
    names = {o["name"] for o in force.get("/sobjects").json()["sobjects"]}
    assert {"Contact", "Account", "Lead", "Opportunity"} <= names
    assert set(force.get("/limits").json()["DailyApiRequests"]) == {"Max", "Remaining"}
    assert query(force, "SELECT Id FROM Organization")["records"][0]["Id"].startswith("00D")


def test_declared_object(force, upsert, server):
    """An object from a schema works like the standard ones, references included."""
    fields = [
        {"name": "Total__c", "type": "currency"},
        {"name": "Contact__c", "type": "reference", "referenceTo": ["Contact"]},
    ]
    server.control.salesforce.declare({"Invoice__c": {"fields": fields}})
    upsert({"External_Id__c": "c-1", "LastName": "Roe"})
    row = {"External_Id__c": "i-1", "Total__c": "1.5", "Contact__r": {"External_Id__c": "c-1"}}
    assert upsert(row, object="Invoice__c")[0]["created"]
    found = query(force, "SELECT Total__c, Contact__r.Name FROM Invoice__c")["records"][0]
    assert (found["Total__c"], found["Contact__r"]["Name"]) == (1.5, "Roe")


@pytest.fixture
def people(upsert):
    """Four contacts."""
    upsert(
        {"External_Id__c": "1", "LastName": "Roe", "FirstName": "Ann", "LTV__c": 10, "Active__c": True},
        {"External_Id__c": "2", "LastName": 'O\'Neil \\ "x"', "LTV__c": 20, "Last_Order__c": "2026-01-02"},
        {"External_Id__c": "3", "LastName": "Poe 100%", "LTV__c": 30, "Last_Order__c": "2026-02-02"},
        {"External_Id__c": "4", "LastName": "roe_x"},
    )


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("LastName = 'ROE'", "1"),
        ("LastName = 'O\\'Neil \\\\ \\\"x\\\"'", "2"),
        ("External_Id__c IN ('1', '3', 'x')", "13"),
        ("External_Id__c NOT IN ('1', '3')", "24"),
        ("LastName LIKE '%oe%'", "134"),
        ("LastName LIKE 'roe\\_x'", "4"),
        ("LastName LIKE '% 100\\%'", "3"),
        ("LTV__c > 10 AND LTV__c <= 30", "23"),
        ("LTV__c = 10 OR LTV__c = 30", "13"),
        ("External_Id__c = '1' OR LTV__c = 30", "13"),
        ("(External_Id__c = '1' OR LTV__c = 30) AND Active__c = true", "1"),
        ("NOT External_Id__c = '1'", "234"),
        ("LTV__c = null", "4"),
        ("FirstName != null", "1"),
        ("Last_Order__c >= 2026-02-01", "3"),
        ("CreatedDate > 2020-01-01T00:00:00Z LIMIT 2", "12"),
        ("LTV__c != null ORDER BY LTV__c DESC LIMIT 2 OFFSET 1", "21"),
        ("External_Id__c != 'x' ORDER BY LTV__c", "4123"),
    ],
)
def test_conditions(force, people, condition, keys):
    """Each condition selects exactly the records it means, in order."""
    found = query(force, f"SELECT External_Id__c FROM Contact WHERE {condition}")
    assert "".join(r["External_Id__c"] for r in found["records"]) == keys


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Nope.Id FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LTV__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 'O'Neil'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'a\\q'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id Contact", "MALFORMED_QUERY"),
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_bad_queries(force, text, code):
    """A query that cannot be understood is refused with the vendor's code."""
    answer = force.get("/query", params={"q": text})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_count(force, people):
    """COUNT() gives the number alone."""
    assert query(force, "SELECT COUNT() FROM Contact WHERE LTV__c > 10") == {
        "totalSize": 2,
        "done": True,
        "records": [],
    }


def test_long_results_come_in_pages(force, upsert, server):
    """A result longer than a page is read on by its locator until it is done."""
    for start in (0, 200):
        upsert(*({"External_Id__c": str(n), "LastName": "x"} for n in range(start, start + 200)))
    upsert({"External_Id__c": "400", "LastName": "x"})
    page = query(force, "SELECT External_Id__c FROM Contact", **{"Sforce-Query-Options": "batchSize=200"})
    keys, sizes = [], []
    while True:
        keys += [r["External_Id__c"] for r in page["records"]]
        sizes.append(len(page["records"]))
        if page["done"]:
            break
        page = force.get(server.salesforce_url + page["nextRecordsUrl"]).json()
    assert sizes == [200, 200, 1]
    assert keys == [str(n) for n in range(401)]


def test_deleted_records_are_for_query_all(force, upsert):
    """Deleted records are only found by queryAll, marked as deleted."""
    record_id = upsert({"External_Id__c": "a", "LastName": "x"})[0]["id"]
    force.delete(f"/sobjects/Contact/{record_id}")
    text = "SELECT Id, IsDeleted FROM Contact"
    assert query(force, text)["records"] == []
    assert force.get("/queryAll", params={"q": text}).json()["records"][0]["IsDeleted"]


def test_uri_too_long(force):
    """A query that does not fit a URI is refused."""
    assert force.get("/query", params={"q": "SELECT Id FROM Contact" + " " * 16_400}).status_code == 414


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    key=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=20
    )
)
def test_any_text_finds_itself(force, upsert, key):
    """Whatever the key, its escaped literal finds its record, and nothing else."""
    record_id = upsert({"External_Id__c": key, "LastName": "x"})[0]["id"]
    literal = key.replace("\\", "\\\\").replace("'", "\\'")
    found = query(force, f"SELECT Id FROM Contact WHERE External_Id__c IN ('{literal}')")
    assert [r["Id"] for r in found["records"]] == [record_id]
