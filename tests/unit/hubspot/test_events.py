"""Custom events: what is sent, what tells whose they are, and what a lost answer means."""

import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from tailrace.destination import Context, Row
from tailrace.errors import AnswerLost, BatchRejected, ObjectNotFound, Retriable, StopRun, WriteForbidden
from tailrace.project.types import Secret
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations.hubspot import kinds, plugin
from tailrace_destinations.hubspot.config import HubSpotConfig

NAME = "event:order_paid"
FULL = "pe24681357_order_paid"
PROPERTIES = [
    {"name": "amount", "label": "Amount", "type": "number"},
    {"name": "note", "label": "Note", "type": "string"},
    {"name": "due", "label": "Due", "type": "datetime"},
]


class Shop:
    """Sends events, and tells which there are."""

    def __init__(self, server, control, calls, batch):
        self.url, self.control, self._calls, self._batch = server.hubspot_url, control, calls, batch
        self.opened = []
        body = {"name": "order_paid", "label": "Order paid", "propertyDefinitions": PROPERTIES}
        answer = httpx.post(
            f"{self.url}/events/v3/event-definitions", json=body, headers={"Authorization": "Bearer other"}
        )
        assert answer.status_code in {201, 409}  # definitions outlive a reset

    def open(self, name=NAME, *, sync="orders", calls=None, **settings):
        """The event, open."""
        given = {"type": "hubspot", "access_token": Secret.literal("pat-eu1-sandbox"), "base_url": self.url}
        context = Context("hub", calls or self._calls, ".", sync=sync, object=name, mode="append")
        self.opened.append(plugin.open(HubSpotConfig(**given | {"timeout": 10.0} | settings), context))
        return self.opened[-1]

    def batch(self, *rows, operation="create"):
        """A batch of events; `id` is the row's key."""
        return self._batch(operation, *rows, match=(), object=NAME)

    @property
    def sent(self):
        """What the server has."""
        return self.control.records("events")


@pytest.fixture
def shop(server, control, calls, batch):
    """A portal that knows one event."""
    made = Shop(server, control, calls, batch)
    yield made
    for each in made.opened:
        each.close()


def statuses(outcomes):
    """Status and code by marker."""
    return {outcome.marker: (outcome.status, outcome.code) for outcome in outcomes}


def test_an_event_is_sent_with_all_it_has(shop):
    """Properties as exact texts, the moment in UTC, whose it is, and an id; nulls are left out."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    row = {"id": 1, "email": "ann@example.com", "objectId": 512, "utk": "t", "occurredAt": moment}
    (outcome,) = shop.open().push(shop.batch(row | {"amount": Decimal("12.50"), "note": None, "due": moment}))
    (event,) = shop.sent
    assert event == {
        "eventName": FULL,
        "email": "ann@example.com",
        "objectId": "512",
        "utk": "t",
        "occurredAt": "2026-01-02T03:04:05.678Z",
        "properties": {"amount": "12.50", "due": "2026-01-02T03:04:05.678Z"},
        "uuid": outcome.record_id,
    }
    assert uuid.UUID(outcome.record_id).version == 5
    assert (outcome.status, outcome.created) == ("acknowledged", True)


def test_the_same_row_has_the_same_id_in_every_run(shop):
    """So that one that is sent twice counts once; other keys, syncs and values have others."""
    row = {"id": 1, "email": "a@example.com", "amount": 1}
    ids = [
        shop.open(sync=sync).push(shop.batch(row | more))[0].record_id
        for sync, more in [
            ("orders", {}),
            ("orders", {}),
            ("other", {}),
            ("orders", {"id": 2}),
            ("orders", {"amount": 2}),
        ]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert len(shop.sent) == 4


def test_a_mapped_id_is_used(shop):
    """The model may have one of its own."""
    shop.open().push(shop.batch({"id": 1, "email": "a@example.com", "uuid": "mine"}))
    assert [event["uuid"] for event in shop.sent] == ["mine"]


def test_a_row_that_tells_nobody_is_refused_alone(shop):
    """And never leaves; so is one whose value does not fit, naming the field and not the value."""
    rows = [
        {"id": 1, "email": None, "objectId": "", "amount": 1},
        {"id": 2, "utk": "t"},
        {"id": 3, "utk": "t", "amount": float("nan")},
    ]
    outcomes = shop.open().push(shop.batch(*rows))
    assert statuses(outcomes) == {
        "r0": ("rejected", "NO_TARGET"),
        "r1": ("acknowledged", None),
        "r2": ("rejected", "NOT_A_NUMBER"),
    }
    assert "amount" in next(outcome.message for outcome in outcomes if outcome.marker == "r2")
    assert len(shop.sent) == 1


def test_a_refused_event_costs_its_request_and_alone_has_hubspots_words(shop):
    """The request is refused as a whole, so that the engine can find the row by halves."""
    rows = [{"id": 1, "utk": "t", "amount": 1}, {"id": 2, "utk": "bad"}]
    event = shop.open()
    shop.control.fail_rows("events", "ODD", field="utk", values=["bad"], times=9)
    with pytest.raises(BatchRejected):
        event.push(shop.batch(*rows))
    assert statuses(event.push(shop.batch(rows[1]))) == {"r0": ("rejected", "ODD")}
    assert shop.sent == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"drop": True, "commit": True}, AnswerLost),
        ({"status": 500}, AnswerLost),
        ({"status": 429}, Retriable),
        ({"status": 200, "body": {"errors": [{"message": "odd"}]}}, AnswerLost),
    ],
)
def test_what_is_not_certain_is_not_taken_for_sent(shop, fault, kind):
    """An answer that is lost, odd, or of a server in trouble."""
    event = shop.open()
    event.describe(NAME)
    shop.control.fail("send/batch", **fault)
    with pytest.raises(kind):
        event.push(shop.batch({"id": 1, "utk": "t"}))


def test_500_events_take_one_request(shop, calls):
    """More do not fit, and the engine is told so."""
    event = shop.open()
    event.describe(NAME)
    before = calls.writes
    outcomes = event.push(shop.batch(*({"id": number, "utk": "t"} for number in range(500))))
    assert (len(outcomes), calls.writes - before, len(shop.sent)) == (500, 1, 500)
    assert event.capabilities.batch_size == 500


def test_a_dry_run_sends_nothing(shop):
    """Definitions may be read."""
    event = shop.open(calls=RecordingCalls(read_only=True))
    assert event.describe(NAME).get("amount")
    with pytest.raises(WriteForbidden):
        event.push(shop.batch({"id": 1, "utk": "t"}))
    assert shop.sent == []


def test_an_event_is_described(shop):
    """Its properties, and what all events have; one of three must be mapped."""
    schema = shop.open().describe(NAME)
    assert schema.get("amount").accepts == {"int64", "float64", "decimal"}
    assert schema.get("occurredAt").accepts == {"timestamptz"}
    assert schema.one_of == ("email", "objectId", "utk")
    assert FULL in schema.note
    assert "timestamp" in shop.open(timezone="Europe/Berlin").describe(NAME).get("occurredAt").accepts
    assert shop.open(f"event:{FULL}").describe(f"event:{FULL}").get("amount")


def test_an_unknown_event_is_named_with_close_ones(shop):
    """Looked for on all pages."""
    for number in range(105):
        httpx.post(
            f"{shop.url}/events/v3/event-definitions",
            json={"name": f"filler_{number}", "label": "x"},
            headers={"Authorization": "Bearer other"},
        )
    with pytest.raises(ObjectNotFound, match="did you mean filler_104"):
        shop.open().describe("event:filler_1044")


def test_events_can_only_be_sent(shop):
    """Nothing else is known of them, and nothing is found."""
    event = shop.open()
    with pytest.raises(StopRun):
        event.push(shop.batch({"id": 1, "record_id": "1"}, operation="update"))
    assert list(event.find(NAME, ("x",), [("y",)])) == []


def test_keys_of_all_kinds_make_ids(shop):
    """Dates, decimals and texts."""
    event = shop.open()
    rows = [
        Row(str(n), key, (), {"utk": "t"})
        for n, key in enumerate([(1, "a"), (Decimal("1.0"),), (datetime(2026, 1, 1, tzinfo=UTC),), ("é",)])
    ]
    made = shop.batch({"id": 1})
    outcomes = event.push(type(made)(made.id, NAME, made.operation, (), tuple(rows)))
    assert len({outcome.record_id for outcome in outcomes}) == 4


def test_what_can_be_done_with_an_event():
    """They are only appended, and sending twice is not harmless."""
    able = kinds(HubSpotConfig(type="hubspot", access_token=Secret.literal("x")), NAME)
    assert (able.modes, able.idempotent, able.find) == ({"append"}, frozenset(), False)
    assert re.search("neither changed nor taken back", able.about)
