# ruff: noqa: DTZ001  # naive timestamps are among the values under test
"""What answers mean and how values are written, down to cases the simulator never makes."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.destination import Lookup
from tailrace.errors import AnswerLost, Retriable, SessionExpired, StopRun
from tailrace_destinations.plain import Unfit
from tailrace_destinations.salesforce.encode import decode, encoder, id18
from tailrace_destinations.salesforce.errors import fault, row_outcome, stop_error
from tailrace_destinations.salesforce.links import Links
from tailrace_destinations.salesforce.records import RecordWriter, envelope
from tailrace_destinations.salesforce.schema import read_describe
from tailrace_destinations.salesforce.soql import literal, queries


def failed(code, message="x", fields=(), key="statusCode"):
    """Make a refused row's result."""
    return {"success": False, "errors": [{key: code, "message": message, "fields": list(fields)}]}


@pytest.mark.parametrize(
    ("operation", "answer", "status", "recovery"),
    [
        ("upsert", failed("UNABLE_TO_LOCK_ROW"), "rejected", "retry"),
        ("upsert", failed("UNABLE_TO_LOCK_ROW", key="errorCode"), "rejected", "retry"),
        ("create", failed("ALL_OR_NONE_OPERATION_ROLLED_BACK"), "rejected", "retry"),
        ("upsert", failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "…: UNABLE_TO_LOCK_ROW"), "rejected", "retry"),
        ("upsert", failed("CANNOT_EXECUTE_FLOW_TRIGGER", "Apex CPU time limit exceeded"), "rejected", "retry"),
        ("upsert", failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "not on Mondays"), "rejected", None),
        ("upsert", failed("STRING_TOO_LONG"), "rejected", None),
        ("upsert", failed("ENTITY_IS_DELETED"), "rejected", None),
        ("upsert", failed("DUPLICATES_DETECTED"), "rejected", None),
        ("create", failed("DUPLICATES_DETECTED"), "rejected", None),
        ("create", failed("DUPLICATE_VALUE", "duplicate value found: External_Id__c"), "rejected", "exists"),
        ("create", failed("DUPLICATE_VALUE", "<unknown> duplicates value on <unknown>"), "rejected", "exists"),
        ("create", failed("DUPLICATE_VALUE", "duplicate value found: Other__c"), "rejected", None),
        ("update", failed("ENTITY_IS_DELETED"), "rejected", "missing"),
        ("update", failed("INVALID_CROSS_REFERENCE_KEY"), "rejected", "missing"),
        ("update", failed("INVALID_CROSS_REFERENCE_KEY", fields=["OwnerId"]), "rejected", None),
        ("delete", failed("ENTITY_IS_DELETED"), "acknowledged", None),
        ("delete", failed("INVALID_CROSS_REFERENCE_KEY"), "acknowledged", None),
        ("delete", failed("INSUFFICIENT_ACCESS_OR_READONLY"), "rejected", None),
        ("upsert", {"success": False}, "rejected", None),
        ("upsert", {}, "rejected", None),
        ("upsert", {"success": "true"}, "rejected", None),
    ],
)
def test_row_errors(batch, operation, answer, status, recovery):
    """Each code says what can be done about its row; only `success: true` is a success."""
    made = batch(operation, {"id": "a", "record_id": "003x"})
    outcome = row_outcome(made.rows[0], answer, made, references=frozenset())
    assert (outcome.status, outcome.recovery) == (status, recovery)


def test_a_bad_reference_is_not_a_missing_record(batch):
    """An update that writes record ids may fail for one of those."""
    made = batch("update", {"id": "a", "record_id": "003x", "OwnerId": "005x"})
    answer = failed("INVALID_CROSS_REFERENCE_KEY")
    assert row_outcome(made.rows[0], answer, made, references=frozenset({"OwnerId"})).recovery is None


def test_a_missing_parent_is_the_rows_fault():
    """INVALID_FIELD about a foreign key does not blame the mapping; any other does, when it is all rows'."""
    parent = failed("INVALID_FIELD", "Foreign key external ID: x not found for field External_Id__c")
    assert stop_error([parent]) is None
    assert isinstance(stop_error([failed("INVALID_FIELD")]), StopRun)
    assert stop_error([failed("INVALID_FIELD"), failed("STRING_TOO_LONG")]) is None
    assert stop_error([failed("STORAGE_LIMIT_EXCEEDED"), {"success": True}]) is None
    assert isinstance(stop_error([failed("STORAGE_LIMIT_EXCEEDED"), failed("STRING_TOO_LONG")]), StopRun)


def test_whole_request_errors_without_a_body():
    """An answer without Salesforce's own words still says how to recover."""
    assert isinstance(fault(500, None, write=True), AnswerLost)
    assert isinstance(fault(500, None, write=False), Retriable)
    assert isinstance(fault(401, "<html>", write=True), SessionExpired)
    waiting = fault(503, [], write=True, retry_after="7")
    assert isinstance(waiting, Retriable)
    assert waiting.retry_after == 7


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_numbers_are_json_without_loss(value):
    """A decimal's JSON text reads back as the same decimal."""
    assert json.loads(encoder("currency", None)(value), parse_float=Decimal, parse_int=Decimal) == value


@given(st.text())
def test_text_is_json_without_loss(value):
    """Any text reads back as itself, but for control characters."""
    kept = "".join(letter for letter in value if letter >= " " or letter in "\t\r\n")
    assert json.loads(encoder("string", None)(value)) == kept


def test_encoders():
    """Each field type takes its own kind of value and refuses others."""
    right = [
        ("boolean", True, "true"),
        ("int", Decimal("3.0"), "3"),
        ("double", 1e16, "10000000000000000"),
        ("date", date(2026, 2, 28), '"2026-02-28"'),
        ("datetime", datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00.000Z"'),
        ("time", time(1, 2, 3), '"01:02:03.000Z"'),
        ("base64", b"\x00\xff", '"AP8="'),
        ("multipicklist", ["b", "a"], '"a;b"'),
        ("string", 42, '"42"'),
        ("string", Decimal("1.10"), '"1.10"'),
    ]
    for type_, value, text in right:
        assert encoder(type_, None)(value) == text
    wrong = [("boolean", 1), ("int", 1.5), ("double", True), ("date", datetime(2026, 1, 1)), ("datetime", "x")]
    for type_, value in [*wrong, ("time", "x"), ("base64", "x"), ("string", b"x"), ("double", "1")]:
        with pytest.raises(Unfit):
            encoder(type_, None)(value)


def test_decoders():
    """Fields come back as their type's values; oddities stay texts."""
    assert decode(Decimal("1.50"), "currency") == Decimal("1.50")
    assert decode("2026-02-28", "date") == date(2026, 2, 28)
    assert decode("2026-02-28T01:02:03.000+0000", "datetime") == datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)
    assert decode("01:02:03.000Z", "time") == time(1, 2, 3)
    assert decode("soon", "date") == "soon"


def test_id18():
    """The suffix tells the capitals; other texts stay."""
    assert id18("00D5g000004WaTr") == "00D5g000004WaTrEAK"
    assert id18("003000000000001AAA") == "003000000000001AAA"


def test_soql_literals():
    """Texts are quoted and escaped, numbers and dates bare, by the field's type."""
    assert literal(" O'Brien\\\nx", "string") == "'O\\'Brien\\\\\\nx'"
    assert literal(42, "string") == "'42'"
    assert literal(42, "double") == "42"
    assert literal(True, "boolean") == "TRUE"
    assert literal(date(2026, 2, 28), "date") == "2026-02-28"
    for value, type_ in [("x OR 1=1", "double"), ("x", "date"), (True, "int")]:
        with pytest.raises(Unfit):
            literal(value, type_)


@given(st.lists(st.text(min_size=1, max_size=255), min_size=1, max_size=300))
def test_queries_fit_into_urls_and_lose_nothing(values):
    """Every query keeps both limits, and together they ask for every value in order."""
    terms = [literal(value, "string") for value in values]
    made = list(queries(["Id"], "Contact", ["Ext__c"], [[term] for term in terms]))
    assert all(len(quote_plus(query)) <= 7000 for query in made)
    inner = [query.partition(" IN (")[2][:-1] for query in made]
    assert ",".join(inner) == ",".join(terms)


def describe(*fields):
    """Make an object of these fields."""
    return read_describe({"name": "Task", "fields": list(fields)}, None)


def test_polymorphic_references_state_their_type(batch):
    """A reference to one of several objects says which."""
    owner = {"name": "OwnerId", "type": "reference", "relationshipName": "Owner", "referenceTo": ["User", "Group"]}
    user = describe({"name": "Ext__c", "type": "double", "externalId": True})
    lookups = {"OwnerId": Lookup("User", "ext__c")}
    made = batch("create", {"ownerless": None, "OwnerId": 7}, match=(), lookups=lookups, object="Task")
    task = describe(owner, {"name": "Ownerless", "type": "string"})
    writer = RecordWriter(made, task, Links(None, lambda _: user, None).of_batch(made, task))
    assert json.loads(writer.write(made.rows[0])) == {
        "attributes": {"type": "Task"},
        "Ownerless": None,
        "Owner": {"attributes": {"type": "User"}, "Ext__c": 7},
    }


def test_the_match_field_is_written_once(batch):
    """A field both mapped and matched appears once, whatever its case."""
    made = batch("upsert", {"id": "a", "EXT__C": "other"}, match=("Ext__c",))
    writer = RecordWriter(made, describe({"name": "Ext__c", "type": "string", "externalId": True}), {})
    text = envelope([writer.write(made.rows[0])])
    assert text.count("xt__c") == 1
    assert json.loads(text) == {"allOrNone": False, "records": [{"attributes": {"type": "Task"}, "Ext__c": "a"}]}


def test_describe_with_everything_left_out():
    """Attributes that are missing make a field that is not writable, not an error."""
    found = describe({"name": "X"}, {"type": "string"})
    assert list(found.schema.fields) == ["X"]
    assert not found.schema.fields["X"].createable
