# ruff: noqa: DTZ001  # naive timestamps are among the values under test
"""What answers mean, down to those the simulator never gives."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tailrace.errors import AnswerLost, BatchRejected, QuotaExhausted, Retriable, StopRun
from tailrace_destinations.hubspot.accounting import Account, settle_removal
from tailrace_destinations.hubspot.encode import decode, encoder
from tailrace_destinations.hubspot.errors import Reply, fault
from tailrace_destinations.hubspot.schema import read_properties
from tailrace_destinations.plain import Unfit


def settle(batch, body):
    """Lay an answer to the rows."""
    account = Account(batch, batch.rows)
    account.take(body)
    return account.settle()


def result(id, key=None, trace=None):
    """Make a result."""
    made = {"id": id, "properties": {"warehouse_id": key} if key else {}}
    return made | ({"objectWriteTraceId": trace} if trace else {})


def error(trace=None, category="VALIDATION_ERROR", message="bad", **context):
    """Make an entry of `errors`."""
    context |= {"objectWriteTraceId": trace} if trace else {}
    return {"category": category, "message": message, "context": context}


@pytest.fixture
def two(batch):
    """An upsert of the keys a and b."""
    return batch("upsert", {"id": "a"}, {"id": "b"})


def test_keys_serve_where_trace_ids_are_missing(two):
    """Results without trace ids are laid to rows by the key they repeat, in any order."""
    assert [o.record_id for o in settle(two, {"results": [result("2", " b"), result("1", "a")]})] == ["1", "2"]


def test_results_that_tell_nothing(two):
    """As many anonymous results as rows means all were written, without saying which record is whose."""
    outcomes = settle(two, {"results": [{"id": "1"}, {"id": "2"}]})
    assert [(o.status, o.record_id) for o in outcomes] == [("acknowledged", None)] * 2


def test_errors_in_a_200(two):
    """An error counts whatever the status; success is what has no error."""
    body = {"status": "COMPLETE", "results": [{"id": "1"}], "errors": [error("r1")]}
    assert [o.status for o in settle(two, body)] == ["acknowledged", "rejected"]


@pytest.mark.parametrize("trace", ["r1", ["r1"]])
def test_trace_ids_bare_or_listed(two, trace):
    """Trace ids come as a text or as a list."""
    body = {"results": [result("1", "a")], "errors": [error(trace)]}
    assert [o.status for o in settle(two, body)] == ["acknowledged", "rejected"]


def test_an_error_beats_a_result(two):
    """A row that has both is not taken as written."""
    body = {"results": [result("1", "a"), result("2", "b")], "errors": [error("r1")]}
    assert [o.status for o in settle(two, body)] == ["acknowledged", "rejected"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"results": []},
        {"results": [result("1", "a")]},
        {"results": [result("1", "a")], "errors": [error(), error()]},
        {"results": [result("1", "zzz")], "errors": [error()]},
        {"results": "nonsense", "errors": {"also": "nonsense"}},
    ],
)
def test_rows_unaccounted_for_are_never_assumed(two, batch, body):
    """Where rows and answer do not add up, repeatable operations are split and creates left in doubt."""
    with pytest.raises(BatchRejected):
        settle(two, body)
    with pytest.raises(AnswerLost):
        settle(batch("create", {"id": "a"}, {"id": "b"}), body)


def test_one_row_and_no_word_of_it(batch):
    """With one row left and an empty answer the outcome is unknown, not rejected."""
    with pytest.raises(AnswerLost):
        settle(batch("upsert", {"id": "a"}), {})


def test_one_row_and_one_nameless_error(batch):
    """With one row left, an error that names nobody is about that row."""
    assert settle(batch("upsert", {"id": "a"}), {"errors": [error()]})[0].code == "VALIDATION_ERROR"


def test_missing_records_come_by_id(batch):
    """An update of unknown ids lists them under context.ids."""
    rows = batch("update", {"id": "a", "record_id": "1"}, {"id": "b", "record_id": "2"})
    body = {"results": [result("2")], "errors": [error(category="OBJECT_NOT_FOUND", ids=["1"])]}
    assert [(o.status, o.recovery) for o in settle(rows, body)] == [("rejected", "missing"), ("acknowledged", None)]


def test_removal_names_only_failures(batch):
    """An empty answer is success; what was gone already is success too; an error that names nobody is not."""
    rows = batch("archive", {"id": "a", "record_id": "1"}, {"id": "b", "record_id": "2"})
    assert {o.status for o in settle_removal(rows, rows.rows, {})} == {"acknowledged"}
    body = {"errors": [error(category="OBJECT_NOT_FOUND", ids=["1"]), error(ids=["2"])]}
    assert [o.status for o in settle_removal(rows, rows.rows, body)] == ["acknowledged", "rejected"]
    with pytest.raises(BatchRejected):
        settle_removal(rows, rows.rows, {"errors": [error()]})


@pytest.mark.parametrize(
    ("match", "message", "recovery"),
    [
        (("warehouse_id",), "Contact already exists. Existing ID: 77", "exists"),
        (("warehouse_id",), "Cannot set PropertyValueCoordinates{propertyName=warehouse_id, value=a}", "exists"),
        (("warehouse_id",), "Cannot set PropertyValueCoordinates{propertyName=other, value=a}", None),
        ((), "Contact already exists. Existing ID: 77", None),
    ],
)
def test_collisions(batch, match, message, recovery):
    """Only a collision by the match means that the record exists already."""
    one = batch("create", {"id": "a"}, match=match)
    outcome = settle(one, {"errors": [error("r0", "CONFLICT", message)]})[0]
    assert outcome.recovery == recovery
    assert outcome.record_id == ("77" if recovery and "77" in message else None)


def test_daily_quota_resumes_at_the_accounts_midnight():
    """The hint's moment is the next midnight of the account's zone."""
    quota = fault(Reply(429, {"policyName": "DAILY"}, {}), write=True, zone=ZoneInfo("Asia/Tokyo"))
    assert isinstance(quota, QuotaExhausted)
    local = quota.resume_after.astimezone(ZoneInfo("Asia/Tokyo"))
    assert (local.hour, local.minute) == (0, 0)
    assert quota.resume_after > datetime.now(UTC)


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"x-hubspot-ratelimit-interval-milliseconds": "10000"}, 10),
        ({"policyName": "SECONDLY"}, {}, 1),
        ({"category": "RATE_LIMITS"}, {}, 10),
        ({"policyName": "SECONDLY"}, {"retry-after": "4"}, 4),
    ],
)
def test_bursts_tell_how_long_to_wait(body, headers, seconds):
    """The policy, or the vendor's own header, sets the wait."""
    throttled = fault(Reply(429, body, headers), write=True)
    assert isinstance(throttled, Retriable)
    assert throttled.retry_after == seconds


def test_account_migration_says_when():
    """A 477 stops the run and names the time to come back."""
    moving = fault(Reply(477, {}, {"retry-after": "3600"}), write=True)
    assert isinstance(moving, StopRun)
    assert "Run again after" in str(moving)


@pytest.mark.parametrize("status", [500, 502, 504, 520, 524])
def test_a_gateway_may_have_passed_the_write_on(status):
    """Such an answer leaves a write in doubt, a read may be repeated."""
    assert isinstance(fault(Reply(status, {}, {}), write=True), AnswerLost)
    assert isinstance(fault(Reply(status, {}, {}), write=False), Retriable)


def test_encoders():
    """Each property type takes its own kind of value and refuses others."""
    assert encoder("date", "date", None)(date(2026, 2, 28)) == "2026-02-28"
    assert encoder("bool", "booleancheckbox", None)(False) == "false"
    assert encoder("enumeration", "booleancheckbox", None)(True) == "true"
    assert encoder("enumeration", "checkbox", None)(["b", "a"]) == "a;b"
    assert encoder("datetime", "date", ZoneInfo("UTC"))(datetime(2026, 1, 1)) == "2026-01-01T00:00:00.000Z"
    for type_, wrong in [
        ("date", datetime(2026, 1, 1)),
        ("date", "2026-01-01"),
        ("datetime", date(2026, 1, 1)),
        ("number", True),
        ("number", "1"),
        ("bool", 1),
        ("string", b"x"),
    ]:
        with pytest.raises(Unfit):
            encoder(type_, "text", None)(wrong)


def test_decoders():
    """Texts come back as their type's values, in either of HubSpot's date forms; oddities stay texts."""
    assert decode("1.50", "number") == Decimal("1.50")
    assert decode("true", "bool") is True
    assert decode("2026-02-28", "date") == decode("1772236800000", "date") == date(2026, 2, 28)
    assert decode("2026-02-28T00:00:00Z", "datetime") == datetime(2026, 2, 28, tzinfo=UTC)
    assert decode("", "string") is None
    assert decode("??", "number") == "??"
    assert decode("soon", "datetime") == "soon"


def test_properties_with_everything_left_out():
    """All attributes are optional; a property without a name is passed over."""
    found = read_properties("contacts", [{"name": "x"}, {}, {"name": "y", "calculated": True}], None)
    assert list(found.schema.fields) == ["x", "y"]
    assert not found.schema.fields["y"].createable


def test_messages_are_cut_and_keep_the_correlation_id():
    """A long message is cut, the id for the vendor's support stays."""
    body = json.loads('{"message": "%s", "correlationId": "abc-1"}' % ("x" * 5000))
    text = str(fault(Reply(400, body, {}), write=True))
    assert len(text) < 700
    assert "abc-1" in text
