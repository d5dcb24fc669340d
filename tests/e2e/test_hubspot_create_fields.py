"""`create_fields: true`: properties that the account lacks are made by a run, with the model's types."""

import threading

import httpx
import pytest

from tailrace.api import Project
from tailrace.sandbox import SandboxServer

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hub: {{type: hubspot, access_token: "${{env:HUB_TOKEN}}", base_url: "{url}", settle: 0s{more}}}
"""
SYNC = """\
model: people
destination: hub
object: contacts
mode: mirror
key: id
match: {{warehouse_id: id}}
guards: {{max_deletes: off}}
{keys}fields:
  firstname: name
{fields}"""
MODEL = """\
select * from (values ('a', 'Ann', 3, 1.50::decimal(9, 2), true, date '2026-01-31',
  timestamptz '2026-01-31 10:00:00+00', [1, 2])) as t(id, name, visits, spent, vip, joined, seen, tags)
"""
OTHERS = {"visits": "number", "spent": "number", "vip": "bool", "joined": "date", "seen": "datetime", "nick": "string"}


@pytest.fixture(scope="module")
def shared():
    """One HubSpot-like server."""
    with SandboxServer(salesforce=False) as running:
        yield running


class Lab:
    """A project; what properties the account has."""

    def __init__(self, workspace, shared, monkeypatch):
        self.workspace, self.hub, self.url = workspace, shared.control.hubspot, shared.hubspot_url
        self._monkeypatch = monkeypatch
        self.token("hub-canary")
        (workspace.root / "syncs/people.yml").unlink()
        workspace.write("models/people.sql", MODEL)
        self.project()

    def project(self, more=""):
        self.workspace.write("tailrace.yml", PROJECT.format(url=self.url, more=more))

    def token(self, token):
        self._monkeypatch.setenv("HUB_TOKEN", token)

    def sync(self, *fields, keys="create_fields: true\n", name="people"):
        lines = "".join(f"  {field}\n" for field in fields)
        self.workspace.write(f"syncs/{name}.yml", SYNC.format(keys=keys, fields=lines))

    def properties(self):
        """Properties by name."""
        answer = httpx.get(f"{self.url}/crm/v3/properties/contacts", headers={"Authorization": "Bearer other"})
        return {prop["name"]: prop for prop in answer.json()["results"]}

    def run(self, *arguments, code=0):
        (run,) = self.workspace.run("run", "people", *arguments, "--json", code=code).json["runs"]
        return run


@pytest.fixture
def lab(workspace, shared, monkeypatch):
    """A project on a fresh portal, without the properties that tests make."""
    shared.control.reset()
    made = Lab(workspace, shared, monkeypatch)
    for name, prop in made.properties().items():
        if not prop["hubspotDefined"] and name.startswith("x_"):
            headers = {"Authorization": "Bearer other"}
            httpx.delete(f"{made.url}/crm/v3/properties/contacts/{name}", headers=headers).raise_for_status()
    yield made
    shared.control.hubspot.heal()


def mapped(prefix):
    """A field for each of the model's columns, and one that is a text for all rows."""
    return [*(f"{prefix}_{name}: {name}" for name in OTHERS if name != "nick"), f"{prefix}_nick: {{value: Nick}}"]


def test_a_run_makes_them_with_the_models_types(lab):
    """The plan tells of them without making them; the run makes each of its column's type and writes the row."""
    lab.sync(*mapped("x_a"))
    before = lab.properties()
    told = lab.workspace.run("plan", "people", "--check").out
    assert "creates 6 properties of contacts: x_a_visits (number)" in told
    assert "crm.schemas.contacts.write" in told
    assert "creates 6 properties" in lab.workspace.run("check").out
    assert lab.properties() == before
    run = lab.run()
    assert (run["status"], run["acknowledged"]) == ("succeeded", 1)
    made = lab.properties()
    assert {name: made[f"x_a_{name}"]["type"] for name in OTHERS} == OTHERS
    assert made["x_a_spent"]["groupName"] == "contactinformation"
    (kept,) = lab.hub.records("contacts")
    assert (kept["properties"]["x_a_spent"], kept["properties"]["x_a_vip"]) == ("1.50", "true")
    assert "creates" not in lab.workspace.run("plan", "people", "--check").out
    assert lab.run()["status"] == "nothing_to_do"


def test_nothing_is_made_where_the_sync_does_not_say_so(lab):
    """An unknown property stays a fault, told with what is near."""
    lab.sync("firstnam: name", keys="")
    run = lab.run(code=3)
    assert run["status"] == "blocked"
    assert "did you mean firstname" in run["message"]
    assert "firstnam" not in lab.properties()


def test_nothing_is_made_when_a_guard_stops_the_run(lab):
    """Guards come first; and names that nearly exist are told as such."""
    lab.sync("x_b_visits: visits", "createdate: seen")
    assert lab.run(code=3)["status"] == "blocked"
    assert "x_b_visits" not in lab.properties()
    lab.sync("firstnames: name")
    assert "firstnames (string) [there is firstname" in lab.workspace.run("plan", "people", "--check").out


@pytest.mark.parametrize(
    ("field", "words"), [("x_c_tags: tags", "no property is made for a json"), ("X-Visits: visits", "call it x_visits")]
)
def test_what_cannot_be_made(lab, field, words):
    """Lists have no type to be made of, and not every name is one; the contract says so before anything is written."""
    lab.sync(field)
    run = lab.run(code=3)
    assert run["status"] == "blocked"
    assert words in run["message"]


def test_a_scope_that_is_missing(lab):
    """The run ends before its first row, and says which scope it takes."""
    lab.sync("x_d_visits: visits")
    lab.token("records-canary")
    run = lab.run(code=1)
    assert (run["status"], run["acknowledged"]) == ("failed", 0)
    assert "crm.schemas.contacts.write" in run["message"]
    assert lab.hub.records("contacts") == []
    lab.token("hub-canary")
    assert lab.run()["acknowledged"] == 1


def test_two_runs_at_once(lab):
    """Both find it missing and one makes it: the other takes it as it is."""
    lab.sync("x_e_visits: visits")
    lab.sync("x_e_visits: visits", name="others")
    with Project.load(lab.workspace.root) as project:
        results = []
        # Nobody's request to make it is answered before both have been sent.
        lab.hub.fail("/properties/contacts$", method="POST", delay=0.5, times=2)
        threads = [
            threading.Thread(target=lambda name=name: results.append(project.run(name)))
            for name in ("people", "others")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [result.status for result in results] == ["succeeded", "succeeded"], [result.message for result in results]


def test_another_run_made_it_of_another_type(lab):
    """A column that does not fit what is there by now ends the run before its first row."""
    lab.sync("x_f_visits: visits")
    body = {"name": "x_f_visits", "label": "x", "type": "date", "fieldType": "date", "groupName": "contactinformation"}
    with Project.load(lab.workspace.root) as project:
        listed = {"results": list(lab.properties().values())}
        lab.hub.fail("/properties/contacts$", method="GET", status=200, body=listed)
        httpx.post(
            f"{lab.url}/crm/v3/properties/contacts", json=body, headers={"Authorization": "Bearer other"}
        ).raise_for_status()
        result = project.run("people")
    assert result.status == "failed"
    assert "does not fit its type date" in result.message
    assert lab.hub.records("contacts") == []


def test_a_lost_answer_is_asked_for_again(lab):
    """The property may be there: the repetition finds out."""
    lab.sync("x_g_visits: visits")
    lab.hub.fail("/properties/contacts$", method="POST", drop=True, commit=True)
    assert lab.run()["acknowledged"] == 1


def test_lists_have_no_properties(lab):
    """What the key cannot mean is refused."""
    lab.workspace.write(
        "syncs/people.yml",
        "model: people\ndestination: hub\nobject: list:VIP\nmode: mirror\nkey: id\nmatch: {warehouse_id: id}\n"
        "create_fields: true\n",
    )
    assert "create_fields means nothing for list:VIP" in str(lab.run(code=2))
