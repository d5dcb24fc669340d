"""Lists and events of the hubspot adapter over the sandbox: held to the contract as far as it is about them."""

from collections.abc import Mapping
from typing import ClassVar

import httpx
import pytest

from tailrace.destination import Batch, Context, Operation, Row
from tailrace.errors import AccessDenied, AnswerLost, ObjectNotFound, Retriable, WriteForbidden
from tailrace.project.types import Secret
from tailrace.sandbox import SandboxServer
from tailrace.testing.calls import RecordingCalls
from tailrace.testing.contract import DestinationContract
from tailrace.testing.harness import Harness
from tailrace_destinations.hubspot import plugin
from tailrace_destinations.hubspot.config import HubSpotConfig

TOKEN = "pat-eu1-canary-token"
WRONG = "wrong-canary-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LIST = "list:Readers"


def opened(url, calls, name, token=TOKEN):
    """The adapter for an object, open."""
    config = HubSpotConfig(type="hubspot", base_url=url, access_token=Secret.literal(token), timeout=10.0)
    return plugin.open(config, Context("contract", calls, ".", sync="s", object=name, mode="mirror"))


class EventHarness(Harness):
    """An event with two texts, told apart by ids of the model's own."""

    object = "event:read"
    match = "uuid"
    fields = ("note", "place")
    base: ClassVar[Mapping[str, str]] = {"utk": "visitor"}
    secrets = (TOKEN, WRONG)

    def __init__(self, server):
        self.url, self.control = server.hubspot_url, server.control.hubspot
        self.control.heal()
        self.control.reset()
        properties = [{"name": name, "label": name, "type": "string"} for name in self.fields]
        body = {"name": "read", "propertyDefinitions": properties}
        httpx.post(f"{self.url}/events/v3/event-definitions", json=body, headers=HEADERS)
        self._before = self.control.counters()["requests"]

    def open(self, calls):
        """Open with a token the sandbox takes."""
        return opened(self.url, calls, self.object)

    def open_denied(self, calls):
        """Open with a token the sandbox refuses."""
        return opened(self.url, calls, self.object, WRONG)

    def open_unreachable(self, calls):
        """Open with a port where nothing listens."""
        return opened("http://127.0.0.1:1", calls, self.object)

    def records(self):
        """Read the sandbox's own events."""
        return [
            {"uuid": event["uuid"], **{name: event["properties"].get(name) or None for name in self.fields}}
            for event in self.control.records("events")
        ]

    def requests(self):
        """All but the one that defined the event."""
        return self.control.counters()["requests"] - self._before

    def unknown_object(self):
        """Misspell the event."""
        return "event:raed"


@pytest.fixture(scope="module")
def server():
    """One sandbox for all behaviours."""
    with SandboxServer(salesforce=False, run_in="thread") as running:
        yield running


class TestEvents(DestinationContract):
    """Every behaviour holds, but one: HubSpot does not tell that an event is there already."""

    @pytest.fixture
    def harness(self, server):
        """A portal without events."""
        return EventHarness(server)

    def test_create_of_what_exists_is_told(self, destination, harness):
        """The second is taken without a word, and does not count: the first stays."""
        for text in ("first", "again"):
            row = Row("1", (1,), ("row-1",), {**harness.base, "note": text})
            (outcome,) = destination.push(Batch("b", harness.object, Operation.CREATE, ("uuid",), (row,)))
            assert outcome.status == "acknowledged"
        assert [record["note"] for record in harness.records()] == ["first"]


class Club:
    """A list and three contacts."""

    def __init__(self, server):
        self.url, self.control = server.hubspot_url, server.control.hubspot
        self.control.heal()
        self.control.reset()
        body = {"name": "Readers", "processingType": "SNAPSHOT", "objectTypeId": "0-1"}
        httpx.post(f"{self.url}/crm/v3/lists/", json=body, headers=HEADERS).raise_for_status()
        rows = [{"id": key, "idProperty": "warehouse_id", "properties": {}} for key in "abc"]
        path = "/crm/v3/objects/contacts/batch/upsert"
        made = httpx.post(self.url + path, json={"inputs": rows}, headers=HEADERS).json()["results"]
        self.ids = {row["properties"]["warehouse_id"]: row["id"] for row in made}
        self._before = self.control.counters()["requests"]

    @property
    def members(self):
        """Who is in."""
        return set(self.control.records("lists")[0]["members"])

    @property
    def requests(self):
        """Requests since the list was made."""
        return self.control.counters()["requests"] - self._before


@pytest.fixture
def club(server):
    """A portal with a list that nobody is in."""
    return Club(server)


@pytest.fixture
def calls():
    """A budget that permits everything and counts."""
    return RecordingCalls()


@pytest.fixture
def readers(club, calls):
    """The list, open."""
    destination = opened(club.url, calls, LIST)
    yield destination
    destination.close()


def batch(operation, *keys, ids=None):
    """Rows by match value."""
    rows = tuple(Row(key, (key,), (key,), {}, (ids or {}).get(key)) for key in keys)
    return Batch("b", LIST, Operation(operation), ("warehouse_id",), rows)


def test_a_list_names_the_account_of_its_records(readers):
    """Two checks name the same one."""
    assert readers.check().id == readers.check().id == "24681357"


def test_a_list_that_is_none_is_not_found(club, calls):
    """With the nearest name."""
    with pytest.raises(ObjectNotFound, match="did you mean Readers"):
        opened(club.url, calls, "list:Raeders").describe("list:Raeders")


def test_each_row_has_one_outcome_and_a_repeat_changes_nothing(readers, club):
    """Under its own marker, with the record's id."""
    for _ in range(2):
        outcomes = list(readers.push(batch("upsert", "a", "b", "nobody")))
        assert {outcome.marker: outcome.record_id for outcome in outcomes} == {
            "a": club.ids["a"],
            "b": club.ids["b"],
            "nobody": None,
        }
        assert [outcome.status for outcome in outcomes] == ["acknowledged", "acknowledged", "skipped"]
    assert club.members == {club.ids["a"], club.ids["b"]}


def test_only_those_named_go_out_and_a_repeat_succeeds(readers, club):
    """Their neighbours stay."""
    list(readers.push(batch("upsert", "a", "b")))
    for _ in range(2):
        outcomes = list(readers.push(batch("delete", "a", ids=club.ids)))
        assert [outcome.status for outcome in outcomes] == ["acknowledged"]
    assert club.members == {club.ids["b"]}


def test_throttling_is_retriable_with_its_wait(readers, club):
    """Nobody is put in."""
    readers.describe(LIST)
    club.control.fail("memberships", status=429, body={"policyName": "SECONDLY"}, headers={"Retry-After": "7"})
    with pytest.raises(Retriable) as raised:
        list(readers.push(batch("upsert", "a")))
    assert raised.value.retry_after == 7
    assert club.members == set()


def test_a_lost_answer_is_told(readers, club):
    """And can be repeated."""
    club.control.fail("memberships", drop=True, commit=True)
    with pytest.raises(AnswerLost):
        list(readers.push(batch("upsert", "a")))
    assert [outcome.status for outcome in readers.push(batch("upsert", "a"))] == ["acknowledged"]


def test_every_request_is_spent_and_a_dry_run_writes_nothing(club):
    """Whatever is done."""
    calls = RecordingCalls()
    destination = opened(club.url, calls, LIST)
    destination.describe(LIST)
    list(destination.push(batch("upsert", "a")))
    list(destination.find(LIST, ("warehouse_id",), [("a",)]))
    assert len(calls.spent) == club.requests
    dry = opened(club.url, RecordingCalls(read_only=True), LIST)
    for operation in sorted(dry.capabilities.operations):
        with pytest.raises(WriteForbidden):
            list(dry.push(batch(operation, "b", ids=club.ids)))
    assert club.members == {club.ids["a"]}


def test_wrong_tokens_and_no_server_are_told_without_the_token(club, calls):
    """As of any object."""
    with pytest.raises(AccessDenied) as denied:
        opened(club.url, calls, LIST, WRONG).describe(LIST)
    with pytest.raises(Retriable) as unreachable:
        opened("http://127.0.0.1:1", calls, LIST).describe(LIST)
    assert WRONG not in str(denied.value)
    assert TOKEN not in str(unreachable.value)
