# ruff: noqa: DTZ001  # naive timestamps are among the values under test
from datetime import UTC, date, datetime
from decimal import Decimal
from time import monotonic, sleep

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tailrace.destination import Contending, Lookup
from tailrace.errors import (
    AccessDenied,
    AnswerLost,
    BatchRejected,
    ObjectNotFound,
    QuotaExhausted,
    Retriable,
    SessionExpired,
    StopRun,
    WriteForbidden,
)
from tailrace.project.types import Secret
from tailrace_destinations.salesforce.config import SalesforceOptions

HOSTILE = ['O\'Brien "x" \\', "line\nbreak\ttab", "emoji 🙂 Zoë", "' OR Id != '", "\\' OR 1=1 --", "50% & more?#"]


def kept(control, object="Contact"):
    """Read what the server keeps, by external id."""
    return {record["External_Id__c"]: record for record in control.records(object)}


def test_check_names_the_org_and_its_quota(connect, control, server):
    """The account's id is the org's 18-character id; the quota comes from the limits."""
    control.limit(daily=1000)
    account = connect().check()
    assert account.id == server.options.salesforce.org_id
    assert account.quota_max == 1000
    assert account.quota_left < 1000


def test_quota_is_observed(crm, control, calls):
    """Sforce-Limit-Info reaches the budget with every answer."""
    control.limit(daily=1000)
    crm.describe("Contact")
    assert (calls.quota_left, calls.quota_max) == (999, 1000)


def test_describe(crm):
    """Fields come with kinds, lengths, what is required, and what can match."""
    schema = crm.describe("Contact")
    assert schema.get("external_id__C").unique
    assert schema.get("LastName").required
    assert schema.get("LastName").length == 80
    assert not schema.get("Active__c").nullable
    assert not schema.get("Active__c").required
    assert schema.get("LTV__c").accepts == {"int64", "float64", "decimal"}
    assert schema.get("Tier__c").options == ("Gold", "Silver", "Bronze")
    assert not schema.get("Score__c").updateable
    assert "timestamp" not in schema.get("Last_Seen__c").accepts


def test_zone_makes_naive_timestamps_fit(connect, batch, control):
    """With a declared zone naive timestamps are accepted and sent as UTC."""
    crm = connect(timezone="Europe/Berlin")
    assert "timestamp" in crm.describe("Contact").get("Last_Seen__c").accepts
    crm.push(batch("upsert", {"id": "a", "LastName": "Roe", "Last_Seen__c": datetime(2026, 7, 1, 12, 0)}))
    assert kept(control)["a"]["Last_Seen__c"].startswith("2026-07-01T10:00:00")


@pytest.mark.parametrize("name", ["Contactt", "../limits", "Contact/describe?x="])
def test_describe_unknown_object(crm, name):
    """An unknown object, or what is no object's name at all, is named with what is near."""
    with pytest.raises(ObjectNotFound, match="no object"):
        crm.describe(name)


def test_unknown_object_suggests(crm):
    """The nearest object's name is given."""
    with pytest.raises(ObjectNotFound, match="did you mean Contact"):
        crm.describe("Contactt")


def test_upsert_creates_then_updates(crm, batch, control):
    """The same key twice makes one record, and outcomes carry its id."""
    first = crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}, {"id": "b", "LastName": "Poe"}))
    again = crm.push(batch("upsert", {"id": "a", "LastName": "Rowe"}))
    assert [outcome.created for outcome in first] == [True, True]
    assert (again[0].status, again[0].created, again[0].record_id) == ("acknowledged", False, first[0].record_id)
    assert {key: record["LastName"] for key, record in kept(control).items()} == {"a": "Rowe", "b": "Poe"}


def test_values_arrive_exactly(crm, batch, control):
    """Numbers lose no digit, dates shift by no zone, instants are UTC, choices are sorted, null clears."""
    row = {
        "id": "x",
        "LastName": "Roe",
        "LTV__c": Decimal("12345678901.70"),
        "Orders__c": 7,
        "Last_Order__c": date(2026, 2, 28),
        "Last_Seen__c": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        "Active__c": True,
        "Interests__c": ["Music", "Art"],
        "Title": "boss",
    }
    assert crm.push(batch("upsert", row))[0].status == "acknowledged"
    crm.push(batch("upsert", {"id": "x", "Title": None}))
    record = kept(control)["x"]
    assert Decimal(str(record["LTV__c"])) == Decimal("12345678901.70")
    assert record["Orders__c"] == 7
    assert record["Last_Order__c"] == "2026-02-28"
    assert record["Last_Seen__c"].startswith("2026-01-02T03:04:05")
    assert record["Active__c"] is True
    assert record["Interests__c"] == "Art;Music"
    assert record["Title"] is None


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data(crm, batch, control, text):
    """Quotes, line breaks, emoji and SOQL arrive as they are and find only their own record."""
    crm.push(batch("upsert", {"id": f"key {text}", "LastName": text}, {"id": "other", "LastName": "x"}))
    assert kept(control)[f"key {text}"]["LastName"] == text
    found = list(crm.find("Contact", ["External_Id__c"], [(f"key {text}",)], ["LastName"]))
    assert [(record.match, record.values) for record in found] == [((f"key {text}",), {"LastName": text})]


def test_one_bad_row_costs_one_row(crm, batch, control):
    """A refused row has its own outcome with Salesforce's code and the field; the others are written."""
    outcomes = crm.push(batch("upsert", {"id": "a", "FirstName": "x"}, {"id": "b", "LastName": "Roe"}))
    assert (outcomes[0].status, outcomes[0].code) == ("rejected", "REQUIRED_FIELD_MISSING")
    assert "LastName" in outcomes[0].message
    assert outcomes[1].status == "acknowledged"
    assert list(kept(control)) == ["b"]


def test_a_value_that_does_not_fit_never_leaves(crm, batch, calls):
    """What cannot be said exactly is refused here, naming the field but not the value."""
    rows = [{"id": "a", "LTV__c": float("inf")}, {"id": "b", "Active__c": None}, {"id": None, "LastName": "x"}]
    outcomes = crm.push(batch("upsert", *rows))
    assert [outcome.code for outcome in outcomes] == ["NOT_A_NUMBER", "NULL_CHECKBOX", "NO_MATCH_VALUE"]
    assert "LTV__c" in outcomes[0].message
    assert calls.writes == 0


@pytest.mark.parametrize("key", [b"x", "  ", None])
def test_keys_that_can_name_nothing(crm, batch, key):
    """Such a key is refused by itself, and finds nothing."""
    outcomes = crm.push(batch("upsert", {"id": key, "LastName": "x"}, {"id": "b", "LastName": "Roe"}))
    assert {o.marker: o.status for o in outcomes} == {"r0": "rejected", "r1": "acknowledged"}
    assert list(crm.find("Contact", ["External_Id__c"], [(key,)])) == []


def test_lookup_by_external_id(crm, batch, control):
    """A reference is written through its parent's external id; a missing parent is the row's fault."""
    crm.push(batch("upsert", {"id": "acme", "Name": "Acme"}, object="Account"))
    lookups = {"AccountId": Lookup("Account", "External_Id__c")}
    rows = [{"id": "a", "LastName": "Roe", "AccountId": "acme"}, {"id": "b", "LastName": "Poe", "AccountId": "none"}]
    outcomes = crm.push(batch("upsert", *rows, lookups=lookups))
    assert [outcome.status for outcome in outcomes] == ["acknowledged", "rejected"]
    assert kept(control)["a"]["AccountId"] == kept(control, "Account")["acme"]["Id"]
    assert crm.push(batch("upsert", {"id": "a", "AccountId": None}, lookups=lookups))[0].status == "acknowledged"
    assert kept(control)["a"]["AccountId"] is None


def test_lookup_of_the_wrong_object(crm, batch):
    """A reference to another object than the field's is a fault of the mapping."""
    lookups = {"AccountId": Lookup("Lead", "External_Id__c")}
    with pytest.raises(StopRun, match="refers to Account"):
        crm.push(batch("upsert", {"id": "a", "LastName": "x", "AccountId": "y"}, lookups=lookups))


def test_create_and_collision(crm, batch):
    """A record that exists already is said to exist, with its id."""
    made = crm.push(batch("create", {"id": "a", "LastName": "Roe"}))[0]
    again = crm.push(batch("create", {"id": "a", "LastName": "Roe"}))[0]
    assert (made.status, made.created) == ("acknowledged", True)
    assert (again.status, again.recovery, again.record_id) == ("rejected", "exists", made.record_id)


def test_update_by_record_id(crm, batch, control):
    """An update writes only what it carries; one for a missing record says so."""
    made = crm.push(batch("create", {"id": "a", "FirstName": "Ann", "LastName": "Roe"}))[0]
    gone = crm.push(batch("create", {"id": "g", "LastName": "Gone"}))[0]
    crm.push(batch("delete", {"id": "g", "record_id": gone.record_id}))
    rows = [
        {"id": "a", "record_id": made.record_id, "FirstName": "Anna"},
        {"id": "g", "record_id": gone.record_id, "FirstName": "x"},
    ]
    outcomes = crm.push(batch("update", *rows))
    assert outcomes[0].status == "acknowledged"
    assert (outcomes[1].status, outcomes[1].recovery) == ("rejected", "missing")
    assert (kept(control)["a"]["FirstName"], kept(control)["a"]["LastName"]) == ("Anna", "Roe")


def test_delete_may_be_repeated(crm, batch, control):
    """Deleting what is gone is a success; 15- and 18-character ids are one record."""
    made = crm.push(batch("create", {"id": "a", "LastName": "Roe"}))[0]
    rows = [{"id": "a", "record_id": made.record_id}, {"id": "a", "record_id": made.record_id[:15]}]
    gone = batch("delete", *rows)
    assert {o.marker: o.status for o in crm.push(gone)} == {"r0": "acknowledged", "r1": "acknowledged"}
    assert {o.status for o in crm.push(gone)} == {"acknowledged"}
    assert control.records("Contact") == []


def test_find_any_number(crm, batch, calls):
    """Look-ups go out in chunks that fit into a URL, and every asked value that exists is found."""
    for start in range(0, 400, 200):
        rows = [{"id": f"k-{n}", "LastName": f"n{n}", "Orders__c": n} for n in range(start, start + 200)]
        crm.push(batch("upsert", *rows))
    calls.spent.clear()
    found = list(crm.find("Contact", ["External_Id__c"], [(f"k-{n}",) for n in range(450)], ["orders__c"]))
    assert {record.match[0]: record.values["orders__c"] for record in found} == {f"k-{n}": n for n in range(400)}
    assert calls.writes == 0
    assert 3 <= len(calls.spent) <= 5


def test_find_by_id_takes_both_lengths(crm, batch):
    """An id of 15 characters finds the record of its 18-character form."""
    made = crm.push(batch("create", {"id": "a", "LastName": "Roe"}))[0]
    found = list(crm.find("Contact", ["Id"], [(made.record_id[:15],)]))
    assert [(record.id, record.match) for record in found] == [(made.record_id, (made.record_id[:15],))]


def test_find_by_two_fields(crm, batch):
    """Several match fields are compared together."""
    made = crm.push(batch("create", {"id": "a", "LastName": "Roe", "FirstName": "Ann"}))[0]
    crm.push(batch("create", {"id": "b", "LastName": "Roe", "FirstName": "Bo"}))
    found = list(crm.find("Contact", ["LastName", "FirstName"], [("Roe", "Ann"), ("Poe", None)]))
    assert [(record.id, record.match) for record in found] == [(made.record_id, ("Roe", "Ann"))]


def test_find_ignores_case_where_salesforce_does(crm, batch):
    """Keys of a case-insensitive unique field find their record whatever the case."""
    made = crm.push(batch("upsert", {"id": "Abc", "LastName": "Roe"}))[0]
    found = list(crm.find("Contact", ["External_Id__c"], [("aBC",)]))
    assert [(record.id, record.match) for record in found] == [(made.record_id, ("aBC",))]


def test_find_unknown_field(crm):
    """A field that is not there is named, with the nearest one."""
    with pytest.raises(StopRun, match="did you mean External_Id__c"):
        list(crm.find("Contact", ["External_Id_c"], [("a",)]))


def test_a_dry_run_cannot_write(crm, calls, batch, control):
    """A budget without writes stops the request before it leaves."""
    calls.read_only = True
    with pytest.raises(WriteForbidden):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}))
    assert control.records("Contact") == []


def test_every_request_is_spent(crm, batch, calls, control):
    """What the budget counted, signing in included, is what the server saw."""
    crm.check()
    crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}))
    list(crm.find("Contact", ["External_Id__c"], [("a",)]))
    assert calls.total == control.counters()["requests"]


def test_session_expiry(crm, batch, control, calls):
    """An ended session is reported once, and the next request signs in anew."""
    crm.describe("Contact")
    control.expire_sessions()
    one = batch("upsert", {"id": "a", "LastName": "Roe"})
    with pytest.raises(SessionExpired):
        crm.push(one)
    assert crm.push(one)[0].status == "acknowledged"


def test_session_that_is_always_refused(crm, control):
    """A 401 that never ends costs one sign-in per request, not hundreds."""
    control.fail("describe", status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "x"}], times=3)
    for _ in range(3):
        with pytest.raises(SessionExpired):
            crm.describe("Contact")
    assert control.counters()["requests"] == 6


def test_static_session(connect, server, control):
    """A given session works, and once it has ended no sign-in can help."""
    auth = {
        "flow": "session",
        "instance_url": server.salesforce_url,
        "session_id": Secret.literal("00D5g000004WaTr!given-token"),
    }
    crm = connect(auth=auth)
    assert crm.describe("Contact").name == "Contact"
    control.expire_sessions()
    with pytest.raises(AccessDenied) as caught:
        crm.describe("Contact")
    assert "given-token" not in str(caught.value)


def test_legacy_passwords(connect, server):
    """User name and password work by SOAP with a security token, and by OAuth with a client."""
    given = {
        "flow": "password",
        "login_url": server.salesforce_url,
        "username": "u@x.io",
        "password": Secret.literal("pass<&>word"),
    }
    soap = given | {"security_token": Secret.literal("token")}
    oauth = given | {"client_id": "app", "client_secret": Secret.literal("secret")}
    assert connect(auth=soap).check().id == connect(auth=oauth).check().id


def test_jwt(connect, server):
    """A key signs for the user; a text that is no key is said to be none."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    auth = {"flow": "jwt", "login_url": server.salesforce_url, "client_id": "app", "username": "u@x.io"}
    assert connect(auth=auth | {"private_key": Secret.literal(pem)}).check().id
    with pytest.raises(AccessDenied, match="private_key"):
        connect(auth=auth | {"private_key": Secret.literal("no key canary")}).check()


@pytest.mark.parametrize("flow", ["client_credentials", "soap"])
def test_wrong_credentials(connect, server, auth, flow):
    """A refused sign-in is access denied with Salesforce's reason, and shows no secret."""
    wrong = Secret.literal("wrong-canary")
    soap = {
        "flow": "password",
        "login_url": server.salesforce_url,
        "username": "u@x.io",
        "password": wrong,
        "security_token": Secret.literal("x-canary"),
    }
    with pytest.raises(AccessDenied, match="refused to sign in") as caught:
        connect(auth=soap if flow == "soap" else auth | {"client_secret": wrong}).check()
    assert "canary" not in str(caught.value)


def test_unreachable(connect, auth):
    """A refused connection sent nothing, so the request may be repeated."""
    with pytest.raises(Retriable):
        connect(auth=auth | {"login_url": "http://127.0.0.1:1"}).check()


def test_sign_in_answered_by_something_else(connect, control):
    """A page instead of Salesforce's answer is named as such; a passing outage is not blamed on the secrets."""
    control.fail("oauth2/token", status=200, body=["hello"])
    with pytest.raises(AccessDenied, match="not Salesforce's"):
        connect().check()
    control.fail("oauth2/token", status=503)
    with pytest.raises(Retriable):
        connect().check()


QUOTA = "TotalRequests Limit exceeded."
CONCURRENT = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "JSON_PARSER_ERROR", "x", BatchRejected),
        (400, "INVALID_FIELD", "x", StopRun),
        (401, "INVALID_SESSION_ID", "x", SessionExpired),
        (403, "REQUEST_LIMIT_EXCEEDED", QUOTA, QuotaExhausted),
        (403, "REQUEST_LIMIT_EXCEEDED", CONCURRENT, Retriable),
        (403, "API_DISABLED_FOR_ORG", "x", AccessDenied),
        (404, "NOT_FOUND", "x", ObjectNotFound),
        (500, "UNKNOWN_EXCEPTION", "x", AnswerLost),
        (500, "QUERY_TIMEOUT", "x", BatchRejected),
        (503, "SERVER_UNAVAILABLE", "x", Retriable),
        (302, "", "x", StopRun),
    ],
)
def test_answers_to_a_write(crm, batch, control, status, code, message, expected):
    """Each kind of answer becomes the error that says how to recover."""
    crm.describe("Contact")
    control.fail("composite", status=status, body=[{"errorCode": code, "message": message}])
    with pytest.raises(expected):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}, {"id": "b", "LastName": "Poe"}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([{"message": "busy"}], "Salesforce answered 503: busy"),
        ({"message": "busy"}, "Salesforce answered 503: busy"),
        (None, "Salesforce answered 503: no further word"),
        ([{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}], "Salesforce answered 503 SERVER_UNAVAILABLE: busy"),
    ],
)
def test_an_answer_without_a_code_is_told_without_one(crm, batch, control, body, words):
    """Nothing stands in its place, in the message or in the error's code."""
    crm.describe("Contact")
    control.fail("composite", status=503, body=body)
    with pytest.raises(Retriable) as caught:
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}))
    assert caught.value.message == words
    assert caught.value.code == ("SERVER_UNAVAILABLE" if "SERVER" in words else None)


@pytest.mark.parametrize("body", [None, {"no": "list"}, [{"success": True, "id": "x"}]])
def test_an_answer_that_does_not_add_up(crm, batch, control, body):
    """Fewer results than rows, or none, leave the outcome unknown."""
    crm.describe("Contact")
    control.fail("composite", status=200, body=body)
    with pytest.raises(AnswerLost):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}, {"id": "b", "LastName": "Poe"}))


def test_a_dropped_reply_is_an_answer_lost(crm, batch, control):
    """After a write whose reply was lost, the same batch makes no second record."""
    crm.describe("Contact")
    one = batch("upsert", {"id": "a", "LastName": "Roe"})
    control.fail("composite", drop=True, commit=True)
    with pytest.raises(AnswerLost):
        crm.push(one)
    assert crm.push(one)[0].created is False
    assert len(control.records("Contact")) == 1


def test_a_slow_reply_is_an_answer_lost(connect, batch, control):
    """A read timeout after the request was sent tells nothing of the outcome: here the write lands afterwards."""
    crm = connect(timeout=0.2)
    crm.describe("Contact")
    control.fail("composite", delay=0.5)
    with pytest.raises(AnswerLost):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}))
    deadline = monotonic() + 10
    while not control.records("Contact") and monotonic() < deadline:
        sleep(0.02)
    assert list(kept(control)) == ["a"]


def test_a_dropped_read_may_be_repeated(crm, control):
    """A read whose reply was lost changed nothing."""
    control.fail("describe", drop=True)
    with pytest.raises(Retriable):
        crm.describe("Contact")


def test_a_locked_row_may_be_repeated(crm, batch, control):
    """A row that met a lock was not written and says so."""
    control.fail_rows("Contact", "UNABLE_TO_LOCK_ROW", field="External_Id__c", values=["a"])
    outcomes = crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}, {"id": "b", "LastName": "Poe"}))
    assert [(outcome.status, outcome.recovery) for outcome in outcomes] == [
        ("rejected", "retry"),
        ("acknowledged", None),
    ]


def test_full_storage_stops_the_run(crm, batch, control):
    """When nothing was written and the org is full, no further batch is sent."""
    control.fail_rows("Contact", "STORAGE_LIMIT_EXCEEDED", field="External_Id__c", values=["a", "b"], times=2)
    with pytest.raises(StopRun, match="STORAGE_LIMIT_EXCEEDED"):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe"}, {"id": "b", "LastName": "Poe"}))


def test_unknown_field_stops_the_run(crm, batch):
    """A field that is not there is a fault of the mapping, found before anything is sent."""
    with pytest.raises(StopRun, match="did you mean LTV__c"):
        crm.push(batch("upsert", {"id": "a", "LastName": "Roe", "LTV_c": 1}))


def test_upsert_by_id_is_refused(crm, batch):
    """Salesforce cannot upsert by Id; the error says what to do."""
    with pytest.raises(StopRun, match="mode: update"):
        crm.push(batch("upsert", {"id": "003000000000001AAA", "LastName": "Roe"}, match=("Id",)))


def test_sync_options_become_headers(connect):
    """Duplicate and assignment rules are set aside by headers, only when asked."""
    plain = connect()
    asked = connect(options=SalesforceOptions(allow_duplicates=True, assignment_rules=False))
    assert set(plain._headers) == {"Content-Type"}
    assert asked._headers["Sforce-Duplicate-Rule-Header"] == "allowSave=true"
    assert asked._headers["Sforce-Auto-Assign"] == "FALSE"


def test_netrc_is_not_used(connect, server, tmp_path, monkeypatch):
    """Credentials of ~/.netrc do not replace the session."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert connect().check().id


def test_references_that_lock_are_named_masters_first(crm, control):
    """Parents that are locked with a child, those of master-detail first; owners are not."""
    master = {"name": "Account__c", "type": "reference", "referenceTo": ["Account"], "relationshipOrder": 0}
    visit = {
        "label": "Visit",
        "fields": [{"name": "Guest__c", "type": "reference", "referenceTo": ["Contact"]}, master],
    }
    control.declare({"Visit__c": visit})
    fields = ["Name", "guest__c", "OwnerId", "Account__c", "Unknown__c"]
    assert crm.contended("Visit__c", fields) == ("Account__c", "guest__c")
    assert crm.contended("Contact", ["LastName", "OwnerId", "ReportsToId", "AccountId"]) == ("ReportsToId", "AccountId")
    assert isinstance(crm, Contending)
