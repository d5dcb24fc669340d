from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    StopRun,
    WriteForbidden,
)
from tailrace.project.types import Secret

HOSTILE = ['O\'Brien "x" \\', "line\nbreak\ttab", "emoji 🙂 Zoë", "'; DROP TABLE--", "</script>{{7*7}}", "  "]


def properties(control, object="contacts"):
    """Read what the server keeps, by key."""
    return {record["properties"]["warehouse_id"]: record["properties"] for record in control.records(object)}


def test_check_names_the_portal(hub, calls):
    """The account's id is the portal id, and one request was spent on it."""
    account = hub.check()
    assert account.id == "24681357"
    assert [call.write for call in calls.spent] == [False]


def test_describe(hub):
    """Properties come with their kinds, options, read-only marks and what can match."""
    schema = hub.describe("contacts")
    assert schema.get("warehouse_id").unique
    assert schema.get("email").unique
    assert not schema.get("firstname").unique
    assert "customer" in schema.get("lifecyclestage").options
    assert schema.get("lifetime_value").accepts == {"int64", "float64", "decimal"}
    assert not schema.get("createdate").updateable


def test_describe_unknown_object(hub):
    """An unknown object is named, with the nearest known name."""
    with pytest.raises(ObjectNotFound, match="did you mean contacts"):
        hub.describe("contact_s")


def test_upsert_creates_then_updates(hub, batch, control):
    """The same key twice makes one record, and outcomes carry its id."""
    first = hub.push(batch("upsert", {"id": "a", "firstname": "Ann"}, {"id": "b", "firstname": "Bo"}))
    again = hub.push(batch("upsert", {"id": "a", "firstname": "Anna"}))
    assert [outcome.created for outcome in first] == [True, True]
    assert (again[0].status, again[0].created, again[0].record_id) == ("acknowledged", False, first[0].record_id)
    assert {key: value["firstname"] for key, value in properties(control).items()} == {"a": "Anna", "b": "Bo"}


def test_outcomes_follow_trace_ids_not_positions(hub, batch, control):
    """Shuffled results are laid to the right rows."""
    outcomes = hub.push(batch("upsert", *({"id": f"k{n}", "firstname": f"n{n}"} for n in range(100))))
    ids = {record["properties"]["warehouse_id"]: record["id"] for record in control.records("contacts")}
    assert {outcome.marker: outcome.record_id for outcome in outcomes} == {f"r{n}": ids[f"k{n}"] for n in range(100)}


def test_values_arrive_exactly(hub, batch, control):
    """Numbers lose no digit, dates shift by no zone, instants are UTC, null clears."""
    row = {
        "id": "x",
        "lifetime_value": Decimal("12345678901234567890.10"),
        "n_orders": 42,
        "last_seen": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        "firstname": "Ann",
    }
    hub.push(batch("upsert", row))
    hub.push(batch("upsert", {"id": "x", "firstname": None}))
    kept = properties(control)["x"]
    assert kept["lifetime_value"] == "12345678901234567890.10"
    assert kept["n_orders"] == "42"
    assert kept["last_seen"].startswith("2026-01-02T03:04:05.678")
    assert not kept.get("firstname")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data(hub, batch, control, text):
    """Quotes, line breaks, emoji and code arrive as they are, in values and in keys."""
    hub.push(batch("upsert", {"id": f"key {text}", "firstname": text}))
    assert [record["properties"]["firstname"] for record in control.records("contacts")] == [text]
    assert [found.match for found in hub.find("contacts", ["warehouse_id"], [(f"key {text}",)])] == [(f"key {text}",)]


def test_one_bad_row_costs_one_row(hub, batch, control):
    """A refused value is that row's outcome; the others are written."""
    outcomes = {o.marker: o for o in hub.push(batch("upsert", {"id": "a", "lifecyclestage": "nonsense"}, {"id": "b"}))}
    assert (outcomes["r0"].status, outcomes["r0"].code) == ("rejected", "INVALID_OPTION")
    assert outcomes["r1"].status == "acknowledged"
    assert list(properties(control)) == ["b"]


def test_a_value_that_does_not_fit_never_leaves(hub, batch, calls):
    """What cannot be said exactly is refused here, naming the property but not the value."""
    outcomes = hub.push(batch("upsert", {"id": "a", "n_orders": float("nan")}, {"id": None, "n_orders": 1}))
    assert [outcome.code for outcome in outcomes] == ["NOT_A_NUMBER", "NO_MATCH_VALUE"]
    assert "n_orders" in outcomes[0].message
    assert calls.writes == 0


@pytest.mark.parametrize("key", [b"x", float("nan"), "  "])
def test_keys_that_can_name_nothing(hub, batch, control, key):
    """Such a key is refused by itself, and finds nothing."""
    outcomes = {o.marker: o.status for o in hub.push(batch("upsert", {"id": key}, {"id": key}, {"id": "b"}))}
    assert outcomes == {"r0": "rejected", "r1": "rejected", "r2": "acknowledged"}
    assert list(hub.find("contacts", ["warehouse_id"], [(key,)])) == []


def test_keys_repeated_in_a_batch_are_refused_alone(hub, batch, control):
    """Two rows of one key are both refused here, since HubSpot would refuse the whole batch."""
    outcomes = hub.push(batch("upsert", {"id": "é"}, {"id": " e\u0301 "}, {"id": "b"}))
    assert {o.marker: o.code for o in outcomes} == {"r0": "DUPLICATE_VALUE", "r1": "DUPLICATE_VALUE", "r2": None}
    assert list(properties(control)) == ["b"]


def test_emails_match_whatever_their_case(hub, batch):
    """HubSpot keeps addresses in lower case; rows and look-ups find their way all the same."""
    outcome = hub.push(batch("upsert", {"id": "Ann@X.io"}, match=("email",)))[0]
    found = list(hub.find("contacts", ["email"], [("ANN@x.io",), ("nobody@x.io",)]))
    assert outcome.status == "acknowledged"
    assert [(record.id, record.match) for record in found] == [(outcome.record_id, ("ANN@x.io",))]


def test_create_and_collision(hub, batch):
    """A record that exists already is said to exist, with its id."""
    made = hub.push(batch("create", {"id": "a", "firstname": "Ann"}))[0]
    again = hub.push(batch("create", {"id": "a"}))[0]
    assert (made.status, made.created) == ("acknowledged", True)
    assert (again.status, again.recovery, again.record_id) == ("rejected", "exists", made.record_id)


def test_update_by_record_id(hub, batch, control):
    """An update writes only what it carries; one for a missing record says so."""
    made = hub.push(batch("create", {"id": "a", "firstname": "Ann", "lastname": "Roe"}))[0]
    rows = [{"id": "a", "record_id": made.record_id, "firstname": "Anna"}, {"id": "z", "record_id": "999999999"}]
    outcomes = {o.marker: o for o in hub.push(batch("update", *rows))}
    assert outcomes["r0"].status == "acknowledged"
    assert (outcomes["r1"].status, outcomes["r1"].recovery) == ("rejected", "missing")
    assert properties(control)["a"]["firstname"] == "Anna"
    assert properties(control)["a"]["lastname"] == "Roe"


def test_delete_is_the_recycle_bin_and_may_be_repeated(hub, batch, control):
    """A delete archives, and archiving what is gone is a success."""
    made = hub.push(batch("create", {"id": "a"}))[0]
    gone = batch("delete", {"id": "a", "record_id": made.record_id})
    assert [hub.push(gone)[0].status, hub.push(gone)[0].status] == ["acknowledged", "acknowledged"]
    assert control.records("contacts") == []
    assert len(control.records("contacts", archived=True)) == 1


def test_find_reads_values_by_type(hub, batch, calls):
    """Found values are typed as the property is; 250 keys take three requests."""
    hub.push(batch("upsert", *({"id": f"k{n}", "n_orders": n, "firstname": "A"} for n in range(100))))
    calls.spent.clear()
    found = list(hub.find("contacts", ["warehouse_id"], [(f"k{n}",) for n in range(250)], ["n_orders", "lastname"]))
    assert {record.match[0]: record.values["n_orders"] for record in found} == {f"k{n}": n for n in range(100)}
    assert found[0].values["lastname"] is None
    assert calls.writes == 0
    assert len(calls.spent) == 3


def test_a_dry_run_cannot_write(connect, calls, batch, control):
    """A budget without writes stops the request before it leaves."""
    calls.read_only = True
    with pytest.raises(WriteForbidden):
        connect().push(batch("upsert", {"id": "a"}))
    assert control.records("contacts") == []


def test_every_request_is_spent(hub, batch, calls, control):
    """What the budget counted is what the server saw."""
    hub.check()
    hub.push(batch("upsert", {"id": "a"}))
    list(hub.find("contacts", ["warehouse_id"], [("a",)]))
    assert calls.total == control.counters()["requests"]


def test_quota_is_observed(connect, control, calls):
    """The daily figures of the headers reach the budget."""
    control.limit(burst=1000, per=10, daily=500)
    connect().check()
    assert (calls.quota_left, calls.quota_max) == (499, 500)


def test_wrong_token(connect, control):
    """A refused token is access denied, and the message does not show it."""
    with pytest.raises(AccessDenied) as caught:
        connect(access_token=Secret.literal("wrong-token-canary")).check()
    assert "canary" not in str(caught.value)


def test_a_token_no_header_can_carry(connect, control):
    """A token with a line break is refused before any library can quote it."""
    with pytest.raises(AccessDenied) as caught:
        connect(access_token=Secret.literal("tok\nen-canary")).check()
    assert "canary" not in str(caught.value)


def test_unreachable(connect):
    """A refused connection sent nothing, so the request may be repeated."""
    with pytest.raises(Retriable):
        connect(base_url="http://127.0.0.1:1").check()


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, Retriable),
        (429, {"policyName": "DAILY"}, {}, QuotaExhausted),
        (423, {}, {}, Retriable),
        (477, {}, {"Retry-After": "3600"}, StopRun),
        (502, {}, {}, AnswerLost),
        (503, {}, {}, Retriable),
        (403, {"category": "MISSING_SCOPES"}, {}, AccessDenied),
        (400, {"category": "VALIDATION_ERROR", "message": "bad"}, {}, BatchRejected),
        (400, {"message": "x", "errors": [{"code": "PROPERTY_DOESNT_EXIST"}]}, {}, StopRun),
        (302, {}, {"Location": "http://127.0.0.1:1/"}, StopRun),
        (200, ["no object"], {}, AnswerLost),
    ],
)
def test_answers_to_a_write(hub, batch, control, status, body, headers, expected):
    """Each kind of answer becomes the error that says how to recover."""
    rows = [{"id": "a"}, {"id": "b"}]
    hub.describe("contacts")
    control.fail("batch/upsert", status=status, body=body, headers=headers)
    with pytest.raises(expected):
        hub.push(batch("upsert", *rows))


def test_a_dropped_reply_is_an_answer_lost(hub, batch, control):
    """After a write whose reply was lost, the same batch makes no second record."""
    hub.describe("contacts")
    control.fail("batch/upsert", drop=True, commit=True)
    with pytest.raises(AnswerLost):
        hub.push(batch("upsert", {"id": "a"}))
    assert hub.push(batch("upsert", {"id": "a"}))[0].created is False
    assert len(control.records("contacts")) == 1


def test_a_dropped_read_may_be_repeated(hub, control):
    """A read whose reply was lost changed nothing."""
    control.fail("batch/read", drop=True)
    with pytest.raises(Retriable):
        list(hub.find("contacts", ["warehouse_id"], [("a",)]))


def test_an_unknown_property_stops_the_run(hub, batch):
    """A property that is not there fails every row alike, so the mapping is to blame."""
    with pytest.raises(StopRun, match="nonsense"):
        hub.push(batch("upsert", {"id": "a", "nonsense": "x"}, {"id": "b", "nonsense": "y"}))


def test_a_property_that_is_not_unique_stops_the_run(hub, batch):
    """Matching by a property that is not unique is refused as a whole."""
    with pytest.raises(StopRun):
        hub.push(batch("upsert", {"id": "a"}, match=("firstname",)))


def test_several_match_fields_are_refused(hub, batch):
    """HubSpot identifies by one property only."""
    with pytest.raises(StopRun, match="one unique property"):
        list(hub.find("contacts", ["email", "warehouse_id"], [("a", "b")]))


def test_two_threads_share_one_client(connect, batch, control):
    """Batches of several threads end with the right rows in the right records."""
    hub = connect()
    batches = [batch("upsert", *({"id": f"{b}-{n}", "firstname": f"{b}-{n}"} for n in range(20))) for b in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for result in pool.map(hub.push, batches) for outcome in result]
    assert {outcome.status for outcome in outcomes} == {"acknowledged"}
    assert all(key == value["firstname"] for key, value in properties(control).items())
    assert len(properties(control)) == 160
