"""What a revenue-operations engineer sees of a Salesforce org: at check, in plans, and row by row."""

import pytest

from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth: {{flow: {flow}, login_url: "{url}", {auth}}}
    reserve: 20%
    settle: 0s
"""
APP = 'client_id: app, client_secret: "${env:SF_SECRET}"'
SYNC = """\
model: people
destination: crm
object: Contact
mode: upsert
key: id
match: {{External_Id__c: id}}
fields:
  LastName: name
{fields}"""


@pytest.fixture(scope="module")
def server():
    """One org."""
    with SandboxServer(hubspot=False) as running:
        yield running


@pytest.fixture
def crm(workspace, server, monkeypatch):
    """A project whose sync upserts people; more of its fields, and whole keys, are added by `sync`."""
    server.control.salesforce.heal()
    server.control.reset()
    server.control.salesforce.limit(daily=1000)
    monkeypatch.setenv("SF_SECRET", "sf-canary-1")
    (workspace.root / "syncs/people.yml").unlink()

    def project(flow="client_credentials", auth=APP):
        workspace.write("tailrace.yml", PROJECT.format(flow=flow, auth=auth, url=server.salesforce_url))

    def sync(*fields, keys=()):
        lines = "".join(f"  {field}\n" for field in fields) + "".join(f"{key}\n" for key in keys)
        workspace.write("syncs/contacts.yml", SYNC.format(fields=lines))

    workspace.project, workspace.sync = project, sync
    project()
    sync()
    return workspace


def contacts(server):
    """What the org holds, by external id."""
    return {record["External_Id__c"]: record for record in server.control.salesforce.records("Contact")}


def rejected(crm):
    """Rejected rows: code and message by key."""
    rows = crm.run("rejected", "contacts", "--json").json["rejected"]
    return {row["key"]["id"]: (row["code"], row["message"]) for row in rows}


def test_check_shows_the_org(crm):
    """Id, name, sandbox or not, edition, and the calls left with the reserve, in words and in JSON."""
    said = crm.run("check").out
    assert "in Tailrace Sandbox (00D5g000004WaTrEAK, a sandbox, Developer Edition), " in said
    assert " of 1,000 calls left today, of which 200 are reserved for other programs" in said
    checks = crm.run("check", "--json").json["checks"]
    account = next(line["account"] for line in checks if line["subject"] == "sync contacts")
    left = account.pop("quota_left")
    assert 900 < left < 1000
    assert account == {
        "id": "00D5g000004WaTrEAK",
        "name": "Tailrace Sandbox",
        "sandbox": True,
        "edition": "Developer Edition",
        "quota_max": 1000,
        "reserved": 200,
    }


def test_check_tells_the_account_beside_a_fault(crm):
    """What is wrong with the mapping does not hide whose org it is."""
    crm.sync("Nickname__c: name")
    checks = crm.run("check", "--json", code=2).json["checks"]
    line = next(line for line in checks if line["subject"] == "sync contacts")
    assert not line["ok"]
    assert line["account"]["id"] == "00D5g000004WaTrEAK"


def test_check_warns_of_passwords(crm):
    """The old flow is told to be legacy, and what to use instead."""
    crm.project("password", 'username: u@x.io, password: "${env:SF_SECRET}"')
    assert "note: auth.flow password is legacy" in crm.run("check").out


def test_a_refresh_token_carries_a_run(crm, server, monkeypatch):
    """A session that ends in the middle is renewed, and the secret is shown nowhere."""
    crm.project("refresh_token", 'client_id: app, refresh_token: "${env:SF_REFRESH}"')
    monkeypatch.setenv("SF_REFRESH", "5Aep-canary")
    server.control.salesforce.fail("composite/", status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "x"}])
    answer = crm.run("run", "contacts", "--json")
    assert answer.json["runs"][0]["acknowledged"] == 3
    assert not any(server.control.salesforce.pending_faults().values()), "the session ended"
    assert "canary" not in answer.out + answer.err
    assert set(contacts(server)) == {"1", "2", "3"}


FAULTS = [
    ("Lastname__c: name", "Contact has no such field, or the integration user may not see it: check its field-level"),
    ("Score__c: id", "it is read-only (double)"),
    ("Tier__c: {value: Golt}", "the picklist is restricted and has no such active value; did you mean Gold?"),
    ("Title: {value: %s}" % ("x" * 129), "the text has 129 characters, and the field takes 128"),
    ("AccountId: {value: acme}", "a record id has 15 or 18 letters and digits"),
    ("AccountId: {lookup: Account, by: External_Idd__c, column: name}", "has no field 'External_Idd__c'"),
    (
        "AccountId: {lookup: Lead, by: External_Id__c, column: name}",
        "Contact.AccountId refers to Account, so it cannot",
    ),
    (
        "AccountId: {lookup: Accounts, by: External_Id__c, column: name}",
        "has no object 'Accounts'; did you mean Account",
    ),
    ("DoNotCall: {value: null}", "it cannot be empty (boolean), so value: null would be refused"),
    ("AccountId: {lookup: Account, by: Description, column: name}", "cannot filter by fields of its type (textarea)"),
]


@pytest.mark.parametrize(("field", "words"), FAULTS, ids=[words[:30] for _, words in FAULTS])
def test_faults_of_the_mapping_are_told_before_a_row_is_sent(crm, server, field, words):
    """By check, by a plan that asks, and by the run's guard, which stops before the first write."""
    crm.sync(field)
    said = crm.run("check", code=2).out
    assert words in said
    assert f"syncs/contacts.yml:9:3: {field.partition(':')[0]}: " in said
    guards = crm.run("plan", "contacts", "--check", "--json").json["plans"][0]["guards"]
    assert [guard["tripped"] for guard in guards if guard["guard"] == "contract"] == [True]
    assert crm.run("run", "contacts", "--json", code=3).json["runs"][0]["status"] == "blocked"
    assert contacts(server) == {}


def test_a_constant_null_fits_a_date(crm, server):
    """What `check` finds well is not blocked by the run's guard."""
    crm.sync("Birthdate: {value: null}")
    crm.run("check", code=0)
    crm.run("run", "contacts", code=0)
    assert {record["Birthdate"] for record in contacts(server).values()} == {None}


def test_a_missing_permission_is_a_fault(crm, server):
    """An object whose records the user may not create is told as such."""
    crm.sync()
    crm.write("syncs/contacts.yml", SYNC.format(fields="").replace("Contact", "User").replace("LastName", "Name"))
    assert "User: the integration user may not create or edit its records" in crm.run("check", code=2).out


def test_plans_tell_how_many_rows_a_picklist_will_cost(crm, server):
    """With the reason and without the values; the run then costs exactly these rows."""
    crm.people((1, "Gold", None, 1), (2, "Golt", None, 2), (3, "Golt", None, 3), (4, "canary", None, 4))
    crm.sync("Tier__c: name")
    notes = crm.run("plan", "contacts", "--check", "--json").json["plans"][0]["notes"]
    reason = "the picklist is restricted and has no such active value"
    assert f"Tier__c: 2 rows will be rejected: {reason}; did you mean Gold?" in notes
    assert f"Tier__c: 1 row will be rejected: {reason}; it takes Gold, Silver, Bronze" in notes
    assert not any("canary" in note for note in notes)
    crm.run("run", "contacts", code=4)
    assert set(contacts(server)) == {"1"}
    assert {key: code for key, (code, _) in rejected(crm).items()} == dict.fromkeys(
        (2, 3, 4), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )


@pytest.mark.parametrize("bulk", ["never", "always"])
def test_texts_that_are_too_long(crm, server, bulk):
    """Rejected with both lengths, by batch and by job; with `too_long: truncate` cut, and not sent again."""
    crm.people((1, "x" * 100, None, 1), (2, "Roe", None, 2))
    crm.sync(keys=[f"bulk: {bulk}"])
    crm.run("run", "contacts", code=4)
    ((code, message),) = rejected(crm).values()
    assert code == "STRING_TOO_LONG"
    assert message.startswith("LastName: the text has 100 characters, and the field takes 80; ")
    assert message.endswith("or set `too_long: truncate` in the sync")
    crm.sync(keys=[f"bulk: {bulk}", "too_long: truncate"])
    crm.run("run", "contacts", code=0)
    assert {key: record["LastName"] for key, record in contacts(server).items()} == {"1": "x" * 80, "2": "Roe"}
    assert crm.run("run", "contacts", "--json").json["runs"][0]["status"] == "nothing_to_do"


TYPES = {"Contact": {"recordTypeInfos": [{"developerName": "Lead_Person", "name": "Lead person"}]}}


@pytest.mark.parametrize("bulk", ["never", "always"])
def test_owners_by_mail_and_record_types_by_name(crm, server, bulk):
    """Found beforehand; a row that names nobody is rejected, and goes through once it names somebody."""
    server.control.salesforce.declare(TYPES)
    crm.people((1, "Lead_Person", "sandbox@example.com", 1), (2, "Lead_Person", "nobody@example.com", 2))
    crm.sync(
        "OwnerId: {lookup: User, by: Email, column: email}",
        "RecordTypeId: {lookup: RecordType, by: DeveloperName, column: name}",
        keys=[f"bulk: {bulk}"],
    )
    crm.run("run", "contacts", code=4)
    assert rejected(crm) == {2: ("LOOKUP_NOT_FOUND", "OwnerId: no User has this Email: nobody@example.com")}
    record = contacts(server)["1"]
    assert record["OwnerId"].startswith("005")
    assert record["RecordTypeId"].startswith("012")
    crm.people((1, "Lead_Person", "sandbox@example.com", 1), (2, "Lead_Person", "SANDBOX@example.com", 2))
    crm.run("run", "contacts", code=0)
    assert set(contacts(server)) == {"1", "2"}
    assert crm.run("run", "contacts", "--json").json["runs"][0]["status"] == "nothing_to_do"


def test_record_types_are_judged_before_a_run(crm, server):
    """A constant is a fault of the mapping; of a column the plan tells how many rows it will cost."""
    server.control.salesforce.declare(TYPES)
    crm.sync("RecordTypeId: {lookup: RecordType, by: DeveloperName, value: Lead_Persson}")
    said = crm.run("check", code=2).out
    assert "RecordTypeId: Contact has no record type with this DeveloperName; did you mean Lead_Person?" in said
    crm.sync("RecordTypeId: {lookup: RecordType, by: Id, value: Lead_Person}")
    assert "cannot be looked up by 'Id': Write by: DeveloperName" in crm.run("check", code=2).out
    crm.sync("RecordTypeId: {lookup: RecordType, by: DeveloperName, column: name}")
    notes = crm.run("plan", "contacts", "--check", "--json").json["plans"][0]["notes"]
    assert any(note.startswith("RecordTypeId: 3 rows will be rejected: Contact has no record type") for note in notes)
    crm.sync("RecordTypeId: {lookup: RecordType, by: DeveloperName, value: lead_person}")
    crm.run("run", "contacts", code=0)
    assert {record["RecordTypeId"][:3] for record in contacts(server).values()} == {"012"}


def test_a_sync_of_parents_runs_before_one_that_looks_them_up_by_another_field(crm, server):
    """So that the parents are there when they are asked for. In the order of names children come first."""
    crm.write("syncs/parents.yml", SYNC.format(fields="").replace("Contact", "Account").replace("LastName", "Name"))
    crm.sync("AccountId: {lookup: Account, by: Name, column: name}")
    crm.run("run", "--all", code=0)
    ids = {record["Name"]: record["Id"] for record in server.control.salesforce.records("Account")}
    assert {record["LastName"]: record["AccountId"] for record in contacts(server).values()} == ids
