"""Associations and members of lists over a network that loses, delays and refuses: what is there in the end."""

import httpx
import pytest

from tailrace.sandbox import SandboxServer
from tailrace.testing.faults import PEACE, Answer, Drop, FaultProxy, Kinds, Linger, Schedule, Truncate

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hub: {{type: hubspot, access_token: "${{env:CANARY}}", base_url: "{url}", settle: 0s, concurrency: 3}}
"""
PEOPLE = """\
model: people
destination: hub
object: contacts
mode: mirror
batch_size: 7
key: id
match: {warehouse_id: id}
guards: {max_deletes: off}
fields:
  lastname: name
  firm: {lookup: companies, by: warehouse_id, column: firm}
  payer: {lookup: companies, by: warehouse_id, column: payer, label: Payer}
"""
VIPS = """\
model: vips
destination: hub
object: list:VIP
mode: mirror
batch_size: 7
key: id
match: {warehouse_id: id}
guards: {max_deletes: off}
"""
ROWS, FIRMS = range(21), [f"f{number}" for number in range(9)]
KINDS = Kinds(read="/batch/read$|/search$")
FAULTS = {
    Drop(): 2,
    Drop(commit=True): 3,
    Truncate(): 2,
    Answer(429, retry_after=0): 1,
    Answer(500, commit=True): 2,
    Answer(503): 1,
    Linger(0.1): 2,
}
HEADERS = {"Authorization": "Bearer other"}


def firm_of(row, turn):
    """Whom a person works for by then; some for nobody."""
    return None if (row + turn) % 7 == 0 else FIRMS[(row * 5 + turn) % 9]


def payer_of(row, turn):
    """Who pays for a person: never the one that the person works for, and nobody who would be the only one.

    HubSpot makes the only company the primary one, which then outlives its label.
    """
    return None if (row + turn) % 5 == 0 or firm_of(row, turn) is None else FIRMS[(row * 5 + turn + 4) % 9]


def is_vip(row, turn):
    """Whether a person is in the list by then."""
    return (row + turn) % 3 != 0


@pytest.fixture(scope="module")
def server():
    """One HubSpot-like server."""
    with SandboxServer(salesforce=False) as running:
        yield running


class Storm:
    """A project behind a bad network, whose model changes from turn to turn."""

    def __init__(self, workspace, server, proxy):
        self.workspace, self.hub, self.proxy = workspace, server.control.hubspot, proxy
        self._url = server.hubspot_url
        inputs = [{"id": firm, "idProperty": "warehouse_id", "properties": {}} for firm in FIRMS]
        self.post("/crm/v3/objects/companies/batch/upsert", {"inputs": inputs})
        self.post("/crm/v4/associations/contacts/companies/labels", {"label": "Payer", "name": "payer"})
        self.post("/crm/v3/lists/", {"name": "VIP", "processingType": "MANUAL", "objectTypeId": "0-1"})

    def post(self, path, body):
        """A request past the storm; a label outlives a reset."""
        assert httpx.post(self._url + path, json=body, headers=HEADERS).status_code in {200, 201, 409}

    def turn(self, number):
        """Write both models as they are by then."""
        cells = [(f"p{row}", f"Name {row}", firm_of(row, number), payer_of(row, number)) for row in ROWS]
        people = ", ".join(
            f"({', '.join('null::varchar' if cell is None else repr(cell) for cell in row)})" for row in cells
        )
        self.workspace.write("models/people.sql", f"select * from (values {people}) as t(id, name, firm, payer)")
        vips = ", ".join(f"('p{row}')" for row in ROWS if is_vip(row, number))
        self.workspace.write("models/vips.sql", f"select * from (values {vips}) as t(id)")

    def settle(self):
        """Run until there is nothing left to do."""
        for _ in range(15):
            runs = self.workspace.run("run", "--all", "--json", code=None).json["runs"]
            self.proxy.settle()
            if all(run["status"] == "nothing_to_do" and not run["recovered"] for run in runs):
                return
        raise AssertionError(str(self.proxy.log))

    def links(self):
        """By person and firm whether it is the payer."""
        keys = {
            record["id"]: record["properties"]["warehouse_id"]
            for name in ("contacts", "companies")
            for record in self.hub.records(name)
        }
        found = [link for link in self.hub.records("associations") if link["from"][0] == "contacts"]
        return {(keys[link["from"][1]], keys[link["to"][1]]): max(link["types"]) > 279 for link in found}

    def members(self):
        """Who is in the list."""
        keys = {record["id"]: record["properties"]["warehouse_id"] for record in self.hub.records("contacts")}
        return {keys[member] for member in self.hub.records("lists")[0]["members"]}


@pytest.fixture
def storm(workspace, server, monkeypatch):
    """A project that reaches the server through the proxy alone."""
    server.control.reset()
    monkeypatch.setenv("CANARY", "net-canary-1")
    (workspace.root / "syncs/people.yml").unlink()
    workspace.write("syncs/people.yml", PEOPLE)
    workspace.write("syncs/vips.yml", VIPS)
    with FaultProxy(server.hubspot_url, PEACE, kinds=KINDS) as proxy:
        workspace.write("tailrace.yml", PROJECT.format(url=proxy.url))
        yield Storm(workspace, server, proxy)


def expected(turn):
    """By person and firm whether it is the payer."""
    firms = {(f"p{row}", firm_of(row, turn)): False for row in ROWS if firm_of(row, turn)}
    return firms | {(f"p{row}", payer_of(row, turn)): True for row in ROWS if payer_of(row, turn)}


@pytest.mark.slow
def test_in_the_end_all_are_where_the_model_has_them(storm):
    """Each association and member once, and none that the model no longer has."""
    for turn in (0, 1, 2):
        storm.turn(turn)
        storm.proxy.play(Schedule.random(seed=40 + turn, rate=0.15, weights=FAULTS))
        storm.settle()
        links = storm.links()
        assert {pair for pair, paid in links.items() if paid} == {p for p, paid in expected(turn).items() if paid}
        assert links.keys() == expected(turn).keys(), storm.proxy.log
        assert storm.members() == {f"p{row}" for row in ROWS if is_vip(row, turn)}
    assert len(storm.hub.records("contacts")) == len(ROWS)
