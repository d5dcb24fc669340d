"""Contacts, companies and deals with their associations into the HubSpot-like server, by the real command line."""

import signal
import subprocess
import time

import pytest
from tests.e2e.labs import on_hubspot

SYNC = """\
model: {model}
destination: hub
object: {object}
mode: {mode}
key: id
match: {{warehouse_id: id}}
fields:
{fields}
"""
FIELDS = {
    # In the order of names children come first: the look-ups must turn that round.
    "a_deals": (
        "deals",
        """\
  dealname: name
  contact: {lookup: contacts, by: warehouse_id, column: contact}
  company: {lookup: companies, by: warehouse_id, column: company, primary: true}
""",
    ),
    "b_people": (
        "contacts",
        "  lastname: name\n  company: {lookup: companies, by: warehouse_id, column: company}\n",
    ),
    "c_firms": ("companies", "  name: name\n"),
}
ROWS = {
    "a_deals": [("d1", "Big", "p1", "f1"), ("d2", "Small", None, None)],
    "b_people": [("p1", "Ann", "f1"), ("p2", "Bo", "f2"), ("p3", "Cy", None)],
    "c_firms": [("f1", "Acme"), ("f2", "Bolt")],
}
COLUMNS = {"a_deals": "id, name, contact, company", "b_people": "id, name, company", "c_firms": "id, name"}


@pytest.fixture
def lab(workspace, hubspot_server, monkeypatch):
    """A project with three syncs that refer to each other."""
    hubspot_server.control.reset()
    (workspace.root / "syncs/people.yml").unlink()
    on_hubspot(workspace, hubspot_server, monkeypatch, concurrency=2)
    made = Lab(workspace, hubspot_server.control.hubspot)
    for name in FIELDS:
        made.sync(name)
        made.rows(name, ROWS[name])
    return made


class Lab:
    """Writes syncs and models, runs them, and tells who is associated with whom."""

    def __init__(self, workspace, hub):
        self.workspace, self.hub = workspace, hub

    def sync(self, name, *, mode="mirror", fields=None, more=""):
        """Write a sync."""
        object_, usual = FIELDS[name]
        text = SYNC.format(model=name, object=object_, mode=mode, fields=fields or usual)
        self.workspace.write(f"syncs/{name}.yml", text + more)

    def rows(self, name, rows):
        """Write a model."""
        lines = [f"({', '.join('null::varchar' if c is None else repr(c) for c in row)})" for row in rows]
        columns = COLUMNS[name]
        self.workspace.write(f"models/{name}.sql", f"select * from (values {', '.join(lines)}) as t({columns})")

    def run(self, *names, code=0):
        """Run syncs; gives their results by name."""
        answer = self.workspace.run("run", *(names or ["--all"]), "--json", code=code)
        return {run["sync"]: run for run in answer.json["runs"]}

    def keys(self):
        """By object and record id its key."""
        return {
            (name, record["id"]): record["properties"].get("warehouse_id")
            for name in ("contacts", "companies", "deals")
            for record in self.hub.records(name)
        }

    def links(self, here, there):
        """Pairs of keys that are associated."""
        keys = self.keys()
        return {
            (keys[tuple(link["from"])], keys[tuple(link["to"])])
            for link in self.hub.records("associations")
            if (link["from"][0], link["to"][0]) == (here, there)
        }


def test_parents_come_first_and_all_are_associated_in_one_go(lab):
    """Companies, contacts, deals, whatever the order of names; a second run has nothing to do."""
    runs = lab.run()
    assert list(runs) == ["c_firms", "b_people", "a_deals"]
    assert {run["status"] for run in runs.values()} == {"succeeded"}
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}
    assert lab.links("deals", "contacts") == {("d1", "p1")}
    assert lab.links("deals", "companies") == {("d1", "f1")}
    assert {run["status"] for run in lab.run().values()} == {"nothing_to_do"}


def test_a_plan_shows_the_reference_like_any_field(lab):
    """Old and new value; nothing is written."""
    lab.run()
    lab.rows("b_people", [("p1", "Ann", "f2"), *ROWS["b_people"][1:]])
    plan = lab.workspace.run("plan", "b_people", "--json").json["plans"][0]
    assert [change["fields"] for change in plan["changes"]] == [{"company": {"old": "f1", "new": "f2"}}]
    assert plan["cost"]["calls"] == 3
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}


def test_values_that_change_move_the_associations(lab):
    """To another company, away, and to one for the first time; what others associated stays."""
    lab.run()
    lab.rows("b_people", [("p1", "Ann", "f2"), ("p2", "Bo", None), ("p3", "Cy", "f1")])
    assert lab.run("b_people")["b_people"]["acknowledged"] == 3
    assert lab.links("contacts", "companies") == {("p1", "f2"), ("p3", "f1")}
    assert lab.run("b_people")["b_people"]["status"] == "nothing_to_do"


def test_nulls_that_are_skipped_leave_the_association(lab):
    """As they leave any field."""
    fields = "  lastname: name\n  company: {lookup: companies, by: warehouse_id, column: company, nulls: skip}\n"
    lab.sync("b_people", fields=fields)
    lab.run()
    lab.rows("b_people", [(key, name, None) for key, name, _ in ROWS["b_people"]])
    assert lab.run("b_people")["b_people"]["status"] == "nothing_to_do"
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}


def test_a_missing_parent_costs_its_row_until_it_is_there(lab):
    """The row is refused with its code, kept, and sent again by the next run."""
    lab.rows("b_people", [*ROWS["b_people"], ("p4", "Di", "f9")])
    runs = lab.run(code=4)
    assert (runs["b_people"]["acknowledged"], runs["b_people"]["rejected"]) == (3, 1)
    assert runs["b_people"]["errors"][0]["code"] == "PARENT_NOT_FOUND"
    (kept,) = lab.workspace.run("rejected", "b_people", "--json").json["rejected"]
    assert (kept["key"], kept["code"]) == ({"id": "p4"}, "PARENT_NOT_FOUND")
    assert "p4" not in lab.keys().values()
    lab.rows("c_firms", [*ROWS["c_firms"], ("f9", "Late")])
    assert lab.run()["b_people"]["acknowledged"] == 1
    assert ("p4", "f9") in lab.links("contacts", "companies")
    assert lab.workspace.run("rejected", "b_people", "--json").json["rejected"] == []


@pytest.mark.parametrize("where", ["objects/contacts/batch/upsert", "associate/default"])
@pytest.mark.parametrize("commit", [True, False])
def test_a_lost_answer_loses_and_doubles_nothing(lab, where, commit):
    """Within the run it is repeated."""
    lab.run("c_firms")
    lab.hub.fail(where, drop=True, commit=commit, times=2)
    assert lab.run("b_people")["b_people"]["acknowledged"] == 3
    assert not any(lab.hub.pending_faults().values()), "the answers were lost"
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}
    assert len(lab.hub.records("contacts")) == 3


def test_a_row_is_done_only_when_its_association_is(lab):
    """Refused after the record was written, the row is unknown with HubSpot's code, and the next run finishes it."""
    lab.run("c_firms")
    lab.hub.fail_rows("associations", "LIMIT", message="too many", times=1)
    people = lab.run("b_people", code=4)["b_people"]
    assert (people["acknowledged"], people["unknown"], people["errors"][0]["code"]) == (2, 1, "LIMIT")
    assert lab.run("b_people")["b_people"]["acknowledged"] == 1
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}
    assert lab.run("b_people")["b_people"]["status"] == "nothing_to_do"


def test_a_record_that_is_there_does_not_tell_that_its_association_is(lab):
    """A look-up plans the row again in place of taking it as delivered."""
    lab.run("c_firms")
    lab.hub.fail_rows("associations", "LIMIT", times=1)
    assert lab.run("b_people", code=4)["b_people"]["unknown"] == 1
    assert "1 rows resolved" in lab.workspace.run("resolve", "b_people", "--look-up").out
    assert lab.run("b_people")["b_people"]["acknowledged"] == 1
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}


def test_kill_9_between_record_and_association_is_made_good(lab, hubspot_server):
    """The next run writes both again; each is there once."""
    lab.run("c_firms")
    lab.hub.fail("associate/default", delay=1)
    command = lab.workspace.command("run", "b_people")
    process = subprocess.Popen(command, cwd=lab.workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while lab.hub.pending_faults()["requests"]:
            assert time.monotonic() < deadline, "the run never came to the association"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(lab.hub.records("contacts")) == 3
    run = lab.run("b_people")["b_people"]
    assert (run["acknowledged"], bool(run["recovered"])) == (3, True)
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}
    assert len(lab.hub.records("contacts")) == 3


def test_a_move_that_nobody_answered_is_finished_by_the_next_run(lab):
    """The old association is known from the snapshot, so it does not stay beside the new one."""
    lab.run()
    lab.rows("b_people", [("p1", "Ann", "f2"), *ROWS["b_people"][1:]])
    lab.hub.fail("associate/default", drop=True, commit=True, times=20)
    assert lab.run("b_people", code=None)["b_people"]["unknown"] == 1
    lab.hub.heal()
    lab.run("b_people")
    assert lab.links("contacts", "companies") == {("p1", "f2"), ("p2", "f2")}


@pytest.mark.parametrize("mode", ["append", "insert"])
def test_records_that_are_created_have_their_associations_at_once(lab, mode):
    """A lost answer cannot come between the two."""
    lab.sync("b_people", mode=mode)
    lab.run("c_firms")
    lab.hub.fail("contacts/batch/create", drop=True, commit=True)
    assert lab.run("b_people")["b_people"]["acknowledged"] == 3
    assert lab.links("contacts", "companies") == {("p1", "f1"), ("p2", "f2")}
    assert len(lab.hub.records("contacts")) == 3


def test_clear_takes_associations_away_with_the_values(lab):
    """The record of a row that left stays, with nothing of ours."""
    lab.sync("b_people", more="on_delete: clear\nguards: {max_deletes: 3}\n")
    lab.run()
    lab.rows("b_people", ROWS["b_people"][1:])
    lab.run("b_people")
    assert lab.links("contacts", "companies") == {("p2", "f2")}
    assert len(lab.hub.records("contacts")) == 3


def test_a_key_that_is_not_unique_is_refused_before_anything_is_sent(lab):
    """With what to do, by `check` and by `run`."""
    lab.sync("b_people", fields="  company: {lookup: companies, by: domain, column: company}\n")
    assert "Require unique values" in lab.workspace.run("check", "b_people", code=2).out
    answer = lab.workspace.run("run", "b_people", code=3)
    assert "warehouse_id" in answer.out
    assert lab.hub.records("contacts") == []


def test_an_unknown_label_is_named_with_close_ones(lab):
    """Before anything is sent."""
    fields = "  company: {lookup: companies, by: warehouse_id, column: company, label: Payr}\n"
    lab.sync("b_people", fields=fields)
    assert "no label 'Payr'" in lab.workspace.run("check", "b_people", code=2).out


def test_a_snapshot_without_values_is_refused(lab):
    """It does not know what an association was with."""
    lab.sync("b_people", more="snapshot: {values: hashed}\n")
    assert "values: clear" in lab.workspace.run("plan", "b_people", code=2).err
