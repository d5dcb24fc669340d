"""The smoke tests for live accounts, themselves run against the sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tailrace
import tailrace_destinations
from tailrace.sandbox import SandboxServer

ROOT = Path(__file__).parents[2]
TREE = [Path(package.__file__).parents[1] for package in (tailrace, tailrace_destinations)]
HUB = {"TAILRACE_LIVE_HUBSPOT_TOKEN": "pat-canary"}
ORG = {"TAILRACE_LIVE_SF_CLIENT_ID": "app", "TAILRACE_LIVE_SF_CLIENT_SECRET": "app-canary"}


def live(*arguments, vendor="salesforce", **env):
    """Run a smoke test in a process of its own, with no other settings of it than these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_LIVE_")}
    clean["PYTHONPATH"] = os.pathsep.join(map(str, TREE))
    test = f"tests/live/test_{vendor}.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "live", test, *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean | env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def server():
    """An org that is a sandbox."""
    with SandboxServer(hubspot=False) as running:
        yield running


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"TAILRACE_LIVE_SF_OBJECT": "Account"},
        {"TAILRACE_LIVE_SF_FLOW": "refresh_token", "TAILRACE_LIVE_SF_REFRESH_TOKEN": "5Aep-canary"},
    ],
    ids=["contacts", "accounts", "refresh token"],
)
def test_the_smoke_test_passes_and_leaves_nothing(server, settings):
    """Records that were there stay, its own are gone, and no secret is shown."""
    server.control.reset()
    ended = live(TAILRACE_LIVE_SF_URL=server.salesforce_url, **(ORG | settings))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    counted = server.control.salesforce.counters()["writes"]
    assert sum(counted.values()) >= 10
    assert [server.control.salesforce.records(name) for name in counted] == [[]] * len(counted)
    assert "canary" not in ended.stdout + ended.stderr


def test_a_failure_leaves_nothing_either(server):
    """What was written before it is deleted."""
    server.control.reset()
    server.control.salesforce.fail_rows(
        "Contact", "FIELD_CUSTOM_VALIDATION_EXCEPTION", field="LastName", values=["Bob"]
    )
    ended = live(TAILRACE_LIVE_SF_URL=server.salesforce_url, **ORG)
    assert ended.returncode == 1
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in ended.stdout
    assert server.control.salesforce.counters()["writes"]["Contact"] == 4
    assert server.control.salesforce.records("Contact") == []


def test_an_org_that_may_be_production_is_left_alone(server):
    """Unless the environment says that it is meant."""
    server.control.reset()
    server.control.salesforce.fail("/query", status=400, body=[{"errorCode": "INVALID_TYPE", "message": "x"}])
    ended = live(TAILRACE_LIVE_SF_URL=server.salesforce_url, **ORG)
    assert ended.returncode == 1
    assert "TAILRACE_LIVE_SF_PRODUCTION=yes" in ended.stdout
    assert server.control.salesforce.counters()["writes"] == {}


@pytest.mark.parametrize(
    ("vendor", "named"), [("salesforce", "TAILRACE_LIVE_SF_URL"), ("hubspot", "TAILRACE_LIVE_HUBSPOT_TOKEN")]
)
def test_without_settings_it_is_skipped(vendor, named):
    """And so it is in every run of all tests."""
    ended = live("-rs", vendor=vendor)
    assert ended.returncode == 0
    assert "1 skipped" in ended.stdout
    assert named in ended.stdout


@pytest.fixture(scope="module")
def portal():
    """A HubSpot account to try things on."""
    with SandboxServer(salesforce=False) as running:
        yield running


@pytest.mark.parametrize(
    "settings",
    [
        HUB,
        HUB | {"TAILRACE_LIVE_HUBSPOT_OBJECT": "companies", "TAILRACE_LIVE_HUBSPOT_API_VERSION": "2026-09"},
        {
            "TAILRACE_LIVE_HUBSPOT_CLIENT_ID": "app",
            "TAILRACE_LIVE_HUBSPOT_CLIENT_SECRET": "app-canary",
            "TAILRACE_LIVE_HUBSPOT_REFRESH_TOKEN": "refresh-canary",
        },
    ],
    ids=["contacts", "companies by a dated version", "refresh token"],
)
def test_hubspots_smoke_test_passes_and_leaves_nothing(portal, settings):
    """Its records are in the recycle bin, and no secret is shown."""
    portal.control.reset()
    ended = live(vendor="hubspot", TAILRACE_LIVE_HUBSPOT_URL=portal.hubspot_url, **settings)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    counted = portal.control.hubspot.counters()["writes"]
    assert sum(counted.values()) >= 8
    assert [portal.control.hubspot.records(name) for name in counted] == [[]] * len(counted)
    assert "canary" not in ended.stdout + ended.stderr


def test_a_hubspot_account_that_may_be_production_is_left_alone(portal):
    """Unless the environment says that it is meant."""
    portal.control.reset()
    body = {"portalId": 1, "accountType": "STANDARD", "timeZone": "Europe/Berlin"}
    portal.control.hubspot.fail("/account-info/", status=200, body=body, times=10)
    ended = live(vendor="hubspot", TAILRACE_LIVE_HUBSPOT_URL=portal.hubspot_url, **HUB)
    assert ended.returncode == 1
    assert "TAILRACE_LIVE_HUBSPOT_PRODUCTION=yes" in ended.stdout
    assert portal.control.hubspot.counters()["writes"] == {}
