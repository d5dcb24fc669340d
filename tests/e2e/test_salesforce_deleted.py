"""Records that someone deleted in Salesforce: made anew, or left deleted, as the sync says."""

import httpx
import pytest
from tests.e2e.labs import on_salesforce, ran, signed_in

SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
bulk: BULK
deleted_in_destination: WHAT
guards: {max_changes: off, max_deletes: off}
fields:
  LastName: name
  Email: email
"""
PEOPLE = [(n, f"Zoë {n}", f"p{n}@example.com", n) for n in range(1, 7)]


@pytest.fixture(params=["never", "always"])
def crm(request, workspace, salesforce_server, monkeypatch):
    """A project that mirrors six people, in batches and in jobs, after its first run."""
    salesforce_server.control.reset()
    on_salesforce(workspace, salesforce_server, monkeypatch)
    workspace.say = lambda what: workspace.write(
        "syncs/people.yml", SYNC.replace("BULK", request.param).replace("WHAT", what)
    )
    workspace.say("skip")
    workspace.people(*PEOPLE)
    assert ran(workspace)["acknowledged"] == 6
    return workspace


def delete(crm, *keys):
    """Delete contacts, as a person would."""
    ids = [record["Id"] for record in crm.org.records("Contact") if int(record["External_Id__c"]) in keys]
    url = f"{crm.url}/services/data/v62.0/composite/sobjects?ids={','.join(ids)}"
    answer = httpx.delete(url, headers=signed_in(crm.url))
    assert [result["success"] for result in answer.json()] == [True] * len(keys)


def names(crm):
    """The contacts there are: external id, name and whether there is an address."""
    return sorted((int(r["External_Id__c"]), r["LastName"], bool(r["Email"])) for r in crm.org.records("Contact"))


def changed(*keys, mark="!"):
    """The people, with other names."""
    return [(n, f"{name}{mark}" if n in keys else name, email, x) for n, name, email, x in PEOPLE]


def test_a_changed_row_makes_its_record_anew(crm):
    """By default, and whole: with the fields that did not change."""
    crm.say("recreate")
    delete(crm, 2)
    crm.people(*changed(1, 2))
    run = ran(crm)
    assert (run["acknowledged"], run["skipped"]) == (2, 0)
    assert names(crm) == [(n, name, True) for n, name, _, _ in changed(1, 2)]


def test_a_changed_row_leaves_its_record_deleted_until_it_changes_again(crm):
    """Skipped once, then neither sent nor asked for; the next change tries again; retry does too."""
    delete(crm, 2)
    crm.people(*changed(1, 2))
    run = ran(crm)
    assert (run["status"], run["acknowledged"], run["skipped"]) == ("succeeded", 1, 1)
    assert run["skips"] == {"deleted": 1}
    assert len(names(crm)) == 5
    patches = crm.org.counters()["methods"]
    run = ran(crm)
    assert run["status"] == "nothing_to_do"
    assert {**crm.org.counters()["methods"], "GET": 0} == {**patches, "GET": 0, "POST": patches["POST"] + 1}
    assert "1 with a record that was deleted in the destination" in crm.run("plan", "people").out
    assert "deleted" in crm.run("rejected", "people", "--dismissed").out
    assert "left deleted until it changes" in crm.run("explain", "people", "--key", "2").out
    crm.people(*changed(1, 2, mark="?"))
    run = ran(crm)
    assert (run["acknowledged"], run["skipped"]) == (1, 1)
    crm.run("retry", "people")
    assert ran(crm)["skipped"] == 1
    assert ran(crm)["status"] == "nothing_to_do"


def test_rows_left_deleted_are_made_anew_once_the_sync_says_so(crm):
    """An edit of the sync is enough: nobody has to name the rows."""
    delete(crm, 2, 3)
    crm.people(*changed(2, 3))
    assert ran(crm)["skipped"] == 2
    crm.say("recreate")
    assert ran(crm)["acknowledged"] == 2
    assert names(crm) == [(n, name, True) for n, name, _, _ in changed(2, 3)]
    assert not crm.run("rejected", "people", "--dismissed", "--json").json["rejected"]
    assert ran(crm)["status"] == "nothing_to_do"


def test_deleting_what_is_deleted_is_done(crm):
    """A row that leaves the model has nothing left to delete, whether it was skipped before or not."""
    delete(crm, 2, 3)
    crm.people(*changed(2))
    assert ran(crm)["skipped"] == 1
    crm.people(*(row for row in PEOPLE if row[0] not in {2, 3, 4}))
    run = ran(crm)
    assert (run["status"], run["deletes"], run["acknowledged"], run["rejected"]) == ("succeeded", 3, 3, 0)
    assert [key for key, _, _ in names(crm)] == [1, 5, 6]
    assert ran(crm)["status"] == "nothing_to_do"


def test_other_modes_have_no_use_for_it(crm):
    """Mode update creates nothing, so the key means nothing there."""
    sync = (crm.root / "syncs/people.yml").read_text()
    crm.write("syncs/people.yml", sync.replace("mode: mirror", "mode: update"))
    assert "means something with mode upsert or mirror only" in crm.run("plan", "people", code=2).err
