"""The salesforce adapter over the sandbox, held to the contract."""

from types import MappingProxyType

import pytest

from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.salesforce import plugin
from tailrace_destinations.salesforce.config import SalesforceConfig

SECRET = "app-canary-secret"
WRONG = "wrong-canary-secret"


class SalesforceHarness(Harness):
    """Contacts, matched by an external id."""

    object = "Contact"
    match = "External_Id__c"
    fields = ("Title", "Source__c")
    base = MappingProxyType({"LastName": "Roe"})
    secrets = (SECRET, WRONG)

    def __init__(self, server):
        self.url = server.salesforce_url
        self.control = server.control.salesforce
        self.control.heal()
        self.control.reset()

    def _open(self, calls, url, secret):
        auth = {
            "flow": "client_credentials",
            "login_url": url,
            "client_id": "app",
            "client_secret": Secret.literal(secret),
        }
        config = SalesforceConfig(type="salesforce", auth=auth, timeout=10.0)
        return plugin.open(config, self.context(calls))

    def open(self, calls):
        """Open with a secret the sandbox takes."""
        return self._open(calls, self.url, SECRET)

    def open_denied(self, calls):
        """Open with a secret the sandbox refuses."""
        return self._open(calls, self.url, WRONG)

    def open_unreachable(self, calls):
        """Open with a port where nothing listens."""
        return self._open(calls, "http://127.0.0.1:1", SECRET)

    def records(self):
        """Read the sandbox's own records."""
        wanted = (self.match, *self.fields)
        return [{name: record[name] for name in wanted} for record in self.control.records(self.object)]

    def poison(self):
        """Leave a required field empty."""
        return {"LastName": None}

    def throttle(self, seconds):
        """Answer 503 once."""
        body = [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]
        self.control.fail("/composite/", status=503, body=body, headers={"Retry-After": str(seconds)})

    def drop_answer(self):
        """Carry the next request out and hang up."""
        self.control.fail("/composite/", drop=True, commit=True)

    def requests(self):
        """Ask the sandbox; signing in is counted on both sides."""
        return self.control.counters()["requests"]

    def unknown_object(self):
        """Misspell the object."""
        return "Contakt"


@pytest.fixture(scope="module")
def server():
    """One sandbox for all behaviours."""
    with SandboxServer(hubspot=False, run_in="thread") as running:
        yield running


class TestSalesforce(DestinationContract):
    """Every behaviour holds."""

    @pytest.fixture
    def harness(self, server):
        """An empty org."""
        return SalesforceHarness(server)
