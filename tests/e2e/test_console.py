"""The console and the API as `serve` has them: over HTTP, beside runs that go on."""

import contextlib
import signal
import socket

import httpx
import pytest
from tests.e2e.labs import on_salesforce
from tests.e2e.served import served

CONTACTS = """\
model: people
destination: crm
object: Contact
mode: upsert
key: id
match: {External_Id__c: id}
fields: {LastName: name, Email: {column: email, nulls: skip}}
"""


def test_a_run_that_was_asked_for_is_followed_to_its_end(workspace, hook):
    """Its progress comes as it is made: sending with a batch in flight, then the end with all rows."""
    hook.hold(after=1)
    with served(workspace) as serve:
        asked = serve.post("/api/syncs/people/run")
        assert hook.waiting.wait(60)
        (run,) = serve.get("/api/runs")["runs"]
        events = serve.events(f"/runs/{run['run_id']}/events")
        first = next(events)
        assert (first["phase"], first["total"], first["done"] < 3) == ("sending", 3, True)
        hook.go.set()
        *_, last = events
        assert (last["phase"], last["status"], last["done"]) == ("ended", "succeeded", 3)
        told = serve.until(f"/api/requests/{asked['request_id']}", lambda found: found["state"] == "done")
        assert told["run_id"] == run["run_id"]


def test_a_run_is_cancelled(workspace, hook):
    """What is in flight ends, the rest stays; the run says who stopped it."""
    hook.hold(after=1)
    with served(workspace) as serve:
        serve.post("/api/syncs/people/run")
        assert hook.waiting.wait(60)
        serve.post("/api/syncs/people/cancel")
        (run,) = serve.get("/api/runs")["runs"]
        hook.go.set()
        ended = serve.until(f"/api/runs/{run['run_id']}", lambda found: found["status"] != "running")
        assert ended["status"] in {"interrupted", "succeeded"}
        assert [line["action"] for line in serve.get("/api/audit")["actions"]] == ["cancel", "run"]


def test_a_salesforce_org_is_planned_run_and_gauged(workspace, salesforce_server, monkeypatch):
    """The whole round over HTTP against the sandbox: plan asking the org, apply, and the quota that it told."""
    on_salesforce(workspace, salesforce_server, monkeypatch)
    workspace.org.reset()
    workspace.write("syncs/people.yml", CONTACTS)
    with served(workspace) as serve:
        plan = serve.post("/api/syncs/people/plans", {"check": True, "wait_s": 60})
        assert (plan["state"], plan["head"]["inserts"]) == ("made", 3)
        asked = serve.post(f"/api/plans/{plan['plan']}/apply", {"hash": plan["head"]["hash"]})
        done = serve.until(f"/api/requests/{asked['request_id']}", lambda found: found["state"] == "done")
        assert (done["result"]["status"], done["result"]["acknowledged"]) == ("succeeded", 3)
        (account,) = serve.get("/api/accounts")["accounts"]
        assert 0 < account["quota_left"] < account["quota_max"]
        assert account["calls_of_day"] > 0
        pages = [serve.client.get(path) for path in ("/", "/accounts", "/syncs/people", f"/runs/{done['run_id']}")]
        assert [page.status_code for page in pages] == [200] * 4
        assert "sf-canary" not in "".join(page.text for page in pages)
    assert len(workspace.org.records("Contact")) == 3


def test_tokens_are_made_used_and_ended_by_the_command_line(workspace):
    """With --auth a token lets in what its role may; once revoked, nothing."""
    made = workspace.run("token", "create", "ann", "--role", "operator", "--json").json
    assert workspace.run("token", "list", "--json").json["tokens"][0]["name"] == "ann"
    with served(workspace, "--auth") as serve:
        assert serve.client.get("/api/me").status_code == 401
        headers = {"authorization": f"Bearer {made['token']}"}
        assert serve.get("/api/me", headers=headers)["role"] == "operator"
        workspace.run("token", "revoke", "ann")
        assert serve.client.get("/api/me", headers=headers).status_code == 401


@pytest.mark.parametrize("option", [("--listen", "0.0.0.0"), ("--allow-host", "tailrace.example.com"), ("--auth",)])  # noqa: S104
def test_without_a_token_it_stays_on_this_machine(workspace, option):
    """Where others could come in it does not start, and says what to do."""
    answer = workspace.run("serve", "--port", "0", *option, code=2)
    assert "tailrace token create" in answer.err


def test_a_port_that_is_taken_is_told(workspace):
    """With what to do about it; nothing runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = workspace.run("serve", "--port", str(taken.getsockname()[1]), code=2)
    assert "--port" in answer.err
    assert "--no-web" in answer.err


def test_a_watcher_does_not_keep_it_from_ending(workspace, hook):
    """SIGTERM ends the stream of events, and the program with 0."""
    hook.hold(after=1)
    with served(workspace) as serve:
        serve.post("/api/syncs/people/run")
        assert hook.waiting.wait(60)
        (run,) = serve.get("/api/runs")["runs"]
        events = serve.events(f"/runs/{run['run_id']}/events")
        next(events)
        serve.process.send_signal(signal.SIGTERM)
        hook.go.set()
        out, err = serve.process.communicate(timeout=60)
        assert (serve.process.returncode, "Traceback" in err) == (0, False), out + err
        with contextlib.suppress(httpx.HTTPError):
            events.close()
