"""The sandbox as a whole: failures on request, processes, state, bad starts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from tailrace.errors import UsageError
from tailrace.sandbox import HubSpotOptions, SalesforceOptions, SandboxOptions, SandboxServer
from tailrace.sandbox.hubspot import HubSpot
from tailrace.sandbox.salesforce import Salesforce

CONTACTS = "/crm/v3/objects/contacts"
NEW = {"properties": {"firstname": "Ann"}}
TOKEN = {"Authorization": "Bearer x"}


def records(server):
    """How many contacts the portal has."""
    return len(server.control.hubspot.records("contacts"))


def test_injected_answer(hub, server):
    """The next matching request gets the given answer and is not carried out; the one after is well."""
    body = {"status": "error", "message": "locked"}
    server.control.hubspot.fail("contacts$", method="POST", status=423, body=body, headers={"Retry-After": "2"})
    assert hub.get(CONTACTS).status_code == 200
    failed = hub.post(CONTACTS, json=NEW)
    assert (failed.status_code, failed.json(), failed.headers["Retry-After"]) == (423, body, "2")
    assert records(server) == 0
    assert hub.post(CONTACTS, json=NEW).status_code == 201


@pytest.mark.parametrize(("commit", "kept"), [(False, 0), (True, 1)])
def test_dropped_connection(hub, server, commit, kept):
    """A dropped connection gives no answer, whether or not the request was carried out."""
    server.control.hubspot.fail("contacts", drop=True, commit=commit)
    with pytest.raises(httpx.TransportError):
        hub.post(CONTACTS, json=NEW)
    assert records(server) == kept
    assert hub.get(CONTACTS).status_code == 200


def test_failure_after_commit(hub, server):
    """A request may be carried out and still be answered by an error."""
    server.control.hubspot.fail(status=503, commit=True)
    assert hub.post(CONTACTS, json=NEW).status_code == 503
    assert records(server) == 1


def test_request_lands_after_its_client_gave_up(hub, server):
    """A delayed request is carried out although its client is gone by then."""
    server.control.hubspot.fail("contacts$", delay=0.5)
    with pytest.raises(httpx.ReadTimeout):
        hub.post(CONTACTS, json=NEW, timeout=httpx.Timeout(10, read=0.05))
    pause = threading.Event()
    while not records(server):  # the test run's own time limit ends this where the promise is broken
        pause.wait(0.05)
    assert records(server) == 1


def test_healing_and_counting_what_is_to_come(hub, server):
    """Failures still to come can be counted and called off."""
    server.control.hubspot.fail(times=3, status=500)
    server.control.hubspot.fail_rows("contacts", "X", times=2)
    hub.get(CONTACTS)
    assert server.control.hubspot.pending_faults() == {"requests": 2, "rows": 2}
    server.control.hubspot.heal()
    assert hub.get(CONTACTS).status_code == 200


def test_counters(hub, hub_upsert, server):
    """Requests are counted by method, rows by object; a refused row does not count."""
    hub_upsert([("a", {}), ("b", {}), ("c", {"nope": "1"})])
    hub.get(CONTACTS)
    counted = server.control.hubspot.counters()
    assert counted["methods"] == {"POST": 1, "GET": 1}
    assert (counted["requests"], counted["writes"]) == (2, {"contacts": 2})
    assert {"contacts", "companies", "deals", "tickets"} <= set(server.control.hubspot.all_records())


@pytest.mark.parametrize(
    "call",
    [
        lambda control: control.records("nope"),
        lambda control: control.fail(path="("),
        lambda control: control.limit(nope=1),
        lambda control: control.declare({"contacts": {"properties": [{"name": "x"}]}}),
    ],
)
def test_control_refuses_what_it_does_not_understand(server, call):
    """A wrong instruction is an error with the reason, on the test's side."""
    with pytest.raises(UsageError, match="The sandbox refused"):
        call(server.control.hubspot)


@pytest.mark.parametrize(
    "body",
    [
        ["Account"],
        {"Account": ["a"]},
        {"name": "Account", "fields": []},
        {"Account": {"fields": {"Tier__c": "string"}, "properties": {"tier": "string"}}},
        {"Account": {"fields": ["Tier__c"], "properties": ["tier"]}},
    ],
)
@pytest.mark.parametrize("vendor", ["salesforce", "hubspot"])
def test_objects_declared_in_another_shape_are_refused_with_the_right_one(server, client, vendor, body):
    """Whatever is wrong: the whole, an object, or what it has."""
    url = f"{getattr(server, f'{vendor}_url')}/__sandbox__/objects"
    answer = client.post(url, json=body)
    assert answer.status_code == 400
    words, _, shape = answer.json()["error"].partition(", as in ")
    assert words == "objects are declared by their names"
    assert list(json.loads(shape)) == [{"salesforce": "Account", "hubspot": "contacts"}[vendor]]


@pytest.mark.parametrize("vendor", [Salesforce(SalesforceOptions()), HubSpot(HubSpotOptions())])
def test_the_shape_of_declared_objects_can_be_declared(vendor):
    """What is shown to whoever got it wrong is right."""
    vendor.declare(vendor.shape)


def test_control_of_a_vendor_that_does_not_run():
    """Asking for a vendor that was not started says so."""
    with SandboxServer(salesforce=False, run_in="thread") as server:
        with pytest.raises(UsageError, match="salesforce"):
            _ = server.salesforce_url
        with pytest.raises(UsageError, match="Salesforce"):
            _ = server.control.salesforce


def test_process_of_its_own_keeps_state(tmp_path, client):
    """A sandbox process saves its records at the end, and the next one goes on with them."""
    state = tmp_path / "deep" / "state.json"
    with SandboxServer(state=state) as server:
        client.post(server.hubspot_url + CONTACTS, json=NEW, headers=TOKEN).raise_for_status()
        path = "/services/data/v62.0/sobjects/Account"
        client.post(server.salesforce_url + path, json={"Name": "Acme"}, headers=TOKEN).raise_for_status()
        server.control.salesforce.declare({"Pet__c": {"fields": [{"name": "Kind__c", "type": "string"}]}})
        before = [server.control.hubspot.all_records(), server.control.salesforce.all_records()]
    with SandboxServer(state=state) as server:
        assert [server.control.hubspot.all_records(), server.control.salesforce.all_records()] == before
        again = client.post(server.salesforce_url + path, json={"Name": "Other"}, headers=TOKEN).json()["id"]
        assert again not in {record["Id"] for record in before[1]["Account"]}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 99, "vendors": {}}', '{"format": 1, "vendors": {"hubspot": {}}}', '"\\ud800"']
)
def test_damaged_state(tmp_path, text):
    """A state file that cannot be read stops the start with the file's name, and stays as it is."""
    state = tmp_path / "state.json"
    state.write_text(text)
    with pytest.raises(UsageError, match=r"state\.json"), SandboxServer(state=state, run_in="thread"):
        pass
    assert state.read_text() == text


def test_port_taken():
    """A taken port is told from the process that finds it taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            SandboxServer(hubspot_port=port).start()


SERVE = """
import json, sys
from pathlib import Path
from tailrace.sandbox import SandboxOptions, serve
serve(SandboxOptions(state=Path(sys.argv[1])), ready=lambda urls: print(json.dumps(urls), flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_on_signals_and_saves(tmp_path, client, number):
    """`serve` announces its URLs, limits rates by default, and on a signal saves and ends well."""
    state = tmp_path / "state.json"
    command = [sys.executable, "-c", SERVE, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = json.loads(process.stdout.readline())["hubspot"]
        answer = client.post(url + CONTACTS, json=NEW, headers=TOKEN)
        assert answer.headers["X-HubSpot-RateLimit-Max"] == "190"
        os.kill(process.pid, number)
        assert process.wait(20) == 0
    saved = json.loads(state.read_text())["vendors"]["hubspot"]["records"]["contacts"]
    assert [row[1]["firstname"] for row in saved] == ["Ann"]


def test_rehearsals_are_limited_as_the_vendor_is():
    """Rate limits are on unless they are switched off."""
    assert SandboxOptions().rate_limits
