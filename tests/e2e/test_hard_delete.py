"""`on_delete: hard_delete`: records past the recycle bin, in jobs of their own, where the sync says so."""

import pytest
from tests.e2e.labs import on_salesforce, ran

from tailrace.sandbox import SandboxServer
from tailrace.sandbox.options import SalesforceOptions

SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
guards: {max_changes: off, max_deletes: 5}
fields:
  LastName: name
on_delete: hard_delete
"""
PEOPLE = [(n, f"Zoë {n}", f"p{n}@example.com", n) for n in range(1, 10)]


def project(workspace, server, monkeypatch):
    """Nine people, not yet sent."""
    on_salesforce(workspace, server, monkeypatch)
    workspace.write("syncs/people.yml", SYNC)
    workspace.people(*PEOPLE)
    return workspace


@pytest.fixture(scope="module")
def shared_server():
    """An org whose user may delete for good."""
    with SandboxServer(salesforce=SalesforceOptions(hard_delete=True), hubspot=False) as running:
        yield running


@pytest.fixture
def crm(workspace, shared_server, monkeypatch):
    """Nine people in an org whose user may delete for good."""
    shared_server.control.reset()
    return project(workspace, shared_server, monkeypatch)


def everyone(crm):
    """External ids of all contacts, those in the recycle bin too."""
    return sorted(int(record["External_Id__c"]) for record in crm.org.records("Contact", archived=True))


def test_departed_records_are_past_the_recycle_bin(crm):
    """Two rows are enough for a job; the plan says what is done, how, and that nobody can undo it."""
    assert ran(crm)["acknowledged"] == 9
    crm.people(*PEOPLE[:7])
    out = crm.run("plan", "people").out
    assert "by jobs: 2 to hard_delete, in about 11 API calls (in jobs only)" in out
    assert "2 records are deleted for good" in out
    assert "nobody can restore them" in out
    assert "hard_delete" in out.split("- id=8")[1]
    run = ran(crm)
    assert (run["deletes"], run["acknowledged"]) == (2, 2)
    assert everyone(crm) == list(range(1, 8))
    assert ran(crm)["status"] == "nothing_to_do"


def test_record_ids_that_are_not_known_are_looked_up(crm):
    """After adopt --trust the snapshot has none; a record that is gone counts as deleted."""
    assert ran(crm)["acknowledged"] == 9
    crm.run("reset", "people", "--yes")
    crm.people(*PEOPLE, (10, "Nobody", "n@example.com", 1))
    crm.run("adopt", "people", "--trust")
    crm.people(*PEOPLE[:7])
    run = ran(crm)
    assert (run["deletes"], run["acknowledged"]) == (3, 3)
    assert everyone(crm) == list(range(1, 8))


def test_the_guard_counts_them(crm):
    """Six of nine are more than the sync allows."""
    assert ran(crm)["acknowledged"] == 9
    crm.people(*PEOPLE[:3])
    assert ran(crm, code=3)["status"] == "blocked"
    assert len(everyone(crm)) == 9


def test_without_the_permission_nothing_is_deleted(workspace, monkeypatch):
    """The run ends, and says which permission is missing."""
    with SandboxServer(hubspot=False) as server:
        crm = project(workspace, server, monkeypatch)
        assert ran(crm)["acknowledged"] == 9
        crm.people(*PEOPLE[:7])
        run = ran(crm, code=1)
        assert "hardDelete needs the permission" in run["message"]
        assert "Bulk API Hard Delete, or set `on_delete: delete`" in run["message"]
        assert len(everyone(crm)) == 9


def test_where_there_are_no_jobs_it_is_refused(crm):
    """bulk: never excludes it; a header for duplicates says nothing of deletions."""
    crm.write("syncs/people.yml", SYNC + "bulk: never\n")
    assert "on_delete: hard_delete" in crm.run("plan", "people", code=2).err
    crm.write("syncs/people.yml", SYNC + "allow_duplicates: true\n")
    crm.run("plan", "people")
