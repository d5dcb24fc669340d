"""`on_delete: gdpr_delete`: contacts past the recycle bin, where the sync says so in these words."""

import pytest
from tests.e2e.labs import on_hubspot, ran

SYNC = """\
model: people
destination: hub
object: {object}
mode: mirror
key: id
match: {{warehouse_id: id}}
guards: {{max_deletes: 5}}
fields: {{{field}: name}}
on_delete: {on_delete}
"""


@pytest.fixture
def hub(workspace, hubspot_server, monkeypatch):
    """Nine contacts, not yet sent."""
    hubspot_server.control.reset()
    on_hubspot(workspace, hubspot_server, monkeypatch)
    sync(workspace)
    people(workspace, 9)
    return workspace


def sync(workspace, object="contacts", on_delete="gdpr_delete", field="lastname"):
    """Write the sync."""
    workspace.write("syncs/people.yml", SYNC.format(object=object, on_delete=on_delete, field=field))


def people(workspace, last):
    """Write a model of so many people."""
    workspace.write("models/people.sql", f"select i as id, 'Name ' || i as name from range(1, {last + 1}) as t(i)")


def everyone(workspace):
    """Keys of all contacts, those in the recycle bin too."""
    kept = workspace.hub.records("contacts", archived=True)
    return sorted(int(record["properties"]["warehouse_id"]) for record in kept)


def test_departed_contacts_are_erased(hub):
    """The plan says that nobody can undo it and counts a call for each; the run leaves nothing of them."""
    assert ran(hub)["acknowledged"] == 9
    people(hub, 6)
    out = hub.run("plan", "people").out
    assert "3 records are deleted for good (on_delete: gdpr_delete)" in out
    assert "nobody can restore them" in out
    assert hub.run("plan", "people", "--json").json["plans"][0]["cost"]["calls"] == 3
    run = ran(hub)
    assert (run["deletes"], run["acknowledged"], run["calls"]) == (3, 3, 3)
    assert everyone(hub) == [1, 2, 3, 4, 5, 6]
    assert ran(hub)["status"] == "nothing_to_do"


def test_guards_count_it_as_deleting(hub):
    """More than the sync permits is stopped before anything is erased."""
    assert ran(hub)["acknowledged"] == 9
    people(hub, 2)
    run = ran(hub, code=3)
    assert run["status"] == "blocked"
    assert "max_deletes" in run["message"]
    assert len(everyone(hub)) == 9


def test_ids_that_are_not_known_are_looked_up(hub):
    """After adopt --trust the snapshot has none; contacts go by record id and never by address."""
    assert ran(hub)["acknowledged"] == 9
    hub.run("reset", "people", "--yes")
    hub.run("adopt", "people", "--trust")
    people(hub, 7)
    assert ran(hub)["acknowledged"] == 2
    assert everyone(hub) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("object", "on_delete", "field", "words"),
    [
        ("contacts", "hard_delete", "lastname", "on_delete: gdpr_delete here"),
        ("companies", "gdpr_delete", "name", "cannot hard_delete records, which on_delete: gdpr_delete needs"),
        ("companies", "hard_delete", "name", "cannot hard_delete records"),
    ],
)
def test_only_in_these_words_and_of_contacts(hub, object, on_delete, field, words):
    """It must be written out as what it is, and other objects have no such deletion."""
    sync(hub, object, on_delete, field)
    answer = hub.run("run", "people", code=2)
    assert words in answer.out + answer.err
