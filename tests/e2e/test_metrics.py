"""Metrics as a real Prometheus reads them, from what is on record."""

import json
import logging
import signal

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.labs import on_salesforce

from tailrace.api import Project
from tailrace.failpoints import VARIABLE
from tailrace.logs import JsonFormatter
from tailrace.metrics import CONTENT_TYPE, render

CONTACTS = """\
model: people
destination: crm
object: Contact
mode: upsert
key: id
match: {External_Id__c: id}
fields: {LastName: name, Email: {column: email, nulls: skip}}
"""


def read(text):
    """Samples by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(workspace):
    """The samples of now."""
    return read(workspace.run("metrics").out)


def test_a_project_without_runs_has_zeroes(workspace):
    """All counters are there from the start, so that a rate over the first run is one."""
    found = scrape(workspace)
    assert found["tailrace_runs_total", "people", "succeeded"] == 0
    assert found["tailrace_rows_total", "acknowledged", "people"] == 0
    assert found["tailrace_run_duration_seconds_count", "people"] == 0
    assert ("tailrace_freshness_seconds", "people") not in found


def test_runs_and_rows_are_counted(workspace):
    """By status and outcome; a run that finds nothing is one too, and a dry run or an adoption is none."""
    workspace.run("run", "people")
    workspace.run("run", "people")
    workspace.run("plan", "people")
    workspace.run("adopt", "people", "--trust", "--yes")
    found = scrape(workspace)
    assert found["tailrace_runs_total", "people", "succeeded"] == 1
    assert found["tailrace_runs_total", "nothing_to_do", "people"] == 1
    assert found["tailrace_rows_total", "acknowledged", "people"] == 3
    assert found["tailrace_destination_requests_total", "people"] > 0
    assert found["tailrace_run_duration_seconds_count", "people"] == 2
    assert found["tailrace_run_duration_seconds_bucket", "+Inf", "people"] == 2
    assert found["tailrace_run_duration_seconds_sum", "people"] > 0
    assert found["tailrace_model_rows", "people"] == 3
    assert 0 <= found["tailrace_freshness_seconds", "people"] < 3_600
    assert found["tailrace_last_run_stage_seconds", "people", "query"] > 0


def test_counters_outlive_the_runs_they_count(workspace):
    """What is forgotten after `keep_runs` was counted all the same, or a rate would fall below zero."""
    config = workspace.root / "tailrace.yml"
    config.write_text("keep_runs: 1ms\n" + config.read_text())
    for number in range(4):
        workspace.people((1, f"Ann {number}", None, 1))
        workspace.run("run", "people")
    with Project.load(workspace.root) as project:
        assert len(project.runs()) < 4
    assert scrape(workspace)["tailrace_runs_total", "people", "succeeded"] == 4


def test_what_goes_on_and_what_waits_is_told(workspace):
    """Leases, pauses, requests, targets and troubles."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "freshness: 2h\n")
    with Project.load(workspace.root) as project:
        project.pause("people", by="ann")
        project.request("people", by="ann")
        lease = project.state.acquire("people", "test", 60.0)
        found = read(render(project))
        lease.release()
    assert found["tailrace_running", "people"] == 1
    assert found["tailrace_paused", "people"] == 1
    assert found["tailrace_requests_waiting",] == 1
    assert found["tailrace_freshness_target_seconds", "people"] == 7_200
    assert scrape(workspace)["tailrace_running", "people"] == 0


def test_accounts_are_told_by_destination(workspace):
    """Whether the breaker is open, how long a pause lasts, how much of the rate is used; no quota if unknown."""
    with Project.load(workspace.root) as project:
        target = project.session.target(project.syncs["people"])
        limits = project.state.limits(target.account)
        with limits.books() as books:
            for _ in range(5):
                books.standing.failures += 1
            books.standing.paused_until = books.now + 600
        found = read(render(project))
    assert found["tailrace_breaker_open", "app"] == 1
    assert 500 < found["tailrace_throttle_pause_seconds", "app"] <= 600
    assert found["tailrace_throttle_share", "app"] == 1
    assert ("tailrace_quota_left", "app") not in found


def test_open_rows_and_failures_are_told(workspace):
    """With a run that failed, and the alert that sees it."""
    workspace.write("models/people.sql", "select 1 as id from nowhere")
    workspace.run("run", "people", code=1)
    workspace.run("notify")
    found = scrape(workspace)
    assert found["tailrace_runs_total", "failed", "people"] == 1
    assert found["tailrace_alert", "failed", "people"] == 1
    assert found["tailrace_rows_open", "people", "rejected"] == 0


def test_the_type_is_that_of_the_text_format():
    """As Prometheus asks of an endpoint."""
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_json_logs_carry_ids_of_run_and_sync(workspace, caplog):
    """So that a log can be searched by them."""
    caplog.set_level(logging.INFO, "tailrace")
    with Project.load(workspace.root) as project:
        result = project.run("people")
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    named = [line for line in lines if line.get("run_id") == result.run_id]
    assert len(named) >= 3
    assert {line["sync"] for line in named} == {"people"}


@pytest.fixture
def crm(workspace, salesforce_server, monkeypatch):
    """A project over an org that counts its requests."""
    salesforce_server.control.reset()
    on_salesforce(workspace, salesforce_server, monkeypatch)
    workspace.write("syncs/people.yml", CONTACTS)
    return workspace


def asked(crm):
    """Requests to the account: as we count them for the sync, for a day of the account, and as the org does."""
    with Project.load(crm.root) as project:
        (account,) = project.accounts()
    ours = scrape(crm)["tailrace_destination_requests_total", "people"]
    return ours, account.calls_of_day, crm.org.counters()["requests"]


def test_every_request_is_counted_whatever_makes_it(crm):
    """A check and a plan that asks, a run that sends, one that has nothing to do, an adoption: as the vendor counts."""
    steps = [
        ("check",),
        ("plan", "people", "--check"),
        ("run", "people"),
        ("run", "people"),
        ("adopt", "people", "--yes"),
    ]
    before = 0
    for step in steps:
        crm.run(*step)
        ours, of_day, theirs = asked(crm)
        assert ours == of_day == theirs > before, step
        before = theirs


def test_requests_of_a_run_that_was_killed_are_counted(crm):
    """There is no end at which they could be."""
    crm.spawn("run", "people", code=-signal.SIGKILL, env={VARIABLE: "batch.sent:1:kill"})
    ours, of_day, theirs = asked(crm)
    assert ours == of_day == theirs > 1
    crm.run("run", "people")
    ours, of_day, theirs = asked(crm)
    assert ours == of_day == theirs
