"""Person accounts: what the contract says of them, and that their fields are ordinary ones."""

import pytest

from tailrace.destination import Lookup, Operation
from tailrace.judging import Mapped, Wish
from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.sandbox.options import SalesforceOptions

BY_NAME = {"RecordTypeId": Lookup("RecordType", "DeveloperName")}


@pytest.fixture(scope="module")
def org():
    """An org that has person accounts."""
    with SandboxServer(salesforce=SalesforceOptions(person_accounts=True), hubspot=False, run_in="thread") as running:
        yield running


@pytest.fixture
def persons(connect, org):
    """An open destination on that org, with nothing in it."""
    org.control.reset()
    auth = {"flow": "client_credentials", "login_url": org.salesforce_url, "client_id": "app"}
    return connect(auth=auth | {"client_secret": Secret.literal("app-secret")})


def wish(*fields, object="Account", operation="upsert"):
    """A mapping: each field as `Mapped` has it, or its name alone."""
    mapped = [Mapped(field) if isinstance(field, str) else field for field in fields]
    return Wish(object, frozenset({Operation(operation)}), ("External_Id__c",), mapped)


def test_the_fields_of_persons_are_ordinary(persons, batch, org):
    """A person is made by its record type, with fields of the contact behind it; it has no Name to be given."""
    row = {
        "id": "p", "LastName": "Roe", "FirstName": "Ann", "PersonEmail": "a@x.io", "Tier__pc": "Gold",
        "RecordTypeId": "PersonAccount",
    }  # fmt: skip
    business = {"id": "b", "Name": "Acme", "RecordTypeId": "Business_Account"}
    for each in (row, business):
        assert persons.push(batch("upsert", each, object="Account", lookups=BY_NAME))[0].status == "acknowledged"
    accounts = {record["External_Id__c"]: record for record in org.control.salesforce.records("Account")}
    assert (accounts["p"]["Name"], accounts["p"]["IsPersonAccount"]) == ("Ann Roe", True)
    assert (accounts["b"]["Name"], accounts["b"]["IsPersonAccount"]) == ("Acme", False)
    (contact,) = org.control.salesforce.records("Contact")
    assert (contact["Email"], contact["AccountId"]) == ("a@x.io", accounts["p"]["Id"])


def test_what_the_org_refuses_costs_its_row(persons, batch, org):
    """A person with a Name, a business with a LastName, and the contact behind a person."""
    rows = [
        {"id": "1", "Name": "x", "LastName": "y", "RecordTypeId": "PersonAccount"},
        {"id": "2", "Name": "x", "LastName": "y", "RecordTypeId": "Business_Account"},
        {"id": "3", "LastName": "y", "RecordTypeId": "PersonAccount"},
    ]
    outcomes = persons.push(batch("upsert", *rows, object="Account", lookups=BY_NAME))
    assert [outcome.code for outcome in outcomes[:2]] == ["INVALID_FIELD_FOR_INSERT_UPDATE"] * 2
    assert ["Name" in outcomes[0].message, "LastName" in outcomes[1].message] == [True, True]
    (contact,) = org.control.salesforce.records("Contact")
    update = batch("update", {"id": "3", "record_id": contact["Id"], "Title": "x"})
    assert persons.push(update)[0].status == "rejected"


def test_name_and_a_persons_fields_exclude_each_other(persons):
    """No account has both, so it is a fault, unless the nulls of one side are left out row by row."""
    faults = persons.judge(wish("Name", "PersonEmail")).faults
    assert "a business, with Name, or a person, with PersonEmail" in faults["Name"]
    for fields in (
        ("Name", "Phone"),
        ("LastName", "PersonEmail"),
        (Mapped("Name", skips_nulls=True), "LastName"),
        ("Name", Mapped("LastName", skips_nulls=True), Mapped("Tier__pc", skips_nulls=True)),
    ):
        assert persons.judge(wish(*fields)).faults == {}
    assert "Name" in persons.judge(wish("Name", Mapped("LastName", skips_nulls=True), "PersonEmail")).faults


def test_a_person_is_made_by_its_record_type(persons):
    """A mapping without one is told so, where it makes accounts at all."""
    notes = persons.judge(wish("LastName")).notes
    assert "only by its record type" in notes[0]
    assert persons.judge(wish("LastName", "RecordTypeId")).notes == ()
    assert persons.judge(wish("LastName", operation="update")).notes == ()
    assert persons.judge(wish("Name")).notes == ()


def test_contacts_of_persons_are_told_of(persons, crm):
    """In an org with person accounts; in others there is nothing to say, and the marks are no fields."""
    assert "cannot be written as a Contact" in persons.judge(wish("LastName", object="Contact")).notes[0]
    assert crm.judge(wish("LastName", object="Contact")).notes == ()
    assert crm.judge(wish("Name", "LastName")).faults == {}


def test_what_marks_persons_is_read_only(persons):
    """And the describe wants no Name of every account."""
    schema = persons.describe("Account")
    mark = schema.get("IsPersonAccount")
    assert (mark.createable, mark.updateable) == (False, False)
    assert not schema.get("Name").required
