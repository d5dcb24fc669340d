"""Record types, and references to one of several objects."""

import pytest

TYPES = [
    {"developerName": "Business", "name": "Business Account"},
    {"developerName": "Old", "active": False},
    {"developerName": "Secret", "available": False},
]


@pytest.fixture
def types(server, force):
    """Accounts with three record types; their ids by developer name."""
    server.control.salesforce.declare({"Account": {"recordTypeInfos": TYPES}})
    infos = force.get("/sobjects/Account/describe").json()["recordTypeInfos"]
    return {info["developerName"]: info["recordTypeId"] for info in infos}


def test_describe_lists_record_types(force, types):
    """With the master, as the vendor does; and each is a record of RecordType."""
    infos = {info["developerName"]: info for info in force.get("/sobjects/Account/describe").json()["recordTypeInfos"]}
    assert set(infos) == {"Business", "Old", "Secret", "Master"}
    assert (infos["Business"]["name"], infos["Old"]["active"], infos["Secret"]["available"]) == (
        "Business Account", False, False,
    )  # fmt: skip
    query = "SELECT Id FROM RecordType WHERE SobjectType = 'Account' AND DeveloperName = 'Old'"
    assert force.get("/query", params={"q": query}).json()["records"][0]["Id"] == types["Old"]


def test_declaring_again_keeps_ids(server, force, types):
    """So that a shared sandbox stays as it was."""
    server.control.salesforce.declare({"Account": {"recordTypeInfos": TYPES}})
    infos = force.get("/sobjects/Account/describe").json()["recordTypeInfos"]
    assert {info["developerName"]: info["recordTypeId"] for info in infos} == types


@pytest.mark.parametrize(("name", "fits"), [("Business", True), ("Old", False), ("Secret", False), ("Master", False)])
def test_only_usable_record_types_are_taken(force, types, name, fits):
    """Inactive ones, those of other profiles and the master are refused."""
    answer = force.post("/sobjects/Account", json={"Name": "x", "RecordTypeId": types[name]})
    assert answer.is_success is fits
    assert fits or answer.json()[0]["errorCode"] == "INVALID_CROSS_REFERENCE_KEY"


@pytest.mark.usefixtures("types")
def test_a_record_type_needs_a_developer_name(server):
    """Without one it cannot be declared."""
    with pytest.raises(Exception, match="developerName"):
        server.control.salesforce.declare({"Account": {"recordTypeInfos": [{"name": "x"}]}})


def test_references_to_one_of_several(force, upsert):
    """The parent's object must be stated unless it is the first; queries follow the id that is there."""
    upsert({"External_Id__c": "l", "LastName": "Lead", "Company": "Acme"}, object="Lead")
    upsert({"External_Id__c": "c", "LastName": "Contact"})
    stated = {"attributes": {"type": "Lead"}, "External_Id__c": "l"}
    found = upsert(
        {"External_Id__c": "1", "Who": {"External_Id__c": "c"}},
        {"External_Id__c": "2", "Who": stated},
        {"External_Id__c": "3", "Who": {"External_Id__c": "l"}},
        {"External_Id__c": "4", "Who": stated | {"attributes": {"type": "Account"}}},
        object="Task",
    )
    assert [result["success"] for result in found] == [True, True, False, False]
    query = "SELECT External_Id__c, WhoId FROM Task WHERE External_Id__c = '2'"
    assert force.get("/query", params={"q": query}).json()["records"][0]["WhoId"].startswith("00Q")
