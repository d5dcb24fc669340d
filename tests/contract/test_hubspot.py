"""The hubspot adapter over the sandbox, held to the contract."""

import pytest

from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig

TOKEN = "pat-eu1-canary-token"
WRONG = "wrong-canary-token"


class HubSpotHarness(Harness):
    """Contacts, matched by a custom unique property."""

    object = "contacts"
    match = "warehouse_id"
    fields = ("firstname", "city")
    secrets = (TOKEN, WRONG)

    def __init__(self, server):
        self.url = server.hubspot_url
        self.control = server.control.hubspot
        self.control.heal()
        self.control.reset()

    def _open(self, calls, url, token):
        config = HubSpotConfig(type="hubspot", base_url=url, access_token=Secret.literal(token), timeout=10.0)
        return plugin.open(config, self.context(calls))

    def open(self, calls):
        """Open with a token the sandbox takes."""
        return self._open(calls, self.url, TOKEN)

    def open_denied(self, calls):
        """Open with a token the sandbox refuses."""
        return self._open(calls, self.url, WRONG)

    def open_unreachable(self, calls):
        """Open with a port where nothing listens."""
        return self._open(calls, "http://127.0.0.1:1", TOKEN)

    def records(self):
        """Read the sandbox's own records; HubSpot's empty text is no value."""
        wanted = (self.match, *self.fields)
        kept = (record["properties"] for record in self.control.records(self.object))
        return [{name: properties.get(name) or None for name in wanted} for properties in kept]

    def poison(self):
        """Choose what is not among the options."""
        return {"lifecyclestage": "nonsense"}

    def throttle(self, seconds):
        """Answer 429 once."""
        body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
        self.control.fail("/batch/", status=429, body=body, headers={"Retry-After": str(seconds)})

    def drop_answer(self):
        """Carry the next batch out and hang up."""
        self.control.fail("/batch/", drop=True, commit=True)

    def requests(self):
        """Ask the sandbox."""
        return self.control.counters()["requests"]

    def unknown_object(self):
        """Misspell the object."""
        return "contactz"


@pytest.fixture(scope="module")
def server():
    """One sandbox for all behaviours."""
    with SandboxServer(salesforce=False, run_in="thread") as running:
        yield running


class TestHubSpot(DestinationContract):
    """Every behaviour holds."""

    @pytest.fixture
    def harness(self, server):
        """An empty portal."""
        return HubSpotHarness(server)
