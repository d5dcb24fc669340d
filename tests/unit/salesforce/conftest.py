import pytest

from tailrace.destination import Batch, Context, Operation, Row
from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.salesforce import plugin
from tailrace_destinations.salesforce.config import SalesforceConfig


@pytest.fixture(scope="session")
def server():
    """A Salesforce-like server for all tests of this folder."""
    with SandboxServer(hubspot=False, run_in="thread") as running:
        yield running


@pytest.fixture
def control(server):
    """The server's control, with nothing left over from the test before."""
    control = server.control.salesforce
    control.heal()
    control.reset()
    control.limit(daily=None)
    return control


@pytest.fixture
def calls():
    """A budget that permits everything and counts."""
    return RecordingCalls()


@pytest.fixture
def auth(server):
    """Client credentials the server accepts."""
    return {
        "flow": "client_credentials",
        "login_url": server.salesforce_url,
        "client_id": "app",
        "client_secret": Secret.literal("app-secret"),
    }


@pytest.fixture
def connect(calls, auth, control):
    """Open destinations; keyword arguments go into the configuration, `options` into the sync."""
    opened = []

    def connect(options=None, **settings):
        config = SalesforceConfig(**{"type": "salesforce", "auth": auth, "timeout": 10.0} | settings)
        opened.append(plugin.open(config, Context("crm", calls, ".", options)))
        return opened[-1]

    yield connect
    for destination in opened:
        destination.close()


@pytest.fixture
def crm(connect):
    """An open destination on a fresh server."""
    return connect()


@pytest.fixture
def batch():
    """Make a batch from dicts: `id` is the match value, `record_id` the record's, the rest values."""

    def make(operation, *rows, match=("External_Id__c",), object="Contact", lookups=None):
        made = [
            Row(
                f"r{number}",
                (row.get("id"),),
                (row.get("id"),) if match else (),
                {name: value for name, value in row.items() if name not in {"id", "record_id"}},
                row.get("record_id"),
            )
            for number, row in enumerate(rows)
        ]
        return Batch("b1", object, Operation(operation), match, tuple(made), lookups or {})

    return make
