"""The clients jsforce and @hubspot/api-client, run by Node, understand the sandbox."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build" / "foreign-clients"
INSTALL = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
OLDEST_NODE = 18


@pytest.fixture(scope="session")
def folder():
    """A folder with both clients installed, made once and kept; skips where that is impossible."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("Node.js and npm are not installed")
    version = run([node, "--version"], BUILD.parents[1]).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version.strip()} is older than {OLDEST_NODE}")
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(npm)
    return BUILD


def run(command, folder, seconds=120):
    """Run a program to its end; gives its status and what it wrote."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)


def _install(npm):
    wanted = (HERE / "package.json").read_text()
    done = BUILD / "installed.json"
    if done.exists() and done.read_text() == wanted:
        return
    (BUILD / "package.json").write_text(wanted)
    try:
        ended = run([npm, "install", *INSTALL], BUILD, 240)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install took too long")
    if ended.returncode:
        pytest.skip(f"npm cannot install the clients: {ended.stderr.strip().splitlines()[-1:]}")
    done.write_text(wanted)


def seen_by(folder, script, url):
    """Run a script beside the installed clients; gives what it printed."""
    shutil.copy(HERE / script, folder / script)
    ended = run([shutil.which("node"), script, url], folder)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_jsforce(folder, server):
    """The client jsforce signs in, describes, writes in Collections and jobs, queries, pages and deletes."""
    seen = seen_by(folder, "salesforce.mjs", server.salesforce_url)
    objects = set(seen.pop("global"))
    assert {"Account", "Contact", "Lead", "Opportunity"} <= objects
    assert seen.pop("organization").startswith("00D")
    assert seen == {
        "describe": [["External_Id__c", "string", True]],
        "upserted": [[True, True, []], [False, None, ["REQUIRED_FIELD_MISSING"]], [True, True, []]],
        "again": [False, True],
        "created": [[True, []], [False, [["STRING_TOO_LONG", ["LastName"]]]]],
        "updated": [True],
        "found": [["Zoë O'Neil", 143.7, "Acme"], ["Poe", None, None]],
        "count": 2,
        "gone": [True, True],
        "left": 1,
        "error": "ENTITY_IS_DELETED",
        "many": 450,
        "pages": [3, 450],
        "inserted": [1, ["STRING_TOO_LONG"]],
        "put": [[["false", "j-1", True]], "INVALID_FIELD", 0],
        "kept": [[True, None, "Acme"]],
        "dropped": [True, 0],
        "badHeader": True,
        "usage": True,
    }


def test_hubspot_api_client(folder, server):
    """@hubspot/api-client upserts, reads, searches, archives, and sees partial failures and conflicts."""
    seen = seen_by(folder, "hubspot.mjs", server.hubspot_url)
    assert seen == {
        "first": ["COMPLETE", [True, True], True],
        "mixed": [["Roe"], 1, "VALIDATION_ERROR", ["trace-c"]],
        "read": [[None, "7", None], ["a@x.io", None, None]],
        "created": 1,
        "conflict": [409, "CONFLICT"],
        "search": [1, "b"],
        "archived": 404,
        "all": 2,
        "unique": ["email", "hs_object_id", "warehouse_id"],
        "made": ["shop_id", True],
        "linked": [279, 280],
        "kinds": [[[[None, "Primary", "Payer"]]], [[[None, "Primary"]]], []],
        "labels": [
            ["HUBSPOT_DEFINED", 279, None],
            ["HUBSPOT_DEFINED", 1, "Primary"],
            ["USER_DEFINED", True, "Payer"],
        ],
        "born": [[True, [279, 1]]],
        "members": [2, ["1"], [], 1],
        "page": [True],
        "hits": [["VIPs", "MANUAL", "0-1"]],
        "size": 1,
        "dynamic": 400,
        "event": [400, "PROPERTY_DOESNT_EXIST"],
        "portal": "number",
    }
    sent = server.control.hubspot.records("events")
    assert [(each["uuid"], each["properties"]) for each in sent] == [
        ("u-1", {"amount": "12.50"}),
        ("u-2", {"amount": "12.50"}),
    ]
    assert sent[1]["occurredAt"] == "1970-01-01T00:00:00.000Z"
