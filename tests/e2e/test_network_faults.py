"""The command line against both simulated CRMs, with a network between them that loses, delays and refuses."""

import signal

import pytest

from tailrace.sandbox import SandboxServer
from tailrace.testing.faults import (
    PEACE,
    Answer,
    Delay,
    Drop,
    ExpireSession,
    FaultProxy,
    Kinds,
    Linger,
    Reorder,
    Schedule,
    Truncate,
)

PROJECT = """\
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  crm:
    type: salesforce
    auth: {{flow: client_credentials, login_url: "{crm}", client_id: app, client_secret: "${{env:CANARY}}"}}
    settle: 0s
  hub: {{type: hubspot, access_token: "${{env:CANARY}}", base_url: "{hub}", settle: 0s, concurrency: 3}}
"""
SYNC = """\
model: people
destination: {destination}
object: {object}
mode: mirror
batch_size: 10
key: id
match: {{{match}: id}}
fields:
  {name}: name
  {email}: email
"""
PEOPLE = [(n, f"Name {n}", f"p{n}@example.com", n) for n in range(1, 201)]
CHANGED = [(n, f"New {n}" if n % 2 else name, email, spent) for n, name, email, spent in PEOPLE if n % 10]
KINDS = Kinds(read="/batch/read$|/search$", sign_in="/oauth2/token$")
FAULTS = {
    Drop(): 2,
    Drop(commit=True): 2,
    Truncate(): 2,
    Delay(before=0.02, after=0.02): 1,
    Answer(429, retry_after=0): 1,
    Answer(500): 1,
    Answer(500, commit=True): 2,
    Answer(503): 1,
    Reorder(0.1): 2,
    Linger(0.2): 2,
}


class Crms:
    """Two simulators, a proxy before each, and a project that knows only the proxies."""

    def __init__(self, server, crm, hub, workspace):
        self.server = server
        self.proxies = {"crm": crm, "hub": hub}
        self.workspace = workspace

    def play(self, crm, hub):
        """Begin other schedules."""
        self.proxies["crm"].play(crm)
        self.proxies["hub"].play(hub)

    def records(self):
        """What both hold, by id."""
        crm = self.server.control.salesforce.records("Contact")
        hub = [record["properties"] for record in self.server.control.hubspot.records("contacts")]
        return {
            "crm": sorted((int(r["External_Id__c"]), r["LastName"], r["Email"]) for r in crm),
            "hub": sorted((int(r["warehouse_id"]), r["lastname"], r["email"]) for r in hub),
        }

    def counted(self):
        """Requests that each simulator got."""
        control = self.server.control
        return {"crm": control.salesforce.counters()["requests"], "hub": control.hubspot.counters()["requests"]}

    def logs(self):
        """What became of all requests, with the seed."""
        return "\n".join(str(proxy.log) for proxy in self.proxies.values())

    def run_until_nothing_is_left(self):
        """Run again and again, as a schedule would; what is still on its way in the end has landed."""
        for number in range(20):
            command = self.workspace.run if number else self.workspace.spawn
            runs = command("run", "--all", "--json", code=None).json["runs"]
            for proxy in self.proxies.values():
                proxy.settle()
            if {run["status"] for run in runs} == {"nothing_to_do"}:
                return
        pytest.fail(f"20 runs did not get everything through\n{runs}\n{self.logs()}")


@pytest.fixture
def crms(workspace, monkeypatch):
    """200 people to be mirrored into both, 10 a request."""
    monkeypatch.setenv("CANARY", "canary-1")
    with (
        SandboxServer() as server,
        FaultProxy(server.salesforce_url, kinds=KINDS) as crm,
        FaultProxy(server.hubspot_url, kinds=KINDS) as hub,
    ):
        workspace.write("tailrace.yml", PROJECT.format(crm=crm.url, hub=hub.url))
        (workspace.root / "syncs/people.yml").unlink()
        names = {"match": "External_Id__c", "name": "LastName", "email": "Email"}
        workspace.write("syncs/crm.yml", SYNC.format(destination="crm", object="Contact", **names))
        names = {"match": "warehouse_id", "name": "lastname", "email": "email"}
        workspace.write("syncs/hub.yml", SYNC.format(destination="hub", object="contacts", **names))
        workspace.people(*PEOPLE)
        yield Crms(server, crm, hub, workspace)


def model(people):
    rows = sorted((n, name, email) for n, name, email, _ in people)
    return {"crm": rows, "hub": rows}


def test_looking_writes_nothing(crms):
    """`check`, `plan` and `run --dry-run` ask both CRMs and write to none; a run does, and is seen to."""
    crms.workspace.spawn("plan", "--all", "--check")
    crms.workspace.run("check")
    crms.workspace.run("run", "--all", "--dry-run")
    for proxy in crms.proxies.values():
        assert proxy.log.forwarded > 0, proxy.log
        assert proxy.log.writes == 0, proxy.log
    assert crms.records() == {"crm": [], "hub": []}
    crms.workspace.run("run", "--all")
    assert all(proxy.log.writes >= 20 for proxy in crms.proxies.values()), crms.logs()
    crms.play(PEACE, PEACE)
    crms.workspace.people(*CHANGED)
    crms.workspace.run("plan", "--all", "--check")
    assert [proxy.log.writes for proxy in crms.proxies.values()] == [0, 0], crms.logs()


@pytest.mark.parametrize("seed", [1, 2])
def test_with_a_fifth_of_requests_going_wrong_everything_arrives_once(crms, seed):
    """Run until nothing is left, the model changed and run again: both CRMs equal the model, no record doubled."""
    crms.play(
        Schedule.random(seed=seed, weights=FAULTS | {ExpireSession(): 1, Answer(429): 1}),
        Schedule.random(seed=seed, weights=FAULTS),
    )
    crms.run_until_nothing_is_left()
    assert crms.records() == model(PEOPLE), crms.logs()
    crms.workspace.people(*CHANGED)
    crms.run_until_nothing_is_left()
    assert crms.records() == model(CHANGED), crms.logs()
    for name, proxy in crms.proxies.items():
        assert proxy.log.forwarded == crms.counted()[name], proxy.log
        assert sum(proxy.log.faults.values()) >= 5, proxy.log


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_a_request_that_was_tried_again_does_not_land_on_what_the_next_run_sends(crms, killed):
    """It was given up, and repeated with success; carried out late, it would bring the old values back."""
    config = crms.workspace.root / "tailrace.yml"
    config.write_text(config.read_text().replace("settle: 0s, concurrency: 3", "settle: 3s"))
    hub = ("hub", "--json")
    crms.workspace.run("run", *hub)
    first, second = [(1, "First", "p1@example.com", 1), *PEOPLE[1:]], [(1, "Second", "p1@example.com", 1), *PEOPLE[1:]]
    crms.workspace.people(*first)
    crms.play(
        PEACE,
        Schedule.script([Linger(2.0)], only=lambda request: request.path.endswith(("/batch/upsert", "/batch/update"))),
    )
    if killed:
        env = {"TAILRACE_FAILPOINT": "snapshot.saved:1:kill"}
        crms.workspace.spawn("run", *hub, code=-signal.SIGKILL, env=env)
    else:
        assert crms.workspace.run("run", *hub).json["runs"][0]["retries"] == 1
    crms.workspace.people(*second)
    crms.workspace.run("run", *hub)
    crms.proxies["hub"].settle()
    assert crms.records()["hub"] == model(second)["hub"], crms.logs()
    assert crms.workspace.run("run", *hub).json["runs"][0]["status"] == "nothing_to_do"
