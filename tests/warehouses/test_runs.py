"""Whole runs out of a warehouse in the cloud, simulated."""

import sqlite3

import pytest
from tests.warehouses.bigquery import BILLED, bigquery_server

PROJECT = """
warehouses:
  main: {type: bigquery, project: acme, credentials_path: key.json}
destinations:
  app: {type: sql, url: "sqlite:///app.db"}
"""
SYNC = """
model: people
destination: app
object: people
mode: upsert
key: id
match: {id: id}
fields: {name: name}
"""


@pytest.fixture
def server(monkeypatch):
    """A simulator that Google's client is led to."""
    with bigquery_server() as project:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", project.host)
        yield project


@pytest.fixture
def project(server, workspace):
    """A project that reads from it."""
    workspace.write("key.json", server.credentials())
    workspace.write("tailrace.yml", PROJECT)
    workspace.write("models/people.sql", "select 1 as id, 'Ann' as name union all select 2, 'Bo'")
    workspace.write("syncs/people.yml", SYNC)
    with sqlite3.connect(workspace.root / "app.db") as connection:
        connection.execute("drop table if exists people")
        connection.execute("create table people (id integer primary key, name text)")
    connection.close()
    return workspace


def test_a_run_says_what_was_billed_and_labels_its_job(project, server):
    """The run's JSON and its words have the bytes; the job's labels have sync and run."""
    (run,) = project.run("run", "people", "--json").json["runs"]
    assert (run["status"], run["acknowledged"], run["bytes_billed"]) == ("succeeded", 2, BILLED)
    sent = [asked for asked in server.configurations() if not asked.get("dryRun")]
    assert [asked["labels"] for asked in sent] == [
        {"tailrace": "true", "tailrace_sync": "people", "tailrace_run": run["run_id"].lower().replace(".", "_")}
    ]
    assert f"{BILLED:,} bytes billed by the warehouse" in project.run("run", "people").out


@pytest.mark.parametrize("command", ["plan", "check"])
def test_plan_and_check_label_what_they_ask(project, server, command):
    """Without a run there is a sync all the same; only whether the warehouse answers is asked for no sync."""
    project.run(command, "people")
    asked = [each for each in server.configurations() if "model" in each["query"]["query"]]
    assert asked
    assert {each["labels"].get("tailrace_sync") for each in asked} == {"people"}
    assert not any("tailrace_run" in each["labels"] for each in server.configurations())
