import pytest

from tailrace.destination import Batch, Context, Operation, Row
from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig


@pytest.fixture(scope="session")
def server():
    """A HubSpot-like server for all tests of this folder."""
    with SandboxServer(salesforce=False, run_in="thread") as running:
        yield running


@pytest.fixture
def control(server):
    """The server's control, with nothing left over from the test before."""
    control = server.control.hubspot
    control.heal()
    control.reset()
    control.limit(burst=None, per=10, daily=None)
    return control


@pytest.fixture
def calls():
    """A budget that permits everything and counts."""
    return RecordingCalls()


@pytest.fixture
def connect(server, calls):
    """Open destinations; keyword arguments go into the configuration, `options` are the sync's own keys."""
    opened = []

    def connect(options=None, **settings):
        given = {"type": "hubspot", "access_token": Secret.literal("pat-eu1-sandbox"), "base_url": server.hubspot_url}
        config = HubSpotConfig(**given | {"timeout": 10.0} | settings)
        opened.append(plugin.open(config, Context("hub", calls, ".", options)))
        return opened[-1]

    yield connect
    for destination in opened:
        destination.close()


@pytest.fixture
def hub(connect, control):
    """An open destination on a fresh server."""
    return connect()


@pytest.fixture
def batch():
    """Make a batch of contacts from dicts: `id` is the match value, `record_id` the record's, the rest values."""

    def make(operation, *rows, match=("warehouse_id",), object="contacts"):
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
        return Batch("b1", object, Operation(operation), match, tuple(made))

    return make
