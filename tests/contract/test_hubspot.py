"""The hubspot adapter over the sandbox, held to the contract."""

from dataclasses import replace

import httpx
import pytest

from tailrace.destination import Lookup, Operation
from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig

TOKEN = "pat-eu1-canary-token"
WRONG = "wrong-canary-token"
VERSIONS = ("v3", "2026-09")


class HubSpotHarness(Harness):
    """Contacts, matched by a custom unique property."""

    object = "contacts"
    match = "warehouse_id"
    fields = ("firstname", "city")
    secrets = (TOKEN, WRONG)

    def __init__(self, server, version="v3"):
        self.url = server.hubspot_url
        self.version = version
        self.control = server.control.hubspot
        self.control.heal()
        self.control.reset()

    def _open(self, calls, url, token):
        given = {"type": "hubspot", "base_url": url, "access_token": Secret.literal(token), "timeout": 10.0}
        return plugin.open(HubSpotConfig(**given, api_version=self.version), self.context(calls))

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
        """An address that only HubSpot knows to be none."""
        return {"email": "nonsense"}

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


class _Referring:
    """The adapter, with a reference added to every row that is written."""

    def __init__(self, opened):
        self._opened = opened

    def __getattr__(self, name):
        return getattr(self._opened, name)

    def push(self, batch):
        """Every row belongs to the same company."""
        if batch.operation in {Operation.DELETE, Operation.ARCHIVE}:
            return self._opened.push(batch)
        rows = tuple(replace(row, values={**row.values, "employer": "acme"}) for row in batch.rows)
        return self._opened.push(replace(batch, rows=rows, lookups={"employer": Lookup("companies", "warehouse_id")}))


class LinkedHarness(HubSpotHarness):
    """Contacts that are associated with a company."""

    def __init__(self, server, version="v3"):
        super().__init__(server, version)
        company = {"id": "acme", "idProperty": "warehouse_id", "properties": {}}
        httpx.post(
            f"{self.url}/crm/v3/objects/companies/batch/upsert",
            json={"inputs": [company]},
            headers={"Authorization": f"Bearer {TOKEN}"},
        ).raise_for_status()
        self._before = super().requests()

    def _open(self, calls, url, token):
        return _Referring(super()._open(calls, url, token))

    def throttle(self, seconds):
        """Answer the first request of the batch that writes; the look-up of the parent comes before."""
        body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
        self.control.fail("/batch/upsert", status=429, body=body, headers={"Retry-After": str(seconds)})

    def drop_answer(self):
        """Make the association and hang up: the records are there by then."""
        self.control.fail("/batch/associate/default", drop=True, commit=True)

    def requests(self):
        """All but the one that made the company."""
        return super().requests() - self._before


class TestHubSpot(DestinationContract):
    """Every behaviour holds, by either version."""

    @pytest.fixture(params=VERSIONS)
    def harness(self, server, request):
        """An empty portal."""
        return HubSpotHarness(server, request.param)


class TestHubSpotWithAssociations(DestinationContract):
    """Every behaviour holds for rows that have a reference, too."""

    @pytest.fixture(params=VERSIONS)
    def harness(self, server, request):
        """A portal with one company."""
        return LinkedHarness(server, request.param)
