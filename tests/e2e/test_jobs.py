"""Salesforce by Bulk API 2.0, from the command line: planned, sent, killed and taken up again."""

import signal
import sqlite3

import pytest
from tests.e2e.labs import on_salesforce, ran

from tailrace.failpoints import VARIABLE
from tailrace.sandbox import SandboxServer

SYNC = """\
model: people
destination: crm
object: Contact
mode: mirror
key: id
match: {External_Id__c: id}
bulk: BULK
guards: {max_changes: "100%", max_deletes: "100%"}
fields:
  LastName: name
  Email: email
"""
PEOPLE = [(n, f"Zoë {n}", f"p{n}@example.com", n) for n in range(1, 1001)]


@pytest.fixture
def crm(workspace, salesforce_server, monkeypatch):
    """A project that mirrors a thousand people in jobs of 400."""
    salesforce_server.control.reset()
    on_salesforce(workspace, salesforce_server, monkeypatch, job_rows=400)
    workspace.write("syncs/people.yml", SYNC.replace("BULK", "always"))
    workspace.people(*PEOPLE)
    return workspace


def names(crm):
    """The contacts there are: external id and name."""
    return sorted((int(record["External_Id__c"]), record["LastName"]) for record in crm.org.records("Contact"))


def test_the_plan_says_that_there_are_jobs_and_why(crm):
    """How many rows, what they cost, and what decided."""
    out = crm.run("plan", "people").out
    assert "by jobs: 1,000 to upsert, in about 33 API calls (bulk: always)" in out
    (plan,) = crm.run("plan", "people", "--json").json["plans"]
    assert plan["cost"]["ways"] == [
        {"action": "upsert", "rows": 1000, "by": "jobs", "calls": 33, "why": "bulk: always"}
    ]
    crm.write("syncs/people.yml", SYNC.replace("BULK", "auto"))
    out = crm.run("plan", "people").out
    assert "by batches: 1,000 to upsert, in about 5 API calls (jobs begin at 2,000 rows" in out
    assert "by jobs" not in out


@pytest.fixture
def counted(workspace, monkeypatch):
    """The same project in an org of its own, whose allowance of calls counts; a fifth of it is reserved."""
    with SandboxServer(hubspot=False, rate_limits=True) as server:
        on_salesforce(workspace, server, monkeypatch, job_rows=400, reserve="20%")
        workspace.write("syncs/people.yml", SYNC.replace("BULK", "always"))
        workspace.people(*PEOPLE)
        yield workspace


def test_the_plan_tells_its_share_of_the_calls_left_today(counted):
    """Once the org said what is left; with a warning, and how far it goes, where that is not enough."""
    assert "left today" not in counted.run("plan", "people").out
    counted.org.limit(daily=50_000)
    out = counted.run("plan", "people", "--check").out
    assert "cost: 33 API calls of 49,9" in out
    assert "left today (0.066%)" in out
    assert "WARNING" not in out
    counted.org.limit(daily=38)
    out = counted.run("plan", "people", "--check").out
    assert "may be used today (7 are reserved for other programs): about 800 of 1,000 rows go out" in out
    cost = counted.run("plan", "people", "--json").json["plans"][0]["cost"]
    assert (cost["calls"], cost["quota_reserved"], cost["rows_within_quota"]) == (33, 7, 800)
    assert 22 <= cost["quota_left"] - 7 < 33, "enough for two jobs of three"
    assert cost["quota_share"] == round(33 / cost["quota_left"], 6)


def test_after_a_run_the_plan_knows_what_its_calls_left(counted):
    """The last word of the run counts, however soon after the one before it came, and not that of the sign-in."""
    counted.org.limit(daily=50_000)
    assert counted.run("run", "people").code == 0
    cost = counted.run("plan", "people", "--json").json["plans"][0]["cost"]
    assert cost["quota_left"] == 50_000 - counted.org.counters()["daily_used"]


@pytest.mark.parametrize("left", [10, 19, 30])
def test_a_quota_spent_in_the_middle_is_a_clean_stop(counted, left):
    """Wherever it happens, polls included: the run is partial, and the next ones bring every row over once."""
    counted.write("tailrace.yml", (counted.root / "tailrace.yml").read_text().replace("20%", "0%"))
    counted.org.limit(daily=left, polls=3)
    run = ran(counted, code=4)
    assert run["status"] == "partial"
    assert "calls of the account's quota are left" in run["message"] or "REQUEST_LIMIT" in run["message"]
    counted.org.limit(daily=100_000)
    with sqlite3.connect(counted.root / ".tailrace/state.db") as state:  # an hour later
        state.execute("update limits set quota_seen_at = quota_seen_at - 4000")
    later = ran(counted)
    assert later["status"] in {"succeeded", "nothing_to_do"}
    assert names(counted) == [(n, name) for n, name, _, _ in PEOPLE]
    assert counted.org.counters()["writes"]["Contact"] == 1000, "each row once"


def test_a_mirror_goes_out_in_jobs(crm):
    """New rows, changed ones and deletes; a row that is refused is told with Salesforce's own words."""
    assert ran(crm)["acknowledged"] == 1000
    assert names(crm) == [(n, name) for n, name, _, _ in PEOPLE]
    changed = [(n, f"{name}!" if n % 2 else name, email, x) for n, name, email, x in PEOPLE if n > 10]
    changed[0] = (11, "Eve", "no mail address", 11)
    crm.people(*changed)
    run = ran(crm, code=4)
    assert (run["acknowledged"], run["rejected"]) == (10 + 494, 1)
    assert "INVALID_EMAIL_ADDRESS" in crm.run("rejected", "people").out
    there = dict(names(crm))
    assert (len(there), there[11], there[13], there[14]) == (990, "Zoë 11", "Zoë 13!", "Zoë 14")


@pytest.mark.parametrize("point", ["job.opened", "job.receipt", "job.uploaded", "job.started", "job.collected"])
def test_a_killed_run_takes_its_job_up_again(crm, point):
    """Whatever the job was at: its rows arrive, each once, and nothing that arrived goes up again."""
    done = crm.spawn("run", "people", env={VARIABLE: f"{point}:2:kill"}, code=None)
    assert done.code == -signal.SIGKILL
    run = ran(crm)
    (recovered,) = run["recovered"]
    follows = point in {"job.started", "job.collected"}
    assert f"{800 if follows else 400} acknowledged" in recovered
    assert run["acknowledged"] == (200 if follows else 600)
    assert names(crm) == [(n, name) for n, name, _, _ in PEOPLE]
    assert ran(crm)["status"] == "nothing_to_do"


def test_a_job_is_asked_for_though_the_sync_forbids_jobs_by_then(crm):
    """What is under way at the vendor must not land later than what is sent instead of it."""
    crm.spawn("run", "people", env={VARIABLE: "job.started:1:kill"}, code=None)
    crm.write("syncs/people.yml", SYNC.replace("BULK", "never"))
    run = ran(crm)
    assert "400 acknowledged" in run["recovered"][0]
    assert run["acknowledged"] == 600
    assert names(crm) == [(n, name) for n, name, _, _ in PEOPLE]
