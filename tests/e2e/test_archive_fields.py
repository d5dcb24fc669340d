"""`on_delete: {archive: …}`: records of rows that left the model stay, with fields set, until the row comes back."""

import pytest
from tests.e2e.labs import on_salesforce, ran, salesforce_project

SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
bulk: BULK
guards: {max_changes: off, max_deletes: off}
fields:
  LastName: name
  Email: email
  Active__c: {value: true}
  Orders__c: spent
on_delete: {archive: {Active__c: false, Orders__c: 0}}
"""
PEOPLE = [(n, f"Zoë {n}", f"p{n}@example.com", n) for n in range(1, 7)]


@pytest.fixture(params=["never", "always"])
def crm(request, workspace, salesforce_server, monkeypatch):
    """A project that mirrors six people, in batches and in jobs, after its first run."""
    salesforce_server.control.reset()
    on_salesforce(workspace, salesforce_server, monkeypatch)
    workspace.sync = SYNC.replace("BULK", request.param)
    workspace.write("syncs/people.yml", workspace.sync)
    workspace.people(*PEOPLE)
    assert ran(workspace)["acknowledged"] == 6
    return workspace


def without(*keys):
    """The people but for some."""
    return [row for row in PEOPLE if row[0] not in keys]


def state(crm, *keys):
    """Name, whether active, and orders of these contacts."""
    found = {int(record["External_Id__c"]): record for record in crm.org.records("Contact")}
    return [(found[key]["LastName"], found[key]["Active__c"], found[key]["Orders__c"]) for key in keys]


def test_departed_records_are_archived_and_come_back(crm):
    """The plan shows it as what it is; the record stays; a row that comes back is written whole, to the same record."""
    before = {record["External_Id__c"]: record["Id"] for record in crm.org.records("Contact")}
    crm.people(*without(2, 3))
    out = crm.run("plan", "people").out
    assert "- 2 deletes" in out
    assert "archive: Active__c true → false, Orders__c 2.000 → 0.000" in out
    (plan,) = crm.run("plan", "people", "--json").json["plans"]
    assert plan["changes"][0]["op"] == "delete"
    assert plan["changes"][0]["fields"]["Active__c"] == {"old": True, "new": False}
    run = ran(crm)
    assert (run["deletes"], run["acknowledged"]) == (2, 2)
    assert state(crm, 1, 2, 3) == [("Zoë 1", True, 1), ("Zoë 2", False, 0), ("Zoë 3", False, 0)]
    assert ran(crm)["status"] == "nothing_to_do"
    crm.people(*without(2, 3), (2, "Eve", "", 9))
    (plan,) = crm.run("plan", "people", "--json").json["plans"]
    assert set(plan["changes"][0]["fields"]) == {"LastName", "Email", "Active__c", "Orders__c"}
    assert ran(crm)["acknowledged"] == 1
    assert state(crm, 2, 3) == [("Eve", True, 9), ("Zoë 3", False, 0)]
    assert {record["External_Id__c"]: record["Id"] for record in crm.org.records("Contact")} == before
    assert ran(crm)["status"] == "nothing_to_do"


def test_a_saved_plan_archives_too(crm, tmp_path):
    """The values are in the plan, and count in its hash."""
    crm.people(*without(2))
    crm.run("plan", "people", "--out", str(tmp_path / "plan"))
    crm.run("apply", str(tmp_path / "plan"))
    assert state(crm, 2) == [("Zoë 2", False, 0)]


def test_archiving_counts_as_deleting(crm):
    """The guard against a mass delete stops it."""
    crm.write("syncs/people.yml", crm.sync.replace("max_deletes: off", "max_deletes: 1"))
    crm.people(*without(2, 3))
    assert ran(crm, code=3)["status"] == "blocked"
    assert state(crm, 2) == [("Zoë 2", True, 2)]


def test_a_value_that_the_field_does_not_take_stops_the_run(crm):
    """The contract knows restricted choices, and the types of the mapped fields are known besides."""
    tier = crm.sync.replace("Active__c: {value: true}", "Tier__c: {value: Gold}")
    crm.write("syncs/people.yml", tier.replace("Active__c: false", "Tier__c: Lead"))
    out = crm.run("plan", "people", "--check").out
    assert "'Lead', which archives, is not among its choices: Gold" in out
    crm.write("syncs/people.yml", crm.sync.replace("Active__c: false", 'Active__c: "maybe"'))
    err = crm.run("plan", "people", code=2).err
    assert "on_delete: archive would set Active__c to 'maybe', which is no bool" in err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  Active__c: {value: true}\n", "", "`on_delete.archive.Active__c` must stand in fields too"),
        ("{value: true}", "{value: false}", "has that value in fields too"),
        ("Orders__c: spent", "Orders__c: {column: spent, write: create}", "must be written always"),
        ("Orders__c: spent", "Orders__c: {column: spent, nulls: skip}", "must be written always"),
        ("{Active__c: false, Orders__c: 0}", "{}", "`on_delete.archive`"),
        ("archive: {Active", "archived: {Active", "unknown key `archived` in `on_delete`"),
        ("on_delete: {archive: {Active__c: false, Orders__c: 0}}", "on_delete: archve", "did you mean"),
        ("archive: {Active__c: false, Orders__c: 0}", "archive: {Active__c: [1]}", "`on_delete.archive.Active__c`"),
    ],
)
def test_what_could_not_be_undone_is_refused(workspace, old, new, words):
    """A record whose row comes back must not stay archived; what is misspelt is told by its place."""
    workspace.write("tailrace.yml", salesforce_project("http://127.0.0.1:1"))
    workspace.write("syncs/people.yml", SYNC.replace("BULK", "auto").replace(old, new))
    assert words in workspace.run("plan", "people", code=2).err
