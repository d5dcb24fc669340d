import subprocess
import sys

import jsonschema
import pytest
from pydantic import ValidationError

from tailrace.destination import Context, Operation, Rate
from tailrace.errors import UsageError
from tailrace.project.schema import schemas
from tailrace.project.types import Secret
from tailrace_destinations import hubspot
from tailrace_destinations.hubspot.config import HubSpotConfig

TOKEN = Secret.literal("t")


def config(**settings):
    """Make a configuration."""
    return HubSpotConfig(**{"type": "hubspot", "access_token": TOKEN} | settings)


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({}, (Rate(100, 10.0), Rate(250_000, 86_400.0))),
        ({"plan": "professional"}, (Rate(190, 10.0), Rate(625_000, 86_400.0))),
        ({"plan": "enterprise", "limit_increases": 2}, (Rate(250, 10.0), Rate(3_000_000, 86_400.0))),
        ({"rate": (Rate(5, 1.0),)}, (Rate(5, 1.0),)),
    ],
)
def test_rates_by_plan(settings, rates):
    """The plan and its add-ons set the limits; the project may replace them."""
    assert hubspot.plugin.capabilities(config(**settings)).rates == rates


def test_capabilities():
    """A batch never exceeds the vendor's cap, and only a create cannot be repeated."""
    can = hubspot.plugin.capabilities(config(batch_size=5000, concurrency=2))
    assert (can.batch_size, can.concurrency) == (100, 2)
    assert can.operations - can.idempotent == {Operation.CREATE}
    assert can.case_insensitive_match == {"email"}


@pytest.mark.parametrize(
    "settings", [{"plan": "gold"}, {"base_url": "http://example.com"}, {"limit_increases": 3}, {"timezone": "Nowhere"}]
)
def test_wrong_settings(settings):
    """Settings that cannot work are refused at load."""
    with pytest.raises(ValidationError):
        config(**settings)


def test_missing_library(monkeypatch):
    """Without the vendor's library the error says what to install."""
    monkeypatch.setattr(hubspot, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'tailrace\[hubspot\]'"):
        hubspot.plugin.open(config(), Context("hub", None, "."))


def test_the_plugin_imports_no_vendor_library():
    """Reading a project must not wait for the vendor's library."""
    code = "import sys, tailrace_destinations.hubspot; sys.exit('hubspot' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_account_hint_tells_apps_apart_without_secrets(monkeypatch):
    """Entries with one reference share the app's limits, others do not; a plan need not have the token at hand."""
    monkeypatch.delenv("TOKEN_A", raising=False)
    hints = [hubspot.plugin.account_hint(config(access_token=f"${{env:{name}}}")) for name in ("TOKEN_A", "TOKEN_B")]
    assert hints == ["https://api.hubapi.com ${env:TOKEN_A}", "https://api.hubapi.com ${env:TOKEN_B}"]
    assert hubspot.plugin.account_hint(config()) == "https://api.hubapi.com ***"


@pytest.mark.parametrize(
    ("object", "fields", "valid"),
    [
        ("list:VIP", None, True),
        ("contacts", None, False),
        ("contacts", {"firstname": "name"}, True),
        ("contacts", {"boss": {"lookup": "companies", "by": "id", "column": "c", "label": "Boss"}}, True),
        ("contacts", {"boss": {"column": "c", "label": "Boss"}}, False),
        ("contacts", {"boss": {"lookup": "o", "by": "id", "column": "c", "label": "Boss", "primary": True}}, False),
    ],
)
def test_editors_know_lists_and_references(object, fields, valid):
    """The JSON Schema of syncs wants fields of records and none of lists, and knows what goes with a lookup."""
    sync = {
        "model": "m",
        "destination": "hub",
        "object": object,
        "mode": "mirror",
        "key": "id",
        "match": {"email": "e"},
    }
    sync |= {"fields": fields} if fields else {}
    assert jsonschema.Draft202012Validator(schemas()["sync"]).is_valid(sync) is valid
